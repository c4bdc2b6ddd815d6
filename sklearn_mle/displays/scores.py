"""Pictures of scores: cross-entropies taken apart, and differences between models."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle._numerics.frames import column_order
from sklearn_mle.displays._base import (
    BLUE,
    GREEN,
    GREY,
    REFERENCE,
    VERMILION,
    Display,
    PredictionDisplay,
    Unit,
    check_options,
    confidence_factor,
    percent,
    signed,
)
from sklearn_mle.metrics._responses import class_response
from sklearn_mle.metrics.decomposition import CrossEntropyDecomposition, cross_entropy_decomposition
from sklearn_mle.model_selection import Comparison, compare

_LANE = 0.34  # height of a bar, of the distance between models


@dataclass(eq=False, repr=False)
class CrossEntropyDecompositionDisplay(PredictionDisplay):
    """Uncertainty - discrimination + miscalibration = cross-entropy, one model per row.

    From the dotted line, the cost of the class frequencies alone, discrimination leads to the left; from there
    miscalibration leads back to the diamond, the model's cross-entropy. Left of the dotted line the model is better
    than no model.

    Parameters
    ----------
    decompositions : mapping of str to CrossEntropyDecomposition
        By name of the model; of the same rows.
    base : float, default=None
        The unit that the decompositions are in, for the label: ``None`` for nats, 2 for bits.
    confidence_level : float, default=0.95
        Of the intervals that are drawn where there are standard errors.

    Attributes
    ----------
    discrimination_bars_, miscalibration_bars_ : matplotlib BarContainer
        One bar per model.
    totals_ : matplotlib Line2D
        The cross-entropies.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.metrics.cross_entropy_decomposition : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_mle.displays import CrossEntropyDecompositionDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GaussianNB().fit(X[::2], y[::2])
    >>> display = CrossEntropyDecompositionDisplay.from_estimator(model, X[1::2], y[1::2])
    >>> display.ax_.get_xlabel()
    'cross-entropy, nats per row'
    """

    decompositions: Mapping[str, CrossEntropyDecomposition]
    _: KW_ONLY
    base: float | None = None
    confidence_level: float = 0.95

    @classmethod
    def _from_fitted(cls, estimator: Any, X: Any, y: Any, offset: Any, **kwargs: Any) -> Self:
        response = class_response(estimator, X, offset)
        column_order(y, response.labels.tolist(), "y")  # refused where a frame of soft labels names other classes
        return cls.from_predictions(y, response.values, labels=response.labels, log_proba=response.is_log, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        base: float | None = None,
        confidence_level: float = 0.95,
        name: str | None = "model",
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Decompose the cross-entropy of predicted probabilities, and draw.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, K)
            Labels, or class probabilities.
        y_pred : array-like of shape (n, K) or (n,)
            Predicted probabilities.
        base : float, default=None
            Unit: ``None`` for nats, 2 for bits.
        confidence_level : float, default=0.95
            Of the intervals; ``n_resamples=`` asks for them.
        name : str, default="model"
            The model's name.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            Keywords of :func:`sklearn_mle.metrics.cross_entropy_decomposition`: ``sample_weight``, ``strategy``,
            ``n_bins``, ``n_resamples``, ``random_state``, ...

        Returns
        -------
        CrossEntropyDecompositionDisplay
            The display.
        """
        parts = cross_entropy_decomposition(y_true, y_pred, base=base, **kwargs)
        check_options(name=name)
        return cls({name or "model": parts}, base=base, confidence_level=confidence_level).plot(ax=ax)

    def _check(self) -> None:
        super()._check()
        if not self.decompositions:
            raise ValueError("decompositions is empty: at least one is needed.")

    def _height(self) -> float:
        return 1.7 + 0.6 * len(self.decompositions)

    def _draw(self, is_new: bool) -> None:
        unit, factor = Unit(self.base), confidence_factor(self.confidence_level)
        names, parts = list(self.decompositions), list(self.decompositions.values())
        rows = np.arange(len(names))
        uncertainty, discrimination, miscalibration, total = np.array(
            [(one.uncertainty, one.discrimination, one.miscalibration, one.total) for one in parts]
        ).T
        drawn = np.where(np.isfinite(miscalibration), miscalibration, 0.0)
        self.discrimination_bars_ = self.ax_.barh(
            rows - _LANE / 2, -discrimination, _LANE, left=uncertainty, color=GREEN, label="− discrimination"
        )
        self.miscalibration_bars_ = self.ax_.barh(
            rows + _LANE / 2, drawn, _LANE, left=uncertainty - discrimination, color=VERMILION, label="+ miscalibration"
        )
        (self.totals_,) = self.ax_.plot(total, rows + _LANE / 2, "D", color="black", label="= cross-entropy", zorder=3)
        uncertainty_lines = self.ax_.vlines(
            uncertainty, rows - 0.5, rows + 0.5, color="black", linestyle=":", linewidth=1.5, label="uncertainty"
        )
        for row, one in enumerate(parts):
            if one.standard_error is not None:
                for y, end, error in (
                    (row - _LANE / 2, one.uncertainty - one.discrimination, one.standard_error.discrimination),
                    (row + _LANE / 2, one.total, one.standard_error.total),
                ):
                    self.ax_.hlines(y, end - factor * error, end + factor * error, color=GREY, linewidth=1.5, zorder=4)
            if not np.isfinite(one.total):
                self._write("+ inf ", 1, row + _LANE / 2, ha="right", va="center", color=VERMILION, style="italic")
        self._name_rows(names, is_new)
        left, right = self.ax_.get_xlim()
        self.ax_.set_xlim(min(0.0, left), max(right, 1.03 * uncertainty.max()))
        self.ax_.set_xlabel(f"cross-entropy, {unit.name} per row")
        # Above the bars: they may end anywhere.
        self.ax_.legend(
            handles=[uncertainty_lines, self.discrimination_bars_, self.miscalibration_bars_, self.totals_],
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=4,
            frameon=False,
            fontsize="small",
            columnspacing=1.2,
            handletextpad=0.4,
            borderaxespad=0.1,
        )


@dataclass(eq=False, repr=False)
class ComparisonDisplay(Display):
    """Differences between models and the best one, with intervals from their paired standard errors.

    One row per model, best on top; the mean scores stand on the right. Hollow markers are uncertain: less than 4 nats
    from the best in total, or judged by fewer than 100 rows. Models without a finite score are named but not drawn.

    Parameters
    ----------
    comparison : Comparison
        The result of :func:`sklearn_mle.model_selection.compare`.
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
    >>> logistic = LogisticRegression(max_iter=1000)
    >>> models = {"logistic": logistic, "naive Bayes": GaussianNB()}
    >>> display = ComparisonDisplay.from_estimators(models, X, y, base=2)
    >>> display.ax_.get_xlabel()
    'difference to the best, bits per row (95% intervals)'
    """

    comparison: Comparison
    _: KW_ONLY
    confidence_level: float = 0.95
    base: float | None = None

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
        check_options(base, confidence_level)  # refused before anything is fitted
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
        self._name_rows(names, is_new)
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
