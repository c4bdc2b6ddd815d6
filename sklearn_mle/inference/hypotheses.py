"""What estimates and their covariance say: tests, Wald intervals, and the delta method."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from sklearn_mle._numerics.arrays import Array

# The larger of two models fits at least as well. A shortfall of more nats than this is not the optimizer's.
SHORT = 1e-3


@dataclass(frozen=True)
class HypothesisTest:
    """The outcome of a test of a null hypothesis.

    Attributes
    ----------
    name : str
        Which test it is.
    statistic : float
        Chi-squared under the null hypothesis; or F, where ``df_resid`` is finite.
    df : float
        Degrees of freedom: the number of restrictions.
    p_value : float
    df_resid : float
        Of the F statistic's denominator; inf for chi-squared.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> test = infer(model).wald_test("bmi = bp")
    >>> test.df, test.df_resid, test.p_value < 0.001
    (1, 439.0, True)
    """

    name: str
    statistic: float
    df: float
    p_value: float
    df_resid: float = math.inf

    def __repr__(self) -> str:
        finite = np.isfinite(self.df_resid)
        kind = f"F({self.df:g}, {self.df_resid:g})" if finite else f"chi2({self.df:g})"
        return f"{self.name}: {kind} = {self.statistic:.6g}, p = {self.p_value:.4g}"


def ratio_at_least_zero(statistic: float, finding: str, stacklevel: int) -> float:
    """Return the statistic of a likelihood ratio, zero where the larger model fits worse.

    Where that is no rounding it warns, in the words of ``finding``.
    """
    if statistic < -2 * SHORT:
        warnings.warn(
            ConvergenceWarning(
                f"{finding}: one of the fits ended at a local maximum. The statistic is given as zero. Fit the whole "
                "model from another start (warm_start), or compare by AIC."
            ),
            stacklevel=stacklevel + 1,
        )
    return max(statistic, 0.0)


def chi_squared_test(name: str, statistic: float, df: float, df_resid: float = math.inf) -> HypothesisTest:
    """Return the test of a chi-squared statistic; divided by df it is F where the dispersion was estimated."""
    if np.isfinite(df_resid):
        return HypothesisTest(name, statistic / df, df, float(stats.f.sf(statistic / df, df, df_resid)), df_resid)
    return HypothesisTest(name, statistic, df, float(stats.chi2.sf(statistic, df)))


def wald_statistic(difference: Array, covariance: Array, n_directions: int) -> float:
    r"""Return :math:`d^\top V^{-1} d` of the rows of a hypothesis R.

    ``n_directions`` is the number of directions of the parameters in which there is a variance at all.

    Raises
    ------
    ValueError
        If V is singular.
    """
    error, k = np.sqrt(covariance.diagonal()), len(difference)
    if not error.all():
        raise ValueError(f"R: the rows {np.flatnonzero(error == 0).tolist()} are combinations with zero variance.")
    if k > n_directions:
        raise ValueError(
            f"R: its {k} rows cannot be tested at once, for this covariance has a variance in {n_directions} "
            f"direction{'s' * (n_directions != 1)} only (of clusters in one way there is at most one fewer than "
            "clusters). Test fewer rows, or use more and smaller clusters."
        )
    scaled = covariance / error / error[:, None]
    if np.linalg.matrix_rank(scaled, hermitian=True) < k:
        raise ValueError("R: the rows depend on each other (or say the same twice); leave out the redundant ones.")
    with np.errstate(over="ignore"):
        standardized = difference / error
        return float(standardized @ np.linalg.solve(scaled, standardized))


def likelihood_ratio_of(name: str, statistic: float, df: float, n: float, df_resid: float) -> HypothesisTest:
    r"""Return the test of twice a difference of log-likelihoods; exactly F for least squares, where df_resid is finite.

    There the statistic is :math:`n \log(\mathrm{RSS}_0 / \mathrm{RSS}_1)`, an increasing function of F.
    """
    if np.isfinite(df_resid):
        statistic = float(np.expm1(statistic / n)) * df_resid
    return chi_squared_test(name, statistic, df, df_resid)


@dataclass(frozen=True)
class DeltaMethod:
    """A function of the parameters, with the covariance that the delta method gives it.

    Attributes
    ----------
    estimate : float or ndarray
    covariance : ndarray of shape (m, m)
    df : float or ndarray
        Of Student's t; inf is the normal distribution. An array where each component has its own.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> ratio = infer(model).delta_method(lambda theta: theta[1] / theta[2])
    >>> round(ratio.estimate, 2), round(ratio.standard_error, 2)
    (6.15, 1.29)
    """

    estimate: Any
    covariance: Array
    df: Any

    @property
    def standard_error(self) -> Any:
        """Standard error of each component; a float for a scalar function."""
        errors = np.sqrt(self.covariance.diagonal())
        return errors if np.ndim(self.estimate) else float(errors[0])

    def confidence_interval(self, confidence_level: float = 0.95) -> Array:
        """Return lower and upper ends of the Wald interval.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.

        Returns
        -------
        ndarray of shape (2,) or (m, 2)
            Of a scalar function, or of each component.
        """
        return wald_interval(self.estimate, self.standard_error, self.df, confidence_level)


def wald_interval(estimate: Any, standard_error: Any, df: Any, confidence_level: float) -> Array:
    """Return lower and upper ends, along a new last axis: estimate -+ quantile of Student's t times standard error."""
    half = critical_value(confidence_level, df) * np.asarray(standard_error)
    return np.stack([estimate - half, estimate + half], axis=-1)


# Multiples of a step, and the weights of a function's values there, whose sum over the step is its derivative.
FIVE_POINTS = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))


def five_point_slope(function: Callable[[Array], Array], x: Array, k: int, step: float | Array) -> Array:
    """Return the derivative of a function in x[k]; the error is of the fourth power of the step."""
    total: Any = 0.0
    for multiple, weight in FIVE_POINTS:
        moved = x.copy()
        moved[k] += multiple * step
        total = total + weight * function(moved)
    return np.asarray(total / step)


def critical_value(confidence_level: float, df: Any) -> Any:
    """Return the two-sided quantile of Student's t, or of the normal distribution for infinitely many degrees.

    A number, or an array if the degrees of freedom are one.
    """
    check_confidence_level(confidence_level)
    quantile = stats.t.isf((1 - confidence_level) / 2, df)
    return quantile if np.ndim(df) else float(quantile)


def check_confidence_level(confidence_level: float) -> None:
    """Raise ValueError if the confidence level is not strictly between 0 and 1."""
    if not (isinstance(confidence_level, Real) and 0 < confidence_level < 1):
        raise ValueError(f"confidence_level must lie strictly between 0 and 1; got {confidence_level!r}.")


def equivalence_p_value(estimate: Any, standard_error: Any, df: float, lower: float, upper: float) -> Any:
    """Return p of the hypothesis that a value is outside the bounds: the larger of two one-sided tests."""
    if not (isinstance(lower, Real) and isinstance(upper, Real) and lower < upper) or lower == -upper == -math.inf:
        raise ValueError(
            f"lower and upper must be bounds, lower < upper, at least one of them finite; got {lower!r}, {upper!r}."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        below = stats.t.sf((estimate - lower) / standard_error, df)
        above = stats.t.cdf((estimate - upper) / standard_error, df)
    return np.maximum(below, above)
