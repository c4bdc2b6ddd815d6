"""The result of a comparison: a table that prints itself, and the scores of all rows behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import import_pandas
from sklearn_mle.inference.typesetting import aligned, html
from sklearn_mle.metrics._means import weighted_mean

# Sivula et al. (2020): below these, standard errors of differences are too small too often.
_FEW_NATS = 4.0
_FEW_ROWS = 100
# The scores of which 4 nats mean something: logarithms of probabilities and densities.
_IN_NATS = {"neg_cross_entropy", "neg_kl_divergence", "log_likelihood"}


@dataclass(frozen=True)
class JudgedModel:
    """One model of a comparison.

    Attributes
    ----------
    name : str
    row_scores : ndarray of shape (n,)
        Score of each row, averaged over the folds that tested it; nan where none did, or where a fit failed.
    failures : tuple of str
        The errors, one text for each fold that failed.
    n_parameters : float
        Number of estimated parameters, averaged over folds; nan where it is not known.
    fit_time, score_time : float
        Mean seconds per fold.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.model_selection import compare
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = {
    ...     "all": GaussianMLERegressor(),
    ...     "a prior": GaussianMLERegressor(alpha=1.0),
    ... }
    >>> compare(models, X, y).models[0].n_parameters
    12.0
    """

    name: str
    row_scores: NDArray[np.float64]
    failures: tuple[str, ...]
    n_parameters: float
    fit_time: float
    score_time: float


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of two models' scores on the same rows.

    Attributes
    ----------
    value : float
        Mean difference per row.
    standard_error : float
        Its standard error; nan where a score is infinite.
    total : float
        Difference of the totals over all rows, weights included.
    uncertain : bool
        Whether the standard error may be too small: less than 4 nats in total, or fewer than 100 rows (groups).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.model_selection import compare
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = {
    ...     "all": GaussianMLERegressor(),
    ...     "a prior": GaussianMLERegressor(alpha=1.0),
    ... }
    >>> gain = compare(models, X, y).difference("all", "a prior")
    >>> gain.value > 0, gain.standard_error > 0
    (True, True)
    """

    value: float
    standard_error: float
    total: float
    uncertain: bool


class Comparison:
    """Models judged on the same rows, best first, as returned by :func:`compare`.

    It prints as a table, in notebooks too; :meth:`to_frame` gives the numbers.

    Parameters
    ----------
    models : sequence of JudgedModel
        In any order; ties keep it.
    scoring : str
        Name of the score; higher is better.
    weight : ndarray of shape (n,)
        Weight of each row.
    groups : ndarray of shape (n,) or None
        Codes 0, 1, ... of groups of rows that depend on each other.
    n_folds : int
        Number of folds, repeats included.

    Attributes
    ----------
    names : list of str
        Names of the models, best first; those with failures last.
    models : list of JudgedModel
        The models in that order.
    scoring : str
        Name of the score.
    n_rows : float
        Sum of the weights of the rows that were tested.
    n_folds : int
        Number of folds.
    in_nats : bool
        Whether the score is a log-likelihood, in nats.

    See Also
    --------
    compare : Make one.
    sklearn_mle.displays.ComparisonDisplay : Draw it.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.model_selection import compare
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = {
    ...     "all": GaussianMLERegressor(),
    ...     "a prior": GaussianMLERegressor(alpha=1.0),
    ... }
    >>> comparison = compare(models, X, y)
    >>> comparison.names
    ['all', 'a prior']
    """

    def __init__(
        self,
        models: Sequence[JudgedModel],
        *,
        scoring: str,
        weight: Array,
        groups: NDArray[np.intp] | None,
        n_folds: int,
    ) -> None:
        self.scoring = scoring
        self.in_nats = scoring in _IN_NATS
        self.n_folds = n_folds
        tested = ~np.isnan(np.column_stack([model.row_scores for model in models])).all(axis=1) & (weight > 0)
        self._tested, self._weight = tested, weight[tested]
        self._groups = None if groups is None else groups[tested]
        self.n_rows = float(self._weight.sum())
        # The mean of infinities of both signs is nan, and no better than the worst.
        self.models = sorted(
            models,
            key=lambda model: (bool(model.failures), -np.nan_to_num(self._mean(model), nan=-np.inf, neginf=-np.inf)),
        )
        self.names = [model.name for model in self.models]

    def score(self, name: str) -> tuple[float, float]:
        """Return the mean score of a model and its standard error.

        Parameters
        ----------
        name : str
            Name of the model.

        Returns
        -------
        mean : float
            Mean score per row; nan if a fit failed.
        standard_error : float
            Of that mean. To compare models take :meth:`difference`, whose error is usually far smaller.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        model = self._model(name, "name")
        if model.failures:
            return float("nan"), float("nan")
        return self._mean(model), standard_error(model.row_scores[self._tested], self._weight, self._groups)

    def difference(self, first: str, second: str) -> PairedDifference:
        """Return the mean score of ``first`` minus that of ``second``, with its paired standard error.

        Parameters
        ----------
        first, second : str
            Names of two models.

        Returns
        -------
        PairedDifference
            Positive where ``first`` is better; nan where one of them failed, or both are infinite.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        one = self._model(first, "first").row_scores[self._tested]
        other = self._model(second, "second").row_scores[self._tested]
        if first == second:
            return PairedDifference(0.0, 0.0, 0.0, False)
        with np.errstate(invalid="ignore"):
            rows = one - other
        value = weighted_mean(rows, self._weight)
        error = standard_error(rows, self._weight, self._groups)
        total = value * self.n_rows
        units = self.n_rows if self._groups is None else len(np.unique(self._groups))
        close = self.in_nats and abs(total) < _FEW_NATS
        return PairedDifference(value, error, total, bool(np.isfinite(value) and (close or units < _FEW_ROWS)))

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame, one row per model, best first.

        Returns
        -------
        pandas.DataFrame
            Indexed by name. ``score`` and ``standard_error`` per row; ``difference`` to the best model, with its paired
            ``difference_standard_error`` and whether that is ``uncertain``; ``n_parameters``; ``fit_time`` and
            ``score_time`` in seconds per fold; the number ``n_infinite`` of rows with an infinite score;
            and the number ``n_failed`` of folds that failed.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = import_pandas("print the comparison, or use its methods")
        rows = [
            {
                "score": mean,
                "standard_error": error,
                "difference": difference.value,
                "difference_standard_error": difference.standard_error,
                "uncertain": difference.uncertain,
                "n_parameters": model.n_parameters,
                "fit_time": model.fit_time,
                "score_time": model.score_time,
                "n_infinite": self._n_infinite(model),
                "n_failed": len(model.failures),
            }
            for model, (mean, error), difference in self._lines()
        ]
        return pd.DataFrame(rows, index=pd.Index(self.names, name="model"))

    def __repr__(self) -> str:
        table = [line.rstrip() for line in aligned(self._cells())]
        return "\n".join([self._title(), "", *table, "", *self._notes()])

    def _repr_html_(self) -> str:
        return html(self._title(), self._cells(), [], self._notes())

    def _model(self, name: str, argument: str) -> JudgedModel:
        if not isinstance(name, str) or name not in self.names:
            raise ValueError(f"{argument}: there is no model {name!r} in the comparison; it has {self.names}.")
        return self.models[self.names.index(name)]

    def _mean(self, model: JudgedModel) -> float:
        return weighted_mean(model.row_scores[self._tested], self._weight)

    def _n_infinite(self, model: JudgedModel) -> int:
        return int(np.isinf(model.row_scores[self._tested]).sum())

    def _title(self) -> str:
        unit = "nats per row" if self.in_nats else "per row"
        groups = "" if self._groups is None else f" in {len(np.unique(self._groups))} groups"
        return f"{self.scoring}, mean {unit}, higher is better: {self.n_rows:.10g} rows{groups}, {self.n_folds} folds"

    def _lines(self) -> list[tuple[JudgedModel, tuple[float, float], PairedDifference]]:
        """Return each model with its score and its difference to the best."""
        best = self.names[0]
        return [(model, self.score(model.name), self.difference(model.name, best)) for model in self.models]

    def _cells(self) -> list[list[str]]:
        """Return the cells of the table, its head first."""
        rows = [
            [
                model.name,
                "failed" if model.failures else _number(mean, ".4f"),
                _number(error, ".4f"),
                "best" if model is self.models[0] else _number(difference.value, "+.4f"),
                "" if model is self.models[0] else _number(difference.standard_error, ".4f"),
                "~" if difference.uncertain else "",
                _number(model.n_parameters, ".4g"),
                _number(model.fit_time, ".3g"),
                _number(model.score_time, ".2g"),
            ]
            for model, (mean, error), difference in self._lines()
        ]
        return [["", "score", "se", "difference", "se", "", "parameters", "fit s", "score s"], *rows]

    def _notes(self) -> list[str]:
        notes = [
            "difference: to the best, with the paired standard error over rows, for the models fitted on the folds."
        ]
        if any(difference.uncertain for _, _, difference in self._lines()):
            notes.append(
                f"~ less than {_FEW_NATS:g} nats apart in total, or fewer than {_FEW_ROWS} "
                f"{'rows' if self._groups is None else 'groups'}: the standard error may be too small."
            )
        for model in self.models:
            if n_infinite := self._n_infinite(model):
                notes.append(f"{model.name}: the score of {n_infinite} rows is infinite (certain, and wrong or right).")
            if model.failures:
                notes.append(
                    f"{model.name}: failed on {len(model.failures)} of {self.n_folds} folds; {model.failures[0]}"
                )
        return notes


def _number(value: float, form: str) -> str:
    return "" if np.isnan(value) else format(value, form)


def standard_error(rows: Array, weight: Array, groups: NDArray[np.intp] | None) -> float:
    """Return the standard error of the weighted mean of ``rows`` (n,), of which none is nan.

    A weight of k counts as k independent rows; ``groups``, codes (n,), are independent of each other, and nothing is
    assumed within them::

        without groups:  sum_i w_i (d_i - m)^2 / (W (W - 1))                        with W = sum_i w_i
        with groups:     G / (G - 1) sum_g (sum_{i in g} w_i (d_i - m))^2 / W^2     over the G groups with weight

    (squared). It is nan where a row is infinite, and where there is no second row or group.
    """
    total = weight.sum()
    used = weight > 0
    rows, weight = rows[used], weight[used]
    units = total if groups is None else len(np.unique(groups[used]))
    if units <= 1 or not np.isfinite(rows).all():
        return float("nan")
    # Sums, not dot products: those of a threaded BLAS change their last bits with the number of threads.
    centred = rows - (weight * rows).sum() / total
    if groups is None:
        return float(np.sqrt((weight * centred**2).sum() / (total * (total - 1))))
    sums = np.bincount(groups[used], weights=weight * centred)
    return float(np.sqrt(units / (units - 1) * (sums**2).sum()) / total)
