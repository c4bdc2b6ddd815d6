"""Scikit-learn's private API that the estimators use, in one file: parameters, the context of a fit, and callbacks.

Scikit-learn 1.9 runs callbacks over a tree of tasks. A fit here is a root task with one child task per iteration; at
the end of each the callbacks receive an estimator that is ready to predict with the coefficients reached so far, and
may ask the fit to stop.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.fixes import parse_version

__all__ = ["CALLBACKS", "CallbackSupportMixin", "FitTasks", "Interval", "StrOptions", "fit_context", "has_callbacks"]

CALLBACKS = "_skl_callbacks"  # the attribute in which scikit-learn keeps them

if parse_version(sklearn.__version__) >= parse_version("1.9"):
    from sklearn.callback import CallbackSupportMixin
else:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in for scikit-learn below 1.9, where callbacks raise an error that names the version they need."""

        def set_callbacks(self, *callbacks: Any) -> Any:
            """Raise ImportError: callbacks came with scikit-learn 1.9.

            Parameters
            ----------
            *callbacks : callback instances
                Of ``sklearn.callback``, where there are any.

            Raises
            ------
            ImportError
                Always.
            """
            raise ImportError(
                f"set_callbacks needs scikit-learn >= 1.9, but {sklearn.__version__} is installed; "
                "upgrade with: pip install -U 'scikit-learn>=1.9'"
            )


def has_callbacks(estimator: Any) -> bool:
    """Tell whether the user has set callbacks on an estimator."""
    return bool(vars(estimator).get(CALLBACKS))


class FitTasks:
    """The callback tasks of one fit.

    X, y and the metadata (``sample_weight`` and ``offset``) are those that the user gave, so that a scorer reads names
    and labels as it would from outside. ``attributes`` turns coefficients (q, p + 1) into the attributes of an
    estimator that is fitted with them.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        metadata: dict[str, Any],
        attributes: Callable[[NDArray[Any]], dict[str, Any]],
    ) -> None:
        self._attributes = attributes
        self._stop = False
        given = {name: value for name, value in metadata.items() if value is not None}
        self._task_arguments = {"estimator": estimator, "X": X, "y": y, "metadata": given or None}
        # The number of iterations is not known in advance: max_iter is a bound that good fits never come near.
        self._root = estimator._init_callback_context(max_subtasks=None)
        self._root.call_on_fit_task_begin(**self._task_arguments)
        self._begin_iteration()

    def _begin_iteration(self) -> None:
        self._iteration = self._root.subcontext(task_name="iteration")
        self._iteration.call_on_fit_task_begin(**self._task_arguments)

    def observe(self, iteration: int, coefficients: NDArray[np.float64]) -> bool:
        """End the task of this iteration, begin the next one's; True once a callback has asked to stop."""
        # A fit may have several stages: a request made in one is repeated in the next.
        self._stop |= self._iteration.call_on_fit_task_end(
            **self._task_arguments, reconstruction_attributes=lambda: self._attributes(coefficients)
        )
        self._begin_iteration()
        return self._stop

    def finish(self) -> None:
        """End the root task; the estimator has published its state."""
        # The last iteration's task was begun and never ran. Ended without data it is an empty task, as in scikit-learn.
        self._iteration.call_on_fit_task_end(estimator=self._task_arguments["estimator"])
        self._root.call_on_fit_task_end(**self._task_arguments, reconstruction_attributes={})
