"""Metrics and scorers of rows that Dask keeps: the numbers of memory, whatever the partitions."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import (
    cross_entropy,
    entropy,
    get_scorer,
    kl_divergence,
    log_likelihood_scorer,
    make_probabilistic_scorer,
    neg_cross_entropy_scorer,
)

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

rng = np.random.default_rng(5)
N = 48
CHUNKS = (10, 0, 22, 16)
X = rng.standard_normal((N, 3))
LABELS = np.array(["a", "b", "c"])[np.r_[np.zeros(10, int), rng.integers(0, 3, N - 10)]]  # one class in the first block
PREDICTED = rng.dirichlet([1, 2, 3], N)
SOFT = rng.dirichlet([3, 2, 1], N)
WEIGHT = np.where(np.arange(N) < 10, 0.0, rng.uniform(0.5, 2, N))


def in_dask(array):
    return da.from_array(array, chunks=(CHUNKS, *array.shape[1:]))


def unknown(array):
    blocks = [da.from_delayed(block, (np.nan, *array.shape[1:]), array.dtype) for block in array.to_delayed().ravel()]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


@pytest.mark.parametrize("metric", [cross_entropy, kl_divergence])
@pytest.mark.parametrize("target", [LABELS, SOFT, np.searchsorted(["a", "b", "c"], LABELS)], ids=["str", "soft", "int"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("lengths", ["known", "unknown"])
def test_metrics_of_partitions(metric, target, weight, lengths):
    y, q, w = in_dask(target), in_dask(PREDICTED), None if weight is None else in_dask(weight)
    if lengths == "unknown":
        y, q, w = unknown(y), unknown(q), None if w is None else unknown(w)
    for arguments in ({}, {"base": 2}):
        value = metric(y, q, sample_weight=w, **arguments)
        assert isinstance(value, float)
        assert value == pytest.approx(metric(target, PREDICTED, sample_weight=weight, **arguments), rel=1e-13)
    value = metric(y, da.log(q), log_proba=True, sample_weight=w)
    assert value == pytest.approx(metric(target, np.log(PREDICTED), log_proba=True, sample_weight=weight), rel=1e-13)


@pytest.mark.parametrize("target", [LABELS, SOFT], ids=["labels", "soft"])
def test_entropy_of_partitions(target):
    assert entropy(in_dask(target), sample_weight=WEIGHT) == pytest.approx(entropy(target, sample_weight=WEIGHT), 1e-13)


def test_labels_are_those_of_all_partitions_unless_given():
    asked = []

    def counted(block):
        asked.append(len(block))
        return block

    y = in_dask(LABELS).map_blocks(counted, meta=LABELS[:0])
    expected = cross_entropy(LABELS, PREDICTED[:, ::-1], labels=["c", "b", "a"])
    assert cross_entropy(y, in_dask(PREDICTED[:, ::-1]), labels=["c", "b", "a"]) == pytest.approx(expected, rel=1e-13)
    assert len(asked) == len(CHUNKS)  # one pass over the labels
    with pytest.raises(ValueError, match="y_true has 3 distinct labels and y_pred 2 columns: pass labels="):
        cross_entropy(y, in_dask(PREDICTED[:, :2]))
    with pytest.raises(
        ValueError, match="In block .*y_true.*'b', which is not one of the labels|In block .*not one of"
    ):
        cross_entropy(y, in_dask(PREDICTED), labels=["a", "x", "c"])


def test_frames_series_and_what_is_in_memory():
    frame = pd.DataFrame(PREDICTED, columns=["a", "b", "c"])
    rows = dd.from_pandas(frame.assign(y=LABELS), npartitions=3)
    expected = cross_entropy(LABELS, PREDICTED)
    assert cross_entropy(rows.y, rows[["a", "b", "c"]], labels=["a", "b", "c"]) == pytest.approx(expected, rel=1e-13)
    assert cross_entropy(LABELS, in_dask(PREDICTED)) == pytest.approx(expected, rel=1e-13)
    assert cross_entropy(in_dask(LABELS), PREDICTED) == pytest.approx(expected, rel=1e-13)
    for labels in (["a", "b", "c"], None):
        assert cross_entropy(rows.y, rows[["b", "c", "a"]], labels=labels) == pytest.approx(expected, rel=1e-13)
    soft = rows[["a", "b", "c"]]
    assert kl_divergence(soft, rows[["b", "c", "a"]]) == 0.0
    with pytest.raises(ValueError, match=r"y_true has the columns \['a', 'b', 'c'\], but the classes are \['x', "):
        kl_divergence(soft, rows[["b", "c", "a"]].rename(columns={"b": "x"}))
    numbers = in_dask(PREDICTED[:, 0])
    with pytest.raises(ValueError, match=r"looks like a probability.* kl_divergence\(\[p\], \[q\]\)"):
        kl_divergence(numbers, in_dask(PREDICTED[:, 1]))


def test_an_infinite_score_is_told_once_with_its_row():
    q = PREDICTED.copy()
    wrong = 10 + np.flatnonzero(LABELS[10:] == "b")[:2]
    q[wrong] = [0.5, 0.0, 0.5]
    with pytest.warns(
        InfiniteScoreWarning,
        match=f"2 of 48 rows are certain and wrong .*row {wrong[0]}, with probability 0 where y_true is 'b'",
    ) as caught:
        assert cross_entropy(in_dask(LABELS), in_dask(q)) == np.inf
    assert len(caught) == 1 and caught[0].filename == __file__
    weight = np.ones(N)
    weight[wrong] = 0
    assert np.isfinite(cross_entropy(in_dask(LABELS), in_dask(q), sample_weight=in_dask(weight)))


def test_what_is_wrong_is_said_with_its_block():
    q = PREDICTED.copy()
    q[33] = np.nan
    with pytest.raises(ValueError, match=r"In block 3 of 4 \(rows 32 to 47.*: y_pred\[1, 0\] is nan"):
        cross_entropy(in_dask(LABELS), in_dask(q))
    with pytest.raises(ValueError, match="sample_weight sums to zero"):
        cross_entropy(in_dask(LABELS), in_dask(PREDICTED), sample_weight=np.zeros(N))
    with pytest.raises(ValueError, match=r"In block 2 of 4 .*sample_weight\[1\] is -1.0"):
        weight = np.where(np.arange(N) == 11, -1.0, 1.0)
        cross_entropy(in_dask(LABELS), in_dask(PREDICTED), sample_weight=in_dask(weight))
    with pytest.raises(ValueError, match="y_pred has 47 rows and y_true 48"):
        cross_entropy(in_dask(LABELS), PREDICTED[:47])
    with pytest.raises(ValueError, match="y_true is empty"):
        cross_entropy(in_dask(LABELS)[:0], in_dask(PREDICTED)[:0])


TWO = np.where(X[:, 0] + rng.logistic(size=N) > 0, "yes", "no")
CLASSIFIERS = [
    MLELogisticClassifier(C=1.0),
    make_pipeline(StandardScaler(), LogisticRegression()),
    HistGradientBoostingClassifier(max_iter=3),
]


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=["ours", "pipeline", "boosting"])
@pytest.mark.parametrize("name", ["neg_cross_entropy", "log_likelihood", "neg_kl_divergence"])
def test_scorers_of_any_fitted_classifier(estimator, name):
    scorer, fitted = get_scorer(name), estimator.fit(X, TWO)
    for weight in (None, WEIGHT):
        w = None if weight is None else in_dask(weight)
        value = scorer(fitted, in_dask(X), in_dask(TWO), sample_weight=w)
        assert isinstance(value, float)
        assert value == pytest.approx(scorer(fitted, X, TWO, sample_weight=weight), rel=1e-12)


def test_scorers_keep_the_names_of_a_dataframe():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MLELogisticClassifier(C=1.0).fit(frame, TWO)
    rows = dd.from_pandas(frame.assign(y=TWO), npartitions=3)
    rows = rows[rows.a > -1]
    part = frame.a > -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = neg_cross_entropy_scorer(model, rows[["a", "b", "c"]], rows.y)
    assert value == pytest.approx(neg_cross_entropy_scorer(model, frame[part], TWO[part]), rel=1e-12)


def test_scorers_of_regressors_and_offsets():
    y, offset = rng.poisson(np.exp(0.3 * X[:, 0])).astype(float), rng.uniform(-1, 1, N)
    model = MLERegressor("poisson").fit(X, y, offset=offset)
    for scorer in (log_likelihood_scorer, get_scorer("neg_crps")):
        value = scorer(model, in_dask(X), in_dask(y), offset=in_dask(offset))
        assert value == pytest.approx(scorer(model, X, y, offset=offset), rel=1e-12)
    ridge = BayesianRidge().fit(X, X[:, 0] + 0.1 * y)
    value = log_likelihood_scorer(ridge, in_dask(X), in_dask(X[:, 0] + 0.1 * y))
    assert value == pytest.approx(log_likelihood_scorer(ridge, X, X[:, 0] + 0.1 * y), rel=1e-12)


def test_scorers_of_classes_that_training_has_not_seen():
    model = MLELogisticClassifier(C=1.0).fit(X, TWO)
    with pytest.warns(InfiniteScoreWarning, match="1 of 48 rows are certain and wrong .*row 40"):
        seen = np.where(np.arange(N) == 40, "maybe", TWO)
        assert neg_cross_entropy_scorer(model, in_dask(X), in_dask(seen)) == -np.inf


def test_scores_that_are_no_mean_over_rows_say_so():
    model = MLELogisticClassifier(C=1.0).fit(X, TWO)
    for scorer in (get_scorer("information_gain"), make_probabilistic_scorer(cross_entropy, greater_is_better=False)):
        with pytest.raises(ValueError, match="is not a mean over rows"):
            scorer(model, in_dask(X), in_dask(TWO))


def test_a_block_of_whole_numbers_alone_is_scored_as_all_of_them_are():
    """Zeros that fill a partition, amounts in the others: the atom's probability, not that of what rounds to it."""
    y = np.where(np.arange(N) < 10, 0.0, np.abs(X[:, 0]) + 0.1)
    tweedie = MLERegressor("tweedie").fit(X, y)
    expected = log_likelihood_scorer(tweedie, X, y)
    for given in (in_dask(y), y, y.tolist(), in_dask(y.astype(object)), in_dask(y[:, None])):
        assert log_likelihood_scorer(tweedie, in_dask(X), given) == pytest.approx(expected, rel=1e-12)
    counts = np.floor(5 * y)
    gaussian = MLERegressor("gaussian").fit(X, counts)
    expected = log_likelihood_scorer(gaussian, X, counts)
    assert log_likelihood_scorer(gaussian, in_dask(X), in_dask(counts)) == pytest.approx(expected, rel=1e-12)
    mean, scale = gaussian.predict(X), gaussian.scale_
    cells = stats.norm.cdf(counts + 0.5, mean, scale) - stats.norm.cdf(counts - 0.5, mean, scale)
    assert expected == pytest.approx(np.log(cells).mean(), rel=1e-10)


def test_rows_without_weight_may_have_any_offset():
    offset = np.where(WEIGHT == 0, np.nan, X[:, 1])
    model = MLELogisticClassifier(C=1.0).fit(X, TWO, WEIGHT, offset)
    for scorer in (log_likelihood_scorer, neg_cross_entropy_scorer):
        expected = scorer(model, X, TWO, sample_weight=WEIGHT, offset=offset)
        given = {"sample_weight": in_dask(WEIGHT), "offset": in_dask(offset)}
        assert scorer(model, in_dask(X), in_dask(TWO), **given) == pytest.approx(expected, rel=1e-12)
