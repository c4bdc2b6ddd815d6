"""What the number of observations does to a covariance: exact Gaussian inference, and Pearson's dispersion."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, t

from sklearn_mle._rows import RowBlock
from sklearn_mle.inference.at_estimate import AtEstimate

__all__ = ["SmallSample", "profile_drop", "small_sample_of"]

# Logarithms of the ratio of an interval's ends (of a variance) between which that of any confidence level lies.
_LEAST_APART, _MOST_APART = 1e-14, 700.0


@dataclass(frozen=True)
class SmallSample:
    """What a covariance is multiplied by, and how its estimates are distributed.

    Attributes
    ----------
    multiple : float
    df : float
        Degrees of freedom of Student's t; inf is the normal distribution.
    notes : tuple of str
    """

    multiple: float = 1.0
    df: float = math.inf
    notes: tuple[str, ...] = ()


def small_sample_of(
    at: AtEstimate, kind: str, small_sample: bool, dispersion: str | None, groups: NDArray[np.intp] | None
) -> SmallSample:
    """Return what is known of the size of the sample.

    Raises
    ------
    ValueError
        If Pearson's dispersion is asked for, and there are no more observations than coefficients.
    """
    n, k = at.n_obs, at.n_coefficients
    if dispersion is not None:
        if n <= k:
            raise ValueError(
                f"dispersion='pearson' divides by the degrees of freedom, {n:g} observations less {k} coefficients: "
                "there must be more observations."
            )
        multiple = _pearson(at) / (n - k)
        note = f"The dispersion is Pearson's: {multiple:.6g} times that of the likelihood as it was fitted."
        return SmallSample(multiple, n - k, (note,))
    model_based = kind in ("hessian", "expected")
    total_weight = float(at.weight.sum())
    if not (at.model.exact and small_sample and n > k):
        return SmallSample(total_weight / n if model_based and at.model.exact else 1.0)
    df = n - k if groups is None else float(groups.max())
    if not model_based:
        return SmallSample(df=df)
    residual = math.sqrt(total_weight / (n - k)) * math.exp(at.model.coefficients[1, -1])
    note = f"Residual standard error {residual:.6g} on {n - k:g} degrees of freedom."
    return SmallSample(total_weight / (n - k), df, (note,))


def _pearson(at: AtEstimate) -> float:
    """Return Pearson's X^2 at the estimate: the weighted sum of squared residuals in units of their deviations."""

    def block_sum(block: RowBlock) -> tuple[float]:
        assert block.offset is not None
        squares = at.likelihood.squared_pearson_residual(block.y, block.offset)
        return (float(squares.sum() if block.weight is None else block.weight @ squares),)

    return at.objective.data.sum(block_sum)[0] * at.prepared.unit


def profile_drop(at: AtEstimate, of_scale: bool, confidence_level: float, small_sample: bool) -> float:
    r"""Return by how many nats a profile log-likelihood falls from its maximum to the ends of a confidence interval.

    Half the quantile of chi-squared in large samples. Of a Gaussian with one estimated scale the likelihood ratio is an
    increasing function of t^2, so that the region it gives is Student's interval:

    .. math:: \tfrac{n}{2} \log\left(1 + \frac{t_{n - k}^2}{n - k}\right) ;

    of the scale itself it is that of :math:`r = \mathrm{RSS} / (n \sigma^2)`, n r being chi-squared with n - k degrees
    of freedom, and the drop :math:`\tfrac{n}{2} (r - 1 - \log r)` is the one that r exceeds with the probability left.

    Parameters
    ----------
    at : AtEstimate
    of_scale : bool
        Whether the parameter is the Gaussian's scale.
    confidence_level : float
    small_sample : bool
    """
    n, df = at.n_obs, at.n_obs - at.n_coefficients
    if not (at.model.exact and small_sample and df > 0):
        return 0.5 * float(chi2.ppf(confidence_level, 1))
    half_weight = 0.5 * float(at.weight.sum())
    if not of_scale:
        return half_weight * math.log1p(float(t.isf((1 - confidence_level) / 2, df)) ** 2 / df)

    def ends(apart: float) -> tuple[float, float]:
        # Of two r of one height the larger is the smaller and the logarithm of their ratio.
        low = apart / math.expm1(apart)
        return low, low + apart

    def missing(apart: float) -> float:
        low, high = ends(apart)
        return float(chi2.cdf(n * high, df) - chi2.cdf(n * low, df)) - confidence_level

    low = ends(float(brentq(missing, _LEAST_APART, _MOST_APART, xtol=_LEAST_APART)))[0]
    return half_weight * (low - 1 - math.log(low))
