"""scikit-learn's linear models are read as what they maximize: the inference of our fits of the same likelihood."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import ConvergenceWarning
from sklearn_mle.inference import infer, residuals
from sklearn_mle.likelihoods import Huber, Tweedie

RNG = np.random.default_rng(0)
N = 200
X = RNG.normal(size=(N, 2))
MEAN = np.exp(0.5 + X @ [0.4, -0.3])
REAL = X @ [1.0, -2.0] + RNG.normal(size=N)
POSITIVE = RNG.gamma(3.0, MEAN / 3)
AMOUNTS = np.array([RNG.gamma(2, 1, k).sum() for k in RNG.poisson(MEAN)])
LABELS = (X[:, 0] + RNG.logistic(size=N) > 0).astype(int)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize(
    ("theirs", "ours", "y"),
    [
        (GammaRegressor(tol=1e-10), MLERegressor("gamma"), POSITIVE),
        (TweedieRegressor(power=2, tol=1e-10), MLERegressor("gamma"), POSITIVE),
        (TweedieRegressor(power=3, tol=1e-10), MLERegressor("inverse_gaussian"), POSITIVE),
        (TweedieRegressor(power=1.6, tol=1e-10), MLERegressor(Tweedie(power=1.6)), AMOUNTS),
        (TweedieRegressor(power=1, tol=1e-10), MLERegressor("poisson"), np.round(AMOUNTS)),
        (TweedieRegressor(power=0, tol=1e-10), GaussianMLERegressor(), REAL),
    ],
    ids=["gamma", "power 2", "power 3", "power 1.6", "power 1", "power 0"],
)
def test_generalized_linear_models(theirs, ours, y, alpha):
    options = {"penalized": "laplace"} if alpha else {}
    found = infer(theirs.set_params(alpha=alpha).fit(X, y), X, y, **options)
    # Theirs is per observation, of a mean; ours of the sum. Both are relative to the dispersion.
    wanted = infer(ours.set_params(alpha=alpha * N).fit(X, y), X, y, **options)
    assert found.parameters == wanted.parameters
    np.testing.assert_allclose(found.estimates, wanted.estimates, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=1e-4, atol=1e-7)
    assert found.header["gap in nats"] < 1e-6


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge(weighted):
    weight = RNG.integers(1, 4, N).astype(float) if weighted else None
    ours = GaussianMLERegressor(alpha=5.0).fit(X, REAL, weight)
    wanted = infer(ours, X, REAL, sample_weight=weight, penalized="sandwich")
    for theirs in (Ridge(alpha=5.0), RidgeCV(alphas=[5.0])):
        found = infer(theirs.fit(X, REAL, weight), X, REAL, sample_weight=weight, penalized="sandwich")
        np.testing.assert_allclose(found.estimates, wanted.estimates, rtol=1e-6)
        np.testing.assert_allclose(found.standard_errors, wanted.standard_errors, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_huber_regression_is_huber_s_location_at_its_own_scale(alpha):
    y = REAL + 20 * (RNG.uniform(size=N) < 0.05)
    theirs = HuberRegressor(epsilon=1.5, alpha=alpha, tol=1e-9, max_iter=1000).fit(X, y)
    options = {"penalized": "sandwich"} if alpha else {"covariance": "HC1"}
    found = infer(theirs, X, y, **options)
    ours = MLERegressor(Huber(epsilon=1.5), predictors={"scale": theirs.scale_}, alpha=alpha * theirs.scale_).fit(X, y)
    wanted = infer(ours, X, y, **options)
    assert found.parameters == ("intercept", "x0", "x1")
    np.testing.assert_allclose(found.estimates, wanted.estimates, rtol=1e-3)
    np.testing.assert_allclose(found.standard_errors, wanted.standard_errors, rtol=1e-2)
    assert found.header["gap in nats"] < 1e-3
    np.testing.assert_allclose(residuals(theirs, X, y, kind="response"), y - theirs.predict(X), rtol=1e-6)


def test_frozen_and_thresholded_models_are_those_inside():
    plain = LogisticRegression(C=np.inf, tol=1e-10)
    # scikit-learn 1.8 asks for both, older ones know neither.
    new = "use_legacy_attributes" in LogisticRegressionCV().get_params()
    old = {"use_legacy_attributes": False, "l1_ratios": (0.0,)} if new else {}
    wanted = infer(plain.fit(X, LABELS), X, LABELS)
    inside = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, tol=1e-10))
    for model in (
        FrozenEstimator(plain),
        FixedThresholdClassifier(plain, threshold=0.3).fit(X, LABELS),
        TunedThresholdClassifierCV(plain, cv=3).fit(X, LABELS),
        FixedThresholdClassifier(FrozenEstimator(plain), threshold=0.3).fit(X, LABELS),
        LogisticRegressionCV(Cs=[1e8], cv=3, tol=1e-10, scoring="neg_log_loss", **old).fit(X, LABELS),
    ):
        options = {"penalized": "sandwich"} if isinstance(model, LogisticRegressionCV) else {}
        found = infer(model, X, LABELS, **options)
        np.testing.assert_allclose(found.estimates, wanted.estimates, rtol=1e-4)
    scaled = infer(FixedThresholdClassifier(inside).fit(X, LABELS), X, LABELS)
    np.testing.assert_allclose(
        scaled.estimates[1:] / scaled.standard_errors[1:], wanted.estimates[1:] / wanted.standard_errors[1:], rtol=1e-5
    )


def test_fits_by_stochastic_gradients_state_their_gap():
    options = {
        "alpha": 1e-3,
        "tol": None,
        "max_iter": 3000,
        "learning_rate": "invscaling",
        "eta0": 0.05,
        "average": True,
    }
    classifier = SGDClassifier(loss="log_loss", random_state=0, **options).fit(X, LABELS)
    found = infer(classifier, X, LABELS, penalized="laplace")
    wanted = infer(MLELogisticClassifier(C=1 / (1e-3 * N)).fit(X, LABELS), X, LABELS, penalized="laplace")
    np.testing.assert_allclose(found.standard_errors, wanted.standard_errors, rtol=1e-2)
    assert 0 < found.header["gap in nats"] < 5e-3
    regressor = SGDRegressor(random_state=0, **options).fit(X, REAL)
    assert 0 < infer(regressor, X, REAL, penalized="laplace").header["gap in nats"] < 5e-3
    early = SGDRegressor(random_state=0, tol=None, max_iter=1, eta0=1e-4).fit(X, REAL)
    with pytest.raises(ValueError, match="nats below the maximum|the estimate is not a maximum"):
        infer(early, X, REAL, penalized="laplace")
    rough = SGDRegressor(random_state=0, alpha=0.0, tol=None, max_iter=200, learning_rate="constant").fit(X, REAL)
    with pytest.warns(ConvergenceWarning, match="nats below the maximum"):
        infer(rough, X, REAL)


@pytest.mark.parametrize(
    ("model", "y", "words"),
    [
        (TweedieRegressor(power=2, link="identity"), POSITIVE, "power=2 with link='identity'"),
        (TweedieRegressor(power=4), POSITIVE, "power 0, 3, or from 1 to 2; got power=4"),
        (Ridge(positive=True), REAL, "positive=True"),
        (SGDClassifier(), LABELS, "loss='log_loss'"),
        (SGDClassifier(loss="log_loss", penalty="l1"), LABELS, "l1 penalty"),
        (SGDRegressor(loss="huber"), REAL, "squared_error"),
        (ElasticNet(), REAL, "HuberRegressor, SGDClassifier and SGDRegressor"),
    ],
    ids=str,
)
def test_what_is_no_such_likelihood_says_so(model, y, words):
    with pytest.raises(TypeError, match=words):
        infer(model.fit(X, y), X, y)


def test_balanced_class_weights_are_those_of_the_rows():
    by_class = dict(enumerate(N / (2 * np.bincount(LABELS))))
    models = [LogisticRegression(class_weight=how, tol=1e-10).fit(X, LABELS) for how in ("balanced", by_class)]
    found, wanted = (infer(model, X, LABELS, penalized="sandwich").standard_errors for model in models)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"offset": 1.0}, "offset: LinearRegression was not fitted"), ({"sample_weight": np.zeros(N)}, "zero")],
)
def test_what_linear_regression_cannot_have_been_fitted_with(given, words):
    with pytest.raises(ValueError, match=words):
        infer(LinearRegression().fit(X, REAL), X, REAL, **given)
