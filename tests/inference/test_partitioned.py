"""Inference on rows that Dask keeps: that of the same rows in memory, in three passes."""

import dask
import dask.array as da
import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer

RNG = np.random.default_rng(0)
N = 3000
X = RNG.normal(size=(N, 3)) + 2
Y = RNG.gamma(2.0, np.exp(0.2 * X[:, 0]))
LABELS = RNG.integers(0, 3, N)
WEIGHT = RNG.integers(0, 3, N).astype(float)
CHUNKS = 700


@pytest.fixture(autouse=True)
def _synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def both(model, y, weight=None):
    """Fit to Dask's rows, and return what infers from them and from those in memory."""
    X_dask, y_dask = da.from_array(X, chunks=(CHUNKS, 3)), da.from_array(y, chunks=CHUNKS)
    weight_dask = None if weight is None else da.from_array(weight, chunks=CHUNKS)
    model.fit(X_dask, y_dask, weight_dask)

    def inferred(**options):
        there = infer(model, X_dask, y_dask, sample_weight=weight_dask, **options)
        return there, infer(model, X, y, sample_weight=weight, **options)

    return inferred


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (GaussianMLERegressor(), Y),
        (GaussianMLERegressor(scale="log_linear"), Y),
        (MLERegressor("gamma"), Y),
        (MLERegressor("poisson"), np.round(Y)),
        (MLELogisticClassifier(), LABELS),
        (MLELogisticClassifier(), LABELS > 0),
    ],
    ids=["gaussian", "log-linear", "gamma", "poisson", "classes", "two classes"],
)
@pytest.mark.parametrize("weighted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_it_is_that_of_rows_in_memory(model, y, weighted):
    inferred = both(model, y, WEIGHT if weighted else None)
    for kind in ("hessian", "expected", "opg", "HC0", "HC1"):
        there, here = inferred(covariance=kind)
        assert there.parameters == here.parameters
        np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-7, atol=1e-13, err_msg=kind)
        assert there.df == here.df
    for name in ("observations", "parameters", "log-likelihood"):
        assert there.header[name] == pytest.approx(here.header[name], rel=1e-10)
    assert there.header["AIC"] == pytest.approx(here.header["AIC"], rel=1e-10, nan_ok=True)


def test_weights_of_other_meanings_priors_and_dependent_columns():
    model = MLERegressor("poisson", weight_type="sampling")
    there, here = both(model, np.round(Y), WEIGHT + 0.5)()
    np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-7, atol=1e-13)
    inferred = both(MLERegressor("gamma", alpha=30.0), Y)
    for penalized in ("laplace", "sandwich"):
        there, here = inferred(penalized=penalized)
        np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-7, atol=1e-13, err_msg=penalized)


def test_it_takes_three_passes(monkeypatch):
    from sklearn_mle._rows.distributed import DistributedData

    passes, original = [], DistributedData._pass
    monkeypatch.setattr(
        DistributedData, "_pass", lambda self, *given: (passes.append(given[1]), original(self, *given))[1]
    )
    X_dask, y_dask = da.from_array(X, chunks=(CHUNKS, 3)), da.from_array(np.round(Y), chunks=CHUNKS)
    model = MLERegressor("poisson").fit(X_dask, y_dask)
    passes.clear()
    infer(model, X_dask, y_dask, covariance="HC1")
    assert len(passes) <= 3 + 1, passes  # and one that tells dependent columns


def test_what_needs_the_rows_in_memory_says_so():
    X_dask, y_dask = da.from_array(X, chunks=(CHUNKS, 3)), da.from_array(Y, chunks=CHUNKS)
    model = GaussianMLERegressor().fit(X_dask, y_dask)
    for options, words in (
        ({"covariance": "HC3"}, "covariance='HC3' needs the rows in memory"),
        ({"covariance": "cluster", "groups": LABELS}, "covariance='cluster' needs"),
        ({"dispersion": "pearson"}, "dispersion needs"),
        ({"weight_type": "sampling", "covariance": "HC0"}, "weight_type needs"),
    ):
        with pytest.raises(NotSupportedError, match=words):
            infer(model, X_dask, y_dask, **options)
    with pytest.raises(ValueError, match="nats below the maximum"):
        infer(model, X_dask, -y_dask)


def lazy(*arrays):
    """Return arrays as Dask's, in the same blocks of rows."""
    return [da.from_array(array, chunks=(CHUNKS, *array.shape[1:])) for array in arrays]


def test_other_data_than_those_of_the_fit_are_refused():
    names = np.array(["a", "b", "c"])[LABELS]
    model = MLELogisticClassifier().fit(*lazy(X, names))
    with pytest.raises(ValueError, match="which had 3000 observations .* these have 6000"):
        infer(model, *lazy(np.tile(X, (2, 1)), np.tile(names, 2)))
    with pytest.raises(ValueError, match="these have 6000"):
        infer(model, *lazy(X, names), sample_weight=2.0)
    with pytest.raises(ValueError, match=r"labels that fit did not see: \['d'\]"):
        infer(model, *lazy(X, np.where(names == "c", "d", names)))
    with pytest.raises(ValueError, match="X has 2 features"):
        infer(model, *lazy(X[:, :2], names))
    with pytest.raises(ValueError, match="fitted with an offset"):
        infer(MLERegressor("gamma").fit(X, Y, offset=0.1 * X[:, 0]), *lazy(X, Y))


def test_it_reads_what_was_fitted_and_not_the_present_arguments():
    model = MLELogisticClassifier(C=2.0).fit(X, LABELS)
    expected = infer(model, X, LABELS, penalized="laplace")
    model.set_params(class_weight="balanced", C=1e-3, fit_intercept=False)
    found = infer(model, *lazy(X, LABELS), penalized="laplace")
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-7, atol=1e-13)


def test_soft_labels_are_found_by_the_names_of_their_columns():
    pd = pytest.importorskip("pandas")
    soft = pd.DataFrame(RNG.dirichlet([1, 2, 3], N), columns=["late", "early", "never"])
    model = MLELogisticClassifier().fit(X, soft)
    found = infer(model, *lazy(X), soft[["early", "never", "late"]])
    np.testing.assert_allclose(found.covariance, infer(model, X, soft).covariance, rtol=1e-7, atol=1e-13)
    # Labels may stand in place of probabilities, whose classes are in the order of the frame's columns.
    labels = np.array(soft.columns)[LABELS]
    hard = pd.get_dummies(pd.Series(labels))[list(soft.columns)].astype(float)
    found = infer(model.fit(X, hard), *lazy(X, labels))
    np.testing.assert_allclose(found.covariance, infer(model, X, hard).covariance, rtol=1e-7, atol=1e-13)
