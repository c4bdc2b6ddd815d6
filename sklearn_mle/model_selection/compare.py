"""Judge every estimator on the same folds, and keep the score of every row."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed

from sklearn_mle._numerics.arguments import argument_name, check_weight, first_true, label_codes
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle.metrics._responses import innermost, refuse_precisions
from sklearn_mle.metrics.probabilistic_scorers import ProbabilisticScorer, RowScores
from sklearn_mle.model_selection import _arguments
from sklearn_mle.model_selection._arguments import Fold
from sklearn_mle.model_selection.comparison import Comparison, JudgedModel


def compare(
    estimators: Mapping[str, Any] | Iterable[tuple[str, Any]],
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    scoring: str | ProbabilisticScorer = "auto",
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Comparison:
    r"""Compare estimators by cross-validated score, with the paired standard errors of their differences.

    Every estimator is fitted to the same training rows and judged on the same test rows. With :math:`s_i` the score of
    row i, averaged over the folds that tested it, and :math:`d_i` the difference of two estimators there:

    .. math:: \bar d = \frac{\sum_i w_i d_i}{W}, \qquad
        \mathrm{se}(\bar d)^2 = \frac{\sum_i w_i (d_i - \bar d)^2}{W (W - 1)}, \qquad W = \sum_i w_i

    Rows that are hard for one model are hard for another, so the difference is known far better than either score. The
    standard error is that of the models *as fitted on these folds* (their average risk on new rows; Bayle et al. 2020,
    theorem 1), not of what refitting them to another sample would change.

    Parameters
    ----------
    estimators : mapping of str to estimator, or iterable of (str, estimator)
        Unfitted estimators and their names; they are cloned. Any that give class probabilities, or a distribution:
        ``predict_distribution(X)`` returning a frozen scipy.stats distribution, ours among them, and scikit-learn's
        three Gaussian regressors. Pipelines and searches of such.
    X : array-like of n rows
        Features.
    y : array-like of shape (n,) or (n, K)
        Labels, class probabilities (soft labels), or numbers; (n, 2) successes and failures for binomial counts.
    cv : int, splitter or iterable, default=5
        As in ``cross_validate``: an integer is stratified folds for classifiers and plain ones otherwise, and with
        ``groups`` such folds of whole groups. Repeated splitters are fine. Random splitters draw once, for all.
    scoring : str or scorer, default="auto"
        One of :func:`sklearn_mle.metrics.get_scorer_names` that is a mean over rows, or such a scorer. ``"auto"`` is
        ``"neg_cross_entropy"`` if all estimators are classifiers, ``"log_likelihood"`` otherwise.
    sample_weight : array-like of shape (n,), default=None
        Weights, for fits and scores alike: a row of weight k counts k times. For weights that are not counts (of a
        survey, say) also pass ``groups=range(n)``: then every row counts as one observation, whatever its weight.
    offset : array-like of n rows, default=None
        Offsets, for fits and predictions alike; a scalar holds for every row.
    groups : array-like of shape (n,), default=None
        Groups of rows that depend on each other. Standard errors are then of independent groups (see Notes).
    n_jobs : int, default=None
        Number of parallel fits; the result does not depend on it.
    verbose : int, default=0
        Progress, as joblib prints it.

    Returns
    -------
    Comparison
        A table, best model first, that prints itself; and the scores of all rows.

    Raises
    ------
    ValueError
        If some estimators give probabilities (a mass function, an atom) and others densities for the same outcomes: the
        two have no common unit, and the difference of their logarithms would change with the unit of y. (Where outcomes
        are whole numbers, every distribution gives them a probability: see ``log_likelihood_scorer``.) If all fits of
        all estimators fail. If names repeat, or arguments do not fit each other.
    NotSupportedError
        If ``sample_weight`` is given, and an estimator has ``weight_type="precision"``: its weights are no counts.
    TypeError
        If an estimator gives no probabilities, or does not take ``sample_weight`` or ``offset`` that were given.

    See Also
    --------
    Comparison.difference : Any two of the models, not only each with the best.
    sklearn_mle.displays.ComparisonDisplay : The same as a picture.

    Notes
    -----
    A difference of less than 4 nats in total, or one from fewer than 100 rows (groups), is marked ``uncertain``:
    standard errors of such differences are too small too often (Sivula et al. 2020).

    Within groups nothing is assumed about dependence:
    :math:`\mathrm{se}^2 = \frac{G}{G - 1} \sum_g \bigl(\sum_{i \in g} w_i (d_i - \bar d)\bigr)^2 / W^2`.

    A fit that raises an error leaves its model without a score; the error stands in ``failures`` and below the table.

    References
    ----------
    P. Bayle, A. Bayle, L. Janson and L. Mackey (2020), Cross-validation confidence intervals for test error, NeurIPS.

    T. Sivula, M. Magnusson, A. A. Matamoros and A. Vehtari (2020), Uncertainty in Bayesian leave-one-out
    cross-validation based model comparison, arXiv:2008.10296.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.model_selection import compare
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = {
    ...     "one sigma": GaussianMLERegressor(),
    ...     "sigma depends on X": GaussianMLERegressor(scale="log_linear"),
    ...     "Bayes": BayesianRidge(),
    ... }
    >>> comparison = compare(models, X, y)
    >>> comparison.names
    ['one sigma', 'Bayes', 'sigma depends on X']
    >>> difference = comparison.difference("one sigma", "sigma depends on X")
    >>> round(difference.value, 3), round(difference.standard_error, 3)
    (0.001, 0.019)
    >>> difference.uncertain
    True
    """
    named = _arguments.read_estimators(estimators)
    classifying = all(is_classifier(estimator) for _, estimator in named)
    scorer = _arguments.read_scoring(scoring, classifying)
    X, y, n = _arguments.read_rows(X, y)
    _arguments.refuse_what_cannot_be_ranked(named, scorer, y)
    groups = None if groups is None else label_codes("groups", groups, n)
    weight = check_weight(sample_weight, n)
    given = {"sample_weight": weight, "offset": _arguments.read_offset(offset_of_present(offset, weight), n)}
    given = {argument: values for argument, values in given.items() if values is not None}
    keywords = [_arguments.fit_keywords(name, estimator, tuple(given)) for name, estimator in named]
    folds = _arguments.read_folds(cv, X, y, groups, n, classifying)
    with argument_name("verbose"):
        verbose = int(verbose)
    scored = Parallel(n_jobs=_arguments.read_n_jobs(n_jobs, len(named) * len(folds)), verbose=verbose)(
        delayed(_score_fold)(clone(estimator), scorer, X, y, fold, given, keyword)
        for (_, estimator), keyword in zip(named, keywords, strict=True)
        for fold in folds
    )
    of_models = [scored[first : first + len(folds)] for first in range(0, len(scored), len(folds))]
    models, masses = zip(
        *(_collect(name, of_folds, folds, n) for (name, _), of_folds in zip(named, of_models, strict=True)), strict=True
    )
    _refuse_what_cannot_be_compared(models, masses)
    weight = np.ones(n) if weight is None else weight
    return Comparison(models, scoring=scorer._name, weight=weight, groups=groups, n_folds=len(folds))


@dataclass(frozen=True)
class _FoldScores:
    """One estimator on one fold: the scores of its test rows, or why there are none."""

    rows: RowScores | None
    failure: str
    fit_time: float
    score_time: float
    n_parameters: float


def _score_fold(
    model: Any, scorer: ProbabilisticScorer, X: Any, y: Any, fold: Fold, given: dict[str, Any], keywords: dict[str, str]
) -> _FoldScores:
    train, test = fold
    with argument_name("X"):
        X_train, X_test = _safe_split(model, X, None, train)[0], _safe_split(model, X, None, test, train)[0]
    with argument_name("y"):
        y_train, y_test = (_safe_indexing(y, rows) for rows in fold)
    metadata = {keywords[argument]: _rows_of(values, train) for argument, values in given.items()}
    offset = _rows_of(given["offset"], test) if "offset" in given else None
    started, fitted = time.perf_counter(), None
    try:
        model.fit(X_train, y_train, **metadata)
        fitted = time.perf_counter()
        rows = scorer._row_scores(model, X_test, y_test, offset)
    except Exception as error:
        if fitted is not None and isinstance(error, TypeError):
            raise  # the estimator can never be judged
        # Such as a perfect fit, which has no density.
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return _FoldScores(None, text, (fitted or time.perf_counter()) - started, np.nan, np.nan)
    refuse_precisions(model, given.get("sample_weight"))
    return _FoldScores(rows, "", fitted - started, time.perf_counter() - fitted, parameter_count(model))


def _collect(name: str, scored: list[_FoldScores], folds: list[Fold], n: int) -> tuple[JudgedModel, NDArray[np.bool_]]:
    """Average each row's scores over the folds that tested it; nan where none did, or where a fit failed."""
    failures = tuple(f"fold {number}: {one.failure}" for number, one in enumerate(scored, start=1) if one.failure)
    totals, counts, masses = np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool)
    with np.errstate(invalid="ignore"):  # repeats may give a row infinities of both signs
        for one, (_, test) in zip(scored, folds, strict=True):
            np.add.at(counts, test, 1)
            if one.rows is not None:
                np.add.at(totals, test, one.rows.values)
                masses[test] |= one.rows.is_mass
        rows = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    counted = [one.n_parameters for one in scored if not np.isnan(one.n_parameters)]
    n_parameters = float(np.mean(counted)) if counted else float("nan")
    times = np.mean([(one.fit_time, one.score_time) for one in scored], axis=0).tolist()
    return JudgedModel(name, np.full(n, np.nan) if failures else rows, failures, n_parameters, *times), masses


def _rows_of(values: Any, rows: NDArray[np.intp]) -> Any:
    return _safe_indexing(values, rows) if np.ndim(values) else values[()]


def _refuse_what_cannot_be_compared(models: Sequence[JudgedModel], masses: Sequence[NDArray[np.bool_]]) -> None:
    scored = [(model.name, is_mass) for model, is_mass in zip(models, masses, strict=True) if not model.failures]
    if not scored:
        reasons = "\n".join(f"{model.name}: {model.failures[0]}" for model in models)
        raise ValueError(f"No estimator could be fitted and scored on all folds. The first failure of each:\n{reasons}")
    first, of_first = scored[0]
    for name, is_mass in scored[1:]:
        if (row := first_true(is_mass != of_first)) is not None:
            mass, density = (first, name) if of_first[row] else (name, first)
            raise ValueError(
                f"{mass!r} gives a probability to the outcome of row {row} (a mass function), {density!r} a density "
                f"({int((is_mass != of_first).sum())} such rows): {_arguments.NO_COMMON_UNIT}"
            )


def parameter_count(estimator: Any) -> float:
    """Count the estimated parameters of a fitted estimator, scale included; nan where the number is not known.

    It is known for this library's estimators; of scikit-learn's linear classifiers coefficients and intercepts are
    counted. Of K > 2 classes K - 1 count: an equal change of all K changes no probability. A penalty is not considered.
    """
    estimator = innermost(estimator)
    fitted = getattr(estimator, "_fitted", None)
    if fitted is not None:
        return float(fitted.retained.n_parameters)
    if not (type(estimator).__module__.startswith("sklearn.linear_model.") and is_classifier(estimator)):
        return float("nan")
    rows = np.atleast_2d(estimator.coef_)
    return float((len(rows) - (len(rows) > 1)) * (rows.shape[1] + bool(estimator.fit_intercept)))
