"""A likelihood around any regressor: the recipe by hand, the answers, weights, folds, and what is refused."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, PoissonRegressor, Ridge
from sklearn.model_selection import KFold, PredefinedSplit, cross_val_predict

from sklearn_mle import DistributionalRegressor, MLERegressor
from sklearn_mle.exceptions import OutOfFoldWarning, PerfectFitWarning, PITWarning
from sklearn_mle.likelihoods import StudentT

X, Y = load_diabetes(return_X_y=True)
CV = KFold(4, shuffle=True, random_state=0)


def noisy(n=400, seed=0):
    """Return rows whose noise is Gaussian, of a scale that depends on the second column."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, 3 * X[:, 0] + np.exp(X[:, 1] / 2) * rng.normal(size=n)


@pytest.mark.parametrize("base", [LinearRegression(), RandomForestRegressor(10, random_state=0)])
def test_a_constant_gaussian_scale_is_the_root_mean_square_of_the_out_of_fold_residuals(base):
    model = DistributionalRegressor(base, "gaussian", scale="constant", cv=CV).fit(X, Y)
    out_of_fold = cross_val_predict(base, X, Y, cv=CV)
    np.testing.assert_array_equal(model.out_of_fold_prediction_, out_of_fold)
    scale = np.sqrt(np.mean((Y - out_of_fold) ** 2))
    refitted = clone(base).fit(X, Y).predict(X)
    np.testing.assert_array_equal(model.predict(X), refitted)
    expected = stats.norm(refitted, scale)
    # A residual of zero counts as one of 0.1 (y is rounded): 0.1^2 / (442 * 55^2) of the sum of squares.
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], scale, rtol=1e-8)
    np.testing.assert_allclose(model.predict_interval(X, 0.8), np.array(expected.interval(0.8)).T, atol=1e-5)
    np.testing.assert_allclose(model.log_likelihood(X, Y), expected.logpdf(Y).sum(), rtol=1e-7)


def test_a_modelled_scale_is_the_recipe():
    X, y = noisy()
    model = DistributionalRegressor(LinearRegression(), "gaussian", cv=CV).fit(X, y)
    folds = list(CV.split(X))
    prediction = cross_val_predict(LinearRegression(), X, y, cv=CV)
    boosting = HistGradientBoostingRegressor(loss="poisson", random_state=0)
    Z, size = np.column_stack([X, prediction]), np.abs(y - prediction)
    boosted = [clone(boosting).fit(Z[train], size[train]) for train, _ in folds]
    log_scale = np.empty(len(y))
    for one, (_, test) in zip(boosted, folds, strict=True):
        log_scale[test] = np.log(one.predict(Z[test]))
    noise = MLERegressor("gaussian", predictors={"location": [], "scale": "linear"}, fit_intercept=False)
    noise.fit(log_scale[:, None], y, offset=prediction)
    refitted = LinearRegression().fit(X, y).predict(X)
    new = np.mean([np.log(one.predict(np.column_stack([X, refitted]))) for one in boosted], axis=0)
    expected = np.exp(noise.scale_intercept_ + noise.scale_coef_[0] * new)
    np.testing.assert_allclose(model.predict_parameters(X)["scale"], expected, rtol=1e-8)
    assert np.corrcoef(np.log(expected), X[:, 1])[0, 1] > 0.6


def test_degrees_of_freedom_of_a_named_likelihood_are_estimated_and_those_of_an_instance_known():
    by_name = DistributionalRegressor(Ridge(0.01), scale="constant", cv=CV).fit(X, Y)
    known = DistributionalRegressor(Ridge(0.01), StudentT(df=20), scale="constant", cv=CV).fit(X, Y)
    assert by_name.noise_.df_ > 20 and "df" not in known.noise_.parameters_
    assert (known.predict_distribution(X).kwds["df"] == 20).all()


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PITWarning")  # some of them do not fit well
@pytest.mark.parametrize("likelihood", ["gaussian", "student_t", "gumbel", "laplace", "logistic", "gamma", "lognormal"])
def test_every_kind_of_answer_agrees_with_the_distribution(likelihood):
    model = DistributionalRegressor(Ridge(0.01), likelihood, scale=Ridge(), cv=CV).fit(X, Y)
    distribution, new = model.predict_distribution(X[:5]), X[:5]
    quantiles = model.predict_quantile(new, [0.05, 0.5, 0.95])
    np.testing.assert_allclose([distribution.cdf(q) for q in quantiles.T], np.outer([0.05, 0.5, 0.95], np.ones(5)))
    np.testing.assert_allclose(model.predict_interval(new, 0.9), quantiles[:, [0, 2]], rtol=1e-13)
    np.testing.assert_array_equal(model.predict_quantile(new, 0.5), quantiles[:, 1])
    np.testing.assert_allclose(model.log_likelihood(new, Y[:5]), distribution.logpdf(Y[:5]).sum(), rtol=1e-10)
    np.testing.assert_array_equal(model.predict(new), Ridge(0.01).fit(X, Y).predict(new))
    draws = model.sample(new, 4000, random_state=0)
    # Ten standard errors of a share of 4000.
    assert np.abs((draws < quantiles[:, [1]]).mean(axis=1) - 0.5).max() < 10 * 0.5 / np.sqrt(4000)


def test_the_mean_of_a_skewed_likelihood_is_near_the_prediction():
    # Its location is the mode: without a shift the mean would be 0.58 scales above the prediction.
    model = DistributionalRegressor(Ridge(0.01), "gumbel", cv=CV).fit(X, Y)
    distribution = model.predict_distribution(X)
    assert np.abs((distribution.mean() - model.predict(X)) / distribution.std()).max() < 0.2


def test_counts_have_the_prediction_as_their_mean():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 2))
    y = rng.negative_binomial(2, 2 / (2 + np.exp(1 + X[:, 0])))
    base = PoissonRegressor(alpha=0)
    model = DistributionalRegressor(base, "negative_binomial", cv=CV).fit(X, y)
    np.testing.assert_allclose(model.predict_distribution(X).mean(), base.fit(X, y).predict(X), rtol=1e-10)
    with pytest.warns(PITWarning, match="likelihood='negative_binomial' is better"):
        poisson = DistributionalRegressor(base, "poisson", cv=CV).fit(X, y)
    assert poisson.log_likelihood(X, y) < model.log_likelihood(X, y) - 20
    assert poisson.noise_.n_iter_ >= 0 and "dispersion" not in poisson.predict_parameters(X)


def test_predictions_outside_the_domain_name_their_rows():
    y = np.exp(Y / 50)
    out_of_fold = cross_val_predict(LinearRegression(), X, y, cv=CV)
    first = np.flatnonzero(out_of_fold <= 0)[0]
    with pytest.raises(ValueError, match=rf"estimator: the location of Gamma\(\) cannot be.*rows {first} \(-"):
        DistributionalRegressor(LinearRegression(), "gamma", cv=CV).fit(X, y)
    with pytest.raises(ValueError, match="y: the Poisson likelihood takes"):
        DistributionalRegressor(LinearRegression(), "poisson", cv=CV).fit(X, -y)


def test_a_weight_of_two_is_two_copies():
    weight = np.random.default_rng(0).integers(0, 4, size=len(Y))
    fold = np.arange(len(Y)) % 4
    rows = np.repeat(np.arange(len(Y)), weight)
    for settings in ({"scale": "constant"}, {"scale": Ridge(0.01)}, {"likelihood": "gumbel", "scale": Ridge(0.01)}):
        of_weights = DistributionalRegressor(Ridge(0.01), cv=PredefinedSplit(fold), **settings)
        of_copies = DistributionalRegressor(Ridge(0.01), cv=PredefinedSplit(fold[rows]), **settings)
        of_weights.fit(X, Y, sample_weight=weight)
        of_copies.fit(X[rows], Y[rows])
        np.testing.assert_allclose(of_weights.predict_interval(X), of_copies.predict_interval(X), rtol=1e-7)
        assert of_weights.noise_.n_obs_ == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"likelihood": "auto", "scale": Ridge(), "recalibrate": True}, {"ensemble": True, "scale": Ridge()}]
)
def test_the_number_of_jobs_changes_no_bit(settings):
    base = RandomForestRegressor(5, max_depth=4, random_state=0)
    one, two = (DistributionalRegressor(base, cv=CV, n_jobs=n_jobs, **settings).fit(X, Y) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.predict_interval(X), two.predict_interval(X))


def test_an_ensemble_averages_the_fold_models():
    model = DistributionalRegressor(Ridge(0.01), cv=CV, ensemble=True).fit(X, Y)
    folds = [Ridge(0.01).fit(X[train], Y[train]).predict(X) for train, _ in CV.split(X)]
    np.testing.assert_allclose(model.predict(X), np.mean(folds, axis=0), rtol=1e-14)
    assert len(model.estimators_) == 4 and not hasattr(model, "estimator_")


def test_a_frozen_estimator_is_calibrated_on_all_rows_of_the_fit():
    frozen = FrozenEstimator(Ridge(0.01).fit(X[:200], Y[:200]))
    model = DistributionalRegressor(frozen, "gaussian", scale="constant").fit(X[200:], Y[200:])
    residual = Y[200:] - frozen.predict(X[200:])
    np.testing.assert_allclose(model.noise_.scale_, np.sqrt(np.mean(residual**2)), rtol=1e-10)
    np.testing.assert_array_equal(model.predict(X), frozen.predict(X))
    assert DistributionalRegressor(frozen).fit(X[200:], Y[200:]).noise_.scale_coef_[1] > 0


def test_rows_that_no_fold_tests_are_left_out_with_a_warning():
    fold = np.where(np.arange(len(Y)) < 100, -1, np.arange(len(Y)) % 3)
    model = DistributionalRegressor(Ridge(0.01), "gaussian", scale="constant", cv=PredefinedSplit(fold))
    with pytest.warns(OutOfFoldWarning, match="100 of 442 rows have no out-of-fold prediction"):
        model.fit(X, Y)
    residual = (Y - model.out_of_fold_prediction_)[100:]
    np.testing.assert_allclose(model.noise_.scale_, np.sqrt(np.mean(residual**2)), rtol=1e-10)
    assert np.isnan(model.out_of_fold_prediction_[:100]).all()


def test_a_perfect_base_has_the_least_scale_of_rounded_outcomes():
    X = np.arange(60.0)[:, None]
    model = DistributionalRegressor(LinearRegression(), cv=CV)
    with pytest.warns(PerfectFitWarning, match=r"scale is set to about 0\.1, its lower bound \(a tenth of the unit"):
        model.fit(X, 3 + 1 * X[:, 0])
    np.testing.assert_allclose(model.predict_parameters(X)["scale"], 0.1, rtol=1e-6)
    with pytest.warns(PerfectFitWarning):
        constant = DistributionalRegressor(DummyRegressor(), cv=CV).fit(X, np.ones(60))
    np.testing.assert_array_equal(constant.predict_interval(X), 1.0)


def test_the_scale_is_at_least_a_tenth_of_the_unit_of_rounding():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(300, 1)).astype(float)
    y = 10 * X[:, 0] + np.where(X[:, 0] == 1, rng.integers(-9, 10, size=300), 0)  # exact but for one group
    model = DistributionalRegressor(RandomForestRegressor(20, random_state=0), "gaussian", cv=CV).fit(X, y)
    assert model.predict_parameters(np.array([[0.0], [1.0], [2.0]]))["scale"].min() == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("container", ["frame", "sparse"])
def test_containers_give_the_same_answers(container):
    X, y = noisy(200)
    rows = csr_array(X) if container == "sparse" else pytest.importorskip("pandas").DataFrame(X, columns=["a", "b"])
    # The sparse solver of linear regression is another one.
    base = FrozenEstimator(LinearRegression().fit(X, y)) if container == "sparse" else LinearRegression()
    expected = DistributionalRegressor(base, cv=CV).fit(X, y)
    model = DistributionalRegressor(base, cv=CV).fit(rows, y)
    np.testing.assert_allclose(model.predict_interval(rows), expected.predict_interval(X), rtol=1e-10)
    if container == "frame":
        assert model.feature_names_in_.tolist() == ["a", "b"]
        with pytest.raises(ValueError, match="feature names"):
            model.predict(rows[["b", "a"]])


def test_what_cannot_be_fitted_is_refused_in_words():
    class Transformer:
        def fit(self, X, y):
            return self

    class OfText(DummyRegressor):
        def predict(self, X):
            return np.full(len(X), "high")

    for wrong in (Ridge, Transformer(), "ridge"):
        with pytest.raises(TypeError, match="estimator must be an estimator with fit and predict"):
            DistributionalRegressor(wrong).fit(X, Y)
    with pytest.raises(TypeError, match="scale must be 'auto', 'constant', or an estimator"):
        DistributionalRegressor(Ridge(0.01), scale="linear").fit(X, Y)
    with pytest.raises(ValueError, match="1 sample"):
        DistributionalRegressor(Ridge(0.01)).fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match="one fold"):
        DistributionalRegressor(Ridge(0.01), cv=[(np.arange(100), np.arange(100, 442))]).fit(X, Y)
    with pytest.raises(ValueError, match="likelihood='normal' is not known"):
        DistributionalRegressor(Ridge(0.01), "normal").fit(X, Y)
    with pytest.raises(ValueError, match="has no scale or dispersion"):
        DistributionalRegressor(PoissonRegressor(), "poisson", scale=Ridge(0.01)).fit(X, Y)
    with pytest.raises(ValueError, match="predictions must be real numbers"):
        DistributionalRegressor(OfText()).fit(X, Y)


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = DistributionalRegressor(Ridge(0.01), cv=CV).fit(X, Y)
    before = model.predict_interval(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, np.where(np.arange(len(Y)) == 3, np.nan, Y))
    np.testing.assert_array_equal(model.predict_interval(X), before)
