r"""Every kind of covariance of an estimate: information, sandwich, clusters, time series, kernel.

Clusters have :mod:`~sklearn_mle.inference.clusters`. With A the curvature of the total NLL and s_i the gradient of a
row, each in theta,

.. math:: V = A^{-1} \quad\text{or}\quad V = A^{-1} M A^{-1} ,\qquad M = \sum_i m_i s_i s_i^\top

A sandwich is returned as a factor of V^-1 = R' Q diag(1 / l) Q' R: R the factor of A, Q and l the eigenvectors and
eigenvalues of M whitened by it.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._curvature import Curvature
from sklearn_mle._hessian_factors import hessian_factor, information_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, RotatedFactor
from sklearn_mle._rows import Block, Data
from sklearn_mle.exceptions import IndefiniteCovarianceWarning, NotSupportedError
from sklearn_mle.inference.at_estimate import CHUNK, AtEstimate
from sklearn_mle.inference.clusters import Clusters, Shares, cluster_meat, cluster_scores

# Eigenvalues below this share of the largest are rounding.
_ROUNDING_OF_SUMS = 1e-9
# The least of one minus a leverage; less is rounding.
_LEAST_LEFT = 1e-10


@dataclass(frozen=True)
class Request:
    """A kind of covariance, and its options."""

    kind: str
    # Which information is on both sides of a sandwich; None is the observed one, where there is one.
    bread: str | None = None
    # "pearson": scaled by Pearson's estimate of the dispersion.
    dispersion: str | None = None
    small_sample: bool = False
    # As ``clusters_of`` returns them: those of each way of clustering, and of their intersections.
    clusters: tuple[Clusters, ...] | None = None
    # For autocorrelation: how many rows apart two may be; None is a rule of thumb.
    lags: int | None = None


def covariance_of(at: AtEstimate, asked: Request) -> tuple[Curvature, Factor, Shares | None]:
    """Return the covariance, the factor that judges the estimate, and the shares that give CR2 and CR3 their df.

    Raise ValueError where the curvature is not positive definite.
    """
    kind, factor = asked.kind, _bread(at, asked)
    shares: Shares | None = None
    if kind in ("hessian", "expected"):
        return at.curvature(factor, at.mean_weight), factor, None
    if kind == "opg":
        meat = _meat(at)
        if at.unseen is not None:
            meat = at.objective.penalty.add_hessian(meat, at.theta)
        return at.curvature(checked(lambda: CholeskyFactor(meat), f"covariance={kind!r}"), 1.0), factor, None
    if kind in LEVERAGE_POWERS:
        assert asked.clusters is not None
        if len(asked.clusters) > 1:
            raise ValueError(f"groups: covariance={kind!r} takes clusters in one way; use 'cluster' for several.")
        shares = Shares.of(at, factor, asked.clusters[0], LEVERAGE_POWERS[kind])
        scores = shares.adjusted(factor.whiten(cluster_scores(at, asked.clusters[0]).T).T)
        white = scores.T @ scores / at.mean_weight / at.mean_weight
    else:
        meat = MEATS[kind](at, asked) / at.mean_weight / at.mean_weight
        white = factor.whiten(factor.whiten(meat).T)
    sandwich = _sandwich(factor, white, at, asked)
    return at.curvature(sandwich.times(1 / _multiple(at, asked)), 1.0), factor, shares


def _multiple(at: AtEstimate, asked: Request) -> float:
    """Return the factor of a sandwich that makes up for residuals that are too small."""
    n, k = at.n_obs, at.n_coefficients
    if asked.kind != "HC1" and not (asked.kind in ("HAC", "cluster") and asked.small_sample):
        return 1.0
    if n <= k:
        remedy = "covariance='HC0'" if asked.kind == "HC1" else "small_sample=False"
        raise ValueError(
            f"covariance={asked.kind!r} divides by the observations less the coefficients, n - k, but here n is {n:g} "
            f"(the sum of the weights) and k is {k:g}: use {remedy}, or more rows."
        )
    # Each way of clustering has its own G / (G - 1) already.
    return (n - 1 if asked.kind == "cluster" else n) / (n - k)


def _bread(at: AtEstimate, asked: Request) -> Factor:
    """Return the factor of the curvature, for weights of mean one."""
    kind = asked.kind
    # For a Gaussian with one scale the two are equal at the maximum, and the expected one has a QR if it needs one.
    expected = "expected" in (kind, asked.bread) or kind in LEVERAGE_POWERS or at.model.exact
    if not (expected or at.likelihood.smooth):
        return checked(lambda: CholeskyFactor(_kernel_curvature(at)), "covariance='kernel'")
    at.objective.value_gradient_hessian(at.theta, expected=expected)  # the gap and the likelihood reuse its pass
    factor = information_factor if expected else hessian_factor
    return checked(lambda: factor(at.objective, at.theta), f"covariance={kind!r}")


def checked(
    form: Callable[[], Factor], asked: str, instead: str = "covariance='expected' or covariance='opg'"
) -> Factor:
    """Return what ``form`` returns; where the curvature is not positive definite, the ValueError says what to ask for.

    ``asked`` and ``instead`` are arguments of the call.
    """
    try:
        return form()
    except NotPositiveDefiniteError:
        raise ValueError(
            f"{asked} needs a positive definite curvature at the estimate, but here some direction has zero or "
            "negative curvature: X, y, sample_weight and offset are not those of the fit, or the estimate is not a "
            f"maximum, or parameters are not identified. Try {instead}, or a smaller model."
        ) from None


def _sandwich(bread: Factor, white: Array, at: AtEstimate, asked: Request) -> Factor:
    """Return the factor of a sandwich's inverse, from the matrix between its information matrices, whitened.

    Eigenvalues beyond the rank of that matrix are rounding, and no variances. Clusters in one way have a variance in
    no more directions than there are clusters; their gradients, unless adjusted, sum to zero at the maximum of a smooth
    likelihood without a prior. In several ways the matrix is a difference: rounding is small beside what was
    subtracted.
    """
    if not np.isfinite(white).all():
        raise ValueError(
            "X, y, sample_weight or offset holds numbers so large (or so small) that the covariance leaves the range "
            "of float64; rescale them."
        )
    values, vectors = np.linalg.eigh(0.5 * (white + white.T))
    if asked.clusters is not None and len(asked.clusters) == 1:
        unadjusted = asked.kind == "cluster"
        at_zero = unadjusted and at.likelihood.smooth and not (at.model.penalized or at.model.bias_reduced)
        values[: max(len(values) - asked.clusters[0].n_groups + at_zero, 0)] = 0
    elif asked.clusters is not None:
        values[np.abs(values) < _ROUNDING_OF_SUMS * values.max(initial=0.0)] = 0
    if len(values) and values[0] < -_ROUNDING_OF_SUMS * values[-1]:
        warnings.warn(
            IndefiniteCovarianceWarning(
                f"Clustering in several ways gives {int((values < 0).sum())} of {len(values)} directions of the "
                "parameters a negative variance, as happens with few clusters: it was replaced by zero, after "
                "Cameron, Gelbach and Miller (2011), so standard errors are larger than those of the formula."
            ),
            stacklevel=4,
        )
    with np.errstate(divide="ignore"):
        return RotatedFactor(bread, vectors, 1 / np.sqrt(np.maximum(values, 0)))


def _total_curvature(at: AtEstimate, data: Data, rowwise: Callable[..., Array], mapped: Any = None) -> Array:
    """Return the curvature in theta of a function, (q, q, n), of y and the predictors (and what is mapped) of rows."""
    predictors = at.predictors  # nothing else is sent to Dask's workers

    def block_sum(block: Block, *more: Any) -> tuple[Array]:
        return (predictors.curvature(block.rows, block.weighted(rowwise(block.y, block.offset, *more))),)

    return predictors.pull_back_curvature(data.reduce_rows(block_sum, mapped)[0])


def _meat(at: AtEstimate, adjustment: list[Array] | None = None) -> Array:
    """Return the sum over observations of s s', for the caller's weights; the adjustments multiply the rows' s."""
    likelihood = at.likelihood

    def squares(y: Array, eta: Array, factor: Array | float = 1.0) -> Array:
        gradient = likelihood.gradient(y, eta).copy()
        gradient[0] *= factor
        return gradient[:, None] * gradient

    rows, multiple = at.squared_rows()
    return multiple * _total_curvature(at, rows, squares, adjustment)


def _leverage(at: AtEstimate, kind: str, power: float) -> list[Array]:
    """Return 1 / (1 - h)^power of each row's leverage h, block by block."""
    # The leverages are the location's: constants beside it have none, and are not divided by them.
    location = at.location_alone()
    predictors = location.predictors
    factor = checked(lambda: information_factor(location, np.zeros(predictors.size)), f"covariance={kind!r}")
    # The whitened gradient of a row's predictor in theta is linear in the row.
    white = np.zeros((predictors.size, predictors.shape[1]))
    white[:, predictors.used[0]] = factor.whiten(np.eye(predictors.size))
    # The leverage of one observation, not of all that a row stands for.
    data = at.reweighted(at.weight / at.copies / at.mean_weight)

    def block_factor(block: Block) -> Array:
        assert block.offset is not None
        information = block.weighted(at.likelihood.information(block.y, block.offset)[0, 0])
        lengths = np.empty(block.rows.n_rows)
        for start in range(0, len(lengths), CHUNK):
            stop = min(start + CHUNK, len(lengths))
            scores = block.rows.block(start, stop).matvec(white)
            lengths[start:stop] = np.einsum("kn,kn->n", scores, scores)
        left = 1 - information * lengths
        if (left < _LEAST_LEFT).any():
            row = int(np.argmin(left))
            raise ValueError(
                f"covariance={kind!r} divides by one minus the leverage, but some rows have leverage one: they "
                f"are fitted exactly, whatever their outcome (X is {block.rows.standardized[row].tolist()} in one, "
                "standardized). Use 'HC0' or 'HC1', or drop such rows together with the columns that only they "
                "determine."
            )
        return np.power(left, -power)

    return data.map_rows(block_factor)


def _kernel_curvature(at: AtEstimate) -> Array:
    """Return the expected Hessian with the density of y at the kink estimated by a Gaussian kernel.

    The Hessian of |y - mu| / s is zero almost everywhere; its expectation is twice the density of y at mu, over s.

    References
    ----------
    Powell (1991), Estimation of monotonic regression models under quantile restrictions. Hall and Sheather (1988), On
    the distribution of a Studentized quantile, JRSS B 50 (the bandwidth). Koenker (2005), Quantile regression, 3.4.2.
    """
    data = at.objective.data
    assert data.offset is not None
    derivatives = at.likelihood.standard_derivatives
    below, above = derivatives(np.array([-1.0, 1.0]))[0]
    residual = data.y - data.offset[0]
    width = _bandwidth(residual, at.weight, above / (above - below), at.n_obs)

    def hessian(y: Array, eta: Array) -> Array:
        matrix = at.likelihood.expected_information(eta)
        density = stats.norm.pdf((y - eta[0]) / width) / width
        matrix[0, 0] = (above - below) * np.exp(-eta[at.model.dispersion_index]) * density
        matrix[0, 1:] = matrix[1:, 0] = 0
        return matrix

    return _total_curvature(at, data, hessian)


def _bandwidth(residual: Array, weight: Array, level: float, n: float) -> float:
    """Return the kernel's width as R's ``quantreg::summary.rq(se = "ker")`` has it, of n observations."""
    z = stats.norm.ppf(level)
    reach = (stats.norm.ppf(0.975) ** 2 * 1.5 * stats.norm.pdf(z) ** 2 / (2 * z**2 + 1) / n) ** (1 / 3)
    while not reach < min(level, 1 - level):
        reach /= 2
    mean = np.average(residual, weights=weight)
    deviation = np.sqrt(np.average(np.square(residual - mean), weights=weight) * n / max(n - 1, 1))
    spread = min(deviation, _quartile_range(residual, weight, n) / 1.34) or deviation
    return float(spread * (stats.norm.ppf(level + reach) - stats.norm.ppf(level - reach)))


def _quartile_range(values: Array, weight: Array, n: float) -> float:
    """Return the distance of the quartiles as R's ``quantile`` interpolates them; rows are shares of n observations."""
    order = np.argsort(values, kind="stable")
    last = np.cumsum(weight[order] * (n / weight.sum()))

    def quartile(level: float) -> float:
        rank = level * (n - 1)
        # The rows at the two whole ranks around it; copies of a row share its value.
        rows = np.searchsorted(last, np.floor(rank) + np.array([0.5, 1.5]))
        below, above = values[order[np.minimum(rows, len(values) - 1)]]
        return float(below + (rank % 1) * (above - below))

    return quartile(0.75) - quartile(0.25)


def _lags_of(at: AtEstimate, lags: int | None) -> int:
    """Return the number of lags: Newey and West's rule of thumb, 4 (n / 100)^(2/9), if none is given."""
    if (at.copies != 1).any():
        raise NotSupportedError(
            "covariance='HAC' is for rows in the order of time, which weights that count copies do not preserve: use "
            "weight_type='precision' or 'sampling', or repeat the rows."
        )
    n = len(at.copies)
    found = math.floor(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if found >= n:
        raise ValueError(f"lags={found} must be less than the number of rows, {n}.")
    return found


def _autocorrelated_meat(at: AtEstimate, lags: int) -> Array:
    r"""Return M for rows in the order of time, for the caller's weights; with s_t the gradient of the row at t.

    .. math:: M = \Gamma_0 + \sum_{l=1}^{L} \left(1 - \frac{l}{L + 1}\right) (\Gamma_l + \Gamma_l^\top) ,\qquad
        \Gamma_l = \sum_{t > l} s_t s_{t-l}^\top

    which is positive semidefinite for any L.

    References
    ----------
    Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
    covariance matrix, Econometrica 55; (1994), Automatic lag selection in covariance matrix estimation, Review of
    Economic Studies 61.
    """
    data = at.objective.data
    assert data.offset is not None
    gradient = at.likelihood.gradient(data.y, data.offset) * at.weight
    half = np.zeros((at.predictors.size, at.predictors.size))
    for start in range(0, data.n_rows, CHUNK):
        stop, first = min(start + CHUNK, data.n_rows), max(0, start - lags)
        rows = np.arange(first, stop)
        scores = at.predictors.pull_back_rows(data.rows.take(rows).standardized, gradient[:, rows])
        present = scores[start - first :]
        weighted = 0.5 * present
        for lag in range(1, min(lags, stop - 1) + 1):
            begin = max(start, lag)
            weighted[begin - start :] += (1 - lag / (lags + 1)) * scores[begin - lag - first : stop - lag - first]
        half += weighted.T @ present
    return half + half.T


# The matrix between the two information matrices of each sandwich.
MEATS: dict[str, Callable[[AtEstimate, Request], Array]] = {
    "HC0": lambda at, asked: _meat(at),
    "HC1": lambda at, asked: _meat(at),
    "HC2": lambda at, asked: _meat(at, _leverage(at, "HC2", 0.5)),
    "HC3": lambda at, asked: _meat(at, _leverage(at, "HC3", 1.0)),
    "HAC": lambda at, asked: _autocorrelated_meat(at, _lags_of(at, asked.lags)),
    "cluster": lambda at, asked: cluster_meat(at, asked.clusters or (), asked.small_sample),
    # The variances of the gradients under the model.
    "kernel": lambda at, asked: _total_curvature(
        at, at.squared_rows()[0], lambda y, eta: at.likelihood.expected_information(eta)
    ),
}
# Powers of one minus a cluster's share of the information, by which its score is multiplied.
LEVERAGE_POWERS = {"CR2": -0.5, "CR3": -1.0}
CLUSTERED = ("cluster", *LEVERAGE_POWERS)
# These assume that the model is true.
MODEL_BASED = ("hessian", "expected", "opg")
COVARIANCES = (*MODEL_BASED, *MEATS, *LEVERAGE_POWERS)
