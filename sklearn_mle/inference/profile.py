"""Profile likelihoods: the log-likelihood of one parameter, maximized over the others, and the interval it gives."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, t

from sklearn_mle._numerics.arguments import argument_name, as_bool, as_floats, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.exceptions import ConvergenceWarning
from sklearn_mle.inference.at_estimate import AtEstimate, at_estimate, read_training
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.hypotheses import check_confidence_level
from sklearn_mle.inference.profile_path import NO_MAXIMUM, SHORT, ProfiledNLL, ProfilePath, ProfilePoint
from sklearn_mle.inference.reading import read_estimator

_MOST_POINTS = 100_000
# Bounds on the logarithm of the ratio of the ends of a variance's interval, at any confidence level.
_LEAST_APART, _MOST_APART = 1e-14, 700.0


@dataclass(frozen=True)
class ProfileLikelihood:
    r"""The profile likelihood of one parameter, on a grid, with the confidence interval read off it.

    .. math:: \ell_p(b) = \max_{\theta : \theta_j = b} \ell(\theta) ,\qquad
        \{b : \ell_p(\hat b) - \ell_p(b) \le \text{drop}\}

    Attributes
    ----------
    parameter : str
        The parameter's name.
    estimate : float
        Where the profile has its maximum; -inf or inf where it rises to the end (separation).
    standard_error : float
        Of the quadratic (Wald) approximation at the estimate; nan where there is none.
    grid : ndarray of shape (m,)
        Values of the parameter, ascending, the estimate and the finite ends of the interval among them.
    log_likelihood : ndarray of shape (m,)
        The profile log-likelihood at the grid, in nats; penalized by the Jeffreys prior for a Firth fit. nan where the
        maximum over the other parameters was not found.
    maximum : float
        The supremum of the profile log-likelihood: its value at the estimate, where that is finite.
    confidence_level : float
    lower, upper : float
        Ends of the interval; -inf, inf where the profile never falls as far as ``threshold``, and nan, with a
        ``ConvergenceWarning``, where the other parameters could not be followed so far.
    drop : float
        How far ``threshold`` is below the maximum, in nats: half the quantile of chi-squared, or the exact one of the
        Gaussian with one estimated scale.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import profile_interval
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> profile = profile_interval(model, X[["bmi", "bp"]], y, "bmi")
    >>> profile.lower < profile.estimate < profile.upper
    True
    """

    parameter: str
    estimate: float
    standard_error: float
    grid: Array
    log_likelihood: Array
    maximum: float
    confidence_level: float
    lower: float
    upper: float
    drop: float

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the confidence interval."""
        return self.lower, self.upper

    @property
    def threshold(self) -> float:
        """The profile log-likelihood at the ends of the interval, in nats."""
        return self.maximum - self.drop

    def wald(self, values: Any) -> Array:
        """Return the parabola by which the Wald interval approximates the profile: same maximum and curvature.

        Parameters
        ----------
        values : array-like of shape (m,)
            Values of the parameter.

        Returns
        -------
        ndarray of shape (m,)
            Nats; nan where there is no standard error.
        """
        with np.errstate(all="ignore"):
            distance = (as_floats(values, "values") - self.estimate) / self.standard_error
            return self.maximum - 0.5 * np.square(distance)

    def __repr__(self) -> str:
        return (
            f"ProfileLikelihood({self.parameter}: estimate {self.estimate:.6g}, "
            f"{100 * self.confidence_level:g}% interval [{self.lower:.6g}, {self.upper:.6g}])"
        )


def profile_interval(
    estimator: Any,
    X: Any,
    y: Any,
    parameter: Any = None,
    *,
    confidence_level: float = 0.95,
    sample_weight: Any = None,
    offset: Any = None,
    n_points: int = 21,
    small_sample: bool = True,
) -> ProfileLikelihood | list[ProfileLikelihood]:
    r"""Return profile-likelihood confidence intervals of parameters of a fitted model.

    The interval holds the values b that the data do not reject in a likelihood-ratio test: those whose profile
    :math:`\ell_p(b)`, the log-likelihood maximized over all other parameters, is within half the quantile of
    :math:`\chi^2_1` of the maximum. Of a Gaussian with one estimated scale the distribution of the ratio is known, and
    the interval of a coefficient is Student's, that of ``summary``. A profile interval needs no symmetry and does not
    depend on the parametrization; where classes are separated, it is infinite on the side to which the coefficient
    diverges. For ``bias_reduction="firth"`` the profile is of the likelihood penalized by Jeffreys' prior (Heinze and
    Schemper 2002).

    Parameters
    ----------
    estimator : estimator
        A fitted ``MLELogisticClassifier``, a regressor of this library with a smooth likelihood, or a fitted model of
        scikit-learn that ``infer`` takes; pipelines are opened. Without a prior, class weights or kinks.
    X : array-like of shape (n_samples, n_features)
        The features that it was fitted to.
    y : array-like of shape (n_samples,)
        The outcomes that it was fitted to.
    parameter : str, int, or sequence of them, default=None
        Names as in ``summary()`` ("age", "intercept", "class b: age"), or their positions there; None is all.
    confidence_level : float, default=0.95
        Strictly between 0 and 1.
    sample_weight : array-like of shape (n_samples,), default=None
        As in fit: a weight of k is k copies of the row.
    offset : array-like, default=None
        As in fit.
    n_points : int, default=21
        How many points of the curve to compute beside those that the ends needed.
    small_sample : bool, default=True
        For the unpenalized Gaussian with one estimated scale: the exact interval. False takes chi-squared there, too,
        as everywhere else; it is then too short by the share of coefficients among the observations.

    Returns
    -------
    ProfileLikelihood or list of ProfileLikelihood
        One for a single parameter; log-likelihoods in nats.

    Raises
    ------
    ValueError
        If a parameter is not known, the estimator was penalized, its likelihood has kinks or is unbounded, or a profile
        has no maximum to begin from.
    TypeError
        If ``infer`` does not support the estimator.

    References
    ----------
    Venzon and Moolgavkar (1988), A method for computing profile-likelihood-based confidence intervals, Applied
    Statistics 37.
    Heinze and Schemper (2002), A solution to the problem of separation in logistic regression, Statistics in
    Medicine 21.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import profile_interval
    >>> X = np.arange(10.0)[:, None]
    >>> y = [0, 0, 1, 0, 0, 1, 0, 1, 1, 1]
    >>> model = MLELogisticClassifier().fit(X, y)
    >>> profile_interval(model, X, y, "x0")
    ProfileLikelihood(x0: estimate 0.543697, 95% interval [0.0082187, 1.4466])
    """
    check_confidence_level(confidence_level)
    small_sample = as_bool("small_sample", small_sample)
    check_count("n_points", n_points, 0, _MOST_POINTS)
    model, X = read_estimator("estimator", estimator, X)
    model.refuse_too_many_parameters()
    refuse("profile_interval", model)
    one = isinstance(parameter, str | int | np.integer)
    with argument_name("parameter"):
        wanted = range(len(model.labels)) if parameter is None else [parameter] if one else list(parameter)
    places = [model.place("parameter", each) for each in wanted]
    model, data = read_training(model, X, y, sample_weight, offset)
    if not places:
        return []
    with single_threaded_blas, np.errstate(all="ignore"):
        at = at_estimate(model, data)
        nll = ProfiledNLL(at)
        # Under separation it is as far out as F still falls.
        optimum = ProfilePath(nll, np.zeros((0, len(at.theta)))).at(np.zeros(0), at.theta)
        if optimum.gap > SHORT:
            raise ValueError(NO_MAXIMUM)
        found = []
        for place in places:
            drop = profile_drop(at, int(model.entries[place]), confidence_level, small_sample)
            found.append(_profile(nll, optimum, at, place, confidence_level, drop, n_points))
    return found[0] if one else found


def _profile(
    nll: ProfiledNLL, optimum: ProfilePoint, at: AtEstimate, place: int, level: float, drop: float, n_points: int
) -> ProfileLikelihood:
    """Return the profile of one parameter, and where it is ``drop`` nats below its maximum."""
    entry = int(at.model.entries[place])
    form, fitted = at.forms[entry], float(at.model.coefficients.ravel()[entry])
    start, minimum = optimum.theta, optimum.value
    factor = nll.factor(start)
    curvature = at.curvature(factor, 1.0)
    lost = bool(curvature.lost(np.eye(len(at.forms))[entry : entry + 1])[0])
    estimate, standard_error, lower, upper = fitted, np.nan, -np.inf, np.inf
    points = [ProfilePoint(at.theta, minimum, np.zeros(1), 0.0)]
    # With dependent columns the likelihood may not depend on it: a flat profile.
    if form.any() and (not lost or curvature.divergent is not None):
        path = ProfilePath(nll, form[None])
        if lost:
            # The distance is known from the column's unit, not from the curvature; and the path starts where the fit
            # ended, for the optimum is at infinity.
            start, near = np.zeros_like(start), float(np.abs(form).max())
        else:
            near = standard_error = float(np.sqrt(form @ factor.solve(form)))
        (below, left), (above, right) = (path.crossing(sign, drop, start, minimum, near) for sign in (-1, 1))
        if np.isnan([below, above]).any():
            warnings.warn(
                f"The profile of {at.model.labels[place]!r} could not be followed to the ends of its interval: the "
                "likelihood has several maxima, or hardly depends on another parameter. These ends are nan; use "
                "bootstrap.",
                ConvergenceWarning,
                stacklevel=3,
            )
        finite = [reach for reach in (below, above) if np.isfinite(reach)]
        # The curve reaches as far on the side of an infinite end as on the other, or else ten standard errors.
        reaches = [reach if np.isfinite(reach) else max(finite, default=10 * near) for reach in (below, above)]
        points = path.curve(start, reaches, n_points)
        points += [last for reach, last in ((below, left), (above, right)) if np.isfinite(reach)]
        points.sort(key=lambda point: float(form @ point.theta))
        estimate = fitted + float(form @ start)
        lower, upper = estimate - below, estimate + above
        if lost:
            one_way = np.isinf(below) != np.isinf(above) and not np.isnan([below, above]).any()
            estimate = np.nan if not one_way else np.inf if np.isinf(above) else -np.inf
    grid = np.array([fitted + float(form @ point.theta) for point in points])
    values = np.array([-point.value for point in points])
    label = at.model.labels[place]
    above = float(np.max(values, initial=-minimum, where=~np.isnan(values))) + minimum
    if above > SHORT:
        warnings.warn(
            f"The profile of {label!r} rises {above:.2g} nats above the estimate, which is one of several maxima: the "
            "interval is of this one. Fit from elsewhere, or use fewer columns.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return ProfileLikelihood(label, estimate, standard_error, grid, values, -minimum, level, lower, upper, drop)


def profile_drop(at: AtEstimate, entry: int, confidence_level: float, small_sample: bool) -> float:
    r"""Return by how many nats a profile log-likelihood falls from its maximum to the ends of a confidence interval.

    Half the quantile of chi-squared in large samples. Of a Gaussian with one estimated scale the likelihood ratio is an
    increasing function of t^2, so that the region it gives is Student's interval:

    .. math:: \tfrac{n}{2} \log\left(1 + \frac{t_{n - k}^2}{n - k}\right) ;

    of the scale itself it is that of :math:`r = \mathrm{RSS} / (n \sigma^2)`, n r being chi-squared with n - k degrees
    of freedom, and the drop :math:`\tfrac{n}{2} (r - 1 - \log r)` is the one that r exceeds with the probability left.

    ``entry`` is the parameter's place in the flattened coefficients.
    """
    n, df = at.n_obs, at.n_obs - at.n_coefficients
    if not (at.model.exact and small_sample and df > 0):
        return 0.5 * float(chi2.ppf(confidence_level, 1))
    half_weight = 0.5 * at.total_weight
    if entry != (at.model.dispersion_index + 1) * at.model.coefficients.shape[1] - 1:
        return half_weight * math.log1p(float(t.isf((1 - confidence_level) / 2, df)) ** 2 / df)

    def missing(apart: float) -> float:
        # Of two r with the same drop, the larger is the smaller plus the logarithm of their ratio.
        low = apart / math.expm1(apart)
        return float(chi2.cdf(n * (low + apart), df) - chi2.cdf(n * low, df)) - confidence_level

    apart = float(brentq(missing, _LEAST_APART, _MOST_APART, xtol=_LEAST_APART))
    low = apart / math.expm1(apart)
    return half_weight * (low - 1 - math.log(low))
