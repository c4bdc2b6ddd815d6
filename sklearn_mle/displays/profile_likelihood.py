"""A profile likelihood as a picture, beside the parabola that the Wald interval takes it for."""

from typing import Any, Self

import numpy as np

from sklearn_mle.displays._style import BLUE, GREY, VERMILION, Unit, axes_for, confidence_factor, signed
from sklearn_mle.inference import ProfileLikelihood

__all__ = ["ProfileLikelihoodDisplay"]


class ProfileLikelihoodDisplay:
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
    >>> from sklearn_mle.inference import profile_interval
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X, y = X[["bmi", "bp"]][:60], y[:60] > 140
    >>> profile = profile_interval(MLELogisticClassifier().fit(X, y), X, y, "bmi")
    >>> display = ProfileLikelihoodDisplay(profile).plot()
    >>> display.ax_.get_xlabel()
    'bmi'
    """

    def __init__(self, profile: ProfileLikelihood, *, base: float | None = None) -> None:
        self.profile = profile
        self.base = base

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the profile.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        ProfileLikelihoodDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        profile, unit = self.profile, Unit(self.base)
        self.figure_, self.ax_ = axes_for(ax, 4.2)
        threshold = (profile.threshold - profile.maximum) / unit.nats
        level = f"{100 * profile.confidence_level:g}%"
        (self.line_,) = self.ax_.plot(
            profile.grid, (profile.log_likelihood - profile.maximum) / unit.nats, color=BLUE, label="profile likelihood"
        )
        self.wald_line_ = None
        if np.isfinite([profile.estimate, profile.standard_error]).all():
            x = np.linspace(profile.grid.min(), profile.grid.max(), 201)
            (self.wald_line_,) = self.ax_.plot(
                x,
                (profile.wald(x) - profile.maximum) / unit.nats,
                color=VERMILION,
                linestyle="--",
                label="Wald (quadratic)",
            )
        self.ax_.axhline(threshold, color=GREY, linewidth=1, linestyle=":")
        ends = [end for end in profile.interval if np.isfinite(end)]
        self.interval_lines_ = [
            self.ax_.plot([end, end], [2.2 * threshold, threshold], color=BLUE, linewidth=1)[0] for end in ends
        ]
        if self.wald_line_ is not None:
            half = confidence_factor(profile.confidence_level) * profile.standard_error
            for end in (profile.estimate - half, profile.estimate + half):
                self.ax_.plot([end, end], [2.2 * threshold, threshold], color=VERMILION, linewidth=1, linestyle="--")
        self.ax_.set_ylim(2.2 * threshold, -0.12 * threshold)
        self.ax_.annotate(
            level, (1, threshold), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY
        )
        self.ax_.set_xlabel(profile.parameter)
        self.ax_.set_ylabel(f"log-likelihood minus its maximum, {unit.name}")
        self.ax_.set_title(
            f"{level} profile interval [{signed(profile.lower, '.4g')}, {signed(profile.upper, '.4g')}]",
            loc="left",
            fontsize="medium",
        )
        self.ax_.legend(loc="best", frameon=False)
        return self
