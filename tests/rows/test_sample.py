"""weighted_sample: seeded, in proportion to weight, with weights that add up to the whole's, rare classes included."""

import numpy as np
import pytest

from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._rows.sample import weighted_sample

N = 20_000


def data(y=None, weight=None):
    """Rows that know their own number."""
    return Data(DenseRows(np.arange(N, dtype=float)[:, None]), np.zeros(N) if y is None else y, weight)


def numbers(sample):
    return sample.rows.standardized[:, 0].astype(int)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_weights_add_up_to_those_of_all_rows(weighted):
    weight = np.random.default_rng(0).exponential(size=N) if weighted else None
    sample = weighted_sample(data(weight=weight), 1000)
    assert 600 <= sample.n_rows <= 1000
    assert sample.weight.sum() == pytest.approx(N if weight is None else weight.sum(), rel=1e-12)
    assert (np.diff(numbers(sample)) > 0).all()


def test_rows_are_drawn_from_everywhere_in_proportion_to_their_weight():
    weight = np.ones(N)
    weight[: N // 4] = 9.0  # three quarters of the weight lie in the first quarter of the rows
    sample = weighted_sample(data(weight=weight), 2000)
    drawn = sample.weight / (weight.sum() / 2000)
    assert drawn[numbers(sample) < N // 4].sum() == pytest.approx(1500, abs=2)


def test_rows_of_weight_zero_are_never_drawn():
    weight = np.ones(N)
    weight[::2] = 0
    assert (numbers(weighted_sample(data(weight=weight), 3000)) % 2 == 1).all()


def test_the_same_sample_every_time():
    first, second = weighted_sample(data(), 500), weighted_sample(data(), 500)
    np.testing.assert_array_equal(numbers(first), numbers(second))
    np.testing.assert_array_equal(first.weight, second.weight)


def test_the_mean_of_a_sample_is_near_that_of_all_rows():
    sample = weighted_sample(data(), 1000)
    mean = sample.weight @ sample.rows.standardized[:, 0] / sample.weight.sum()
    # Stratified: each stretch of 20 rows errs by 6 at most, and a thousand of them average that.
    assert mean == pytest.approx((N - 1) / 2, abs=1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_rare_classes_are_drawn_with_their_own_total_weight(weighted):
    rng = np.random.default_rng(1)
    y = np.zeros(N)
    y[rng.choice(N, 30, replace=False)] = 1.0
    weight = rng.random(N) + 0.5 if weighted else np.ones(N)
    sample = weighted_sample(data(y, weight if weighted else None), 1000, least_per_class=50)
    rare = sample.y == 1
    assert rare.sum() == 30, "all of the class, where it has no more rows than are asked for"
    assert sample.weight[rare].sum() == pytest.approx(weight[y == 1].sum(), rel=1e-12)
    np.testing.assert_array_equal(y[numbers(sample)], sample.y)


def test_several_rare_classes_of_codes():
    y = np.zeros(N, dtype=int)
    y[100:110], y[5000:5400] = 1, 2
    of_rows = Data(DenseRows(np.arange(N, dtype=float)[:, None]), y, n_predictors=3)
    sample = weighted_sample(of_rows, 1000, least_per_class=50)
    assert np.bincount(sample.y)[1] == 10 and np.bincount(sample.y)[2] == 50
    assert sample.weight[sample.y == 1].sum() == pytest.approx(10)
    assert sample.weight[sample.y == 2].sum() == pytest.approx(400)


def test_soft_labels_and_real_outcomes_have_no_rare_class():
    y = np.random.default_rng(2).random(N)
    plain, asked = weighted_sample(data(y), 500), weighted_sample(data(y), 500, least_per_class=50)
    np.testing.assert_array_equal(numbers(plain), numbers(asked))
