r"""Every kind of covariance of an estimate: information, sandwich, clusters, kernel.

With A the curvature of the total NLL and s_i the gradient of a row, each in theta,

.. math:: V = A^{-1} \quad\text{or}\quad V = A^{-1} M A^{-1} ,\qquad M = \sum_i m_i s_i s_i^\top

A sandwich is returned as a factor of V^-1 = R' Q diag(1 / l) Q' R: R the factor of A, Q and l the eigenvectors and
eigenvalues of M whitened by it.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import stats

from sklearn_mle.curvature import Curvature
from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.information import hessian_factor, information_factor
from sklearn_mle.likelihoods._start import weighted_quantile
from sklearn_mle.numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, RotatedFactor
from sklearn_mle.numerics.memory import refuse_unless_it_fits
from sklearn_mle.row_blocks import RowBlock, RowBlocks

__all__ = ["COVARIANCES", "MODEL_BASED", "covariance_of"]

Array = NDArray[Any]

# These take the model for true.
MODEL_BASED = ("hessian", "expected", "opg")
COVARIANCES = (*MODEL_BASED, "HC0", "HC1", "HC2", "HC3", "cluster", "kernel")
_CHUNK = 4096
# One minus a leverage; less is rounding.
_LEAST_LEFT = 1e-10


def covariance_of(at: AtEstimate, kind: str, groups: Array | None) -> tuple[Curvature, Factor]:
    """Return the covariance of the given kind, and the factor of the curvature that the estimate is judged with.

    Raises
    ------
    ValueError
        If the curvature is not positive definite, or the kind is not defined for the likelihood.
    """
    bread = _bread(at, kind)
    unit = at.prepared.unit
    if kind in ("hessian", "expected"):
        return at.curvature(bread, unit), bread
    if kind == "opg":
        return at.curvature(_factor_of(_meat(at, None), "opg"), 1.0), bread
    if kind == "kernel":
        meat = _model_meat(at)
    elif kind == "cluster":
        assert groups is not None
        meat = _cluster_meat(at, groups)
    else:
        meat = _meat(at, _leverage(at, kind))
    factor = _sandwich(bread, meat / unit / unit)
    n, k = at.n_obs, at.n_coefficients
    if kind == "HC1":
        factor = factor.times((n - k) / n)
    return at.curvature(factor, 1.0), bread


def _bread(at: AtEstimate, kind: str) -> Factor:
    """Return the factor of the curvature in the objective's unit."""
    # Of a Gaussian with one scale the two are equal at the maximum, and the expected one has a QR where it needs it.
    if kind == "expected" or at.model.exact:
        return _checked(lambda: information_factor(at.objective, at.theta), kind)
    if not at.likelihood.smooth:
        return _factor_of(_kernel_curvature(at), "kernel")
    return _checked(lambda: hessian_factor(at.objective, at.theta), kind)


def _checked(form: Any, kind: str) -> Factor:
    try:
        return form()
    except NotPositiveDefiniteError:
        raise ValueError(
            f"covariance={kind!r} needs a positive definite curvature at the estimate, and this one has a direction of "
            "none or negative curvature: X, y, sample_weight and offset are not those of the fit, or the estimate is "
            "no maximum, or parameters are not identified. Try covariance='expected' or 'opg', or a smaller model."
        ) from None


def _factor_of(matrix: Array, kind: str) -> Factor:
    return _checked(lambda: CholeskyFactor(matrix), kind)


def _sandwich(bread: Factor, meat: Array) -> Factor:
    white = bread.whiten(bread.whiten(meat).T)
    if not np.isfinite(white).all():
        raise ValueError(
            "X, y, sample_weight or offset holds numbers so large (or so small) that the covariance leaves the range "
            "of float64; rescale them."
        )
    values, vectors = np.linalg.eigh(0.5 * (white + white.T))
    with np.errstate(divide="ignore"):
        return RotatedFactor(bread, vectors, 1 / np.sqrt(np.maximum(values, 0)))


def _gradient(at: AtEstimate, block: RowBlock) -> Array:
    assert block.offset is not None
    return at.likelihood.gradient(block.y, block.offset)


def _meat(at: AtEstimate, adjustment: list[Array] | None) -> Array:
    """Return the sum over observations of s s', in the caller's unit; rows of it multiplied by the adjustments."""
    data = at.reweighted(np.square(at.weight) / at.copies)

    def block_sum(block: RowBlock, factor: Array | None = None) -> tuple[Array]:
        gradient = _gradient(at, block)
        if factor is not None:
            gradient = gradient.copy()
            gradient[0] *= factor
        return (at.predictors.curvature(block.rows, gradient[:, None] * gradient * block.weight),)

    return at.predictors.pull_back_curvature(data.sum(block_sum, adjustment)[0])


def _leverage(at: AtEstimate, kind: str) -> list[Array] | None:
    """Return by which power of 1 - h each row's gradient is divided, block by block."""
    if kind not in ("HC2", "HC3"):
        return None
    single = at.predictors.contrast is None and not any(term.columns for term in at.model.terms[1:])
    if not single or (at.model.n_constants and not at.model.exact):
        raise ValueError(
            f"covariance={kind!r} is defined for models of one linear predictor (and a Gaussian's constant scale), "
            f"which {at.model.name} with {at.likelihood!r} is not here; use 'HC0' or 'HC1'."
        )
    factor = _checked(lambda: information_factor(at.objective, at.theta), kind)
    power = 0.5 if kind == "HC2" else 1.0
    scale = at.reweighted(at.per_observation)

    def block_factor(block: RowBlock) -> Array:
        assert block.offset is not None and block.weight is not None
        information = at.likelihood.expected_information(block.offset)[0, 0] * block.weight
        # A constant scale's parameter does not see the location's leverage: its information with it is zero.
        one = np.zeros_like(block.offset)
        one[0] = 1
        lengths = np.empty(block.rows.n_rows)
        for rows, scores in _row_gradients(at, block, one):
            lengths[rows] = np.square(factor.whiten(scores.T)).sum(axis=0)
        left = 1 - information * lengths
        if (left < _LEAST_LEFT).any():
            row = int(np.argmin(left))
            raise ValueError(
                f"covariance={kind!r} divides by one minus the leverage, and there are rows of leverage one: they are "
                f"fitted exactly, whatever their outcome (X is {block.rows.standardized[row].tolist()} in one, "
                "standardized). Use 'HC0' or 'HC1', or leave out such rows with the columns that only they determine."
            )
        return np.power(left, -power)

    return scale.map(block_factor)


def _row_gradients(at: AtEstimate, block: RowBlock, gradient: Array) -> Any:
    """Yield (rows, gradients of the rows in theta), a few thousand rows at a time."""
    for start in range(0, block.rows.n_rows, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, block.rows.n_rows))
        yield rows, at.predictors.pull_back_rows(block.rows.take(rows).standardized, gradient[:, rows])


def _cluster_meat(at: AtEstimate, groups: Array) -> Array:
    present = at.prepared.row_numbers
    codes = np.unique(groups if present is None else groups[present], return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    if n_groups < 2:
        raise ValueError("groups: clusters vary between groups, so there must be at least two of positive weight.")
    refuse_unless_it_fits(
        n_groups,
        at.predictors.size,
        what=f"The gradient of {n_groups:,} groups",
        remedy="groups: use fewer and larger ones, or covariance='HC1' where there is one a row",
    )
    data = at.objective.data
    # The codes ride with the rows as one more line of the offset.
    offset = np.concatenate([data.offset, codes[None]])
    weighted = RowBlocks(data.rows, data.y, at.weight, offset, data.n_predictors)

    def block_sum(block: RowBlock) -> tuple[Array]:
        assert block.offset is not None and block.weight is not None
        eta, code = block.offset[:-1], block.offset[-1].astype(np.intp)
        gradient = at.likelihood.gradient(block.y, eta) * block.weight
        sums = np.zeros((n_groups, at.predictors.size))
        for rows, scores in _row_gradients(at, block, gradient):
            sums += (
                sp.csr_array((np.ones(len(rows)), (code[rows], np.arange(len(rows)))), (n_groups, len(rows))) @ scores
            )
        return (sums,)

    sums = weighted.sum(block_sum)[0]
    n, k = at.n_obs, at.n_coefficients
    return sums.T @ sums * (n_groups / (n_groups - 1) * (n - 1) / (n - k))


def _model_meat(at: AtEstimate) -> Array:
    """Return the sum of the gradients' variances that the likelihood itself promises."""
    data = at.reweighted(np.square(at.weight) / at.copies)

    def block_sum(block: RowBlock) -> tuple[Array]:
        assert block.offset is not None
        information = at.likelihood.expected_information(block.offset)
        return (at.predictors.curvature(block.rows, information * block.weight),)

    return at.predictors.pull_back_curvature(data.sum(block_sum)[0])


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

    def block_sum(block: RowBlock) -> tuple[Array]:
        eta = block.offset
        assert eta is not None
        hessian = at.likelihood.expected_information(eta)
        density = stats.norm.pdf((block.y - eta[0]) / width) / width
        hessian[0, 0] = (above - below) * np.exp(-eta[1]) * density
        hessian[0, 1:] = hessian[1:, 0] = 0
        if block.weight is not None:
            hessian *= block.weight
        return (at.predictors.curvature(block.rows, hessian),)

    return at.predictors.pull_back_curvature(data.sum(block_sum)[0])


def _bandwidth(residual: Array, weight: Array, level: float, n: float) -> float:
    z = stats.norm.ppf(level)
    reach = (stats.norm.ppf(0.975) ** 2 * 1.5 * stats.norm.pdf(z) ** 2 / (2 * z**2 + 1) / n) ** (1 / 3)
    while not reach < min(level, 1 - level):
        reach /= 2
    mean = np.average(residual, weights=weight)
    deviation = np.sqrt(np.average(np.square(residual - mean), weights=weight))
    quartiles = weighted_quantile(residual, weight, 0.75) - weighted_quantile(residual, weight, 0.25)
    spread = min(deviation, quartiles / 1.34) or deviation
    return float(spread * (stats.norm.ppf(level + reach) - stats.norm.ppf(level - reach)))
