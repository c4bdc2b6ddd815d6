"""Scores of probabilities in storage are those of probabilities in memory, and the file is never read as a whole."""

import numpy as np
import pytest

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence
from tests.estimators.stored_arrays import SlicedArray, mapped

N, K = 1_100_000, 4
rng = np.random.default_rng(0)
LABELS = rng.integers(0, K, N)
WEIGHT = rng.random(N)


def rows():
    probability = rng.random((N, K))
    return probability / probability.sum(axis=1, keepdims=True)


Q, SOFT = rows(), rows()


@pytest.mark.parametrize("weight", [pytest.param(None, marks=pytest.mark.slow), WEIGHT], ids=["plain", "weighted"])
def test_scores_are_those_of_memory(weight, tmp_path):
    stored, sliced, soft = mapped(tmp_path, Q), SlicedArray(Q), mapped(tmp_path, SOFT)
    calls = [
        (cross_entropy, (LABELS, Q), (LABELS, stored)),
        (cross_entropy, (LABELS, Q), (SlicedArray(LABELS), sliced)),
        (cross_entropy, (SOFT, Q), (soft, stored)),
        (kl_divergence, (SOFT, Q), (SOFT, sliced)),
        (entropy, (SOFT,), (soft,)),
    ]
    for metric, in_memory, elsewhere in calls:
        found = metric(*elsewhere, sample_weight=weight)
        assert found == pytest.approx(metric(*in_memory, sample_weight=weight), rel=1e-12)
    assert max(stop - start for start, stop in sliced.reads) <= 2**23 // (8 * K)


def test_a_row_that_is_certain_and_wrong_is_counted_from_the_first():
    probability = Q.copy()
    probability[1_000_001] = np.eye(K)[(LABELS[1_000_001] + 1) % K]
    with pytest.warns(
        InfiniteScoreWarning,
        match=r"1 of 1100000 rows .* \(the first is row 1000001, with probability 0 where y_true is \d\)",
    ):
        assert cross_entropy(LABELS, SlicedArray(probability)) == np.inf


def test_errors_say_where():
    probability = Q.copy()
    probability[1_000_001, 2] = np.nan
    with pytest.raises(ValueError, match=r"y_pred\[213569, 2\] is nan.*numbered from row 786432 of the whole"):
        cross_entropy(LABELS, SlicedArray(probability))
    with pytest.raises(ValueError, match=r"the same number of rows; got \{'y_true': 1099999, 'y_pred': 1100000\}"):
        cross_entropy(LABELS[1:], SlicedArray(Q))
