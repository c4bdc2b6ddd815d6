"""Cross-entropies taken apart, as a picture: what the models know, and what their dishonesty costs."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle._numerics.frames import column_order
from sklearn_mle.displays._style import GREEN, GREY, VERMILION, Display, Unit, check_name, confidence_factor
from sklearn_mle.metrics._responses import class_response, open_up
from sklearn_mle.metrics.decomposition import CrossEntropyDecomposition, cross_entropy_decomposition

__all__ = ["CrossEntropyDecompositionDisplay"]

_LANE = 0.34  # height of a bar, of the distance between models


class CrossEntropyDecompositionDisplay(Display):
    """Uncertainty - discrimination + miscalibration = cross-entropy, one model a row.

    From the dotted line, what the class frequencies alone cost, discrimination leads down (to the left); from there
    miscalibration leads up again to the diamond, the model's cross-entropy. Left of the dotted line the model is better
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
        One bar a model.
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

    def __init__(
        self,
        decompositions: Mapping[str, CrossEntropyDecomposition],
        *,
        base: float | None = None,
        confidence_level: float = 0.95,
    ) -> None:
        self.decompositions = decompositions
        self.base = base
        self.confidence_level = confidence_level

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        base: float | None = None,
        confidence_level: float = 0.95,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Predict, take the cross-entropy apart, and draw.

        Parameters
        ----------
        estimator : estimator
            Fitted probabilistic classifier, in pipelines and searches too.
        X : array-like of n rows
            Features; best of rows that were not fitted to.
        y : array-like of shape (n,) or (n, K)
            Labels, or class probabilities.
        sample_weight : array-like of shape (n,), default=None
            Weights; k counts a row k times.
        offset : array-like, default=None
            As in the estimator's predict methods.
        base : float, default=None
            Unit: ``None`` for nats, 2 for bits.
        confidence_level : float, default=0.95
            Of the intervals; ``n_resamples=`` asks for them.
        name : str, default=None
            The model's name; that of the estimator's class by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            ``strategy``, ``n_bins``, ``n_resamples``, ``random_state`` of
            :func:`sklearn_mle.metrics.cross_entropy_decomposition`.

        Returns
        -------
        CrossEntropyDecompositionDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator gives no probabilities.
        """
        final, opened = open_up(estimator, X)
        response = class_response(final, opened, offset)
        column_order(y, response.labels.tolist(), "y")  # refused where a frame of soft labels names other classes
        return cls.from_predictions(
            y,
            response.values,
            labels=response.labels,
            log_proba=response.is_log,
            sample_weight=sample_weight,
            base=base,
            confidence_level=confidence_level,
            name=check_name(name) or type(final).__name__,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        base: float | None = None,
        confidence_level: float = 0.95,
        name: str = "model",
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Take the cross-entropy of predicted probabilities apart, and draw.

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
            Keywords of :func:`sklearn_mle.metrics.cross_entropy_decomposition`.

        Returns
        -------
        CrossEntropyDecompositionDisplay
            The display.
        """
        parts = cross_entropy_decomposition(y_true, y_pred, base=base, **kwargs)
        return cls({check_name(name) or "model": parts}, base=base, confidence_level=confidence_level).plot(ax=ax)

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
        uncertainty = np.array([one.uncertainty for one in parts])
        discrimination = np.array([one.discrimination for one in parts])
        miscalibration = np.array([one.miscalibration for one in parts])
        total = np.array([one.total for one in parts])
        drawn = np.where(np.isfinite(miscalibration), miscalibration, 0.0)
        self.discrimination_bars_ = self.ax_.barh(
            rows - _LANE / 2, -discrimination, _LANE, left=uncertainty, color=GREEN, label="− discrimination"
        )
        self.miscalibration_bars_ = self.ax_.barh(
            rows + _LANE / 2, drawn, _LANE, left=uncertainty - discrimination, color=VERMILION, label="+ miscalibration"
        )
        (self.totals_,) = self.ax_.plot(total, rows + _LANE / 2, "D", color="black", label="= cross-entropy", zorder=3)
        self.ax_.vlines(
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
        self._name_rows(names)
        left, right = self.ax_.get_xlim()
        self.ax_.set_xlim(min(0.0, left), max(right, 1.03 * uncertainty.max()))
        self.ax_.set_xlabel(f"cross-entropy, {unit.name} per row")
        handles, labels = self.ax_.get_legend_handles_labels()
        order = [
            labels.index(label) for label in ("uncertainty", "− discrimination", "+ miscalibration", "= cross-entropy")
        ]
        # Above the bars: they may end anywhere.
        self.ax_.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=4,
            frameon=False,
            fontsize="small",
            columnspacing=1.2,
            handletextpad=0.4,
            borderaxespad=0.1,
        )
