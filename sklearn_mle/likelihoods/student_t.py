"""Student's t: y real with location eta_0 and log scale eta_1, of given or estimated degrees of freedom."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.tails import student_t_quantile, student_t_tail
from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._families import RealOutcome, standardize
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI, log1p_ratio, stirling_remainder
from sklearn_mle.likelihoods._start import best_of, median_and_spread

# Reciprocal degrees of freedom to start from: the NLL has more than one minimum.
_STARTS = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0)
# Outside these, d z^2 has lost its digits to underflow, or overflowed.
_LEAST, _MOST = 1e-290, 1e290
_FARTHEST = 1e50
_TINY = 1e-100


class StudentT(RealOutcome):
    r"""Student-t likelihood: squared error near zero, logarithmic far out, so that outliers have little influence.

    .. math:: -\log p(y \mid \mu, \log s, d) = \log s + c(d) + \frac{1 + d}{2}\, \frac{\log(1 + d z^2)}{d}
        ,\qquad z = (y - \mu) / s ,\quad d = 1 / \mathrm{df}

    with :math:`c(d) = \tfrac12 \log 2\pi + 2 S(2d) - S(d)`, S the remainder of Stirling's formula. All is smooth at
    d = 0, the Gaussian, which is an answer like any other: therefore d in [0, 1] is estimated, not df.
    Nats. ``eta`` has shape (2, n): the location (median; the mean for df > 1) and the logarithm of the scale; or (3, n)
    with d, not its logarithm, where df is estimated. A negative d has NLL inf.

    The likelihood has no maximum over all df > 0 (it grows without bound as df -> 0): d <= 1 is the bound, and a local
    maximum from several starts the answer.

    Parameters
    ----------
    df : float, None or "estimate", default=4.0
        Degrees of freedom, positive; ``inf`` is the Gaussian. None and "estimate" make d the third linear predictor;
        of ``MLERegressor``, ``predictors={"df": "constant"}`` does.

    References
    ----------
    Lange, Little and Taylor (1989), Robust statistical modeling using the t distribution, JASA 84.
    Fernandez and Steel (1999), Multivariate Student-t regression models: pitfalls and inference, Biometrika 86.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import StudentT
    >>> StudentT(df=1).nll(np.array([0.0, 1e200]), np.zeros((2, 2))).round(6)
    array([  1.14473 , 922.178767])
    >>> StudentT(df=None).nll(np.array([0.0]), np.zeros((3, 1))).round(6)
    array([0.918939])
    """

    convex_in_location = False
    estimable = ("df",)

    def __init__(self, df: float | str | None = 4.0) -> None:
        self.df = df

    def check_parameters(self) -> None:
        if not self.estimates_df and (isinstance(self.df, str) or not self.df > 0):  # type: ignore[operator]
            raise ValueError(
                f"df must be a positive number (inf is the Gaussian), None or 'estimate'; got {self.df!r}."
            )

    @property
    def estimates_df(self) -> bool:
        """Whether 1 / df is a linear predictor."""
        return self.df is None or self.df == "estimate"

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return ("location", "scale", "df")[: 3 if self.estimates_df else 2]

    @property
    def links(self) -> tuple[str, ...]:
        return ("identity", "log", "reciprocal")[: 3 if self.estimates_df else 2]

    @property
    def bounded_parameters(self) -> tuple[str, ...]:
        return ("df",) if self.estimates_df else ()

    def boundary_of(self, larger: Likelihood) -> bool | None:
        # The skew t is one of these classes, too.
        if not isinstance(larger, StudentT) or not {*self.parameter_names} <= {*larger.parameter_names}:
            return super().boundary_of(larger)
        if self.estimates_df or not larger.estimates_df:
            return False if larger.df == self.df or larger.estimates_df else None
        reciprocal = 1 / float(self.df)  # type: ignore[arg-type]
        return None if reciprocal > 1 else reciprocal in (0, 1)

    def _reciprocal(self, eta: Array) -> Array:
        """Return d, one per row."""
        if self.estimates_df:
            return np.maximum(eta[-1], 0)
        return np.full_like(eta[0], 1 / float(self.df))  # type: ignore[arg-type]

    def _bounded(self, z: Array) -> Array:
        """Return z for derivatives: the second in d is a sixth power, which must not overflow."""
        return np.clip(z, -_FARTHEST, _FARTHEST) if self.estimates_df else z

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        z, inverse_scale = standardize(y, eta)
        if not self.estimates_df and self.df != math.inf and z.size:
            # The usual case: one df, and no row so far out that d z^2 overflows. Few temporaries, for large data.
            known = 1 / float(self.df)  # type: ignore[arg-type]
            w = known * np.square(z)
            if w.max() < _MOST:
                nll = np.log1p(w)
                nll *= 0.5 * (1 + known) / known
                nll += eta[1] + _normalizer(known, eta.dtype)
                w += 1
                slope = (1 + known) * z / w
                return nll, np.array([-slope * inverse_scale, 1 - z * slope])
        d = self._reciprocal(eta)
        constant, constant_slope, _ = _constant(d)
        nll = constant + eta[1] + 0.5 * (1 + d) * _logarithm(y, eta, z, d)
        z = self._bounded(z)
        _, weighted, shrunk = _shrink(z, d)
        gradient = [-(1 + d) * weighted * inverse_scale, 1 - (1 + d) * shrunk]
        if self.estimates_df:
            gradient.append(constant_slope + 0.5 * (shrunk + _slopes(z, d)[0]))
            nll = np.where(eta[2] < 0, np.inf, nll)
        return nll, np.stack(gradient)

    def hessian(self, y: Array, eta: Array) -> Array:
        d = self._reciprocal(eta)
        z, inverse_scale = standardize(y, eta)
        z = self._bounded(z)
        weight, weighted, shrunk = _shrink(z, d)
        # With q = z^2 / (1 + d z^2): dq/dz = 2 z weight^2, and weight = 1 - d q.
        hessian = np.zeros((len(eta), *eta.shape), dtype=eta.dtype)
        hessian[0, 0] = (1 + d) * weight * (2 * weight - 1) * inverse_scale * inverse_scale
        hessian[0, 1] = 2 * (1 + d) * weight * weighted * inverse_scale
        hessian[1, 1] = 2 * (1 + d) * weight * shrunk
        if self.estimates_df:
            first, second = _slopes(z, d)
            hessian[0, 2] = -(weighted - (1 + d) * shrunk * weighted) * inverse_scale
            hessian[1, 2] = (1 + d) * np.square(shrunk) - shrunk
            hessian[2, 2] = _constant(d)[2] + first + 0.5 * (1 + d) * second
            hessian[2, 0], hessian[2, 1] = hessian[0, 2], hessian[1, 2]
        hessian[1, 0] = hessian[0, 1]
        return hessian

    def expected_information(self, eta: Array) -> Array:
        d = self._reciprocal(eta)
        inverse_scale = np.exp(-eta[1])
        information = np.zeros((len(eta), *eta.shape), dtype=eta.dtype)
        information[0, 0] = (1 + d) / (1 + 3 * d) * inverse_scale * inverse_scale
        information[1, 1] = 2 / (1 + 3 * d)
        if self.estimates_df:
            both = (1 + d) * (1 + 3 * d)
            information[1, 2] = information[2, 1] = 2 / both
            # E[z^4 / (1 + d z^2)^2] and the normalizer's slope, with what cancels near d = 0 taken out: 7/2 there.
            _, slope, curvature = _constant(d)
            direct = (slope - 0.25) / np.where(d > 0, d, 1)
            series = d * (-0.125 + d * d * (0.25 + d * d * (-1.0625 + d * d * 7.75)))
            information[2, 2] = curvature + 2 * np.where(d < 0.01, series, direct) + (3.5 + 1.5 * d) / both
        return information

    def start(self, y: Array, weight: Array | None) -> Array:
        median, spread = median_and_spread(y, weight)

        def at(d: float) -> Array:
            df = 1 / d if d else math.inf
            return np.array([median, math.log(spread / _upper_quartile(df)), d])

        if not self.estimates_df:
            return at(1 / float(self.df))[:2]  # type: ignore[arg-type]
        return best_of(self, [at(d) for d in _STARTS], y, weight)

    def _degrees(self, eta: Array) -> Array:
        return 1 / self._reciprocal(eta)

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.t, df=self._degrees(eta), loc=eta[0], scale=np.exp(eta[1]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        z = standardize(y, eta)[0]
        outer = student_t_tail(np.abs(z), self._degrees(eta))
        return np.where((z > 0) == upper, outer, 1 - outer)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        size = student_t_quantile(self._degrees(eta), level)
        return eta[0] + np.exp(eta[1]) * (size if upper else -size)

    def mean(self, eta: Array) -> Array:
        return np.where(self._reciprocal(eta) < 1, eta[0], np.nan)

    def standard_deviation(self, eta: Array) -> Array:
        d = self._reciprocal(eta)
        finite = np.exp(eta[1]) / np.sqrt(np.maximum(1 - 2 * d, _TINY))
        return np.where(d < 0.5, finite, np.where(d < 1, np.inf, np.nan))


@lru_cache(maxsize=64)
def _upper_quartile(df: float) -> float:
    return float(student_t_quantile(np.array([df]), np.array([0.25]))[0])


def _shrink(z: Array, d: Array) -> tuple[Array, Array, Array]:
    """Return 1 / (1 + d z^2), and z and z^2 times it, without inf times zero."""
    w = np.square(np.sqrt(d) * z)
    weight = 1 / (1 + w)
    shrunk = np.where(w > 1, (1 - weight) / np.where(d > 0, d, 1), np.square(np.where(w > 1, 0, z)) * weight)
    return weight, z * weight, shrunk


def _logarithm(y: Array, eta: Array, z: Array, d: Array) -> Array:
    """Return log(1 + d z^2) / d, which is z^2 at d = 0."""
    w = np.square(np.sqrt(d) * z)
    value = np.where(w > _LEAST, np.log1p(w) / np.where(d > 0, d, 1), np.square(z))
    far = np.flatnonzero(w > _MOST)
    if len(far):
        # Here d z^2, or z itself, may have overflowed; its logarithm does not.
        log_z = np.log(np.abs(y[far] - eta[0][far])) - eta[1][far]
        value[far] = (2 * log_z + np.log(d[far])) / d[far]
    return value


def _ratios(w: Array) -> tuple[Array, Array, Array]:
    """Return f, f' and f'' of f(w) = log(1 + w) / w, with their limits 1, -1/2 and 2/3."""
    value, first, second = log1p_ratio(w)
    safe = np.maximum(w, _TINY)
    return value, np.where(w > _TINY, first / safe, -0.5), np.where(w > _TINY, second / safe / safe, 2 / 3)


def _slopes(z: Array, d: Array) -> tuple[Array, Array]:
    """Return the first and second derivative of log(1 + d z^2) / d in d."""
    square = np.square(z)
    _, first, second = _ratios(np.square(np.sqrt(d) * z))
    return np.square(square) * first, np.square(square) * square * second


@lru_cache(maxsize=64)
def _normalizer(reciprocal: float, dtype: np.dtype[Any]) -> Array:
    return _constant(np.full(1, reciprocal, dtype=dtype))[0]


def _constant(d: Array) -> tuple[Array, Array, Array]:
    """Return the logarithm of the normalizer at scale one, and its two derivatives in d."""
    whole, half = stirling_remainder(d), stirling_remainder(2 * d)
    safe = np.maximum(d, _TINY)
    first = np.where(d > _TINY, (2 * half[1] - whole[1]) / safe, 0.25)
    second = np.where(d > _TINY, (2 * half[2] - whole[2]) / safe / safe, 0)
    return HALF_LOG_TWO_PI + 2 * half[0] - whole[0], first, second
