"""Warnings and errors with names, one class a cause, so that each can be filtered or caught on its own.

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
    """The model, or an option that it was fitted with, has no answer to this call; the message says what has.

    The call itself is well formed: another model or option answers it. An argument that is wrong for every model raises
    a plain ``ValueError`` or ``TypeError`` instead.
    """


class SeparationWarning(UserWarning):
    """No finite maximum likelihood estimate exists: some coefficients diverge to infinity.

    Raised for complete and quasi-complete separation, and for classes without any row of positive weight. The fit that
    is returned then is the posterior mode under one fixed, tiny Gaussian prior (see ``sklearn_mle._existence``).
    """


class SeparationError(ValueError):
    """No finite maximum likelihood estimate exists, and ``on_separation="raise"`` asked for an error."""


class RankDeficiencyWarning(UserWarning):
    """Some columns are linear combinations of others (or constant): the coefficients of minimum norm are returned."""


class PerfectFitWarning(UserWarning):
    """The location fits every row exactly, so the scale is zero and the log-likelihood infinite."""


class UnboundedLikelihoodWarning(UserWarning):
    """The likelihood grows without bound as some scales shrink; they were stopped at the documented bound."""


class IndefiniteCovarianceWarning(UserWarning):
    """A robust covariance of clusters in several ways was not positive semidefinite, and was made so."""


class InfiniteScoreWarning(UserWarning):
    """A predicted probability of zero met an outcome that happened, so the score is infinite."""


class WorkingMemoryError(MemoryError):
    """A table that the answer needs is larger than scikit-learn's ``working_memory``: said before it is allocated."""


class OutOfFoldWarning(UserWarning):
    """Some rows have no out-of-fold prediction, as the splitter tests them in no fold: nothing is learnt from them."""


class PITWarning(UserWarning):
    """The probability integral transforms of out-of-fold rows are far from uniform: another likelihood fits better."""
