"""Binomial: k successes and m failures with log-odds eta; or a fraction, the soft label of one Bernoulli trial."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import betainc, betaincc, expit

from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._frozen import count_quantile_of, frozen
from sklearn_mle.likelihoods._special import bernoulli_divergence, poisson_saturated
from sklearn_mle.likelihoods.bernoulli import Bernoulli

# Where no trial, or every one, succeeded the start is this far from certain.
_LEAST_SHARE = 1e-3
# Log-odds beyond which numpy cannot tell one probability from zero or one.
_MOST_DRAWN = 30.0
_MOST_TRIALS = 2**53


class Binomial(Likelihood):
    r"""Binomial likelihood, logit link; its negative logarithm is half the binomial deviance, shifted.

    .. math:: -\log p(k, m \mid \eta) = k \log(1 + e^{-\eta}) + m \log(1 + e^{\eta}) - \log\binom{k + m}{k}

    ``y`` has two shapes:

    - (2, n), the counts of successes k and failures m: any numbers >= 0. The binomial coefficient is included: this is
      the probability of the count.
    - (n,), fractions in [0, 1]: the soft labels of one Bernoulli trial each, with no coefficient, so that the NLL is
      the cross-entropy and a ``sample_weight`` of k equals k copies of the row.

    Nats. ``eta`` has shape (1, n): the log-odds. ``mean``, ``standard_deviation`` and ``distribution`` are those of one
    trial unless ``n_trials`` is given.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapter 4.
    Loader (2000), Fast and accurate computation of binomial probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Binomial
    >>> Binomial().nll(np.array([[2.0], [1.0]]), np.zeros((1, 1))).round(6)
    array([0.980829])
    >>> Binomial().nll(np.array([2 / 3]), np.zeros((1, 1))).round(6)
    array([0.693147])
    """

    parameter_names = ("probability",)
    links = ("logit",)
    y_columns = (1, 2)
    exponential_dispersion = True
    may_diverge = True
    discrete = True
    domain = "counts (successes, failures), finite numbers >= 0, or fractions in [0, 1]"
    of_fractions = Bernoulli()
    remedy = "Give successes and failures as two columns, or divide the successes by the trials."

    def _outside(self, y: Array) -> Array:
        return (y < 0) | (y > 1) if y.ndim == 1 else (y[0] < 0) | (y[1] < 0)

    def opposes(self, y: Array) -> tuple[Array, Array]:
        return (y > 0, y < 1) if y.ndim == 1 else (y[0] > 0, y[1] > 0)

    def in_units_of_mean(self, y: Array) -> tuple[Array, Array | None]:
        """Return (2, n) counts as (n,) fractions and numbers of trials, by which to multiply the weights of rows.

        Then the gradient, Hessian and expected information are those of the counts; the NLL lacks the coefficient. No
        trials are the fraction one half.
        """
        if y.ndim == 1:
            return y, None
        trials = y[0] + y[1]
        return np.where(trials > 0, y[0] / np.where(trials > 0, trials, 1), 0.5), trials

    def nll(self, y: Array, eta: Array) -> Array:
        if y.ndim == 1:
            return Bernoulli().nll(y, eta)
        constant = poisson_saturated(y[0]) + poisson_saturated(y[1]) - poisson_saturated(y[0] + y[1])
        return _half_deviance(y[0], y[1], eta[0]) + constant

    def gradient(self, y: Array, eta: Array) -> Array:
        if y.ndim == 1:
            return Bernoulli().gradient(y, eta)
        return y[1] * expit(eta) - y[0] * expit(-eta)

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.information(y, eta)

    def information(self, y: Array, eta: Array) -> Array:
        """Return the information of all trials of each row, shape (1, 1, n)."""
        one_trial = self.expected_information(eta)
        return one_trial if y.ndim == 1 else one_trial * (y[0] + y[1])

    def expected_information(self, eta: Array) -> Array:
        """Return the information of one trial, shape (1, 1, n): eta does not tell how many there are."""
        return Bernoulli().expected_information(eta)

    def squared_pearson_residual(self, y: Array, eta: Array) -> Array:
        if y.ndim == 1:
            return Bernoulli().squared_pearson_residual(y, eta)
        fraction, trials = self.in_units_of_mean(y)
        return trials * Bernoulli().squared_pearson_residual(fraction, eta)

    def start(self, y: Array, weight: Array | None) -> Array:
        successes, failures = (y, 1 - y) if y.ndim == 1 else y
        total = np.average(successes + failures, weights=weight)
        share = float(np.average(successes, weights=weight) / total) if total > 0 else 0.5
        share = min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE)
        return np.array([math.log(share / (1 - share))])

    def deviance(self, y: Array, eta: Array) -> Array:
        successes, failures = (y, 1 - y) if y.ndim == 1 else y
        return 2 * np.maximum(_half_deviance(successes, failures, eta[0]), 0)

    def distribution(self, eta: Array, n_trials: float | Array = 1) -> Any:
        """Return the distribution of the number of successes among ``n_trials``."""
        trials = np.broadcast_to(np.asarray(n_trials), eta[0].shape)
        if (np.mod(trials, 1) == 0).all() and trials.max(initial=0) < _MOST_TRIALS:
            trials = trials.astype(np.int64)  # as numpy draws from them
        # Rows of the count's distribution: the log-odds, and the number of trials.
        rows = np.stack([eta[0], trials])
        return frozen(_Successes(), rows, stats.binom, n=trials, p=expit(eta[0]))

    def mean(self, eta: Array) -> Array:
        return expit(eta[0])

    def standard_deviation(self, eta: Array) -> Array:
        return np.sqrt(expit(eta[0]) * expit(-eta[0]))


class _Successes:
    """The number of successes among known trials: what its frozen distribution needs of it."""

    discrete = True
    support = (0.0, math.inf)

    def nll(self, y: Array, rows: Array) -> Array:
        failures = rows[1] - y
        nll = Binomial().nll(np.stack([y, np.maximum(failures, 0)]), rows[:1])
        return np.where(failures < 0, np.inf, nll)

    def _outside(self, y: Array) -> Array:
        return np.zeros(len(y), dtype=bool)

    def tail(self, y: Array, rows: Array, *, upper: bool) -> Array:
        # Of p and 1 - p the smaller has all its digits.
        failures, likely = rows[1] - y, rows[0] > 0
        low, high = (betaincc, betainc) if upper else (betainc, betaincc)
        whole = np.where(
            likely,
            low(np.maximum(failures, 1), y + 1, expit(-rows[0])),
            high(y + 1, np.maximum(failures, 1), expit(rows[0])),
        )
        return np.where(failures > 0, whole, float(not upper))

    def tail_quantile(self, level: Array, rows: Array, *, upper: bool) -> Array:
        return np.minimum(count_quantile_of(self, level, rows, upper=upper), rows[1])

    def drawn_well(self, rows: Array) -> Array:
        return (rows[1] < 2**31) & (np.abs(rows[0]) < _MOST_DRAWN)

    def mean(self, rows: Array) -> Array:
        return rows[1] * expit(rows[0])

    def standard_deviation(self, rows: Array) -> Array:
        return np.sqrt(rows[1] * expit(rows[0]) * expit(-rows[0]))


def _half_deviance(k: Array, m: Array, eta: Array) -> Array:
    """Return the NLL less the NLL at the row's own fraction."""
    inner = (k > 0) & (m > 0)
    safe_k, safe_m = np.where(inner, k, 1), np.where(inner, m, 1)
    trials = safe_k + safe_m
    distance = np.log(safe_k) - np.log(safe_m) - eta
    near = trials * bernoulli_divergence(safe_k / trials, safe_m / trials, np.clip(distance, -1, 1))
    success, failure = np.logaddexp(0, -eta), np.logaddexp(0, eta)
    far = k * (success + np.log(safe_k / trials)) + m * (failure + np.log(safe_m / trials))
    return np.where(inner & (np.abs(distance) < 1), near, np.where(inner, far, k * success + m * failure))
