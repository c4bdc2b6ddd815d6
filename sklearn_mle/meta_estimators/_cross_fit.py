"""Out-of-fold predictions of any model: the folds, the fits as tasks of callbacks, and the routing of metadata."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed

from sklearn_mle._numerics.arguments import argument_name, label_codes
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators._scikit_learn import has_callbacks
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.model_selection._arguments import Fold, fit_keywords, read_folds

# Out-of-fold models are trained on fewer rows than the final one; on small data the difference shows.
_FEW_ROWS = 2000


# (model, rows of X, their numbers) -> predictions, shape (n, ...).
Predict = Callable[[Any, Any, NDArray[np.intp]], Array]


@dataclass(frozen=True)
class FoldModel:
    """A model that was fitted without its test rows, and what it predicts there (len(test), ...)."""

    model: Any
    test: NDArray[np.intp]
    prediction: Array


@dataclass(frozen=True)
class BaseFit:
    """One fit of a clone of the base, as a task of the meta-estimator ``owner``; it may run in another process."""

    context: Any
    owner: Any


class BaseFits:
    """The fits of a meta-estimator's base: one for each fold, and one to all rows if the fold models do not predict.

    scikit-learn's callbacks see a root task, and one task for each fit. A frozen base is fitted already.

    Parameters
    ----------
    predict : callable
        As in ``cross_fit``.

    Attributes
    ----------
    models : list of estimators
        Those that predict new rows.
    prediction : ndarray of shape (n, ...)
        Of models that did not see the row; nan where no fold tests it.
    """

    def __init__(
        self, owner: Any, X: Any, y: Any, folds: Sequence[Fold], params: Mapping[str, Any], predict: Predict
    ) -> None:
        estimator, n = owner.estimator, n_rows_of(X)
        frozen = is_frozen(estimator)
        refits = not (owner.ensemble or frozen)
        self._root: Any = None
        self._arguments = {"estimator": owner, "X": X, "y": y}
        tasks = self._tasks(owner, [] if frozen else ["fit-fold"] * len(folds) + ["fit-all-rows"] * refits)
        if frozen:
            self.models, self.prediction = [estimator], predict(estimator, X, np.arange(n))
            return
        fitted = cross_fit(estimator, X, y, folds, predict, params, owner.n_jobs, tasks[: len(folds)])
        self.models, self.prediction = [one.model for one in fitted], pooled(fitted, n)
        if refits:
            self.models = [_fit(tasks[-1], clone(estimator), X, y, params)]

    def _tasks(self, owner: Any, names: list[str]) -> list[BaseFit | None]:
        """Begin the root task, and return the others, made before they run in parallel."""
        if not hasattr(owner, "_init_callback_context"):
            return [None] * len(names)  # scikit-learn has no callbacks
        # Also without callbacks of the owner: those of the base are to see one run, not one for each fold.
        self._root = owner._init_callback_context(max_subtasks=len(names), sequential_subtasks=False)
        self._root.call_on_fit_task_begin(**self._arguments)
        seen = owner if has_callbacks(owner) else None  # it would be sent to other processes for nobody to see
        return [BaseFit(self._root.subcontext(task_name=name, task_id=k), seen) for k, name in enumerate(names)]

    def finish(self) -> None:
        """End the root task; the estimator has published its state."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments)


def is_frozen(estimator: Any) -> bool:
    """Whether the estimator is fitted already, so that every row is new to it."""
    return isinstance(estimator, FrozenEstimator)


def n_rows_of(X: Any) -> int:
    """Return the number of rows of an array, sparse matrix, frame or list."""
    return X.shape[0] if issparse(X) or hasattr(X, "shape") else len(X)


def folds_of(cv: Any, X: Any, y: Any, groups: Any, *, classifying: bool = False) -> list[Fold]:
    """Return the rows to fit and the rows to predict of every fold.

    ``"auto"`` is ten folds below 2,000 rows and five from there on, of rows in random but fixed order: whole groups
    where there are some. Fewer groups, or fewer rows in each class, make fewer folds.
    """
    n = n_rows_of(X)
    # A splitter is given the labels as they are: it may know what they mean.
    codes = None if groups is None else label_codes("groups", groups, n)
    if isinstance(cv, str) and cv == "auto":
        n_folds = min(10 if n < _FEW_ROWS else 5, n)
        if n < 2:
            raise ValueError(
                f"Found array with {n} sample(s) while a minimum of 2 is required: rows are predicted by models fitted "
                "without them. Give more rows, or a fitted estimator as FrozenEstimator(estimator)."
            )
        if groups is None and not classifying:
            cv = KFold(n_folds, shuffle=True, random_state=0)
        else:
            # As many as can be; of one group, or of classes with one row each, two are asked for, and refused.
            most = [int(np.unique(y, return_counts=True)[1].max())] if classifying else []
            most += [] if codes is None else [int(codes.max()) + 1]
            cv = max(min(n_folds, *most), 2)
    folds = read_folds(cv, X, y, groups, n, classifying)
    if len(folds) < 2:
        raise ValueError(
            f"cv={cv!r} gives one fold; at least two are needed. To calibrate on one held-out set, fit the estimator "
            "on the other rows, wrap it as FrozenEstimator(estimator), and pass the held-out rows to fit."
        )
    return folds


def route(owner: Any, estimator: Any, sample_weight: Any, fit_params: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the keyword arguments of ``estimator.fit``, and the groups of the splitter.

    With metadata routing as it was requested. Without it ``groups`` go to the splitter and all else to the estimator;
    weights too if its fit, or that of a pipeline's last step, takes them.
    """
    given = {name: value for name, value in fit_params.items() if value is not None}
    offsets = [name for name in given if name == "offset" or name.endswith("__offset")]
    if offsets:
        raise NotSupportedError(
            f"{offsets[0]}: {type(owner).__name__} has no offset to hand to the predictions of its estimator. Fit "
            "without one, or use MLERegressor or MLELogisticClassifier by itself, whose predictions take an offset."
        )
    if get_config().get("enable_metadata_routing"):
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        routed = process_routing(owner, "fit", **given)
        return dict(routed.estimator.fit), routed.splitter.split.get("groups")
    groups = given.pop("groups", None)
    if not is_frozen(estimator):
        given |= weights_for(estimator, sample_weight, "estimator", type(owner).__name__)
    return given, groups


def weights_for(estimator: Any, sample_weight: Any, argument: str, owner: str) -> dict[str, Any]:
    """Return the keyword and weights that ``estimator.fit`` takes, a pipeline's for its last step; warn if it does not.

    Under metadata routing it is the name itself, and scikit-learn insists that it is requested.
    """
    if sample_weight is None:
        return {}
    try:
        return {fit_keywords(argument, estimator, ("sample_weight",))["sample_weight"]: sample_weight}
    except TypeError:
        warnings.warn(
            f"{argument}: fit of {type(estimator).__name__} takes no sample_weight, so it is fitted without the "
            f"weights; they are used only for what {owner} learns from its predictions.",
            stacklevel=5,
        )
        return {}


def cross_fit(
    estimator: Any,
    X: Any,
    y: Any,
    folds: Sequence[Fold],
    predict: Predict,
    params: Mapping[str, Any],
    n_jobs: int | None,
    tasks: Sequence[BaseFit | None] | None = None,
) -> list[FoldModel]:
    """Fit a clone of the estimator for each fold, and predict the fold's test rows.

    ``tasks`` are those of callbacks, one for each fold.
    """
    tasks = [None] * len(folds) if tasks is None else tasks
    return Parallel(n_jobs=n_jobs)(
        delayed(_fit_fold)(clone(estimator), X, y, fold, predict, params, task)
        for fold, task in zip(folds, tasks, strict=True)
    )


def pooled(models: Sequence[FoldModel], n: int) -> Array:
    """Return the prediction of each row, shape (n, ...): nan where no fold tested it, the mean where several did."""
    shape = (n, *models[0].prediction.shape[1:])
    totals, counts = np.zeros(shape), np.zeros(n)
    for one in models:  # a row that a fold tests twice has one prediction there
        totals[one.test] += one.prediction
        counts[one.test] += 1
    with np.errstate(invalid="ignore"):
        return totals / counts.reshape(n, *(1,) * (len(shape) - 1))


def fit_params_of(params: Mapping[str, Any], n: int, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Return the metadata of some rows: what has one entry per row is indexed, all else stays as it is."""
    return {
        name: _safe_indexing(value, rows)
        if hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping) and n_rows_of(value) == n
        else value
        for name, value in params.items()
    }


def _fit_fold(
    estimator: Any, X: Any, y: Any, fold: Fold, predict: Predict, params: Mapping[str, Any], task: BaseFit | None
) -> FoldModel:
    train, test = fold
    with argument_name("X"):
        X_train, X_test = _safe_split(estimator, X, None, train)[0], _safe_split(estimator, X, None, test, train)[0]
    own = fit_params_of(params, n_rows_of(X), train)
    model = _fit(task, estimator, X_train, _safe_indexing(y, train), own)
    return FoldModel(model, test, predict(model, X_test, test))


def _fit(task: BaseFit | None, estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> Any:
    """Fit ``estimator`` as a task, with the callbacks that pass on to it, where there are callbacks; return it."""
    if task is None:
        return estimator.fit(X, y, **params)
    with task.context.propagate_callback_context(estimator):
        task.context.call_on_fit_task_begin(estimator=task.owner, X=X, y=y)
        fitted = estimator.fit(X, y, **params)
    task.context.call_on_fit_task_end(estimator=task.owner, X=X, y=y)
    return fitted
