"""One identity, three views: likelihood, cross-entropy and divergence agree to rounding, whoever states them."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import KFold, cross_val_score

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.likelihoods import Bernoulli, Categorical
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence, log_likelihood_scorer, neg_cross_entropy_scorer


def targets(kind, n_classes):
    X, y = (load_breast_cancer if n_classes == 2 else load_wine)(return_X_y=True)
    if kind == "hard":
        return X, y
    soft = np.full((len(y), n_classes), 0.1 / n_classes)
    soft[np.arange(len(y)), y] += 0.9
    return X, soft


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("base", [None, 2])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_likelihood_is_cross_entropy_is_entropy_plus_divergence(kind, n_classes, base, weighted):
    X, y = targets(kind, n_classes)
    weight = np.random.default_rng(0).uniform(0.2, 3, len(X)) if weighted else None
    model = MLELogisticClassifier(C=1.0).fit(X, y, sample_weight=weight)
    logs = model.predict_log_proba(X)
    options = {"sample_weight": weight, "base": base}
    ce = cross_entropy(y, logs, log_proba=True, **options)
    divergence = kl_divergence(y, logs, log_proba=True, **options)
    uncertainty = entropy(y, **options)
    assert ce == pytest.approx(uncertainty + divergence, abs=1e-12)
    unit = 1.0 if base is None else np.log(base)
    assert -model.log_likelihood_ / model.n_obs_ / unit == pytest.approx(ce, abs=1e-12)
    assert -model.log_likelihood(X, y, sample_weight=weight) / model.n_obs_ / unit == pytest.approx(ce, abs=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_metrics_and_likelihoods_state_one_formula(n_classes):
    """Two packages that do not import each other."""
    rng = np.random.default_rng(1)
    eta, y = 5 * rng.standard_normal((n_classes, 200)), rng.integers(0, n_classes, 200)
    logs = (eta - np.logaddexp.reduce(eta, axis=0)).T
    nll = Bernoulli().nll(y.astype(float), eta[1:] - eta[:1]) if n_classes == 2 else Categorical(n_classes).nll(y, eta)
    labels = np.arange(n_classes)
    assert nll.mean() == pytest.approx(cross_entropy(y, logs, labels=labels, log_proba=True), abs=1e-12)


@pytest.mark.parametrize("scale", ["constant", "log_linear", 50.0])
def test_the_scorer_reads_a_regressor_s_own_likelihood(scale):
    X, y = load_diabetes(return_X_y=True)
    y = y + 0.25  # of whole numbers the scorer takes probabilities, not densities
    model = GaussianMLERegressor(scale=scale).fit(X, y)
    density = model.predict_distribution(X).logpdf(y).mean()
    assert log_likelihood_scorer(model, X, y) == pytest.approx(density, abs=1e-12)
    assert model.log_likelihood_ / model.n_obs_ == pytest.approx(density, abs=1e-12)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_scorers_judge_our_classifier_in_cross_validation(kind):
    X, y = targets(kind, 3)
    folds = KFold(3, shuffle=True, random_state=0)
    model = MLELogisticClassifier(C=1.0)
    scores = cross_val_score(model, X, y, cv=folds, scoring=neg_cross_entropy_scorer)
    for score, (train, test) in zip(scores, folds.split(X), strict=True):
        fitted = MLELogisticClassifier(C=1.0).fit(X[train], y[train])
        assert score == pytest.approx(fitted.log_likelihood(X[test], y[test]) / len(test), abs=1e-12)
