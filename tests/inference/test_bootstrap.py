"""The bootstrap: formulas that it approaches, the same bits for any number of jobs, and what it cannot do."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError
from sklearn_mle.inference import bootstrap, infer

RNG = np.random.default_rng(0)
N = 120
X = RNG.normal(size=(N, 2))
GROUP = np.repeat(np.arange(20), 6)
REAL = X @ [1.0, -1.0] + 2 * np.repeat(RNG.normal(size=20), 6) + (1 + np.abs(X[:, 0])) * RNG.normal(size=N)
COUNTS = RNG.poisson(np.exp(0.5 + X @ [0.3, 0.2])).astype(float)
B = 200
# Of B draws a standard deviation has a relative error of 1 / sqrt(2 B), 5%; here four of these.
WITHIN = 0.2


def test_pairs_and_clusters_are_near_their_sandwiches():
    model = GaussianMLERegressor().fit(X, REAL)
    found = bootstrap(model, X, REAL, n_resamples=B)
    wanted = infer(model, X, REAL, covariance="HC1")
    assert found.parameters == wanted.parameters
    np.testing.assert_array_equal(found.estimates, wanted.estimates)
    np.testing.assert_allclose(found.standard_errors[:3], wanted.standard_errors[:3], rtol=WITHIN)
    clustered = bootstrap(model, X, REAL, kind="cluster", groups=GROUP, n_resamples=B)
    wanted = infer(model, X, REAL, covariance="cluster", groups=GROUP)
    np.testing.assert_allclose(clustered.standard_errors[:3], wanted.standard_errors[:3], rtol=2 * WITHIN)
    assert clustered.standard_errors[0] > 1.3 * found.standard_errors[0]


@pytest.mark.slow
def test_wild_and_parametric():
    model = GaussianMLERegressor().fit(X, REAL)
    wild = bootstrap(model, X, REAL, kind="wild", n_resamples=B)
    np.testing.assert_allclose(
        wild.standard_errors[:3], infer(model, X, REAL, covariance="HC2").standard_errors[:3], rtol=WITHIN
    )
    # Signs leave the sum of squares as it is: they cannot tell how the scale varies.
    assert np.isnan(wild.standard_errors).tolist() == [False, False, False, True]
    for kind in ("percentile", "basic", "normal"):
        assert np.isfinite(wild.confidence_intervals(kind=kind)).all(axis=1).tolist() == [True, True, True, False]
    signs = bootstrap(model, X, REAL, kind="wild", groups=GROUP, n_resamples=B)
    assert signs.standard_errors[0] > 1.3 * wild.standard_errors[0]
    poisson = MLERegressor("poisson").fit(X, COUNTS)
    drawn = bootstrap(poisson, X, COUNTS, kind="parametric", n_resamples=B)
    np.testing.assert_allclose(drawn.standard_errors, infer(poisson).standard_errors, rtol=WITHIN)
    labels = np.where(COUNTS > 2, "many", np.where(COUNTS > 0, "some", "none"))
    classes = MLELogisticClassifier().fit(X, labels)
    drawn = bootstrap(classes, X, labels, kind="parametric", n_resamples=B)
    np.testing.assert_allclose(drawn.standard_errors, infer(classes).standard_errors, rtol=2 * WITHIN)


@pytest.mark.slow
def test_the_bits_do_not_depend_on_jobs_and_follow_the_seed():
    model = MLERegressor("poisson").fit(X, COUNTS)
    one, two = (bootstrap(model, X, COUNTS, n_resamples=6, n_jobs=jobs).replicates for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert (bootstrap(model, X, COUNTS, n_resamples=6, random_state=1).replicates != one).all()
    np.testing.assert_array_equal(model.coef_, MLERegressor("poisson").fit(X, COUNTS).coef_)


def test_intervals_and_frames():
    found = bootstrap(GaussianMLERegressor().fit(X, REAL), X, REAL, n_resamples=50)
    low, high = np.quantile(found.replicates, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(found.confidence_intervals(0.9), np.stack([low, high], axis=1), rtol=1e-12)
    basic = found.confidence_intervals(0.9, kind="basic")
    np.testing.assert_allclose(basic[:, 0], 2 * found.estimates - high)
    normal = found.confidence_intervals(0.9, kind="normal")
    np.testing.assert_allclose(normal.mean(axis=1), found.estimates)
    np.testing.assert_allclose(found.to_frame().cov(), found.covariance)
    with pytest.raises(ValueError, match="kind must be one of"):
        found.confidence_intervals(kind="bca")


def test_frames_pipelines_offsets_and_scikit_learns_models():
    frame = pd.DataFrame(X, columns=["a", "b"])
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, REAL)
    found = bootstrap(pipeline, frame, REAL, n_resamples=20)
    assert found.parameters == ("intercept", "a", "b", "log_scale")
    logistic = LogisticRegression(C=np.inf).fit(frame, COUNTS > 1)
    assert bootstrap(logistic, frame, COUNTS > 1, n_resamples=20).replicates.shape == (20, 3)
    exposure = np.log(RNG.uniform(1, 2, N))
    offset = MLERegressor("poisson").fit(X, COUNTS, offset=exposure)
    again = bootstrap(offset, X, COUNTS, offset=exposure, n_resamples=20)
    assert np.abs(again.replicates.mean(axis=0) - again.estimates).max() < 0.1
    moved = MLERegressor("poisson").fit(X, COUNTS, offset=np.float64(0.5))
    assert bootstrap(moved, X, COUNTS, offset=np.float64(0.5), n_resamples=5).replicates.shape == (5, 3)
    weight = RNG.uniform(0.5, 2, N)
    precise = GaussianMLERegressor(weight_type="precision").fit(X, REAL, weight)
    assert bootstrap(precise, X, REAL, sample_weight=weight, kind="parametric", n_resamples=20).n_resamples == 20


def test_sparse_rows_of_any_format_and_a_column_y():
    model = MLERegressor("poisson").fit(X, COUNTS)
    expected = bootstrap(model, X, COUNTS, n_resamples=4).replicates
    for rows in (sparse.coo_matrix(X), sparse.csc_array(X)):
        np.testing.assert_allclose(bootstrap(model, rows, COUNTS, n_resamples=4).replicates, expected, rtol=1e-6)
    with pytest.warns(DataConversionWarning) as caught:
        found = bootstrap(model, X, COUNTS[:, None], n_resamples=4)
    assert {warned.category for warned in caught} == {DataConversionWarning}
    np.testing.assert_array_equal(found.replicates, expected)


def test_what_cannot_be_refitted_is_counted():
    x = np.linspace(-2, 2, 14)[:, None]
    y = (x[:, 0] > 0).astype(int)
    y[[6, 7]] = 1, 0
    model = MLELogisticClassifier().fit(x, y)
    with pytest.warns(ConvergenceWarning, match="of 60 resamples .* SeparationWarning"):
        bootstrap(model, x, y, n_resamples=60)


def test_what_has_no_answer_says_so():
    model = MLERegressor("poisson").fit(X, COUNTS)
    with pytest.raises(NotSupportedError, match="kind='wild' gives least-squares residuals"):
        bootstrap(model, X, COUNTS, kind="wild")
    with pytest.raises(ValueError, match="groups are only for"):
        bootstrap(model, X, COUNTS, kind="cluster")
    with pytest.raises(ValueError, match="kind must be one of"):
        bootstrap(model, X, COUNTS, kind="jackknife")
    with pytest.raises(ValueError, match="n_resamples must be a whole number"):
        bootstrap(model, X, COUNTS, n_resamples=1)
    weighted = MLERegressor("poisson").fit(X, COUNTS, np.full(N, 2.0))
    with pytest.raises(NotSupportedError, match="counts copies"):
        bootstrap(weighted, X, COUNTS, kind="parametric", sample_weight=np.full(N, 2.0))
    # One trial with a weight of five has not the variance of a fraction of five.
    for name, y in (("poisson", COUNTS), ("binomial", COUNTS / COUNTS.max())):
        precise = MLERegressor(name, weight_type="precision").fit(X, y, np.full(N, 5.0))
        with pytest.raises(NotSupportedError, match="no distribution to draw from"):
            bootstrap(precise, X, y, kind="parametric", sample_weight=np.full(N, 5.0))


@pytest.mark.parametrize("changed", [{"alpha": 50.0}, {"fit_intercept": False}])
def test_an_estimator_that_was_changed_after_its_fit_is_refused(changed):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = 1 + X[:, 0] + rng.normal(size=60)
    model = GaussianMLERegressor().fit(X, y).set_params(**changed)
    with pytest.raises(ValueError, match="other estimates than its fit|other parameters than those of the fit"):
        bootstrap(model, X, y, n_resamples=20)
