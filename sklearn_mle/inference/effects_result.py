"""Averages, effects and contrasts with their joint covariance: intervals, tests, tables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.inference.hypotheses import DeltaMethod, equivalence_p_value
from sklearn_mle.inference.multiplicity import adjusted, critical_of
from sklearn_mle.inference.summary import Summary


@dataclass(frozen=True)
class Effects:
    """Estimates with their joint covariance, as returned by ``average_effects`` and related functions.

    Attributes
    ----------
    title : str
    header : mapping
        Facts about all of them: the model, the quantity, the rows, the kind of covariance.
    labels : mapping of str to tuple
        Columns that tell the estimates apart: the column and the contrast, groups, settings, classes.
    values : ndarray of shape (k,)
        The estimates, or their logarithms where ``exponentiated``.
    covariance : ndarray of shape (k, k)
        Of the values; nan for what the data do not determine.
    df : float
        Degrees of freedom of Student's t; inf is the normal distribution. Of CR2 and CR3 the least of Satterthwaite's.
    null : float or None
        What the values are tested to be; None where there is no hypothesis (averages).
    exponentiated : bool
        Whether estimates are ratios: their intervals are those of the logarithms, exponentiated.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import average_effects, infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> effects = average_effects(infer(model), X[["bmi", "bp"]])
    >>> effects.index, effects.estimates.round(2), effects.standard_errors.round(2)
    (('bmi, d/dx', 'bp, d/dx'), array([8.52, 1.38]), array([0.7 , 0.23]))
    >>> effects.confidence_intervals(0.9, adjust="simultaneous").shape
    (2, 2)
    """

    title: str
    header: Mapping[str, Any]
    labels: Mapping[str, tuple[Any, ...]]
    values: Array
    covariance: Array
    df: float
    null: float | None = 0.0
    exponentiated: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def estimates(self) -> Array:
        """The estimates, shape (k,)."""
        return np.exp(self.values) if self.exponentiated else self.values

    @property
    def standard_errors(self) -> Array:
        """Standard errors of the estimates by the delta method, shape (k,); nan for what the data do not determine."""
        errors = self._errors()
        return errors * self.estimates if self.exponentiated else errors

    def _errors(self) -> Array:
        return np.sqrt(self.covariance.diagonal())

    def of(self, places: Any) -> "Effects":
        """Return a selection of the estimates, by position.

        Parameters
        ----------
        places : array-like of int
            Positions among the estimates.

        Returns
        -------
        Effects
            These, with their joint covariance.

        Raises
        ------
        ValueError
            If they are not positions.
        """
        places = np.atleast_1d(np.asarray(places))
        # Truth values would be read as the positions 0 and 1.
        whole = places.ndim == 1 and places.dtype.kind in "iu"
        if not (whole and ((-len(self) <= places) & (places < len(self))).all()):
            raise ValueError(f"places must be positions from 0 to {len(self) - 1}; got {places.tolist()!r}.")
        labels = {name: tuple(values[k] for k in places) for name, values in self.labels.items()}
        covariance = self.covariance[np.ix_(places, places)]
        return replace(self, labels=labels, values=self.values[places], covariance=covariance)

    @property
    def index(self) -> tuple[str, ...]:
        """One name for each estimate, made of its labels; empty for a plain average over all rows."""
        if not self.labels:
            return ("average",) * len(self)
        return tuple(", ".join(map(str, row)) for row in zip(*self.labels.values(), strict=True))

    def confidence_intervals(self, confidence_level: float = 0.95, adjust: str | None = None) -> Array:
        """Return Wald intervals; of ratios, those of the logarithms, exponentiated.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.
        adjust : {None, "bonferroni", "simultaneous"}, default=None
            None holds for each interval by itself. Otherwise all of them hold at once: by Bonferroni's inequality, or
            by the distribution of the largest of the correlated statistics (multivariate t or normal).

        Returns
        -------
        ndarray of shape (k, 2)
            Lower and upper ends; nan for what the data do not determine.
        """
        half = critical_of(self.covariance, self.df, confidence_level, adjust) * self._errors()
        ends = np.stack([self.values - half, self.values + half], axis=1)
        return np.exp(ends) if self.exponentiated else ends

    def p_values(self, adjust: str | None = None) -> Array:
        """Return p-values of the hypotheses that there is no effect (a difference of 0, a ratio of 1).

        Parameters
        ----------
        adjust : {None, "bonferroni", "holm", "simultaneous"}, default=None
            How they are adjusted for their number: not; by Bonferroni's inequality; step by step (Holm); or by the
            distribution of the largest of the correlated statistics.

        Returns
        -------
        ndarray of shape (k,)
            One for each estimate; nan for what the data do not determine.

        Raises
        ------
        ValueError
            If these are averages, of which there is no hypothesis.
        """
        statistic = self._statistics()
        p = 2 * stats.t.sf(np.abs(statistic), self.df)
        return adjusted(p, statistic, self.covariance, self.df, adjust)

    def equivalence_tests(self, lower: float = -math.inf, upper: float = math.inf) -> Array:
        """Return p-values of the hypotheses that an estimate is outside bounds (two one-sided tests each).

        Parameters
        ----------
        lower, upper : float, default=-inf, inf
            In the units of the estimates (ratios themselves, not their logarithms); at least one is finite. One alone
            is a test of non-inferiority.

        Returns
        -------
        ndarray of shape (k,)
            Small where the estimate is within the bounds; nan for what the data do not determine.

        Raises
        ------
        ValueError
            If the bounds are no interval.
        """
        if self.exponentiated:
            with np.errstate(divide="ignore"):
                lower, upper = float(np.log(max(lower, 0.0))), float(np.log(upper))
        return np.asarray(equivalence_p_value(self.values, self._errors(), self.df, lower, upper))

    def _statistics(self) -> Array:
        if self.null is None:
            raise ValueError(f"{self.title} have no null hypothesis; use combine to compare them, or contrasts.")
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.values - self.null) / self._errors()

    def combine(self, R: Any) -> DeltaMethod:
        """Return linear combinations of the estimates (of ratios: of their logarithms) with their covariance.

        Parameters
        ----------
        R : array-like of shape (r, k) or (k,)
            The coefficients of each combination.

        Returns
        -------
        DeltaMethod
            Estimates, standard errors and intervals.
        """
        rows = np.asarray(R, dtype=np.float64)
        if rows.shape[-1:] != (len(self),) or rows.ndim > 2:
            raise ValueError(f"R must have one column per estimate ({len(self)}); got shape {rows.shape}.")
        several = np.atleast_2d(rows)
        used = (several != 0).any(axis=0)
        covariance = several[:, used] @ self.covariance[np.ix_(used, used)] @ several[:, used].T
        values = several[:, used] @ self.values[used]
        return DeltaMethod(values if rows.ndim == 2 else float(values[0]), covariance, self.df)

    def summary(self, confidence_level: float = 0.95, adjust: str | None = None) -> Summary:
        """Return the table: estimate, standard error, z (or t), p, and the interval.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.
        adjust : {None, "bonferroni", "holm", "simultaneous"}, default=None
            For p and the intervals, as in ``p_values`` and ``confidence_intervals``. Holm's method has no intervals:
            they are then left as they are without adjustment.

        Returns
        -------
        Summary
            Its ``to_frame()`` is a DataFrame without the labels' own columns.
        """
        of_intervals = None if adjust == "holm" else adjust
        lower, upper = self.confidence_intervals(confidence_level, of_intervals).T
        columns = {"estimate": self.estimates, "standard error": self.standard_errors}
        if self.null is not None:
            columns |= {"t" if np.isfinite(self.df) else "z": self._statistics(), "p": self.p_values(adjust)}
        columns |= {"lower": lower, "upper": upper}
        what = "each" if of_intervals is None else "all at once"
        notes = [f"Wald intervals, confidence level {confidence_level:g}, {what}."]
        if adjust is not None and self.null is not None:
            notes.append(f"p is adjusted for {len(self)} tests ({adjust}).")
        undefined = self.exponentiated & np.isnan(self.values)
        if undefined.any():
            notes.append(
                "nan estimates: averages of different signs have no positive ratio, those outside 0 and 1 no odds; or "
                "the data do not determine them."
            )
        if (np.isnan(self._errors()) & ~undefined).any():
            notes.append("nan: the data do not determine this (dependent columns or separation).")
        return Summary(self.title, self.header, self.index, columns, tuple(notes))

    def to_frame(self, confidence_level: float = 0.95, adjust: str | None = None) -> Any:
        """Return the table as a pandas DataFrame, its first columns the labels.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.
        adjust : {None, "bonferroni", "holm", "simultaneous"}, default=None
            As in ``summary``.

        Returns
        -------
        pandas.DataFrame
            One row per estimate.
        """
        frame = self.summary(confidence_level, adjust).to_frame().reset_index(drop=True)
        for place, (name, values) in enumerate(self.labels.items()):
            frame.insert(place, name, list(values))
        return frame

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
