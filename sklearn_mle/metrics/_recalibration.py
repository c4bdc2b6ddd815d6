"""Recalibrated forecasts: the frequencies with which things happened when the forecast said what it said.

A recalibrator is made of the forecasts, and asked with targets and weights as often as they are resampled. It answers
with its own forecasts r, and with the number of parameters that it estimated for them: each of them lowers the
cross-entropy of the same rows by half a nat in total, on average, which is not the forecast's merit.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import logsumexp

from sklearn_mle._numerics.arrays import Array

Codes = NDArray[np.intp]


# From probabilities (n, K) of what happened and weights (n,) to log-probabilities (n, K), meaningful where weights are
# positive, and the number of frequencies estimated. In groups that were given, that counts the classes that occur in
# each less one, if targets are labels; in general it is the chi-square statistic of the targets about the frequency of
# their group, per row of it: targets that agree with each other leave nothing to be estimated from noise. Isotonic
# regression also chooses its groups, and for that counts more: ``_Blocks.n_isotonic``.
Recalibrator = Callable[[Array, Array], tuple[Array, float]]


def recalibrator(strategy: str, log_q: Array, n_bins: int) -> Recalibrator:
    """Recalibrate forecasts with log-probabilities (n, K) by a strategy of ``cross_entropy_decomposition``."""
    if strategy == "bins" and log_q.shape[1] > 1:
        return _binned(log_q, n_bins)
    return _isotonic(log_q, against_all=strategy == "classwise" and log_q.shape[1] > 1)


def _isotonic(log_q: Array, *, against_all: bool) -> Recalibrator:
    """Isotonic regression on the probability of each class among those that come after it in the order of the labels.

    Of two classes it is the usual isotonic regression. Cross-entropy is the sum over such choices between one class and
    the later ones, and isotonic regression is the best monotone forecast of each; so neither the forecast itself nor
    the constant frequencies are better than r. Regressions of each class ``against_all`` others, normalized to sum to
    1, lack this.
    """
    classes = range(log_q.shape[1])
    stages = [(k, [j for j in classes if (j != k if against_all else j > k)]) for k in classes]
    pooled = [(k, others, _pools(log_q[:, k], log_q[:, others])) for k, others in stages if others]

    def recalibrate(p: Array, weight: Array) -> tuple[Array, float]:
        log_r = np.zeros(log_q.shape)
        n_parameters = 0.0
        for k, others, pools in pooled:
            blocks = _isotonic_blocks(pools, weight * p[:, k], weight * p[:, others].sum(axis=1))
            log_r[:, k] += blocks.log_share
            if not against_all:
                log_r[:, others] += blocks.log_rest[:, None]
            n_parameters += blocks.n_isotonic(two_sided=not against_all)
        if against_all:
            with np.errstate(invalid="ignore"):  # rows of weight 0 may have no class left
                log_r -= logsumexp(log_r, axis=1, keepdims=True)
        return log_r, n_parameters

    return recalibrate


def _binned(log_q: Array, n_bins: int) -> Recalibrator:
    """Frequencies in bins of equal weight.

    Of two classes the bins are of the probability of the second; of more, of the most probable class and, within it, of
    its probability.
    """
    n_classes = log_q.shape[1]
    top = np.ones(len(log_q), dtype=np.intp) if n_classes == 2 else log_q.argmax(axis=1)
    groups = [np.flatnonzero(top == k) for k in range(n_classes)]
    pooled = [_pools(log_q[rows, k], np.delete(log_q[rows], k, axis=1)) for k, rows in enumerate(groups)]

    def recalibrate(p: Array, weight: Array) -> tuple[Array, float]:
        codes = np.zeros(len(p), dtype=np.intp)
        for k, (rows, pools) in enumerate(zip(groups, pooled, strict=True)):
            codes[rows] = k * n_bins + _equal_weight(pools, weight[rows], n_bins)
        log_r, n_parameters = np.empty(p.shape), 0.0
        for k in range(n_classes):
            blocks = _Blocks(codes, weight * p[:, k], weight * np.delete(p, k, axis=1).sum(axis=1))
            log_r[:, k] = blocks.log_share
            n_parameters += blocks.chi_square(two_sided=False)
        return log_r, n_parameters

    return recalibrate


class _Blocks:
    """Rows in blocks, the same share of each of which is forecast: of ``share`` (n,) in ``share + rest`` (n,)."""

    def __init__(self, codes: Codes, share: Array, rest: Array) -> None:
        self._codes, self._share, self._rest = codes, share, rest
        self._in_block, self._others = np.bincount(codes, share), np.bincount(codes, rest)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_total = np.log(self._in_block + self._others)
            self.log_share = (np.log(self._in_block) - log_total)[codes]
            self.log_rest = (np.log(self._others) - log_total)[codes]

    def chi_square(self, *, two_sided: bool) -> float:
        """Sum over blocks of the mean of (t - r)^2 / r; if two-sided, also of 1 - t about 1 - r."""
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self._in_block + self._others
            share = self._share + self._rest
            squares = np.bincount(self._codes, np.where(share > 0, self._share**2 / share, 0.0))
            r = self._in_block / total
            variance = np.maximum(squares / total - r * r, 0.0)
            both = self._others / total if two_sided else 1.0
            return float(np.where((self._in_block > 0) & (self._others > 0), variance / (r * both), 0.0).sum())

    def n_isotonic(self, *, two_sided: bool) -> float:
        """Parameters that isotonic regression is worth: 3/2 for each level, 2 for each end where one class is missing.

        With D levels, the residual sum of squares is n - 2 D + risk in units of the noise (Stein's identity; Meyer and
        Woodroofe 2000), and where the truth increases the risk is D / 2: Chernoff's E Z^2 = 0.26356 and Groeneboom's
        2.10848 vertices give 0.5000. Over the rows before the first event the probabilities that isotonic regression
        calls 0 are a cumulative hazard, which is exponential: a nat, or 2 parameters, on average.
        """
        levels = 1.5 * self.chi_square(two_sided=two_sided)
        if len(self._in_block) == 1:
            return levels
        missing = (self._in_block == 0) | (two_sided & (self._others == 0))
        return levels + 2.0 * float(missing.sum())


def _pools(log_class: Array, log_others: Array) -> Codes:
    """Pool (n,) of each row, in the order of the log-odds: rows with the same log-odds share a pool."""
    if len(log_class) == 0:
        return np.zeros(0, dtype=np.intp)
    # From logarithms, which distinguish scores near 1 as well as scores near 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = log_class - logsumexp(log_others, axis=1)
    # nan where neither this class nor those that remain can happen.
    return np.unique(np.where(np.isnan(odds), 0.0, odds), return_inverse=True)[1]


def _isotonic_blocks(pools: Codes, share: Array, rest: Array) -> _Blocks:
    """Blocks of the isotonic regression of the share on the score."""
    shares, totals = np.bincount(pools, share), np.bincount(pools, share + rest)
    used = totals > 0
    if not used.any():
        return _Blocks(np.zeros(len(share), dtype=np.intp), share, rest)
    fit = isotonic_regression(shares[used] / totals[used], weights=totals[used]).x
    # A pool without weight belongs to the block below it.
    block = np.concatenate([[0], np.cumsum(np.diff(fit) > 0)])[np.maximum(np.cumsum(used) - 1, 0)]
    return _Blocks(block[pools], share, rest)


def _equal_weight(pools: Codes, weight: Array, n_bins: int) -> Codes:
    """Bin (n,) of each row, 0 to n_bins - 1: pools are never cut."""
    if weight.sum() == 0:
        return np.zeros(len(weight), dtype=np.intp)
    totals = np.bincount(pools, weight)
    middle = (np.cumsum(totals) - 0.5 * totals) / totals.sum()
    return np.clip((n_bins * middle).astype(np.intp), 0, n_bins - 1)[pools]
