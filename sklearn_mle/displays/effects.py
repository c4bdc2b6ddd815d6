"""Pictures of effects: average predictions along a column of X."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.displays._base import BAND, COLOURS, GREY, percent, wrapped
from sklearn_mle.displays._forest import ForestDisplay
from sklearn_mle.inference import Effects, Inference, average_predictions, infer
from sklearn_mle.inference.tables import Table

# A column of numbers with so many different values or fewer is drawn at each of them; a curve needs more.
_FEW = 10
_MOST_LEVELS = 40
_MOST_CURVES = 10


@dataclass(eq=False, repr=False)
class EffectsDisplay(ForestDisplay):
    """Average predictions along one column of X, with their confidence intervals.

    At each value the column is set to it in all rows, the other columns stay as they are (or are set to what ``at``
    says), and the predictions are averaged over the rows. Columns of numbers give a curve with a band, and a rug of the
    values that occur; other columns, and numbers of at most ten different values, a point with a bar for each.

    Parameters
    ----------
    values : sequence of shape (m,)
        Values of the column, ascending where it is drawn as a curve.
    estimates, lower, upper : array-like of shape (m,) or (m, n_curves)
        Average predictions, and the ends of their intervals (nan where there are none).
    column : str
        Name of the column.
    confidence_level : float
        Of the intervals.
    observed : array-like of shape (n,), default=None
        Values of the column that occur, for the rug; None draws points with bars instead of a curve.
    quantity : str, default="prediction"
        What is averaged, with its unit.
    curves : sequence of str, default=("",)
        Names of the columns of ``estimates``, such as classes or groups.
    note : str, default=""
        What is averaged over and held fixed, above the picture.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The average predictions, one line (or row of points) per curve.
    intervals_ : list of matplotlib Collection
        Their bands or bars.
    rug_ : matplotlib LineCollection or None
        The values that occur.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.inference.average_predictions : The numbers.
    PredictiveDisplay : The distribution of y along a column, the others at their medians.

    References
    ----------
    Lane and Nelder (1982), Analysis of covariance and standardization as instances of prediction, Biometrics 38.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.displays import EffectsDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X, y = X[["bmi", "bp"]], y > 140
    >>> model = MLELogisticClassifier().fit(X, y)
    >>> display = EffectsDisplay.from_estimator(model, X, y, column="bmi")
    >>> print(display.ax_.get_title(loc="left"))
    averages over 442 rows, other columns as they are; 95% intervals
    """

    values: Sequence[Any]
    estimates: Any
    lower: Any
    upper: Any
    _: KW_ONLY
    column: str
    confidence_level: float
    observed: Any = None
    quantity: str = "prediction"
    curves: Sequence[str] = ("",)
    note: str = ""
    _names_of = ("values", "curves")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        column: Any,
        sample_weight: Any = None,
        offset: Any = None,
        of: Any = None,
        values: Any = None,
        grid_resolution: int = 50,
        at: Mapping[Any, Any] | None = None,
        by: Any = None,
        population: Any = None,
        confidence_level: float = 0.95,
        adjust: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Average what a fitted model predicts along a column, and draw.

        Parameters
        ----------
        estimator : fitted estimator
            As :func:`sklearn_mle.inference.infer` takes them, also pipelines: transformers see the changed
            column.
        X : array-like or frame of shape (n, p)
            The data of the fit, as the estimator takes them: the averages are over these rows.
        y : array-like of shape (n,), default=None
            The outcomes, where :func:`sklearn_mle.inference.infer` needs them; None takes the covariance that the fit
            retained.
        column : str or int
            The column of X, by its name in a frame, or its position.
        sample_weight, offset : array-like, default=None
            As in the fit; the averages are weighted, too.
        of : str or object, default=None
            What is averaged, as in :func:`sklearn_mle.inference.average_predictions`: the mean or the probability.
        values : array-like, default=None
            Values of the column; those that occur by default, of many numbers evenly spaced ones over their range.
        grid_resolution : int, default=50
            How many evenly spaced values.
        at : mapping, default=None
            Other columns that are held fixed, at a value each, or several for a curve each.
        by : str, int, sequence of these or ndarray, default=None
            A curve for each group of rows.
        population : {None, "rows"} or array-like, default=None
            Of what the rows are a sample, as in :func:`sklearn_mle.inference.average_predictions`.
        confidence_level : float, default=0.95
            Of the intervals.
        adjust : {None, "bonferroni", "simultaneous"}, default=None
            None: at each value by itself. Otherwise all intervals of the picture hold at once.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            Keywords of :func:`sklearn_mle.inference.infer`, such as ``covariance="HC3"``.

        Returns
        -------
        EffectsDisplay
            The display.

        Raises
        ------
        ValueError
            If an argument is not valid, or the column has too many levels or the picture too many curves.
        """
        of_fit = {} if y is None else {"X": X, "y": y, "sample_weight": sample_weight, "offset": offset}
        return cls.from_inference(
            infer(estimator, **of_fit, **kwargs),
            X,
            column=column,
            sample_weight=sample_weight,
            offset=offset,
            of=of,
            values=values,
            grid_resolution=grid_resolution,
            at=at,
            by=by,
            population=population,
            confidence_level=confidence_level,
            adjust=adjust,
            ax=ax,
        )

    @classmethod
    def from_inference(
        cls,
        inference: Inference,
        X: Any,
        *,
        column: Any,
        sample_weight: Any = None,
        offset: Any = None,
        of: Any = None,
        values: Any = None,
        grid_resolution: int = 50,
        at: Mapping[Any, Any] | None = None,
        by: Any = None,
        population: Any = None,
        confidence_level: float = 0.95,
        adjust: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Average along a column with the covariance that :func:`sklearn_mle.inference.infer` found, and draw.

        Parameters
        ----------
        inference : Inference
            What ``infer(estimator, X, y, covariance=...)`` returned.
        X : array-like or frame of shape (n, p)
            The rows to average over, those of the fit or others.
        column : str or int
            The column of X, by its name in a frame, or its position.
        sample_weight, offset : array-like, default=None
            Those of the rows that are averaged over.
        of, values, grid_resolution, at, by, population, confidence_level, adjust : optional
            As in ``from_estimator``.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        EffectsDisplay
            The display.

        Raises
        ------
        ValueError
            If an argument is not valid, or the column has too many levels or the picture too many curves.
        """
        if not (at is None or isinstance(at, Mapping)):
            raise ValueError(f"at must be a mapping from other columns to values, or None; got {at!r}.")
        at = at or {}
        table = Table.of(X)
        with argument_name("column"):
            column = table.place(column)
            if column in at:
                raise ValueError(f"at: {column!r} is the column that varies; leave it out.")
        given = None if sample_weight is None else np.asarray(sample_weight)
        values, observed = _values_of(table, column, values, grid_resolution, given)
        effects = average_predictions(
            inference,
            X,
            of=of,
            at={column: values, **at},
            by=by,
            sample_weight=sample_weight,
            offset=offset,
            population=population,
        )
        lower, upper = effects.confidence_intervals(confidence_level, adjust).T
        single = {name: [each] if np.ndim(each) == 0 else list(each) for name, each in at.items()}
        fixed = {str(name): each[0] for name, each in single.items() if len(each) == 1}
        parts = [f"averages over {effects.header['rows']} rows", *(f"{name} = {one}" for name, one in fixed.items())]
        if len(table.names) > 1 + len(at):
            parts.append("other columns as they are")
        at_once = "" if adjust is None else ", all at once"
        return cls(
            values,
            effects.estimates,
            lower,
            upper,
            column=str(column) if isinstance(column, str) else f"column {column}",
            confidence_level=confidence_level,
            observed=observed,
            quantity=_quantity_of(effects.header["of"]),
            curves=_curves_of(effects, str(column), len(values), fixed),
            note=f"{', '.join(parts)}; {percent(confidence_level)} intervals{at_once}",
        ).plot(ax=ax)

    def _height(self) -> float:
        return super()._height() if self.observed is None else 4.0

    def _draw(self, is_new: bool) -> None:
        name, self.rug_ = wrapped(self.column), None
        if self.observed is None:
            self.lines_, self.intervals_ = self._draw_rows(is_new)
            self.ax_.set(xlabel=self.quantity, ylabel=name)
        else:
            self.lines_, self.intervals_ = self._draw_curves()
            alpha = float(np.clip(100 / max(1, len(self.observed)), 0.05, 0.6))
            at_the_foot = {"transform": self.ax_.get_xaxis_transform()}
            self.rug_ = self.ax_.vlines(self.observed, 0, 0.03, color=GREY, alpha=alpha, linewidth=1, **at_the_foot)
            self.ax_.set(xlabel=f"{name} (in its own unit)", ylabel=wrapped(self.quantity))
        self._title(self.note)
        self._name_groups(self.lines_, is_new, n_columns=3)

    def _draw_curves(self) -> tuple[list[Any], list[Any]]:
        lines, bands = [], []
        for k, curve in enumerate(self.curves):
            colour = COLOURS[k % len(COLOURS)]
            lines += self.ax_.plot(self.values, self.estimates[:, k], color=colour, linewidth=2, zorder=3, label=curve)
            bands.append(self.ax_.fill_between(self.values, self.lower[:, k], self.upper[:, k], color=colour, **BAND))
        return lines, bands


def _values_of(
    table: Table, column: Any, values: Any, grid_resolution: Any, weight: Array | None
) -> tuple[list[Any], Array | None]:
    """Return the values to draw at, and those that occur where a curve is drawn."""
    check_count("grid_resolution", grid_resolution, 2)
    if weight is not None and weight.shape != (len(table),):
        weight = None  # refused where the averages are taken
    observed = None
    levels = table.levels(column, weight)
    if table.is_numeric(column):
        levels = [level for level in levels if np.isfinite(level)]
        if len(levels) > _FEW:
            present = table.numbers(column)[slice(None) if weight is None else weight > 0]
            observed = present[np.isfinite(present)]
    if values is not None:
        with argument_name("values"):
            levels = [values] if np.ndim(values) == 0 else list(values)
        if observed is not None:
            with argument_name("values"):
                levels = np.unique(np.asarray(levels, dtype=np.float64)).tolist()
            if not np.isfinite(levels).all():
                raise ValueError("values: a numeric column can be set to finite numbers only.")
        elif len({*map(str, levels)}) < len(levels):
            raise ValueError(f"values must be different; got {levels!r}.")
    elif observed is not None:
        return np.linspace(levels[0], levels[-1], grid_resolution).tolist(), observed
    if not levels:
        raise ValueError(f"values: none is given, and X[{column!r}] has none; give at least one.")
    if observed is None and len(levels) > _MOST_LEVELS:
        raise ValueError(
            f"column: {column!r} has {len(levels)} levels, and at most {_MOST_LEVELS} can be drawn; choose them "
            "by values=."
        )
    return levels, observed


def _curves_of(effects: Effects, column: str, m: int, fixed: Collection[str]) -> list[str]:
    """Return the names of the averages at one value of the column: by what their labels differ."""
    n = len(effects) // m
    labels = {name: values[:n] for name, values in effects.labels.items() if name != column and name not in fixed}
    names = [", ".join(f"{name} {values[k]}" for name, values in labels.items()) for k in range(n)]
    if n > _MOST_CURVES:
        raise ValueError(
            f"at, by: the plot would have {n} curves, and at most {_MOST_CURVES} can be drawn; ask for fewer "
            "groups or values, or for one class by of=Probability(label)."
        )
    return names


def _quantity_of(of: str) -> str:
    """Return what is averaged, with its unit."""
    if of.startswith(("probability", "P(")):
        return of
    if of.startswith("linear predictor"):
        return f"{of}, no unit" if "logit" not in of else of
    return f"{of} (in the unit of y)" if of.startswith(("mean", "quantile")) else of
