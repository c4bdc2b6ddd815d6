"""What is asked of the two meta-estimators, and the changes of a problem that must not matter to the answers."""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import clone

from sklearn_mle.exceptions import OutOfFoldWarning, PITWarning
from sklearn_mle.metrics import get_scorer
from sklearn_mle.model_selection import compare
from tests.together.around_cases import COUNTED, Around
from tests.together.calls import Refused
from tests.together.covering import Cell


class AroundFit:
    """A fitted meta-estimator and its answers, in the unit of y and the order of classes that the problem had."""

    def __init__(self, case: Around) -> None:
        self.case = case
        self.X, self.new = case.rows(case.X), case.rows(case.new)
        self.given = {} if case.weight is None else {"sample_weight": case.weight}
        groups = {"groups": case.fold} if case.cell["cv"] == "groups" else {}
        with warnings.catch_warnings(), case.configured(), parallel_config("threading"):
            # What is learnt of so few rows may not be calibrated; some have no prediction.
            warnings.simplefilter("ignore", PITWarning)
            warnings.simplefilter("ignore", OutOfFoldWarning)
            self.model = case.estimator().fit(self.X, case.y, **self.given, **groups)

    def answers(self) -> dict[str, Any]:
        """Return the answer to every call."""
        with self.case.configured(), parallel_config("threading"):
            return {name: _asked(call, self) for name, call in CALLS[self.case.is_classifier].items()}

    def classes(self, values: Any) -> np.ndarray:
        """Return values of classes, on the last axis, in the order of the unchanged problem."""
        present = list(self.model.classes_)
        return np.asarray(values)[..., [present.index(label) for label in self.case.labels if label in present]]

    def nats(self, found: float, copies: float = 1.0) -> float:
        """Return a log-likelihood of so many rows in the unit that y had."""
        return found if self.case.is_classifier else found + copies * np.log(self.case.unit)


def _asked(call: Callable[[AroundFit], Any], fit: AroundFit) -> Any:
    try:
        return np.asarray(call(fit), dtype=float)
    except (ValueError, TypeError, NotImplementedError) as error:
        return Refused(error)


def _pickled(fit: AroundFit) -> np.ndarray:
    again = pickle.loads(pickle.dumps(fit.model))
    name = "predict_proba" if fit.case.is_classifier else "predict_interval"
    np.testing.assert_array_equal(getattr(again, name)(fit.new), getattr(fit.model, name)(fit.new))
    assert clone(fit.model).get_params().keys() == fit.model.get_params().keys()
    assert type(fit.model).__name__ in fit.model._repr_html_()
    return np.zeros(0)


def _sample(fit: AroundFit) -> np.ndarray:
    found = fit.model.sample(fit.new, 3, random_state=0)
    assert np.isfinite(found).all() and found.shape == (len(fit.case.new), 3)
    return np.zeros(0)


def _cdf(fit: AroundFit) -> np.ndarray:
    distribution, y = fit.model.predict_distribution(fit.new), fit.case.new_y
    each = distribution.cdf(y)
    quantiles = fit.model.predict_quantile(fit.new, [0.2, 0.8])
    if fit.case.cell["likelihood"] not in COUNTED:  # it inverts the quantiles
        found = [distribution.cdf(column) for column in quantiles.T]
        np.testing.assert_allclose(found, np.repeat([[0.2], [0.8]], len(y), axis=1), rtol=1e-7)
    return each


def _compare(fit: AroundFit) -> np.ndarray:
    cell = fit.case.cell
    if cell["cv"] == "groups" or "auto" in (cell.get("likelihood"), cell.get("scale"), cell.get("method")):
        return np.zeros(0)  # compare hands no groups to the splitter within; and a choice takes long
    fold = fit.case.fold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PITWarning)
        warnings.simplefilter("ignore", OutOfFoldWarning)
        # All rows learn and are judged: what is compared is that the data arrive.
        every = np.arange(len(fold))
        found = compare({"model": fit.case.estimator()}, fit.X, fit.case.y, cv=[(every, every)], **fit.given)
    return np.array([fit.nats(found.score("model")[0])])


def _errors(fit: AroundFit) -> np.ndarray:
    found = fit.model.summary()
    # An intercept has the unit of y, or is moved by that of a modelled scale, of which the location is a multiple.
    errors = zip(found.index, found.columns["standard error"], strict=True)
    return np.array([error for name, error in errors if not name.endswith(("intercept", "location: modelled scale"))])


def _parameters(fit: AroundFit) -> np.ndarray:
    found = fit.model.predict_parameters(fit.new)
    assert all(np.shape(values) == (len(fit.case.new),) for values in found.values())
    return fit.model.noise_.n_obs_


def _labels(fit: AroundFit) -> np.ndarray:
    return np.array([fit.case.labels.index(label) for label in fit.model.predict(fit.new)])


# Whether they are of a classifier.
CALLS: dict[bool, dict[str, Callable[[AroundFit], Any]]] = {
    False: {
        "predict": lambda fit: fit.model.predict(fit.new) / fit.case.unit,
        "predict, with its deviation": lambda fit: fit.model.predict(fit.new, return_std=True)[1] / fit.case.unit,
        "predict_interval": lambda fit: fit.model.predict_interval(fit.new, 0.8) / fit.case.unit,
        "predict_quantile": lambda fit: fit.model.predict_quantile(fit.new, [0.1, 0.6]) / fit.case.unit,
        "predict_distribution": _cdf,
        "predict_parameters": _parameters,
        "sample": _sample,
        "log_likelihood": lambda fit: fit.nats(
            fit.model.log_likelihood(fit.X, fit.case.y, **fit.given),
            len(fit.case.y) if fit.case.weight is None else fit.case.weight.sum(),
        ),
        "score": lambda fit: fit.model.score(fit.X, fit.case.y, **fit.given),
        "summary": _errors,
        "scorer, log_likelihood": lambda fit: fit.nats(
            get_scorer("log_likelihood")(fit.model, fit.X, fit.case.y, **fit.given)
        ),
        "scorer, neg_crps": lambda fit: (
            get_scorer("neg_crps")(fit.model, fit.X, fit.case.y, **fit.given) / fit.case.unit
        ),
        "compare": _compare,
        "pickle": _pickled,
    },
    True: {
        "predict": _labels,
        "predict_proba": lambda fit: fit.classes(fit.model.predict_proba(fit.new)),
        "predict_log_proba": lambda fit: fit.classes(fit.model.predict_log_proba(fit.new)),
        "log_likelihood": lambda fit: fit.model.log_likelihood(fit.X, fit.case.y, **fit.given),
        "log_likelihood_": lambda fit: fit.model.log_likelihood_,
        "score": lambda fit: fit.model.score(fit.X, fit.case.y, **fit.given),
        "scorer, neg_cross_entropy": lambda fit: get_scorer("neg_cross_entropy")(
            fit.model, fit.X, fit.case.y, **fit.given
        ),
        "compare": _compare,
        "pickle": _pickled,
    },
}


def unanswered(cell: Cell, call: str) -> bool:
    """Whether a call has no answer: a recalibrated distribution states no moments, a kink has no curvature."""
    if call == "summary":
        return cell["likelihood"] == "laplace"
    return call == "predict, with its deviation" and cell["recalibrate"]


@dataclass(frozen=True)
class Change:
    """A change that must not matter, and of which cells it can be asked."""

    change: Callable[[Around], Around]
    holds: Callable[[Cell], bool] = lambda cell: True


def _chooses_by_place(cell: Cell) -> bool:
    """Which rows judge a method chosen around a fitted classifier goes by their place."""
    return cell.get("method") == "auto" and cell["base"] == "frozen"


def _in_single_precision(cell: Cell) -> bool:
    """Classifiers compute in the precision of X: the order of their sums shows in the eighth digit."""
    return cell["storage"] == "float32" and cell["base"] in ("bayes", "margins")


def _takes_weights_as_copies(cell: Cell) -> bool:
    """Boosting counts the rows of a leaf, and naive Bayes smooths by a variance, whatever the weights are."""
    counts = cell["base"] in ("boosting", "bayes") or cell.get("scale") == "auto"
    by_place = _chooses_by_place(cell) or _in_single_precision(cell)
    return cell["weight"] == "frequency" and not counts and not by_place


def _copies(case: Around) -> Around:
    assert case.weight is not None
    return replace(case.take(np.repeat(np.arange(len(case.y)), case.weight.astype(int))), weight=None)


def _without_absent_rows(case: Around) -> Around:
    assert case.weight is not None
    return case.take(np.flatnonzero(case.weight))


def _order_of_columns(case: Around) -> Around:
    return replace(case, X=case.X[:, ::-1], new=case.new[:, ::-1], names=case.names[::-1])


def _names_of_classes(case: Around) -> Around:
    names = dict(zip(case.labels, "zyx", strict=True))
    renamed = [np.array([names[label] for label in y]) for y in (case.y, case.new_y)]
    return replace(case, y=renamed[0], new_y=renamed[1], labels=tuple(names.values()))


def _unit_of_y(case: Around) -> Around:
    # Small, so that numbers that are not whole stay so.
    return replace(case, y=case.y / 8, new_y=case.new_y / 8, unit=1 / 8)


CHANGES: dict[str, Change] = {
    "a weight of k is k copies": Change(_copies, _takes_weights_as_copies),
    "a weight of zero is absence": Change(_without_absent_rows, _takes_weights_as_copies),
    "order of rows": Change(
        lambda case: case.take(np.random.default_rng(3).permutation(len(case.y))),
        lambda cell: not _chooses_by_place(cell) and not _in_single_precision(cell),
    ),
    # Of two splits that are equally good trees take that of the first column.
    "order of columns": Change(_order_of_columns, lambda cell: cell["base"] != "boosting"),
    "order of classes": Change(_names_of_classes, lambda cell: "method" in cell),
    "the unit of y": Change(
        _unit_of_y, lambda cell: "method" not in cell and cell["likelihood"] not in (*COUNTED, "beta")
    ),
    "rows are dense": Change(
        lambda case: replace(case, storage="dense"),
        # Naive Bayes is computed in single precision then.
        lambda cell: cell["storage"] != "dense" and (cell["storage"], cell["base"]) != ("float32", "bayes"),
    ),
    "columns have names": Change(
        lambda case: replace(case, storage="frame"), lambda cell: cell["storage"] in ("dense", "polars")
    ),
    "metadata by request": Change(lambda case: replace(case, routing=True)),
    "jobs": Change(lambda case: replace(case, n_jobs=2)),
}
