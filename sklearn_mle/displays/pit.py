"""The histogram of the probability integral transform, flat where the predicted distributions are right."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from sklearn_mle.displays._style import BLUE, GREY, REFERENCE, Display, check_name, confidence_factor, percent
from sklearn_mle.metrics import pit_histogram
from sklearn_mle.metrics._responses import distribution_response, open_up

__all__ = ["PITDisplay"]

_NORMAL = 1e9  # rows; binomial quantiles of many more take scipy forever, and those of a Gaussian are as good


class PITDisplay(Display):
    """Histogram of P(Y <= y) over the rows, which is flat at 1 if the predicted distributions are right.

    A hump says that they are too wide, a trough that they are too narrow, a slope that they are biased. Outcomes with a
    probability of their own (counts) are spread over it, not drawn at random.

    Parameters
    ----------
    heights : array-like of shape (n_bins,)
        Density in each bin, of mean 1.
    edges : array-like of shape (n_bins + 1,)
        From 0 to 1.
    n_rows : float
        Number of rows, or sum of their weights: it sets the width of the band.
    confidence_level : float, default=0.95
        Of the band, for each bar by itself: where the bars of right distributions would be. For counts it is a little
        too wide, since a row is spread over several bars.
    name : str, default=None
        Title.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The histogram.
    band_ : matplotlib Rectangle
        The band.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    References
    ----------
    C. Czado, T. Gneiting and L. Held (2009), Predictive model assessment for count data, Biometrics 65.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from sklearn_mle.displays import PITDisplay
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> display = PITDisplay.from_predictions(y, norm(0, 2), n_bins=4, name="twice too wide")
    >>> display.heights.round(2)
    array([0.32, 1.82, 1.56, 0.31])
    """

    def __init__(
        self,
        heights: ArrayLike,
        edges: ArrayLike,
        n_rows: float,
        *,
        confidence_level: float = 0.95,
        name: str | None = None,
    ) -> None:
        self.heights = np.asarray(heights)
        self.edges = np.asarray(edges)
        self.n_rows = n_rows
        self.confidence_level = confidence_level
        self.name = check_name(name)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        confidence_level: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Predict, and draw the histogram.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor with ``predict_distribution``, in pipelines and searches too; or scikit-learn's Gaussian
            regressors.
        X : array-like of n rows
            Features; best of rows that were not fitted to.
        y : array-like of shape (n,)
            Outcomes.
        n_bins : int, default=10
            Number of bars.
        sample_weight : array-like of shape (n,), default=None
            Weights; k counts a row k times.
        offset : array-like, default=None
            As in the estimator's predict methods.
        confidence_level : float, default=0.95
            Of the band.
        name : str, default=None
            Title; the name of the estimator's class by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        PITDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator gives no distribution.
        """
        final, opened = open_up(estimator, X)
        return cls.from_predictions(
            y,
            distribution_response(final, opened, offset),
            n_bins=n_bins,
            sample_weight=sample_weight,
            confidence_level=confidence_level,
            name=check_name(name) or type(final).__name__,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: Any,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        confidence_level: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the histogram of predicted distributions.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Outcomes.
        y_pred : distribution
            As :func:`sklearn_mle.metrics.pit_histogram` takes it.
        n_bins : int, default=10
            Number of bars.
        sample_weight : array-like of shape (n,), default=None
            Weights; k counts a row k times.
        confidence_level : float, default=0.95
            Of the band.
        name : str, default=None
            Title.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        PITDisplay
            The display.
        """
        heights, edges = pit_histogram(y_true, y_pred, n_bins=n_bins, sample_weight=sample_weight)
        with np.errstate(over="ignore"):
            n_rows = float(np.shape(y_true)[0] if sample_weight is None else np.sum(sample_weight))
        return cls(heights, edges, n_rows, confidence_level=confidence_level, name=name).plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        self.bars_ = self.ax_.bar(
            self.edges[:-1], self.heights, np.diff(self.edges), align="edge", color=BLUE, edgecolor="white", alpha=0.7
        )
        lower, upper = self._band()
        label = f"{percent(self.confidence_level)} of right forecasts"
        self.band_ = self.ax_.axhspan(lower, upper, color=GREY, alpha=0.3, linewidth=0, label=label)
        self.ax_.axhline(1, **REFERENCE)
        self.ax_.set(xlim=(0, 1), xlabel="probability integral transform, P(Y ≤ y)", ylabel="density")
        # Room for the legend above the bars.
        self.ax_.set_ylim(0, 1.25 * max(self.heights.max(), upper))
        if self.name is not None:
            self._title(self.name, "black")
        self.ax_.legend(loc="upper right", frameon=False)

    def _band(self) -> tuple[float, float]:
        """Return the heights between which a bar of right distributions lies, from its binomial number of rows."""
        n_bins = len(self.heights)
        if self.n_rows > _NORMAL:
            half = confidence_factor(self.confidence_level) * float(np.sqrt((n_bins - 1) / self.n_rows))
            return 1 - half, 1 + half
        tails = (1 - self.confidence_level) / 2, (1 + self.confidence_level) / 2
        lower, upper = binom.ppf(tails, np.rint(self.n_rows), 1 / n_bins) * n_bins / self.n_rows
        return float(lower), float(upper)
