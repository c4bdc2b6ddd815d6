"""A comparison of models as a picture: how far each is from the best, and how sure that is."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from sklearn_mle.displays._style import BLUE, GREY, REFERENCE, Display, Unit, confidence_factor, percent, signed
from sklearn_mle.model_selection import Comparison, compare

__all__ = ["ComparisonDisplay"]


class ComparisonDisplay(Display):
    """Differences of models to the best one, with intervals from their paired standard errors.

    One row a model, best on top; the mean scores stand on the right. Hollow markers are uncertain: less than 4 nats
    from the best in total, or judged by fewer than 100 rows. Models without a finite score are named, and not drawn.

    Parameters
    ----------
    comparison : Comparison
        What :func:`sklearn_mle.model_selection.compare` returned.
    confidence_level : float, default=0.95
        Of the intervals, which are normal and for each difference by itself.
    base : float, default=None
        Unit of scores in nats: ``None`` for nats, 2 for bits.

    Attributes
    ----------
    points_, uncertain_points_ : matplotlib Line2D
        The differences; hollow are the uncertain ones.
    intervals_ : matplotlib LineCollection
        Their intervals.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.model_selection.compare : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_mle.displays import ComparisonDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> models = {"logistic": LogisticRegression(max_iter=1000), "naive Bayes": GaussianNB()}
    >>> display = ComparisonDisplay.from_estimators(models, X, y, base=2)
    >>> display.ax_.get_xlabel()
    'difference to the best, bits per row (95% intervals)'
    """

    def __init__(self, comparison: Comparison, *, confidence_level: float = 0.95, base: float | None = None) -> None:
        self.comparison = comparison
        self.confidence_level = confidence_level
        self.base = base

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Iterable[tuple[str, Any]],
        X: Any,
        y: Any,
        *,
        confidence_level: float = 0.95,
        base: float | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compare estimators, and draw the comparison.

        Parameters
        ----------
        estimators : mapping or iterable of pairs
            Names and estimators, as :func:`sklearn_mle.model_selection.compare` takes them.
        X : array-like of shape (n_samples, n_features)
            As the estimators take it.
        y : array-like of shape (n_samples,)
            Outcomes.
        confidence_level : float, default=0.95
            Of the intervals.
        base : float, default=None
            Unit of scores in nats: ``None`` for nats, 2 for bits.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            Keywords of :func:`sklearn_mle.model_selection.compare`.

        Returns
        -------
        ComparisonDisplay
            The display; its ``comparison`` holds the numbers.
        """
        Unit(base)  # refused before anything is fitted, as the level is
        confidence_factor(confidence_level)
        return cls(compare(estimators, X, y, **kwargs), confidence_level=confidence_level, base=base).plot(ax=ax)

    def _height(self) -> float:
        return 1.3 + 0.36 * len(self.comparison.names)

    def _draw(self, is_new: bool) -> None:
        factor = confidence_factor(self.confidence_level)
        comparison, names = self.comparison, self.comparison.names
        in_nats = comparison.in_nats
        unit = Unit(self.base if in_nats else None)
        differences = [comparison.difference(name, names[0]) for name in names]
        value = np.array([difference.value for difference in differences]) / unit.nats
        half = factor * np.array([difference.standard_error for difference in differences]) / unit.nats
        uncertain = np.array([difference.uncertain for difference in differences])
        rows = np.arange(len(names))
        drawn = np.isfinite(value)
        self.ax_.axvline(0, **REFERENCE)
        self.intervals_ = self.ax_.hlines(
            rows[drawn], (value - half)[drawn], (value + half)[drawn], color=BLUE, linewidth=2
        )
        filled, hollow = rows[drawn & ~uncertain], rows[drawn & uncertain]
        (self.points_,) = self.ax_.plot(value[filled], filled, "o", color=BLUE)
        (self.uncertain_points_,) = self.ax_.plot(
            value[hollow], hollow, "o", color=BLUE, markerfacecolor="white", label="uncertain"
        )
        for row in rows[~drawn]:
            text = "failed" if comparison.models[row].failures else signed(value[row], "+g")
            self._write(text, 0.02, row, va="center", style="italic")
        self._name_rows(names)
        scores = self.ax_.secondary_yaxis("right")
        scores.set_yticks(rows, [_score(comparison.score(name)[0] / unit.nats) for name in names])
        scores.tick_params(length=0, pad=1)
        scores.spines["right"].set_visible(False)
        self.ax_.annotate("score", (1.01, 1.01), xycoords="axes fraction", va="bottom", color=GREY)
        of = f"{unit.name} per row" if in_nats else "per row"
        self.ax_.set_xlabel(f"difference to the best, {of} ({percent(self.confidence_level)} intervals)")
        self._title(comparison.scoring)
        if len(hollow):
            self.ax_.legend(loc="best", frameon=False)


def _score(mean: float) -> str:
    return "" if np.isnan(mean) else signed(mean, ".4f")
