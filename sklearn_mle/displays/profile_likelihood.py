"""A profile likelihood as a picture, beside the parabola that the Wald interval takes it for."""

import math
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle.displays._style import BLUE, REFERENCE, VERMILION, Display, Unit, percent, signed
from sklearn_mle.inference import ProfileLikelihood, profile_interval

__all__ = ["ProfileLikelihoodDisplay"]


class ProfileLikelihoodDisplay(Display):
    """Profile log-likelihood of one parameter below its maximum, its interval, and the Wald approximation.

    The profile interval is where the curve stays above the dotted line. Where the parabola leaves the curve, the
    standard error misleads.

    Parameters
    ----------
    profile : ProfileLikelihood
        What :func:`sklearn_mle.inference.profile_interval` found.
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
    >>> display = ProfileLikelihoodDisplay.from_estimator(MLELogisticClassifier().fit(X, y), X, y, "bmi")
    >>> display.ax_.get_xlabel()
    'bmi'
    """

    def __init__(self, profile: ProfileLikelihood, *, base: float | None = None) -> None:
        self.profile = profile
        self.base = base

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        parameter: str | int,
        *,
        confidence_level: float = 0.95,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        n_points: int = 41,
        base: float | None = None,
        ax: Any = None,
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
        confidence_level : float, default=0.95
            Of the interval.
        sample_weight, offset : array-like, default=None
            As in the fit.
        n_points : int, default=41
            Number of values of the parameter; at each of them the others are fitted again.
        base : float, default=None
            Unit of the log-likelihood: ``None`` for nats, 2 for bits.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

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
        Unit(base)  # refused before anything is fitted
        profile = profile_interval(
            estimator,
            X,
            y,
            parameter,
            confidence_level=confidence_level,
            sample_weight=sample_weight,
            offset=offset,
            n_points=n_points,
        )
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
