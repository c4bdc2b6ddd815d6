"""Pictures of residuals: against fitted values or a column, with a smooth; and against normal quantiles."""

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy import stats

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.displays._base import BAND, BLUE, REFERENCE, VERMILION, Display, confidence_factor, percent, wrapped
from sklearn_mle.inference.hypotheses import check_confidence_level
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.residual_rows import likelihood_of_numbers, row_predictors
from sklearn_mle.inference.residuals import residuals, with_every_offset
from sklearn_mle.inference.tables import Table

_GRID = 60
_MOST_BINS = 2000
_LEAST_ROWS = 5
_NAMES = {
    "quantile": "quantile residual (standard normal if the model is right)",
    "deviance": "deviance residual",
    "pearson": "Pearson residual",
    "response": "y less its mean (unit of y)",
    "standardized": "standardized deviance residual (standard deviations)",
    "standardized_pearson": "standardized Pearson residual (standard deviations)",
    "studentized": "studentized residual (standard deviations)",
}


@dataclass(eq=False, repr=False)
class ResidualDisplay(Display):
    """Residuals against the fitted mean or a column, with a smooth and its band; or against normal quantiles.

    If the model is right, residuals have mean zero whatever they are drawn against: where the band of the smooth leaves
    the line at zero, the mean is wrong there. No column is held fixed: all vary as they do in the data. Against normal
    quantiles the points of quantile residuals lie on the diagonal, within the band of each.

    Parameters
    ----------
    x, residual : array-like of shape (n,)
        What the residuals are drawn against; and the residuals.
    grid, smooth, lower, upper : array-like of shape (m,)
        The smooth and its band; against quantiles the diagonal and the band of each order statistic.
    x_name, residual_name : str
        Labels of the axes, with units.
    confidence_level : float
        Of the band, at each place by itself.
    name : str, default=None
        Name of the model.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        The residuals.
    line_ : matplotlib Line2D
        The smooth, or the diagonal.
    band_ : matplotlib FillBetweenPolyCollection
        Its band.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.inference.residuals : The numbers.

    References
    ----------
    P. K. Dunn and G. K. Smyth (1996), Randomized quantile residuals, Journal of Computational and Graphical Statistics
    5. J. Fan and I. Gijbels (1996), Local Polynomial Modelling and Its Applications, chapter 3.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLERegressor
    >>> from sklearn_mle.displays import ResidualDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = MLERegressor("gamma").fit(X, y)
    >>> display = ResidualDisplay.from_estimator(model, X, y, against="bmi")
    >>> display.ax_.get_xlabel()
    'bmi (no column is held fixed)'
    """

    x: Any
    residual: Any
    _: KW_ONLY
    grid: Any
    smooth: Any
    lower: Any
    upper: Any
    x_name: str
    residual_name: str
    confidence_level: float = 0.95
    name: str | None = None
    _arrays = ("x", "residual", "grid", "smooth", "lower", "upper")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        against: int | str = "fitted",
        kind: str = "quantile",
        sample_weight: Any = None,
        offset: Any = None,
        random_state: Any = 0,
        confidence_level: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute residuals, and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            As :func:`sklearn_mle.inference.infer` takes them.
        X, y : array-like
            Rows to judge: those of the fit, or others.
        against : int or str, default="fitted"
            ``"fitted"`` is the mean of y; ``"quantiles"`` are those of the normal distribution; else a column of X, by
            its name or position, as it goes into a pipeline.
        kind : str, default="quantile"
            As for :func:`sklearn_mle.inference.residuals`.
        sample_weight, offset : array-like, default=None
            As in the fit.
        random_state : int, RandomState instance or None, default=0
            Of the quantile residuals of counts.
        confidence_level : float, default=0.95
            Of the band.
        name : str, default=None
            Name of the model; that of its class by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        ResidualDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such column, or it is no number.
        """
        check_confidence_level(confidence_level)
        found = residuals(
            estimator, X, y, kind=kind, sample_weight=sample_weight, offset=offset, random_state=random_state
        )
        if against == "fitted":
            x, x_name = _fitted(estimator, X, y, sample_weight, offset), "fitted mean (unit of y)"
        elif against == "quantiles":
            x, x_name = None, "normal quantile"
        else:
            x, x_name = _column(X, against)
            x_name = f"{wrapped(x_name)} (no column is held fixed)"
        return cls.from_predictions(
            found,
            x,
            x_name=x_name,
            residual_name=_NAMES[kind],
            confidence_level=confidence_level,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        residual: Any,
        x: Any = None,
        *,
        x_name: str = "normal quantile",
        residual_name: str = "residual",
        confidence_level: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw given residuals.

        Parameters
        ----------
        residual : array-like of shape (n,)
            Of each row; rows that are not finite are left out.
        x : array-like of shape (n,), default=None
            What they are drawn against; None is the quantiles of the normal distribution.
        x_name, residual_name : str
            Labels of the axes, with units.
        confidence_level : float, default=0.95
            Of the band.
        name : str, default=None
            Name of the model.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        ResidualDisplay
            The display.

        Raises
        ------
        ValueError
            If there are fewer than five rows, or the lengths differ.
        """
        check_confidence_level(confidence_level)
        residual = np.asarray(residual, dtype=np.float64).ravel()
        x = None if x is None else np.asarray(x, dtype=np.float64).ravel()
        if x is not None and len(x) != len(residual):
            raise ValueError(f"x has {len(x)} rows and residual {len(residual)}; both must describe the same rows.")
        present = np.isfinite(residual) & (True if x is None else np.isfinite(x))
        if present.sum() < _LEAST_ROWS:
            raise ValueError(f"residual has {present.sum()} finite rows, but at least {_LEAST_ROWS} are needed.")
        residual = residual[present]
        if x is None:
            residual = np.sort(residual)
            x, lower, upper = _order_statistics(len(residual), confidence_level)
            grid = smooth = x
        else:
            x = x[present]
            grid, smooth, half = local_line(x, residual, confidence_factor(confidence_level))
            lower, upper = smooth - half, smooth + half
        return cls(
            x,
            residual,
            grid=grid,
            smooth=smooth,
            lower=lower,
            upper=upper,
            x_name=x_name,
            residual_name=residual_name,
            confidence_level=confidence_level,
            name=name,
        ).plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        self.points_ = self._draw_points(self.x, self.residual)
        against_quantiles = self.smooth is self.grid or np.array_equal(self.smooth, self.grid)
        what = "of right models" if against_quantiles else "band of the smooth"
        label = f"{percent(self.confidence_level)} {what}"
        self.band_ = self.ax_.fill_between(self.grid, self.lower, self.upper, color=BLUE, label=label, **BAND)
        style = REFERENCE if against_quantiles else {"color": VERMILION, "linewidth": 2, "zorder": 3}
        (self.line_,) = self.ax_.plot(self.grid, self.smooth, **style)
        if not against_quantiles:
            self.ax_.axhline(0, **REFERENCE)
        self.ax_.set_xlabel(self.x_name)
        self.ax_.set_ylabel(self.residual_name.replace(" (", "\n("))
        self._title(wrapped(self.name or ""), "black")
        self.ax_.legend(loc="best", frameon=False)


def _order_statistics(n: int, confidence_level: float) -> tuple[Array, Array, Array]:
    """Return the normal quantiles of n order statistics, and the band of each: by its beta distribution."""
    rank = np.arange(1, n + 1)
    tail = 0.5 * (1 - confidence_level)
    levels = stats.beta.ppf([[tail], [1 - tail]], rank, n + 1 - rank)
    return stats.norm.ppf((rank - 0.375) / (n + 0.25)), *stats.norm.ppf(levels)


def local_line(x: Array, y: Array, factor: float) -> tuple[Array, Array, Array]:
    """Return a grid, the local linear regression of y on x there, and ``factor`` times its standard errors.

    The bandwidth is that of a kernel density, 1.06 s n^(-1/5), twice as wide: a curve of residuals is flat. Rows are
    averaged in bins of neighbours where they are many; the noise is that within the bins and about the curve.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    bins = np.arange(len(x)) * min(len(x), _MOST_BINS) // len(x)
    size = np.bincount(bins).astype(np.float64)
    centre, mean = np.bincount(bins, x) / size, np.bincount(bins, y) / size
    spread = min(float(x.std()), float(np.subtract(*np.quantile(x, [0.75, 0.25]))) / 1.34) or float(x.std())
    if not spread > 0:
        at, error = np.array([x[0]]), y.std(ddof=1) / np.sqrt(len(y))
        return at, np.array([y.mean()]), np.array([factor * error])
    width = 2 * 1.06 * spread * len(x) ** -0.2
    first, last = np.quantile(x, [0.005, 0.995])
    grid = np.linspace(first, last, _GRID)
    weights = _line_weights(grid, centre, size, width)
    smooth = weights @ mean
    inside = (x >= first) & (x <= last)
    noise = np.mean(np.square(y[inside] - np.interp(x[inside], grid, smooth)))
    return grid, smooth, factor * np.sqrt(noise * (np.square(weights) / size).sum(axis=1))


def _line_weights(grid: Array, centre: Array, size: Array, width: float) -> Array:
    """Return the weights of the bins' means in the local line at each place of the grid, shape (m, bins)."""
    distance = centre - grid[:, None]
    # Nothing near a place: the nearest bins take part all the same.
    wide = np.maximum(width, np.sort(np.abs(distance), axis=1)[:, min(4, len(centre) - 1)])[:, None]
    kernel = size * np.exp(-0.5 * np.square(distance / wide))
    first, second = (kernel * distance).sum(axis=1), (kernel * np.square(distance)).sum(axis=1)
    weights = kernel * (second[:, None] - distance * first[:, None])
    total = weights.sum(axis=1, keepdims=True)
    mean_only = kernel / kernel.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1), mean_only)


def _fitted(estimator: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> Array:
    model, rows = read_estimator("estimator", estimator, X)
    data, _ = with_every_offset(model, rows, model.read_rows(rows, y, sample_weight, offset), offset)
    with np.errstate(all="ignore"):
        return np.asarray(likelihood_of_numbers(model).mean(np.nan_to_num(row_predictors(model, data))))


def _column(X: Any, column: int | str) -> tuple[Array, str]:
    """Return the values of a column, and its name."""
    table = Table.of(X)
    names = [str(name) if hasattr(X, "columns") else f"x{name}" for name in table.names]
    if isinstance(column, str) and column not in names:
        raise ValueError(f"against must be 'fitted', 'quantiles' or a column of {names}; got {column!r}.")
    if not isinstance(column, str) and not (isinstance(column, Integral) and -len(names) <= column < len(names)):
        raise ValueError(f"against: X has {len(names)} columns; got {column!r}.")
    place = names.index(column) if isinstance(column, str) else int(column) % len(names)
    name = table.names[place]
    if not table.is_numeric(name) and table.column(name).dtype.kind != "b":
        raise ValueError(f"against: column {names[place]!r} holds {table.column(name).dtype}, but numbers are needed.")
    return table.numbers(name), names[place]
