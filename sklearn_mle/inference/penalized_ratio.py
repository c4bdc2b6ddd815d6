r"""Penalized likelihood ratio tests: of coefficients of a bias-reduced (Firth) fit.

With l* the log-likelihood and Jeffreys' prior together, the statistic is twice

.. math:: \max_\theta l^*(\theta) - \max_{\theta : \text{the tested are zero}} l^*(\theta)

where both penalties are half the log-determinant of the information of *all* parameters. Refitting without the tested
columns would penalize the smaller model by the information of its own parameters alone: the two penalized likelihoods
would not be of one function, and their difference could be negative, or change with the columns' units.
"""

import warnings
from typing import Any

import numpy as np

from sklearn_mle._hessian_factors import information_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.exceptions import ConvergenceWarning
from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.hypotheses import HypothesisTest, chi_squared_test
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.profile_path import SHORT, ProfiledNLL, ProfilePath
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.tables import dense

# Below this singular value of the restrictions, each of length one, one follows from the others.
_DEPENDENT = 1e-8


def penalized_likelihood_ratio_test(
    estimator: Any, X: Any, y: Any, parameters: Any = None, *, sample_weight: Any = None, offset: Any = None
) -> HypothesisTest:
    r"""Test whether coefficients of a bias-reduced (Firth) fit are zero, by the ratio of penalized likelihoods.

    .. math:: 2 (l^*(\hat\theta) - \max_{\theta_J = 0} l^*(\theta)) \sim \chi^2_k ,\qquad
        l^* = \log L + \tfrac12 \log\det I

    The coefficients J are held at zero in the full model, so that both penalties are of the information of all
    parameters: the convention of Heinze and Schemper, and of R's logistf. For one coefficient the test rejects exactly
    where ``profile_interval`` excludes zero.

    Parameters
    ----------
    estimator : MLELogisticClassifier
        Fitted with ``bias_reduction="firth"``; pipelines are opened.
    X : array-like of shape (n_samples, n_features)
        The features that it was fitted to.
    y : array-like of shape (n_samples,)
        The classes that it was fitted to.
    parameters : str, int, or sequence of them, default=None
        What is zero under the null hypothesis, jointly: names of features (of several classes: in all of them) or of
        parameters as in ``summary()``, or positions there. None is every coefficient but the intercepts.
    sample_weight, offset : array-like, default=None
        As in fit.

    Returns
    -------
    HypothesisTest
        The statistic, its degrees of freedom, and p, a probability.

    Raises
    ------
    ValueError
        If the fit was not bias-reduced, a parameter is not known, or columns depend on others.
    TypeError
        If ``infer`` does not support the estimator.

    References
    ----------
    Heinze and Schemper (2002), A solution to the problem of separation in logistic regression, Statistics in
    Medicine 21.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import penalized_likelihood_ratio_test
    >>> X = np.array([[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])  # separated
    >>> y = [0, 0, 0, 0, 1, 1, 1]
    >>> model = MLELogisticClassifier(bias_reduction="firth").fit(X, y)
    >>> penalized_likelihood_ratio_test(model, X, y, "x0")
    Penalized likelihood ratio test: chi2(1) = 6.10032, p = 0.01352
    """
    model, X = read_estimator("estimator", estimator, X)
    refuse("penalized_likelihood_ratio_test", model)
    data, tested = model.read(X, y, sample_weight, offset), _tested(model, parameters)
    with single_threaded_blas:
        return _ratio_of(AtEstimate.of(model, data), tested)


def _tested(model: FittedModel, parameters: Any) -> list[int]:
    """Return the places of the tested parameters in the flattened coefficients."""
    width, named = model.coefficients.shape[1], [*model.features, "intercept"]
    if parameters is None:
        return [int(place) for place in model.entries if place % width != width - 1]
    found: list[int] = []
    for name in [parameters] if isinstance(parameters, str | int | np.integer) else list(parameters):
        column = named.index(name) if isinstance(name, str) and name in named else None
        places = [] if column is None else [int(place) for place in model.entries if place % width == column]
        found += places or [int(model.entries[model.place("parameters", name)])]
    if not found:
        raise ValueError("parameters: at least one is needed for a test; got none.")
    return found


def penalized_ratio(smaller: AtEstimate, larger: AtEstimate) -> HypothesisTest:
    """Return the test of the larger of two bias-reduced fits with the columns that the smaller lacks held at zero."""
    small, large = smaller.model, larger.model
    if small.classes != large.classes:
        raise ValueError(f"smaller has the classes {small.classes} and larger {large.classes}: they must be the same.")
    numbers = {column: j for j, column in enumerate(_columns(larger.data.X))}
    kept = set()
    for name, column in zip(small.features, _columns(smaller.data.X), strict=True):
        if column not in numbers:
            raise ValueError(
                f"X: the column {name!r} of the smaller model is not in the larger model. Bias-reduced fits can "
                "be compared only if the smaller model is the larger one without some of its columns."
            )
        kept.add(numbers[column])
    width = large.coefficients.shape[1]
    if small.terms[0].intercept:
        kept.add(width - 1)
    tested = [int(place) for place in large.entries if place % width not in kept]
    if not tested or (small.terms[0].intercept and not large.terms[0].intercept):
        raise ValueError(
            "larger must have all columns of smaller and more: give the model with more restrictions first."
        )
    return _ratio_of(larger, tested)


def _columns(X: Any) -> list[bytes]:
    """Return what tells columns apart: their entries, as bytes; zeros of either sign are the same."""
    return [(column.astype(np.float64) + 0.0).tobytes() for column in dense(X).T]


def _ratio_of(at: AtEstimate, tested: list[int]) -> HypothesisTest:
    """Return the test of the coefficients at these places of the flattened ones."""
    identification = at.identifications[0]
    if identification is not None:
        names = at.prepared.names(identification.dependent)
        raise ValueError(f"X: linearly dependent on the other columns and the intercept: {names}. Drop them first.")
    forms, zero = _independent(at, at.forms[tested], -at.model.coefficients.ravel()[tested])
    nll = ProfiledNLL(at)
    restricted = ProfilePath(nll, forms).at(zero, at.theta)
    if not abs(restricted.gap) <= SHORT:
        warnings.warn(
            f"The restricted fit ended {restricted.gap:.2g} nats short of its optimum: the ratio is too large by as "
            "much. Scale the columns alike, or use fewer.",
            ConvergenceWarning,
            stacklevel=2,
        )
    rise = restricted.value - nll.value_and_gradient(at.theta)[0]
    return chi_squared_test("Penalized likelihood ratio test", 2 * max(rise, 0.0), len(forms))


def _independent(at: AtEstimate, forms: Array, values: Array) -> tuple[Array, Array]:
    """Return the restrictions forms @ theta = values without those that follow from the others.

    Of several classes, whose coefficients sum to zero, one follows. In the variables that whiten the information it
    does not depend on any unit, which.
    """
    white = information_factor(at.objective, at.theta).whiten(forms.T)
    length = np.sqrt(np.square(white).sum(axis=0))
    _, singular, right = np.linalg.svd(white / length, full_matrices=False)
    rank = int((singular > _DEPENDENT).sum())
    combine = right[:rank] / singular[:rank, None] / length
    return combine @ forms, combine @ values
