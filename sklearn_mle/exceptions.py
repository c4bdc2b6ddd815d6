"""Warnings and errors, one class per cause, so that each can be filtered or caught separately.

``ConvergenceWarning`` is scikit-learn's own class, re-exported here so that one import serves every filter.
"""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "ConvergenceWarning",
    "IndefiniteCovarianceWarning",
    "InfiniteScoreWarning",
    "NotSupportedError",
    "OutOfFoldWarning",
    "PITWarning",
    "PerfectFitWarning",
    "RankDeficiencyWarning",
    "SeparationError",
    "SeparationWarning",
    "UnboundedLikelihoodWarning",
    "WorkingMemoryError",
]


class NotSupportedError(ValueError):
    """The model, or an option that it was fitted with, does not support this call; the message names alternatives.

    The call itself is well formed: another model or option answers it. An argument that is wrong for every model raises
    a plain ``ValueError`` or ``TypeError`` instead.

    Examples
    --------
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.exceptions import NotSupportedError
    >>> penalized = MLELogisticClassifier(C=1.0).fit([[0], [1], [2], [3]], [0, 1, 0, 1])
    >>> try:
    ...     penalized.summary()
    ... except NotSupportedError as error:
    ...     print(str(error)[:59])
    infer without data needs the maximum of the likelihood, but
    """


class SeparationWarning(UserWarning):
    """No finite maximum likelihood estimate exists: some coefficients diverge to infinity.

    Raised for complete and quasi-complete separation, and for classes without any row of positive weight. The fit that
    is returned then is the posterior mode under one fixed, tiny Gaussian prior (see ``sklearn_mle._existence``).

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.exceptions import SeparationWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", SeparationWarning)
    ...     model = MLELogisticClassifier().fit([[0], [1], [2], [3]], [0, 0, 1, 1])
    """


class SeparationError(ValueError):
    """No finite maximum likelihood estimate exists, and ``on_separation="raise"`` asked for an error.

    Examples
    --------
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.exceptions import SeparationError
    >>> model = MLELogisticClassifier(on_separation="raise")
    >>> try:
    ...     model.fit([[0], [1], [2], [3]], [0, 0, 1, 1])
    ... except SeparationError:
    ...     print("no finite estimate exists")
    no finite estimate exists
    """


class RankDeficiencyWarning(UserWarning):
    """Some columns are linear combinations of others (or constant): the coefficients of minimum norm are returned.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.exceptions import RankDeficiencyWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = GaussianMLERegressor().fit([[0, 0], [1, 2], [2, 4]], [0, 1, 1])
    >>> caught[0].category is RankDeficiencyWarning
    True
    """


class PerfectFitWarning(UserWarning):
    """The location fits every row exactly, so the scale is zero and the log-likelihood infinite.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.exceptions import PerfectFitWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = GaussianMLERegressor().fit([[0], [1], [2]], [0, 1, 2])
    >>> caught[0].category is PerfectFitWarning
    True
    """


class UnboundedLikelihoodWarning(UserWarning):
    """The likelihood grows without bound as some scales shrink; they were stopped at the documented bound.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle.exceptions import UnboundedLikelihoodWarning
    >>> with warnings.catch_warnings():  # an error within this block
    ...     warnings.simplefilter("error", UnboundedLikelihoodWarning)
    """


class IndefiniteCovarianceWarning(UserWarning):
    """A robust covariance with clusters in several ways was not positive semidefinite, and was adjusted.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle.exceptions import IndefiniteCovarianceWarning
    >>> with warnings.catch_warnings():  # an error within this block
    ...     warnings.simplefilter("error", IndefiniteCovarianceWarning)
    """


class InfiniteScoreWarning(UserWarning):
    """An outcome occurred whose predicted probability is zero, so the score is infinite.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mle.metrics import cross_entropy
    >>> from sklearn_mle.exceptions import InfiniteScoreWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     score = cross_entropy([0, 1], [[1, 0], [1, 0]])
    >>> caught[0].category is InfiniteScoreWarning
    True
    """


class WorkingMemoryError(MemoryError):
    """A table that the answer needs is larger than scikit-learn's ``working_memory``; raised before it is allocated.

    Examples
    --------
    >>> import numpy as np
    >>> import sklearn
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.exceptions import WorkingMemoryError
    >>> from sklearn_mle.inference import infer
    >>> X = np.random.default_rng(0).normal(size=(500, 400))
    >>> model = GaussianMLERegressor().fit(X, X[:, 0] + X[:, 1] ** 2)
    >>> with sklearn.config_context(working_memory=1):  # MiB
    ...     try:
    ...         infer(model, X, X[:, 0] + X[:, 1] ** 2)
    ...     except WorkingMemoryError as error:
    ...         print(str(error)[:35])
    The covariance of 402 parameters is
    """


class OutOfFoldWarning(UserWarning):
    """Some rows have no out-of-fold prediction, because cv never tests them: nothing is learnt from them.

    Examples
    --------
    >>> import numpy as np
    >>> import warnings
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from sklearn_mle import DistributionalRegressor
    >>> from sklearn_mle.exceptions import OutOfFoldWarning
    >>> X = np.arange(60.0)[:, None]
    >>> y = X[:, 0] + np.sin(X[:, 0])
    >>> model = DistributionalRegressor(
    ...     LinearRegression(), scale="constant", cv=TimeSeriesSplit()
    ... )
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(X, y)
    >>> OutOfFoldWarning in [warning.category for warning in caught]
    True
    """


class PITWarning(UserWarning):
    """The probability integral transforms of out-of-fold rows are far from uniform: another likelihood fits better.

    Examples
    --------
    >>> import numpy as np
    >>> import warnings
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_mle import DistributionalRegressor
    >>> from sklearn_mle.exceptions import PITWarning
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(400, 1)), rng.standard_cauchy(400)
    >>> model = DistributionalRegressor(LinearRegression(), "gaussian", scale="constant")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(X, y)
    >>> PITWarning in [warning.category for warning in caught]
    True
    """
