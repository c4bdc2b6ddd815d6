"""Several tests and intervals at once: Bonferroni, Holm, and the largest of correlated statistics."""

import math

import numpy as np
from scipy import stats
from scipy.special import ndtri
from scipy.stats import qmc

from sklearn_mle._numerics.arguments import check_choice
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.inference.hypotheses import check_confidence_level, critical_value

ADJUSTMENTS = (None, "bonferroni", "holm", "simultaneous")
# Points of a shifted Sobol sequence: the level of an interval is right to about 0.0002.
_LOG2_POINTS, _SEED = 15, 0
# Directions of less variance than this share of the largest are rounding.
_NEGLIGIBLE = 1e-10
# A p-value below this has too few points beyond it: Bonferroni's bound, nearly exact there, takes its place.
_FEW = 2e-3


def critical_of(covariance: Array, df: float, confidence_level: float, adjust: str | None) -> float:
    """Return by how many standard errors intervals reach to either side."""
    check_confidence_level(confidence_level)
    check_choice("adjust", adjust, ADJUSTMENTS)
    if adjust == "holm":
        raise ValueError(
            "adjust='holm' adjusts p-values only and gives no intervals. Use 'bonferroni' or 'simultaneous'."
        )
    correlation = _correlation(covariance)
    if adjust is None or len(correlation) < 2:
        return critical_value(confidence_level, df)
    if adjust == "bonferroni":
        return critical_value(1 - (1 - confidence_level) / len(correlation), df)
    return float(np.quantile(_largest(correlation, df), confidence_level))


def adjusted(p: Array, statistic: Array, covariance: Array, df: float, adjust: str | None) -> Array:
    """Return p-values of two-sided tests adjusted for their number; nan where there is no test."""
    check_choice("adjust", adjust, ADJUSTMENTS)
    known = np.flatnonzero(~np.isnan(p))
    out, some, k = p.copy(), p[known], len(known)
    if adjust is None or k < 2:
        return out
    if adjust == "holm":
        order = np.argsort(some, kind="stable")
        raised = np.minimum(np.maximum.accumulate((k - np.arange(k)) * some[order]), 1.0)
        out[known[order]] = raised
        return out
    bound = np.minimum(k * some, 1.0)
    if adjust == "simultaneous":
        largest = np.sort(_largest(_correlation(covariance[np.ix_(known, known)]), df))
        share = 1 - np.searchsorted(largest, np.abs(statistic[known])) / len(largest)
        bound = np.where(share < _FEW, bound, np.clip(share, some, bound))
    out[known] = bound
    return out


def _correlation(covariance: Array) -> Array:
    """Return the correlations of what varies."""
    errors = np.sqrt(covariance.diagonal())
    some = np.flatnonzero(np.isfinite(errors) & (errors > 0))
    return covariance[np.ix_(some, some)] / np.outer(errors[some], errors[some])


def _largest(correlation: Array, df: float) -> Array:
    """Return the largest absolute value of correlated normal or Student's t variables, for points of a sequence."""
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0)))[:, values > _NEGLIGIBLE * values[-1]]
    with_scale = not math.isinf(df)
    width = root.shape[1] + with_scale
    # Shifted by one random number per axis: the sequence's own scrambling differs between versions of scipy.
    points = qmc.Sobol(width, scramble=False).random_base2(_LOG2_POINTS)
    points = (points + np.random.default_rng(_SEED).random(width)) % 1
    normal = ndtri(np.clip(points[:, : root.shape[1]], 1e-12, 1 - 1e-12))
    largest = np.abs(normal @ root.T).max(axis=1)
    if with_scale:
        largest = largest / np.sqrt(stats.chi2.ppf(np.clip(points[:, -1], 1e-12, 1 - 1e-12), df) / df)
    return np.asarray(largest)
