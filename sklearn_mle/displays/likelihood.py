"""Pictures of a log-likelihood below its maximum: iteration by iteration of a fit, and along one parameter."""

import math
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.displays._base import (
    BLUE,
    COLOURS,
    MARKERS,
    REFERENCE,
    VERMILION,
    Display,
    Unit,
    check_options,
    percent,
    signed,
)
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.inference import ProfileLikelihood, profile_interval
from sklearn_mle.inference.at_estimate import AtEstimate, read_training, with_dispersion
from sklearn_mle.inference.profile_path import ProfiledNLL

_LOWEST = 1e-8  # of the bound


@dataclass(eq=False, repr=False)
class ConvergenceDisplay(Display):
    """Penalized log-likelihood below its maximum after each iteration of a fit, on a logarithmic scale.

    The last point is the certified ``gap_``. Twice a point's height, in nats, is the squared distance from the optimum
    in standard errors: at 1e-8 nats the coefficients are within 1.4e-4 standard errors of the exact answer. Exact steps
    at the end of a fit often reach far below that; what is below 1e-8 of the bound is left out of the picture.

    Parameters
    ----------
    excess : array-like of shape (n_iterations,)
        Total penalized NLL above its minimum after each iteration, in nats.
    n_passes : int
        Passes over the data of the whole fit, including those made to record it.
    tol : float
        The ``tol`` of the fit.
    name : str, default=None
        Name of the curve.
    base : float, default=None
        Unit: ``None`` for nats, 2 for bits.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    tol_line_ : matplotlib Line2D
        The bound.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.displays import ConvergenceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=1.0), X, y)
    >>> bool(display.excess[-1] <= 1e-8)
    True
    """

    excess: Any
    n_passes: int
    tol: float
    _: KW_ONLY
    name: str | None = None
    base: float | None = None
    _arrays = ("excess",)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        base: float | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Fit a clone, record its iterations, and draw.

        The objective is evaluated once more at every iteration, so this takes two to three times as long as the fit.

        Parameters
        ----------
        estimator : estimator of sklearn_mle
            Fitted or not; it is cloned, and left as it is.
        X, y : array-like
            Training data.
        sample_weight, offset : array-like, default=None
            As in fit.
        base : float, default=None
            Unit: ``None`` for nats, 2 for bits.
        name : str, default=None
            Name of the curve; that of the estimator's class by default.
        ax : matplotlib Axes, default=None
            Where to draw, beside other curves; a new figure otherwise.

        Returns
        -------
        ConvergenceDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator is not one of sklearn_mle.
        """
        if not isinstance(estimator, BaseMLE):
            raise TypeError(
                "estimator must be one of sklearn_mle, whose fit can be observed; got a "
                f"{type(estimator).__name__} (of a pipeline, pass the last step and the transformed X)."
            )
        check_options(base, name=name)  # refused before anything is fitted
        watched = clone(estimator)
        watched._validate_params()
        seen: list[Array] = []
        watched._fit(X, y, sample_weight, offset, observer=lambda iteration, matrix: seen.append(matrix.copy()))
        final = watched._coefficients()
        if not np.isfinite(final).all():
            raise ValueError(
                "y: the fit was perfect (with these X, sample_weight and offset), so its likelihood has no "
                "maximum to converge to."
            )
        with single_threaded_blas, np.errstate(all="ignore"):  # trial points may be beyond float64; the end is not
            model, data = read_training(watched._fitted_model(), X, y, sample_weight, offset)
            # What is minimized counts weights as copies; where they are precisions the dispersion follows at the end.
            end = AtEstimate.of(with_dispersion(model, data, "frequency"), data)
            values = [_objective(end, coefficients) for coefficients in [*seen, end.model.coefficients]]
            # Differences below the rounding of the sum are not seen; the gap that is certified at the end is added.
            excess = np.maximum(np.array(values) - values[-1], 0) + watched.gap_
        if not np.isfinite(excess[-1]):
            raise ValueError("X, y, sample_weight or offset holds numbers beyond the range of float64; rescale them.")
        n_iterations = len(seen)
        # Exact steps at the end may go beyond the last iteration that was observed.
        shown = excess if n_iterations == 0 or excess[-1] < excess[-2] else excess[:-1]
        label = name or type(watched).__name__
        return cls(shown, int(watched.n_passes_), float(watched.tol), name=label, base=base).plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        unit = Unit(self.base)
        others = sum(line.get_gid() == "convergence" for line in self.ax_.lines)
        label = f"{self.name or 'fit'} ({self.n_passes} passes, gap {self.excess[-1] / unit.nats:.0e})"
        (self.line_,) = self.ax_.plot(
            np.arange(1, len(self.excess) + 1),
            self.excess / unit.nats,
            color=COLOURS[others % len(COLOURS)],
            marker=MARKERS[others % len(MARKERS)],
            label=label,
            gid="convergence",
        )
        self.tol_line_ = self.ax_.axhline(self.tol / unit.nats, **REFERENCE)
        self.ax_.set_yscale("log")
        least = min(self.excess[-1], self.tol)
        lowest = max(least / 3, _LOWEST * self.tol) / unit.nats
        self.ax_.set_ylim(bottom=min(lowest, self.ax_.get_ylim()[0]) if others else lowest)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.set_xlabel("iteration")
        self.ax_.set_ylabel(f"total, {unit.name} above the minimum")
        self._write("tol", 1, self.tol / unit.nats, ha="right", va="bottom")
        # Above the axes: curves may pass anywhere.
        self.ax_.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, frameon=False)


@dataclass(eq=False, repr=False)
class ProfileLikelihoodDisplay(Display):
    """Profile log-likelihood of one parameter below its maximum, its interval, and the Wald approximation.

    The profile interval is where the curve stays above the dotted line. Where the parabola leaves the curve, the
    standard error misleads.

    Parameters
    ----------
    profile : ProfileLikelihood
        The result of :func:`sklearn_mle.inference.profile_interval`.
    base : float, default=None
        Unit of the log-likelihood: ``None`` for nats, 2 for bits.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The profile, as log-likelihood minus its maximum.
    wald_line_ : matplotlib Line2D or None
        The parabola; None where there is no finite estimate with a standard error.
    interval_lines_ : list of matplotlib Line2D
        The finite ends of the profile interval, lower first.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.displays import ProfileLikelihoodDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X, y = X[["bmi", "bp"]][:60], y[:60] > 140
    >>> model = MLELogisticClassifier().fit(X, y)
    >>> display = ProfileLikelihoodDisplay.from_estimator(model, X, y, "bmi")
    >>> display.ax_.get_xlabel()
    'bmi'
    """

    profile: ProfileLikelihood
    _: KW_ONLY
    base: float | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        parameter: str | int,
        *,
        base: float | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Profile the likelihood of one parameter, and draw it.

        Parameters
        ----------
        estimator : fitted estimator
            As :func:`sklearn_mle.inference.profile_interval` takes it.
        X, y : array-like
            The data of the fit.
        parameter : str or int
            Its name as in ``summary()``, or its position there.
        base : float, default=None
            Unit of the log-likelihood: ``None`` for nats, 2 for bits.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            Keywords of :func:`sklearn_mle.inference.profile_interval`, such as ``confidence_level``; ``n_points`` is 41
            unless stated otherwise.

        Returns
        -------
        ProfileLikelihoodDisplay
            The display; its ``profile`` holds the numbers.

        Raises
        ------
        ValueError
            If there is no such parameter, or the estimate is penalized.
        """
        if not isinstance(parameter, str | Integral):
            raise ValueError(f"parameter must be the name or the position of one parameter; got {parameter!r}.")
        check_options(base)  # refused before anything is fitted
        profile = profile_interval(estimator, X, y, parameter, **{"n_points": 41, **kwargs})
        assert isinstance(profile, ProfileLikelihood)
        return cls(profile, base=base).plot(ax=ax)

    def _height(self) -> float:
        return 4.2

    def _draw(self, is_new: bool) -> None:
        profile, unit = self.profile, Unit(self.base)
        threshold = (profile.threshold - profile.maximum) / unit.nats
        level = percent(profile.confidence_level)
        (self.line_,) = self.ax_.plot(
            profile.grid, (profile.log_likelihood - profile.maximum) / unit.nats, color=BLUE, label="profile likelihood"
        )
        self.wald_line_, wald_ends = None, []
        if np.isfinite([profile.estimate, profile.standard_error]).all():
            half = math.sqrt(2 * profile.drop) * profile.standard_error
            wald_ends = [profile.estimate - half, profile.estimate + half]
            x = np.linspace(min(profile.grid.min(), wald_ends[0]), max(profile.grid.max(), wald_ends[1]), 201)
            (self.wald_line_,) = self.ax_.plot(
                x,
                (profile.wald(x) - profile.maximum) / unit.nats,
                color=VERMILION,
                linestyle="--",
                label="Wald (quadratic)",
            )
        self.ax_.axhline(threshold, **REFERENCE)
        ends = [end for end in profile.interval if np.isfinite(end)]
        self.interval_lines_ = [
            self.ax_.plot([end, end], [2.2 * threshold, threshold], color=BLUE, linewidth=1)[0] for end in ends
        ]
        for end in wald_ends:
            self.ax_.plot([end, end], [2.2 * threshold, threshold], color=VERMILION, linewidth=1, linestyle="--")
        self.ax_.set_ylim(2.2 * threshold, -0.12 * threshold)
        self._write(level, 1, threshold, ha="right", va="bottom")
        self.ax_.set_xlabel(profile.parameter)
        self.ax_.set_ylabel(f"log-likelihood minus its maximum, {unit.name}")
        lower, upper = signed(profile.lower, ".4g"), signed(profile.upper, ".4g")
        self._title(f"{level} profile interval [{lower}, {upper}]", "black")
        self.ax_.legend(loc="best", frameon=False)


def _objective(end: AtEstimate, coefficients: Array) -> float:
    """Return the total penalized NLL in nats at coefficients (q, p + 1), of which known constants are not a part."""
    known = [term.known is not None for term in end.model.terms]
    at = end.at(np.where(np.array(known)[:, None], end.model.coefficients, coefficients))
    return ProfiledNLL(at).value_and_gradient(at.theta)[0]
