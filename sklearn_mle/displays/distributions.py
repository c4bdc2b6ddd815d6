"""Pictures of predicted distributions: along one feature, and their calibration as a whole."""

from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom
from sklearn.utils import assert_all_finite, check_array, column_or_1d

from sklearn_mle._numerics.arguments import argument_name, as_floats, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.displays._base import (
    BAND,
    BLUE,
    GREY,
    REFERENCE,
    Display,
    PredictionDisplay,
    confidence_factor,
    percent,
    wrapped,
)
from sklearn_mle.inference.tables import Table
from sklearn_mle.metrics import pit_histogram
from sklearn_mle.metrics._distributions import RowDistributions
from sklearn_mle.metrics._responses import distribution_response, open_up

_NORMAL = 1e9  # rows; binomial quantiles of many more take scipy forever, and those of a Gaussian are as good


@dataclass(eq=False, repr=False)
class PITDisplay(PredictionDisplay):
    """Histogram of P(Y <= y) over the rows, which is flat at 1 if the predicted distributions are right.

    A hump means that they are too wide, a trough that they are too narrow, a slope that they are biased. Outcomes that
    have a positive probability (counts) are spread over it, not drawn at random.

    Parameters
    ----------
    heights : array-like of shape (n_bins,)
        Density in each bin, of mean 1.
    edges : array-like of shape (n_bins + 1,)
        From 0 to 1.
    n_rows : float
        Number of rows, or sum of their weights: it sets the width of the band.
    confidence_level : float, default=0.95
        Probability that a bar of right distributions lies in the band, for each bar by itself. For counts the band is a
        little too wide, since each row is spread over several bars.
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
    >>> display = PITDisplay.from_predictions(y, norm(0, 2), n_bins=4, name="too wide")
    >>> display.heights.round(2)
    array([0.32, 1.82, 1.56, 0.31])
    """

    heights: Any
    edges: Any
    n_rows: float
    _: KW_ONLY
    confidence_level: float = 0.95
    name: str | None = None
    _arrays = ("heights", "edges")

    @classmethod
    def _from_fitted(cls, estimator: Any, X: Any, y: Any, offset: Any, **kwargs: Any) -> Self:
        return cls.from_predictions(y, distribution_response(estimator, X, offset), **kwargs)

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
            Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
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
        copies = np.ones(np.shape(y_true)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        with np.errstate(over="ignore"):
            n_rows = float(copies.sum())
        return cls(heights, edges, n_rows, confidence_level=confidence_level, name=name).plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        self.bars_ = self.ax_.bar(
            self.edges[:-1], self.heights, np.diff(self.edges), align="edge", color=BLUE, edgecolor="white", alpha=0.7
        )
        lower, upper = self._band()
        label = f"{percent(self.confidence_level)} of bars, were the forecasts right"
        # The band lies behind the bars, which would not be legible under it; its edges are drawn over them.
        self.band_ = self.ax_.axhspan(lower, upper, color=GREY, alpha=0.3, linewidth=0, label=label, zorder=0)
        self.ax_.hlines([lower, upper], 0, 1, color="black", linewidth=0.8)
        self.ax_.axhline(1, **REFERENCE)
        self.ax_.set(xlim=(0, 1), xlabel="probability integral transform, P(Y ≤ y)", ylabel="density")
        # Space for the legend above the bars.
        self.ax_.set_ylim(0, 1.25 * max(self.heights.max(), upper))
        self._title(self.name, "black")
        self.ax_.legend(loc="upper right", frameon=False)

    def _band(self) -> tuple[float, float]:
        """Return the heights between which a bar of right distributions lies, from its binomial number of rows."""
        n_bins = len(self.heights)
        if self.n_rows > _NORMAL:
            half = confidence_factor(self.confidence_level) * float(np.sqrt((n_bins - 1) / self.n_rows))
            return 1 - half, 1 + half
        tails = (1 - self.confidence_level) / 2, (1 + self.confidence_level) / 2
        n_rows = max(self.n_rows, 1.0)  # weights may sum to less than one row
        lower, upper = binom.ppf(tails, np.rint(n_rows), 1 / n_bins) * n_bins / n_rows
        return float(lower), float(upper)


@dataclass(eq=False, repr=False)
class PredictiveDisplay(Display):
    """Mean and central band of y along one feature, over the data.

    With several features the others are held at their medians, so the curve is one slice of the model and the points
    are not: they have their own values of the other features.

    Parameters
    ----------
    grid : array-like of shape (m,)
        Values of the feature, ascending.
    mean : array-like of shape (m,)
        Predictive mean there.
    lower, upper : array-like of shape (m,)
        Ends of the band.
    x, y : array-like of shape (n,)
        The data.
    coverage : float
        Probability of the band.
    feature_name : str, default="x"
        Label of the horizontal axis.
    target_name : str, default="y"
        Label of the vertical axis.
    others : str, default=""
        Title, such as the values at which the other features are held.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The mean.
    band_ : matplotlib FillBetweenPolyCollection
        The band.
    points_ : matplotlib PathCollection
        The data.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.displays import PredictiveDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor(scale="log_linear").fit(X, y)
    >>> display = PredictiveDisplay.from_estimator(model, X, y, feature="bmi")
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('bmi', 'target')
    """

    grid: Any
    mean: Any
    lower: Any
    upper: Any
    x: Any
    y: Any
    _: KW_ONLY
    coverage: float
    feature_name: str = "x"
    target_name: str = "y"
    others: str = ""
    _arrays = ("grid", "mean", "lower", "upper", "x", "y")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        feature: int | str = 0,
        coverage: float = 0.9,
        grid_resolution: int = 200,
        offset: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Predict along one feature, and draw.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor with ``predict_distribution``, or one of scikit-learn's Gaussian regressors; also inside
            pipelines and searches.
        X : array-like or DataFrame of shape (n, p)
            The data's features. In a frame, those that are not numbers are held at their most frequent value.
        y : array-like of shape (n,)
            The data's outcomes.
        feature : int or str, default=0
            Column to vary: its position, or its name in a frame. It must hold numbers.
        coverage : float, default=0.9
            Probability of the band, half of the rest on each side.
        grid_resolution : int, default=200
            Number of values of the feature, evenly spaced over the data's range.
        offset : float, default=None
            The offset to predict at, for an estimator that was fitted with one.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        PredictiveDisplay
            The display.

        Raises
        ------
        ValueError
            If ``feature``, ``coverage`` or ``grid_resolution`` is not valid, ``y`` is not one finite number per row
            of ``X``, or ``X`` is a frame with two columns of one name.
        TypeError
            If the estimator gives no distribution.
        """
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise ValueError(f"coverage must be a number strictly between 0 and 1; got {coverage!r}.")
        check_count("grid_resolution", grid_resolution, 2)
        if isinstance(feature, bool) or not isinstance(feature, str | Integral):
            raise ValueError(f"feature must be the position of a column of X, or its name; got {feature!r}.")
        with argument_name("X"), np.errstate(over="ignore"):  # a median beyond float64 is infinite, and refused as X is
            x, name, rows, n_columns = _slice(X, feature, int(grid_resolution))
        with argument_name("y"):
            outcomes = column_or_1d(as_floats(y, "y"))
            assert_all_finite(outcomes, input_name="y")
        if len(outcomes) != len(x):
            raise ValueError(f"y has {len(outcomes)} rows, X has {len(x)}; both must describe the same rows.")
        final, opened = open_up(estimator, rows)
        distribution = RowDistributions(distribution_response(final, opened, offset))
        lower, upper = (
            distribution.ppf(np.full(int(grid_resolution), level)) for level in ((1 - coverage) / 2, (1 + coverage) / 2)
        )
        display = cls(
            np.linspace(x.min(), x.max(), grid_resolution),
            final.predict(opened) if offset is None else final.predict(opened, offset=offset),
            lower,
            upper,
            x,
            outcomes,
            coverage=coverage,
            feature_name=name,
            target_name=str(getattr(y, "name", None) or "y"),
            others="" if n_columns == 1 else "band: other features at their medians; points: at their own values",
        )
        return display.plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        self.points_ = self._draw_points(self.x, self.y)
        label = f"{percent(self.coverage)} predictive band"
        self.band_ = self.ax_.fill_between(self.grid, self.lower, self.upper, color=BLUE, label=label, **BAND)
        (self.line_,) = self.ax_.plot(self.grid, self.mean, color=BLUE, linewidth=2, label="predictive mean", zorder=3)
        self.ax_.set_xlabel(wrapped(self.feature_name))
        self.ax_.set_ylabel(wrapped(self.target_name))
        self._title(self.others)
        self.ax_.legend(loc="best", frameon=False)


def _slice(X: Any, feature: int | str, m: int) -> tuple[Array, str, Any, int]:
    """Return the feature's values, its name, m rows along it, and the number of features."""
    table, is_frame = Table.of(X), hasattr(X, "columns")
    if not is_frame:
        table = Table(check_array(table.X, dtype=np.float64, input_name="X"))
    names = table.names
    if feature not in names and not (isinstance(feature, Integral) and -len(names) <= feature < len(names)):
        hint = "" if is_frame else " (names need a data frame)"
        raise ValueError(f"feature must be a column of X, or its position; got {feature!r}, X has {names}{hint}.")
    position = names.index(feature) if feature in names else int(feature) % len(names)
    x = check_array(table.column(names[position]), ensure_2d=False, dtype=np.float64, input_name="X[feature]")
    at, weight = table.take(np.zeros(1, dtype=np.intp)), np.ones(len(table))
    for name in names:
        if name != names[position]:
            numeric = table.is_numeric(name)
            at = at.replaced(name, np.nanmedian(table.numbers(name)) if numeric else table.commonest(name, weight))
    at = at.take(np.zeros(m, dtype=np.intp)).replaced(names[position], np.linspace(x.min(), x.max(), m))
    name = str(names[position]) if is_frame else f"feature {position}" if len(names) > 1 else "x"
    return x, name, at.X, len(names)
