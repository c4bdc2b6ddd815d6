"""Skew t: y real with median eta_0, log scale eta_1 and skewness eta_2, of given or estimated degrees of freedom."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle._numerics.tails import student_t_quantile, student_t_tail
from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import in_units, information_of_shapes, standardize
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._skewing import MOST_SKEWNESS, Skewing, Slopes
from sklearn_mle.likelihoods._start import best_of, median_and_spread
from sklearn_mle.likelihoods.student_t import StudentT

_STUDENT_T = StudentT(df=None)
_STARTS = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0)
_OUTER, _MOST_TAU = 0.1, 0.9
# z for derivatives: farther out their limits are reached, and powers would overflow.
_FARTHEST = 1e30
# t = sinh(sinh(v)): trapezoidal sums of functions of a t variable, to about ten digits from half a degree on.
_V = np.arange(-76, 77) * 0.06
_NODES = np.sinh(np.sinh(_V))
_STEPS = np.cosh(np.sinh(_V)) * np.cosh(_V) * 0.06
# t = exp(sinh(v)) > 0, for a function with a kink at zero.
_W = np.arange(-90, 91) * 0.05
_POSITIVE = np.exp(0.5 * np.pi * np.sinh(_W))
_POSITIVE_STEPS = _POSITIVE * 0.5 * np.pi * np.cosh(_W) * 0.05
# Rows whose information is summed at a time.
_AT_ONCE = 1024
_ROUNDS = 60


class SkewT(StudentT):
    r"""Skew t likelihood: Student's t with one tail stretched and the other shrunk, smooth in all its parameters.

    Y is :math:`\mu + s z` with :math:`z = t + \tau (\sqrt{1 + t^2} - 1)`, :math:`\tau = \tanh\epsilon`, of a Student t
    variable t with df degrees of freedom:

    .. math:: -\log p(y \mid \mu, \log s, \epsilon) = \log s - \log p_\mathrm{df}(t) + \log\left(1 + \frac{\tau
        t}{\sqrt{1 + t^2}}\right) ,\qquad t = \frac{\zeta - \tau \sqrt{\zeta^2 + 1 - \tau^2}}{1 - \tau^2}
        ,\quad \zeta = \frac{y - \mu}{s} + \tau

    This is the sinh-arcsinh transformation of Student's t (t becomes :math:`\sinh(\operatorname{asinh} t + \epsilon)`),
    moved and scaled so that :math:`\mu` is the median and the density there is Student's at the scale s, whatever the
    skewness. Far out the upper tail has the scale :math:`(1 + \tau) s` and the lower one :math:`(1 - \tau) s`, so
    :math:`\epsilon` is half the logarithm of their ratio: positive where large outcomes are the more extreme ones. At
    :math:`\epsilon = 0` it is Student's t, at df = inf a skewed Gaussian; both are interior or regular points.

    Nats. ``eta`` has shape (3, n): the median, the logarithm of the scale, and the skewness :math:`\epsilon`, which has
    the identity link; or (4, n) with 1 / df in [0, 1], where df is estimated. Where all outcomes
    are about as near to the median on one side, the likelihood may rise with the skewness without end: nothing changes
    beyond 15, and that is the answer then. The expected information has no closed form: it is an integral, computed to
    about ten digits.

    Parameters
    ----------
    df : float, None or "estimate", default=4.0
        Degrees of freedom, positive, as of ``StudentT``: ``inf`` is the skewed Gaussian. None and "estimate" make
        1 / df the last linear predictor; of ``MLERegressor``, ``predictors={"df": "constant"}`` does.

    See Also
    --------
    StudentT : The same without skewness.

    References
    ----------
    Rosco, Jones and Pewsey (2011), Skew t distributions via the sinh-arcsinh transformation, TEST 20.
    Jones and Pewsey (2009), Sinh-arcsinh distributions, Biometrika 96.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import SkewT
    >>> y, eta = np.array([-3.0, 0.0, 3.0]), np.full((3, 3), [[0.0], [0.0], [0.5]])
    >>> SkewT(df=4).nll(y, eta).round(6)
    array([5.162069, 0.980829, 3.443534])
    >>> SkewT(df=4).distribution(eta).median()
    array([0., 0., 0.])
    """

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return ("location", "scale", "skewness", "df")[: 4 if self.estimates_df else 3]

    @property
    def links(self) -> tuple[str, ...]:
        return ("identity", "log", "identity", "reciprocal")[: 4 if self.estimates_df else 3]

    @property
    def ends(self) -> dict[str, tuple[float, float]]:
        return {"skewness": (-MOST_SKEWNESS, MOST_SKEWNESS)}

    def nll(self, y: Array, eta: Array) -> Array:
        z, _ = standardize(y, eta)
        skewing = Skewing(eta[2])
        ratio = skewing.straightening(z)
        # In the unit of y: where z overflows, or its square, the logarithm is known still.
        symmetric = np.stack([np.zeros_like(z), eta[1], self._reciprocal(eta)])
        nll = _STUDENT_T.nll((y - eta[0]) * ratio, symmetric) + np.log(Slopes(skewing, z * ratio).slope)
        return np.where(eta[-1] < 0, np.inf, nll) if self.estimates_df else nll

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        return self.nll(y, eta), self.gradient(y, eta)

    def gradient(self, y: Array, eta: Array) -> Array:
        z, inverse_scale = standardize(y, eta)
        z = np.clip(z, -_FARTHEST, _FARTHEST)
        skewing = Skewing(eta[2])
        gradient = _Standard(skewing, skewing.straight(z), self._reciprocal(eta)).gradient(z)[: len(eta)]
        gradient[0] *= inverse_scale
        return gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        z, inverse_scale = standardize(y, eta)
        z = np.clip(z, -_FARTHEST, _FARTHEST)
        skewing, q = Skewing(eta[2]), len(eta)
        hessian = _Standard(skewing, skewing.straight(z), self._reciprocal(eta)).hessian(z)[:q, :q]
        return in_units(hessian, inverse_scale)

    def expected_information(self, eta: Array) -> Array:
        shapes, q = np.stack([eta[2], self._reciprocal(eta)]), len(eta)
        return information_of_shapes(lambda some: _unit_information(*some)[:q, :q], shapes, eta, _AT_ONCE)

    def start(self, y: Array, weight: Array | None) -> Array:
        median, spread = median_and_spread(y, weight)
        low, high = (weighted_quantile(y, weight, level) for level in (_OUTER, 1 - _OUTER))
        asymmetry = (high - median) - (median - low)

        def at(d: float, tau: float) -> Array:
            quarter, outer = student_t_quantile(np.full(2, 1 / d if d else math.inf), np.array([0.25, _OUTER]))
            if tau:
                tau = asymmetry / max(high - low, 1e-300) * outer / (math.hypot(1, outer) - 1)
            epsilon = math.atanh(min(max(tau, -_MOST_TAU), _MOST_TAU))
            return np.array([median, math.log(spread / quarter), epsilon, d])

        known = 1.0 if self.estimates_df else 1 / float(self.df)  # type: ignore[arg-type]
        of_tails = _STARTS if self.estimates_df else (known,)
        starts = [at(d, tau)[: self.n_predictors] for d in of_tails for tau in (0.0, 1.0)]
        return best_of(self, starts, y, weight)

    def _best_location(self, y: Array, eta: Array) -> Array:
        """Return the medians at which each y is the mode, by bisection of asinh t on the narrow side."""
        skewing, d = Skewing(eta[2]), self._reciprocal(eta)
        sign = -np.sign(skewing.tau)
        low, high = np.zeros_like(eta[0]), np.full_like(eta[0], 60.0)
        for _ in range(_ROUNDS):
            u = 0.5 * (low + high)
            rises = sign * _Standard(skewing, sign * np.sinh(u), d).rise > 0
            low, high = np.where(rises, low, u), np.where(rises, u, high)
        return y - np.exp(eta[1]) * skewing.skewed(sign * np.sinh(low))

    def distribution(self, eta: Array) -> Any:
        shapes = {"gamma": np.exp(eta[2]), "df": self._degrees(eta)}
        return frozen(self, eta, skew_t_distribution, **shapes, loc=eta[0], scale=np.exp(eta[1]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        t = Skewing(eta[2]).straight(standardize(y, eta)[0])
        outer = student_t_tail(np.abs(t), self._degrees(eta))
        return np.where((t > 0) == upper, outer, 1 - outer)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        size = student_t_quantile(self._degrees(eta), level)
        return eta[0] + np.exp(eta[1]) * Skewing(eta[2]).skewed(size if upper else -size)

    def mean(self, eta: Array) -> Array:
        d = self._reciprocal(eta)
        return np.where(d < 1, eta[0] + np.exp(eta[1]) * Skewing(eta[2]).tau * (_mean_root(d) - 1), np.nan)

    def standard_deviation(self, eta: Array) -> Array:
        d = self._reciprocal(eta)
        variance = 1 / np.where(d < 0.5, 1 - 2 * d, 1)
        of_lift = np.square(Skewing(eta[2]).tau) * (1 + variance - np.square(_mean_root(d)))
        return np.where(d < 0.5, np.exp(eta[1]) * np.sqrt(variance + of_lift), np.where(d < 1, np.inf, np.nan))


class _Standard:
    """Derivatives of the NLL at location zero and scale one, of z and t of the same rows."""

    def __init__(self, skewing: Skewing, t: Array, d: Array) -> None:
        self.tau, self.free, self.at = skewing.tau, skewing.free, Slopes(skewing, t)
        zero = np.zeros_like(t)
        symmetric = np.stack([zero, zero, zero + d])
        self._gradient = _STUDENT_T.gradient(t.ravel(), symmetric.reshape(3, -1)).reshape(symmetric.shape)
        self._arguments = t, symmetric
        # The slope in t.
        self.rise = -self._gradient[0] + self.tau * self.at.second / self.at.slope

    @property
    def of_skewness(self) -> Array:
        """The slope in tau."""
        return (self.at.first - self.at.lift * self.rise) / self.at.slope

    def gradient(self, z: Array) -> Array:
        """Return the gradient in the four predictors."""
        of_z = self.rise / self.at.slope
        return np.stack([-of_z, 1 - z * of_z, self.free * self.of_skewness, self._gradient[2]])

    def hessian(self, z: Array) -> Array:
        """Return the Hessian in the four predictors."""
        t, symmetric = self._arguments
        student = _STUDENT_T.hessian(t, symmetric)
        at, tau, free, slope = self.at, self.tau, self.free, self.at.slope
        bend = tau * at.second / slope
        curvature = student[0, 0] + tau * at.third / slope - np.square(bend)
        cross = at.second / slope / slope
        of_z, of_skewness, of_df = self.rise / slope, self.of_skewness, -student[0, 2] / slope
        # In z at a fixed tau, d/dz = (1/J) d/dt; in tau at a fixed z, d/dtau - (h/J) d/dt.
        zz = (curvature - of_z * tau * at.second) / slope / slope
        z_tau = (cross - of_z * at.first) / slope - at.lift * zz
        along = (at.second - at.first * self.rise - at.lift * curvature - of_skewness * tau * at.second) / slope
        tau_tau = (-at.lift * cross - of_skewness * at.first - at.lift * along) / slope
        hessian = np.empty((4, 4, *t.shape), dtype=t.dtype)
        hessian[0, 0] = zz
        hessian[0, 1] = of_z + z * zz
        hessian[1, 1] = z * hessian[0, 1]
        hessian[0, 2] = -free * z_tau
        hessian[1, 2] = z * hessian[0, 2]
        hessian[2, 2] = free * (free * tau_tau - 2 * tau * of_skewness)
        hessian[0, 3], hessian[1, 3], hessian[2, 3] = -of_df, -z * of_df, -free * at.lift * of_df
        hessian[3, 3] = student[2, 2]
        for j in range(1, 4):
            for k in range(j):
                hessian[j, k] = hessian[k, j]
        return hessian


def _unit_information(skewness: Array, d: Array) -> Array:
    """Return the expected information (4, 4, n) at scale one: the variance of the gradient."""
    skewness, d = skewness.astype(np.float64), d.astype(np.float64)
    t, skewing = np.repeat(_NODES[:, None], len(d), axis=1), Skewing(skewness)
    gradient = _Standard(skewing, t, d).gradient(skewing.skewed(t))
    mass = _t_density(_NODES, d) * _STEPS[:, None]
    # Where the density has vanished, squares may have overflowed.
    weighted = np.where(mass > 0, mass * gradient, 0)
    return np.einsum("jmn,kmn->jkn", weighted, np.where(mass > 0, gradient, 0))


def _t_density(t: Array, d: Array) -> Array:
    """Return Student's density (m, n) at points (m,), of each reciprocal of the degrees of freedom."""
    at = np.stack([np.zeros((len(t), len(d))), np.zeros((len(t), len(d))), np.broadcast_to(d, (len(t), len(d)))])
    return np.exp(-_STUDENT_T.nll(np.repeat(t, len(d)), at.reshape(3, -1))).reshape(len(t), len(d))


def _mean_root(d: Array) -> Array:
    """Return the mean of sqrt(1 + t^2) (n,), where d < 1; of degrees of freedom there are few different ones."""
    values, inverse = np.unique(np.where(d < 1, d, 0).astype(np.float64), return_inverse=True)
    # As |t|, whose mean is known, and a rest that vanishes far out.
    rest = np.exp(-np.arcsinh(_POSITIVE)) * _POSITIVE_STEPS
    peak = _t_density(np.zeros(1), values)[0]
    return (2 * (peak / (1 - values) + rest @ _t_density(_POSITIVE, values)))[inverse]


class _SkewTDistribution(stats.rv_continuous):
    """The skew t for ``scipy.stats``: of gamma, the exponential of the skewness, and the degrees of freedom."""

    def _pdf(self, x: Array, gamma: Array, df: Array) -> Array:
        skewing = Skewing(np.log(gamma))
        t = skewing.straight(x)
        return stats.t.pdf(t, df) / Slopes(skewing, t).slope

    def _cdf(self, x: Array, gamma: Array, df: Array) -> Array:
        return stats.t.cdf(Skewing(np.log(gamma)).straight(x), df)

    def _sf(self, x: Array, gamma: Array, df: Array) -> Array:
        return stats.t.sf(Skewing(np.log(gamma)).straight(x), df)

    def _ppf(self, q: Array, gamma: Array, df: Array) -> Array:
        return Skewing(np.log(gamma)).skewed(stats.t.ppf(q, df))

    def _rvs(self, gamma: Array, df: Array, size: Any = None, random_state: Any = None) -> Array:
        return Skewing(np.log(gamma)).skewed(random_state.standard_t(df, size))


skew_t_distribution = _SkewTDistribution(name="skew_t", shapes="gamma, df")
