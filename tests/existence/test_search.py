"""Separating directions: the linear program finds what it must, as the program of all rows at once does."""

import numpy as np
import pytest
from scipy.optimize import linprog

from sklearn_mle._existence.separation import complete_separation, find_separation
from sklearn_mle._predictors import sum_to_zero_basis
from tests.separated import SEPARATED, objective_of, overlapping, quasi


def constraints(X, y, n_classes):
    augmented = np.column_stack([X, np.ones(len(X))])
    if n_classes == 2:
        return np.where(y[:, None] == 1, 1, -1) * augmented
    basis = sum_to_zero_basis(n_classes)
    return np.array(
        [
            np.outer(basis[k] - basis[j], row).ravel()
            for row, k in zip(augmented, y, strict=True)
            for j in range(n_classes)
            if j != k
        ]
    )


def is_separated(X, y, n_classes=2):
    """The linear program over all rows at once."""
    rows = constraints(X, y, n_classes)
    solution = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=[(-1, 1)] * rows.shape[1])
    return -solution.fun > 1e-6


@pytest.mark.parametrize("kind", SEPARATED)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_direction_of_separated_data_separates_them(kind, n_classes):
    X, y = SEPARATED[kind](n_classes)
    direction = find_separation(objective_of(X, y, n_classes), np.zeros((X.shape[1] + 1) * (n_classes - 1)))
    gains = constraints(X, y, n_classes) @ direction.direction
    assert gains.min() >= -1e-8
    assert gains.max() > 1e-3


def test_the_direction_of_a_quasi_separating_dummy_is_the_dummy():
    X, y = quasi()
    direction = find_separation(objective_of(X, y), np.zeros(5))
    np.testing.assert_allclose(np.delete(direction.direction, 3), 0, atol=1e-8)
    assert direction.direction[3] > 0.5


@pytest.mark.parametrize("n_classes", [2, 3])
def test_overlapping_data_have_no_direction(n_classes):
    X, y = overlapping(n_classes)
    assert find_separation(objective_of(X, y, n_classes), np.zeros(4 * (n_classes - 1))) is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_small_samples_are_told_apart_as_by_the_whole_program(n_classes):
    verdicts = []
    for seed in range(40):
        X, y = overlapping(n_classes, n=11, p=2, seed=seed)
        if len(np.unique(y)) < n_classes:
            continue
        found = find_separation(objective_of(X, y, n_classes), np.zeros(3 * (n_classes - 1)))
        verdicts.append(is_separated(X, y, n_classes))
        assert (found is not None) == verdicts[-1], f"seed {seed}"
    assert 5 < sum(verdicts) < len(verdicts) - 5, "both kinds must occur"


@pytest.mark.parametrize("contradicted", [True, False])
def test_one_row_among_thousands_decides(contradicted):
    """More rows than the program is first given, and the one that contradicts is not among the nearest."""
    x = np.concatenate([np.linspace(-2, -0.1, 4000), np.linspace(0.1, 2, 4000)])
    y = (x > 0).astype(int)
    y[7900] = 0 if contradicted else 1
    objective = objective_of(x[:, None], y)
    # At this point the first working set is at the other end.
    found = find_separation(objective, np.array([-1.0, 0.0]))
    assert (found is None) == contradicted


def test_rows_of_weight_zero_do_not_contradict():
    x = np.linspace(-1, 1, 40)
    y = (x > 0).astype(int)
    y[[0, 39]] = [1, 0]
    weight = np.ones(40)
    assert find_separation(objective_of(x[:, None], y, weight=weight), np.zeros(2)) is None
    weight[[0, 39]] = 0
    assert find_separation(objective_of(x[:, None], y, weight=weight), np.zeros(2)) is not None


def test_soft_labels_contradict_themselves():
    x = np.linspace(-1, 1, 40)
    y = np.where(x > 0, 0.9, 0.1)
    assert find_separation(objective_of(x[:, None], y), np.zeros(2)) is None
    sure = np.where(np.abs(x) > 0.5, x > 0, 0.5)
    assert find_separation(objective_of(x[:, None], sure), np.zeros(2)) is None
    # With no intercept and symmetric soft rows in the middle of x = 0, the certain ends still diverge.
    assert find_separation(objective_of(np.where(sure == 0.5, 0, x)[:, None], sure), np.zeros(2)) is not None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_theta_that_separates_all_rows_is_told_from_one_that_does_not(n_classes):
    X, y = SEPARATED["complete"](n_classes)
    objective = objective_of(X, y, n_classes)
    direction = find_separation(objective, np.zeros(objective.predictors.size)).direction
    found = complete_separation(objective, 7 * direction)
    assert found.complete
    np.testing.assert_allclose(found.direction, direction / np.abs(direction).max())
    assert complete_separation(objective, -direction) is None
    assert complete_separation(objective, 0 * direction) is None
