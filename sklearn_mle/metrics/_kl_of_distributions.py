r"""Kullback-Leibler divergence of two distributions per row: in closed form where it is known, by quadrature otherwise.

Most closed forms are sums of divergences between two positive numbers, which cancel nothing when p and q are near:

.. math:: a \,\ell(b / a) = b - a - a \log(b / a) \ge 0
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betaln, digamma, gammaln

from sklearn_mle._numerics.arguments import as_floats, check_weight, first_true
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import less_log1p
from sklearn_mle.metrics import _quadrature
from sklearn_mle.metrics._distributions import Mirrored, RowDistributions, are_atoms
from sklearn_mle.metrics._means import log_of_base, weighted_mean

Parameters = dict[str, Array]

# Closed forms whose terms cancel are left to quadrature where less than this part of the terms remains.
_REMAINS = 1e-3


def is_distribution(value: Any) -> bool:
    """Whether the value is a distribution, with methods, and not an array."""
    return callable(getattr(value, "cdf", None))


def kl_of_distributions(true: Any, predicted: Any) -> Array:
    """Divergence (n,) in nats of the predicted distributions from the true ones."""
    for value, name in ((true, "y_true"), (predicted, "y_pred")):
        if not is_distribution(value):
            raise TypeError(
                f"{name} is a {type(value).__name__} where the other is a distribution: both are distributions, or "
                "both are labels or rows of probabilities."
            )
    p, q = RowDistributions(true), RowDistributions(predicted)
    if p.is_discrete != q.is_discrete:
        raise ValueError(
            "y_true and y_pred must both have densities, or both have mass functions: "
            f"one is {'discrete' if p.is_discrete else 'continuous'}, the other is not."
        )
    try:
        n = int(np.broadcast_shapes((1,), p.shape, q.shape)[0])
    except ValueError:
        raise ValueError(
            f"y_true has {p.shape[0]} distributions and y_pred {q.shape[0]}: one per row is needed."
        ) from None
    with np.errstate(all="ignore"):
        rows = _closed_form(p, q, n)
        if np.isnan(rows).any():
            rows = np.where(np.isnan(rows), _integrated(p, q, n), rows)
    if (row := first_true(np.isnan(rows))) is not None:
        raise ValueError(f"the divergence of row {row} is nan: one of its two distributions is not defined.")
    return rows


def _closed_form(p: RowDistributions, q: RowDistributions, n: int) -> Array:
    """Divergence (n,), nan where it has no closed form or that does not hold."""
    if p.family is not q.family or p.family not in _CLOSED_FORMS:
        return np.full(n, np.nan)
    divergence, common = _CLOSED_FORMS[p.family]
    holds = [p.parameters[name] == q.parameters[name] for name in common]
    holds += [d.parameters["scale"] > 0 for d in (p, q) if "scale" in d.parameters]
    rows = divergence(p.parameters, q.parameters)
    return np.broadcast_to(np.where(np.all(np.broadcast_arrays(*holds), axis=0), rows, np.nan), (n,))


def gaussian_kl_divergence(
    mean_true: ArrayLike,
    std_true: ArrayLike,
    mean_pred: ArrayLike,
    std_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean Kullback-Leibler divergence of predicted from true normal distributions, in nats per row.

    .. math:: \log\frac{\sigma_q}{\sigma_p} + \frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2} - \frac12

    Computed so that nothing cancels where the two are near. The parameters are broadcast: one standard deviation for
    all rows, or one per row (a log-linear scale).

    Parameters
    ----------
    mean_true, std_true : array-like of shape (n,) or ()
        Mean and standard deviation of the true distributions p.
    mean_pred, std_pred : array-like of shape (n,) or ()
        Mean and standard deviation of the predicted distributions q.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits.

    Returns
    -------
    float
        Mean divergence, at least 0.

    Raises
    ------
    ValueError
        If means are not finite or standard deviations not positive (the row is named), or shapes do not agree.

    References
    ----------
    S. Kullback (1959), Information Theory and Statistics, chapter 9.

    Examples
    --------
    >>> from sklearn_mle.metrics import gaussian_kl_divergence
    >>> round(gaussian_kl_divergence([0.0, 1.0], 1.0, 0.0, [1.0, 2.0]), 6)
    0.221574
    """
    log_base = log_of_base(base)
    named = {"mean_true": mean_true, "std_true": std_true, "mean_pred": mean_pred, "std_pred": std_pred}
    arrays = {name: as_floats(value, name).astype(np.float64, copy=False) for name, value in named.items()}
    for name, array in arrays.items():
        of_scale = name.startswith("std")
        wrong = ~(np.isfinite(array) & ((array > 0) | (not of_scale)))
        if (row := first_true(np.atleast_1d(wrong))) is not None:
            value = np.atleast_1d(array)[row]
            raise ValueError(f"{name}[{row}] is {value}: it must be finite{' and positive' if of_scale else ''}.")
    try:
        n = np.broadcast_shapes((1,), *(array.shape for array in arrays.values()))
    except ValueError:
        n = (0, 0)
    if len(n) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"means and standard deviations must have shape (n,) or (), with one n; got {shapes}.")
    with np.errstate(over="ignore", under="ignore"):
        rows = np.broadcast_to(gaussian_kl(*arrays.values()), n)
    return weighted_mean(rows, check_weight(sample_weight, n[0])) / log_base


def gaussian_kl(mean_p: Array, std_p: Array, mean_q: Array, std_q: Array) -> Array:
    """Divergence of the second normal distribution from the first, in nats; nan where a scale is not positive."""
    excess = (std_p - std_q) / std_q * ((std_p + std_q) / std_q)
    rows = 0.5 * _ell(excess, 2 * (np.log(std_p) - np.log(std_q))) + 0.5 * ((mean_p - mean_q) / std_q) ** 2
    return np.where((std_p > 0) & (std_q > 0), rows, np.nan)


def _ell(excess: Array, log_ratio: Array) -> Array:
    # ratio - 1 - log(ratio), from excess = ratio - 1
    return np.where(np.abs(excess) < 0.5, less_log1p(np.maximum(excess, -0.5)), excess - log_ratio)


def _between(a: Array, b: Array) -> Array:
    """Divergence b - a - a log(b / a) of two numbers a, b >= 0."""
    safe = np.where(a > 0, a, 1.0)
    return np.where(a > 0, safe * _ell((b - safe) / safe, np.log(b) - np.log(safe)), b)


def _laplace(p: Parameters, q: Parameters) -> Array:
    delta, ratio = np.abs(p["loc"] - q["loc"]) / p["scale"], p["scale"] / q["scale"]
    # delta + exp(-delta) - 1 is less_log1p of exp(-delta) - 1.
    shift = np.where(delta < 0.5, less_log1p(np.expm1(-np.minimum(delta, 0.5))), delta + np.expm1(-delta))
    return _of_scales(p, q) + ratio * shift


def _exponential(p: Parameters, q: Parameters) -> Array:
    later = (p["loc"] - q["loc"]) / q["scale"]
    return np.where(later >= 0, _of_scales(p, q) + later, np.inf)


def _uniform(p: Parameters, q: Parameters) -> Array:
    inside = (p["loc"] >= q["loc"]) & (p["loc"] + p["scale"] <= q["loc"] + q["scale"])
    return np.where(inside, np.log(q["scale"]) - np.log(p["scale"]), np.inf)


def _gumbel(p: Parameters, q: Parameters, sign: int) -> Array:
    # With sign -1 of gumbel_l, the distribution of minus a Gumbel's outcomes.
    return _of_gumbels(sign * (p["loc"] - q["loc"]) / q["scale"], np.log(p["scale"]) - np.log(q["scale"]))


def _weibull(p: Parameters, q: Parameters) -> Array:
    # -log Y is Gumbel with location -log scale and scale 1 / c.
    return _of_gumbels(q["c"] * (np.log(q["scale"]) - np.log(p["scale"])), np.log(q["c"]) - np.log(p["c"]))


def _of_gumbels(delta: Array, log_ratio: Array) -> Array:
    ratio = np.exp(log_ratio)
    return _unless_cancelled(
        -log_ratio, -np.euler_gamma - 1, delta, ratio * np.euler_gamma, np.exp(gammaln(1 + ratio) - delta)
    )


def _gamma(p: Parameters, q: Parameters) -> Array:
    k, other = p["a"], q["a"]
    log_ratio = np.log(p["scale"]) - np.log(q["scale"])
    of_scales, more = k * _of_scales(p, q), k - other
    rows = _unless_cancelled(gammaln(other), -gammaln(k), more * digamma(k), of_scales, more * log_ratio)
    return np.where(k == other, of_scales, rows)


def _beta(p: Parameters, q: Parameters) -> Array:
    a, b = q["a"] - p["a"], q["b"] - p["b"]
    return _unless_cancelled(
        betaln(q["a"], q["b"]),
        -betaln(p["a"], p["b"]),
        -a * digamma(p["a"]),
        -b * digamma(p["b"]),
        (a + b) * digamma(p["a"] + p["b"]),
    )


def _inverse_gaussian(p: Parameters, q: Parameters) -> Array:
    mean_p, mean_q = p["mu"] * p["scale"], q["mu"] * q["scale"]
    of_shapes = 0.5 * _between(p["scale"], q["scale"]) / p["scale"]
    rows = of_shapes + 0.5 * q["scale"] / mean_p * ((mean_p - mean_q) / mean_q) ** 2
    return np.where((mean_p > 0) & (mean_q > 0), rows, np.nan)


def _poisson(p: Parameters, q: Parameters) -> Array:
    return np.where((p["mu"] >= 0) & (q["mu"] >= 0), _between(p["mu"], q["mu"]), np.nan)


def _of_trial(p: Parameters, q: Parameters) -> Array:
    defined = (p["p"] >= 0) & (p["p"] <= 1) & (q["p"] >= 0) & (q["p"] <= 1)
    return np.where(defined, _between(p["p"], q["p"]) + _between(1 - p["p"], 1 - q["p"]), np.nan)


def _of_scales(p: Parameters, q: Parameters) -> Array:
    return _between(q["scale"], p["scale"]) / q["scale"]


def _unless_cancelled(*terms: Any) -> Array:
    rows = np.sum(np.broadcast_arrays(*terms), axis=0)
    largest = np.max(np.abs(np.broadcast_arrays(*terms)), axis=0)
    return np.where(np.isinf(rows) | (rows > _REMAINS * largest), rows, np.nan)


def _integrated(p: RowDistributions, q: RowDistributions, n: int) -> Array:
    # p log(p / q) + q - p instead of p log(p / q): it has the same integral and is nowhere negative, so that nothing
    # cancels.
    if p.is_discrete:
        counts = _quadrature.counts([p, q], np.zeros(n))
        rows: Array = np.zeros(n)
        for k in counts:
            rows = rows + _integrand(p, q, np.full(n, k))
        return rows
    of_p, of_q = _quadrature.quantiles(p, n), _quadrature.quantiles(q, n)
    atoms = _at_atoms(p, q, of_p, of_q)
    cuts = np.vstack([of_p, of_q])
    undefined = np.isnan(cuts[: len(cuts) // 2]).all(axis=0) | np.isnan(cuts[len(cuts) // 2 :]).all(axis=0)
    cuts = np.sort(np.where(undefined, 0.0, cuts), axis=0)  # missing quantiles come last
    cuts = np.where(np.isnan(cuts), np.nanmax(cuts, axis=0), cuts)
    rows = np.zeros(n)
    for left, right in pairwise(cuts):
        rows = rows + _quadrature.panel(left, right, lambda x: _integrand(p, q, x), rows)
    rows = rows + _beyond(cuts[0], p, q, rows)
    rows = rows + _beyond(-cuts[-1], Mirrored(p), Mirrored(q), rows)
    return np.where(undefined, np.nan, rows + atoms)


def _at_atoms(p: RowDistributions, q: RowDistributions, *quantiles: Array) -> Array:
    """Sum (n,) over the points that have a probability of their own, such as the zeros of a Tweedie distribution.

    The quantiles (J, n) of a range of levels are such a point; one that lies between two levels is not seen.
    """
    n = quantiles[0].shape[1]
    rows, seen = np.zeros(n), np.full((1, n), np.nan)
    for table in quantiles:
        table = np.sort(table, axis=0)
        repeated = table[1:] == table[:-1]
        repeated[1:] &= table[1:-1] != table[:-2]
        for k in np.flatnonzero(repeated.any(axis=1)):
            x = np.where(repeated[k] & ~(seen == table[k]).any(axis=0), table[k], np.nan)
            seen = np.vstack([seen, x])
            rows = rows + _between(_mass(p, x), _mass(q, x))
    return rows


def _mass(distributions: RowDistributions, x: Array) -> Array:
    logs = distributions.log_density(x)
    return np.where(are_atoms(distributions, x, logs), np.exp(logs), 0.0)


def _beyond(start: Array, p: RowDistributions, q: RowDistributions, beside: Array) -> Array:
    """Integral (n,) over what lies below the last quantile, beside an integral of all that lies above it."""
    mass = p.cdf(start)
    previous = last = total = np.zeros(len(start))
    for _ in range(4):
        mass = mass / 4
        outer = p.ppf(mass)
        outer = np.where(np.isfinite(outer) & (outer < start), outer, start)
        previous, last = last, _quadrature.panel(outer, start, lambda x: _integrand(p, q, x), beside)
        total, start = total + last, outer
    return total + _quadrature.beyond(previous, last, beside + total)


def _integrand(p: RowDistributions, q: RowDistributions, x: Array) -> Array:
    log_p, log_q = p.log_density(x), q.log_density(x)
    difference = log_q - log_p
    near = np.abs(difference) < 0.5
    # exp(d) - 1 - d is less_log1p of exp(d) - 1.
    bregman = np.exp(log_p) * less_log1p(np.expm1(np.where(near, difference, 0.0)))
    far = np.exp(log_q) - np.exp(log_p) * (1 + difference)
    rows = np.where(np.isneginf(log_p), np.exp(log_q), np.where(near, bregman, far))
    # A point that has been rounded to the end of the support, where a density may be infinite, counts as zero.
    return np.where(np.isposinf(log_p) | np.isposinf(log_q), 0.0, rows)


# Of each family the divergence, and the parameters in which the two distributions must agree for it to hold.
_CLOSED_FORMS: dict[Any, tuple[Callable[[Parameters, Parameters], Array], tuple[str, ...]]] = {
    type(stats.bernoulli): (_of_trial, ("loc",)),
    type(stats.beta): (_beta, ("loc", "scale")),
    type(stats.binom): (lambda p, q: p["n"] * _of_trial(p, q), ("loc", "n")),
    type(stats.expon): (_exponential, ()),
    type(stats.gamma): (_gamma, ("loc",)),
    type(stats.geom): (lambda p, q: _of_trial(p, q) / p["p"], ("loc",)),
    type(stats.gumbel_l): (partial(_gumbel, sign=-1), ()),
    type(stats.gumbel_r): (partial(_gumbel, sign=1), ()),
    type(stats.invgauss): (_inverse_gaussian, ("loc",)),
    type(stats.laplace): (_laplace, ()),
    type(stats.lognorm): (lambda p, q: gaussian_kl(np.log(p["scale"]), p["s"], np.log(q["scale"]), q["s"]), ("loc",)),
    type(stats.nbinom): (lambda p, q: p["n"] / p["p"] * _of_trial(p, q), ("loc", "n")),
    type(stats.norm): (lambda p, q: gaussian_kl(p["loc"], p["scale"], q["loc"], q["scale"]), ()),
    type(stats.poisson): (_poisson, ("loc",)),
    type(stats.uniform): (_uniform, ()),
    type(stats.weibull_min): (_weibull, ("loc",)),
}
