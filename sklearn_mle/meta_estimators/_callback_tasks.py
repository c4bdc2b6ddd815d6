"""The tasks of a meta-estimator's fit that scikit-learn's callbacks see: one for each fit of its base."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn_mle.estimators._scikit_learn import has_callbacks


@dataclass(frozen=True)
class BaseFit:
    """One fit of a clone of the base, as a task of the meta-estimator ``owner``; it may run in another process."""

    context: Any
    owner: Any


class BaseFits:
    """All of them: a root task, and one task for each of the ``names``, made before they run in parallel."""

    def __init__(self, owner: Any, X: Any, y: Any, names: list[str]) -> None:
        self._root, self._arguments = None, {"estimator": owner, "X": X, "y": y}
        self.tasks: list[BaseFit | None] = [None] * len(names)
        if not hasattr(owner, "_init_callback_context"):
            return  # scikit-learn has no callbacks
        # Also without callbacks of the owner: those of the base are to see one run, not one for each fold.
        self._root = owner._init_callback_context(max_subtasks=len(names), sequential_subtasks=False)
        self._root.call_on_fit_task_begin(**self._arguments)
        seen = owner if has_callbacks(owner) else None  # it would be sent to other processes for nobody to see
        self.tasks = [BaseFit(self._root.subcontext(task_name=name, task_id=k), seen) for k, name in enumerate(names)]

    def finish(self) -> None:
        """End the root task; the estimator has published its state."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments)


def fit_as(task: BaseFit | None, estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> Any:
    """Fit ``estimator`` as a task, with the callbacks that pass on to it, where there are callbacks; return it."""
    if task is None:
        return estimator.fit(X, y, **params)
    with task.context.propagate_callback_context(estimator):
        task.context.call_on_fit_task_begin(estimator=task.owner, X=X, y=y)
        fitted = estimator.fit(X, y, **params)
    task.context.call_on_fit_task_end(estimator=task.owner, X=X, y=y)
    return fitted
