"""Changes of a problem that leave its answers, read in the right coordinates, what they were."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sklearn_mle.likelihoods import get_likelihood
from tests.together.calls import Call
from tests.together.cases import Case
from tests.together.coordinates import ONE
from tests.together.covering import Cell, covering_array
from tests.together.levels import CLASSIFIERS, has_dispersion, has_prior, possible


@dataclass(frozen=True)
class Relation:
    """A change that must not matter.

    Attributes
    ----------
    change : callable
        From the problem to the changed one, which says in which coordinates its answers are.
    holds : callable
        Of which cells: a rule.
    judges : callable
        Which calls it says something of, in a cell.
    """

    change: Callable[[Case], Case]
    holds: Callable[[Cell], bool] = lambda cell: True
    judges: Callable[[Call, Cell], bool] = lambda call, cell: True


def _counts_copies(cell: Cell) -> bool:
    return cell["weight"] in ("none", "frequency")


def _no_gaussian_prior(cell: Cell) -> bool:
    return not has_prior(cell)


def _weights(case: Case) -> np.ndarray:
    return np.ones(len(case.X)) if case.weight is None else case.weight


def _copies(case: Case) -> Case:
    assert case.weight is not None
    return replace(case.take(np.repeat(np.arange(len(case.X)), case.weight.astype(int))), weight=None)


def _with_absent_rows(case: Case) -> Case:
    n = len(case.X)
    longer = replace(case, weight=_weights(case)).take(np.append(np.arange(n), [0, 5, 9, 2]))
    X, weight, group = longer.X.copy(), longer.weight.copy(), longer.group.copy()
    X[n:], weight[n:], group[n:] = [[4, -2], [-3, 1], [0, 0], [8, 8]], 0, [20, 21, 22, 23]
    return replace(longer, X=X, weight=weight, group=group)


def _halves(case: Case) -> Case:
    twice = case.take(np.concatenate([np.arange(len(case.X))] * 2))
    return replace(twice, weight=np.tile(_weights(case) / 2, 2))


def _with_offset(case: Case, line: dict[str, np.ndarray], constant: np.ndarray) -> Case:
    changed = []
    for X, offset in ((case.X, case.offset), (case.new_rows, case.new_offset)):
        added = np.tile(constant, (len(X), 1))
        for name, by in line.items():
            added = added + np.outer(X[:, case.names.index(name)], by)
        added = added if case.n_predictors > 1 else added[:, 0]
        if case.cell["offset"] == "parameters":
            added = np.column_stack([added, np.zeros((len(X), offset.shape[1] - 1))])
        changed.append(added if offset is None else offset + added)
    return replace(case, offset=changed[0], new_offset=changed[1])


def _directions(case: Case) -> np.ndarray:
    """Return a change of the location's predictors; of classes it sums to zero, as their coefficients do."""
    return np.array([0.75]) if case.n_predictors == 1 else np.array([0.75, -0.5, -0.25])


def _line(case: Case) -> Case:
    line = {"a": _directions(case)}
    return _with_offset(case, line, np.zeros(case.n_predictors)).moved(line=line)


def _constant(case: Case) -> Case:
    constant = _directions(case)
    return _with_offset(case, {}, constant).moved(constant=constant)


_UNIT = 8.0
_SECOND_POWERS = {"inverse_gaussian": 1.0, "tweedie": 0.5}
_ALPHA_POWERS = {"inverse_gaussian": -1.0, "tweedie": 0.5}
_DEVIANCE_POWERS = {"gaussian": 2.0, "inverse_gaussian": -1.0, "tweedie": 0.5}


def _unit_of_y(case: Case) -> Case:
    affine = get_likelihood(case.model).equivariance == "location_scale"
    power = 1.0 if affine else _SECOND_POWERS.get(case.model, 0.0)
    # The prior is relative to the noise; where that has a unit though the location is a logarithm, so has alpha.
    alpha = case.alpha * _UNIT ** _ALPHA_POWERS.get(case.model, 0.0)
    changed = replace(case, y=case.y * _UNIT, known=case.known * _UNIT**power, alpha=alpha)
    if affine and case.offset is not None:
        unit = _UNIT ** np.eye(case.offset.shape[1])[0] if case.cell["offset"] == "parameters" else _UNIT
        changed = replace(changed, offset=case.offset * unit, new_offset=case.new_offset * unit)
    if not affine and not case.intercept:
        changed = _with_offset(changed, {}, np.log([_UNIT]))
    return changed.moved(
        unit=_UNIT,
        affine=affine,
        second_power=power,
        deviance_power=_DEVIANCE_POWERS.get(case.model, 0.0),
        moved_intercept=case.intercept,
    )


def _affine(case: Case, scale: dict[str, float], origin: dict[str, float]) -> Case:
    by = np.array([scale.get(name, 1.0) for name in case.names])
    to = np.array([origin.get(name, 0.0) for name in case.names])
    return replace(case, X=case.X * by + to, new_rows=case.new_rows * by + to).moved(scale=scale, origin=origin)


def _constant_column(case: Case) -> Case:
    return replace(
        case,
        X=np.column_stack([case.X, np.ones(len(case.X))]),
        new_rows=np.column_stack([case.new_rows, np.ones(len(case.new_rows))]),
        names=(*case.names, ONE),
        intercept=False,
    )


def _single_trials(case: Case) -> Case:
    if case.y.ndim == 2 and not case.is_classifier:
        counts = case.y.astype(int)
        rows = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
        outcomes = np.concatenate([np.repeat([1.0, 0.0], pair) for pair in counts])
        return replace(case.take(rows), y=outcomes)
    shares = case.y if case.y.ndim == 2 else np.column_stack([1 - case.y, case.y])
    n, width = shares.shape
    rows = np.repeat(np.arange(n), width)
    changed = replace(case, weight=_weights(case)).take(rows)
    outcomes = np.tile(np.arange(width), n)
    y = np.array(case.labels)[outcomes] if case.is_classifier else outcomes.astype(float)
    return replace(changed, y=y, weight=changed.weight * shares.ravel())


def _order_of_rows(case: Case) -> Case:
    return case.take(np.random.default_rng(3).permutation(len(case.X)))


def _order_of_columns(case: Case) -> Case:
    return replace(case, X=case.X[:, ::-1], new_rows=case.new_rows[:, ::-1], names=case.names[::-1])


def _order_of_classes(case: Case) -> Case:
    assert case.labels is not None
    names = dict(zip(case.labels, "zyx", strict=False))
    y = case.y if case.soft else np.array([names[label] for label in case.y])
    changed = replace(case, y=y, labels=tuple(names.values())).moved(sign=-1.0 if len(names) == 2 else 1.0)
    if len(names) == 2 and case.offset is not None:
        return replace(changed, offset=-case.offset, new_offset=-case.new_offset)
    if case.offset is None:
        return changed
    return replace(changed, offset=case.offset[:, ::-1], new_offset=case.new_offset[:, ::-1])


def _starts_from_some_rows(cell: Cell) -> bool:
    """Return whether a sample of the rows chooses among several maxima, as it does where they are not in one place.

    A skew-t whose skewness has columns has several, some of them where one tail is gone in some rows.
    """
    several = cell["model"] == "gaussian_mixture" or (cell["model"], cell["predictors"]) == ("skew_t", "linear")
    return several and cell["storage"] == "dask"


RELATIONS: dict[str, Relation] = {
    "a weight of k is k copies": Relation(_copies, lambda cell: cell["weight"] == "frequency"),
    "a weight of zero is absence": Relation(_with_absent_rows),
    "two halves of a row are the row": Relation(_halves, _counts_copies),
    "an offset X d moves the coefficients by d": Relation(
        _line,
        # Where the location has that column.
        lambda cell: _no_gaussian_prior(cell) and (has_dispersion(cell) or cell["predictors"] != "some columns"),
        judges=lambda call, cell: not call.of_null,
    ),
    "a constant offset moves the intercept": Relation(_constant, lambda cell: cell["intercept"]),
    "the unit of y": Relation(
        _unit_of_y,
        lambda cell: (
            cell["model"] not in CLASSIFIERS
            and get_likelihood(cell["model"]).equivariance is not None
            # A prior relative to a dispersion that has a unit has one itself.
            and (_no_gaussian_prior(cell) or cell["model"] not in _SECOND_POWERS)
        ),
    ),
    "units of columns": Relation(lambda case: _affine(case, {"a": 1024.0, "b": 0.125}, {}), _no_gaussian_prior),
    "origins of columns": Relation(
        lambda case: _affine(case, {}, {"a": 5.0, "b": -2.0}), lambda cell: cell["intercept"]
    ),
    "a constant column is an intercept": Relation(
        _constant_column,
        lambda cell: (
            cell["intercept"]
            and _no_gaussian_prior(cell)
            and cell["predictors"] not in ("linear", "some columns")
            # The guesses among which a mixture chooses its maximum know an intercept only where there is one.
            and cell["model"] != "gaussian_mixture"
        ),
        judges=lambda call, cell: not call.of_null,
    ),
    "trials are rows one by one": Relation(
        _single_trials,
        lambda cell: cell["target"] != "plain" and _counts_copies(cell),
        judges=lambda call, cell: not (call.of_rows or (call.of_default and cell["prior"] == "class weight")),
    ),
    "order of rows": Relation(_order_of_rows, lambda cell: not _starts_from_some_rows(cell)),
    "order of columns": Relation(_order_of_columns),
    "order of classes": Relation(
        _order_of_classes,
        lambda cell: cell["model"] in CLASSIFIERS,
        judges=lambda call, cell: not (call.of_order and CLASSIFIERS[cell["model"]] > 2),
    ),
    "rows in memory": Relation(
        lambda case: replace(case, storage="dense"),
        lambda cell: cell["storage"] not in ("dense", "frame") and not _starts_from_some_rows(cell),
    ),
    "rows in two of Dask's partitions": Relation(
        lambda case: replace(case, storage="dask"),
        lambda cell: (
            cell["storage"] != "dask"
            and possible({**cell, "storage": "dask"})
            and not _starts_from_some_rows({**cell, "storage": "dask"})
        ),
    ),
    "names of columns": Relation(lambda case: replace(case, storage="frame"), lambda cell: cell["storage"] == "dense"),
}


def relation_pairs(cells: Sequence[Cell]) -> dict[tuple[str, tuple[str, object]], Cell]:
    """Return every (relation, level) that can meet, with the first cell in which they do."""
    found: dict[tuple[str, tuple[str, object]], Cell] = {}
    met: dict[str, set[tuple[str, object]]] = {name: set() for name in RELATIONS}
    for cell in cells:
        levels = set(cell.items())
        for name, relation in RELATIONS.items():
            if not levels <= met[name] and relation.holds(cell):
                found |= {(name, level): cell for level in cell.items() if level not in met[name]}
                met[name] |= levels
    return found


def plan(design: Sequence[Cell], cells: Sequence[Cell]) -> list[tuple[Cell, list[str]]]:
    """Return what to test: the design's cells, each with some relations, such that each meets every level that it can.

    Cells are added where a relation meets a level in none of the design's.
    """
    pairs = [{**cell, "relation": name} for cell in design for name, each in RELATIONS.items() if each.holds(cell)]
    chosen: dict[tuple[object, ...], list[str]] = {tuple(cell.values()): [] for cell in design}
    for pair in covering_array(pairs, 2):
        *levels, name = pair.values()
        chosen[tuple(levels)].append(name)
    met = relation_pairs(design)
    for (name, level), cell in relation_pairs(cells).items():
        if (name, level) not in met:
            names = chosen.setdefault(tuple(cell.values()), [])
            names += [] if name in names else [name]
    for number, (levels, names) in enumerate(chosen.items()):
        if not names:
            hold = [name for name, each in RELATIONS.items() if each.holds(dict(zip(cells[0], levels, strict=True)))]
            names.append(hold[number % len(hold)])
    return [(dict(zip(cells[0], levels, strict=True)), names) for levels, names in chosen.items()]
