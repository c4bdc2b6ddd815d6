"""One cell of each kind against R: the relations tell that answers agree with each other, these that they are right.

All with x = 0, ..., 7, an offset o and weights w; the commands stand beside their values.
"""

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer

X = np.arange(8.0)[:, None]
OFFSET = np.array([0.1, 0.3, 0, 0.2, 0.4, 0.1, 0.3, 0.2])
WEIGHT = np.array([1.0, 2, 1, 3, 1, 2, 2, 1])
Y = np.array([1.2, 2.5, 1.9, 3.8, 3.1, 6.2, 5.5, 7.9])
COUNTS = np.array([0.0, 5, 1, 9, 0, 14, 3, 20])
TRIALS = np.column_stack([[3.0, 5, 6, 9, 7, 8, 9, 6], [7.0, 5, 4, 6, 3, 2, 1, 0]])
CLASSES = np.array(list("pqprqrpr"))
# R's iterations end at about 1e-10 of the deviance.
NEAR = {"rtol": 2e-6}


def coefficients(model):
    """Intercept and slope."""
    return [model.intercept_, *model.coef_]


def test_precisions_with_an_offset():
    """m <- lm(y ~ x, weights=1/w, offset=o); coef, vcov, logLik; predict(m, data.frame(x=8, o=.5), weights=.5, ...)."""
    model = GaussianMLERegressor(weight_type="precision").fit(X, Y, 1 / WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [0.587800829876, 0.896058091286], rtol=1e-9)
    np.testing.assert_allclose(model.standard_errors()[:2], [0.618861631974, 0.147276462084], rtol=1e-9)
    assert model.log_likelihood_ == pytest.approx(-10.6218039164, rel=1e-9)
    # interval="prediction", weights=.5, level=.9
    found = model.predict_interval([[8.0]], 0.9, offset=[0.5], sample_weight=[0.5], include_parameter_uncertainty=True)
    np.testing.assert_allclose(found, [[5.45725111395, 11.0552800064]], rtol=1e-9)


def test_a_dispersion_without_an_intercept_with_an_offset_and_weights():
    """summary(glm(y ~ 0 + x, Gamma("log"), offset=o, weights=w)): here weights are precisions."""
    model = MLERegressor("gamma", fit_intercept=False, weight_type="precision").fit(X, Y, WEIGHT, OFFSET)
    found = infer(model, X, Y, sample_weight=WEIGHT, offset=OFFSET, dispersion="pearson")
    assert model.coef_[0] == pytest.approx(0.294414551746, rel=2e-6)
    assert found.standard_errors[0] == pytest.approx(0.0261676534188, rel=2e-6)


def test_trials_with_an_offset_and_weights():
    """m <- glm(cbind(s, f) ~ x, binomial, offset=o, weights=w)."""
    model = MLERegressor("binomial").fit(X, TRIALS, WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [-0.907644043218, 0.435877917922], **NEAR)
    for kind in ("hessian", "expected"):
        found = infer(model, X, TRIALS, sample_weight=WEIGHT, offset=OFFSET, covariance=kind)
        np.testing.assert_allclose(found.standard_errors, [0.373136457896, 0.110131098042], **NEAR)
    assert model.log_likelihood_ == pytest.approx(-17.1013737366, rel=1e-8)


def test_a_modelled_scale_with_an_offset():
    """gls(y - o ~ x, weights=varExp(form=~x), method="ML"): the logarithm of the scale is linear in x."""
    model = MLERegressor("gaussian", predictors="linear").fit(X, Y, offset=OFFSET)
    np.testing.assert_allclose(coefficients(model), [1.126980408396, 0.713474906695], rtol=1e-5)
    assert model.scale_coef_[0] == pytest.approx(0.291006762751, rel=1e-5)
    assert np.exp(model.scale_intercept_) == pytest.approx(0.259096103374, rel=1e-5)
    assert model.log_likelihood_ == pytest.approx(-8.6952477778, rel=1e-8)


def test_a_shape_with_an_offset_and_copies():
    """survreg(Surv(y) ~ x + offset(o), weights=w): its scale is the reciprocal of the shape."""
    model = MLERegressor("weibull").fit(X, Y, WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [0.349060856730, 0.241023354878], **NEAR)
    assert model.shape_ == pytest.approx(1 / 0.178439889143, rel=2e-6)
    found = infer(model, X, Y, sample_weight=WEIGHT, offset=OFFSET)
    np.testing.assert_allclose(found.standard_errors, [0.1151608337007, 0.0298693843975, 0.2331301288826], **NEAR)
    assert model.log_likelihood_ == pytest.approx(-15.3938555303, rel=1e-8)


def test_a_kink_with_weights():
    """rq(y - o ~ x, weights=w, tau=.5)."""
    model = MLERegressor("laplace").fit(X, Y, WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [1.1, 5 / 6], rtol=1e-9)


def test_a_dispersion_of_counts_with_an_offset_and_copies():
    """m <- glm.nb(n ~ x + offset(o), weights=w); coef, vcov (at the estimated theta), theta, logLik."""
    model = MLERegressor("negative_binomial").fit(X, COUNTS, WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [0.787246152641, 0.245657104916], rtol=2e-5)
    assert model.dispersion_ == pytest.approx(1 / 1.53929243735, rel=2e-5)
    assert model.log_likelihood_ == pytest.approx(-37.9538848634, rel=1e-8)
    found = infer(model, X, COUNTS, sample_weight=WEIGHT, offset=OFFSET, covariance="expected")
    np.testing.assert_allclose(found.standard_errors[:2], [0.520454602962, 0.121305521152], rtol=2e-5)


def test_sampling_weights_with_an_offset():
    """m <- glm(n ~ x + offset(o), poisson, weights=w); sqrt(diag(sandwich(m))), deviance(m)."""
    model = MLERegressor("poisson", weight_type="sampling").fit(X, COUNTS, WEIGHT, OFFSET)
    np.testing.assert_allclose(coefficients(model), [0.907235497368, 0.208163115078], **NEAR)
    found = infer(model, X, COUNTS, sample_weight=WEIGHT, offset=OFFSET)
    np.testing.assert_allclose(found.standard_errors, [0.451364235849, 0.110137587900], **NEAR)
    assert model.deviance(X, COUNTS, WEIGHT, OFFSET) == pytest.approx(60.4299746403, rel=1e-8)


def test_classes_with_offsets_and_copies():
    """multinom(g ~ x + offset(cbind(0, o, -o)), weights=w): differences from the first class."""
    offset = np.column_stack([0 * OFFSET, OFFSET, -OFFSET])
    model = MLELogisticClassifier().fit(X, CLASSES, WEIGHT, offset)
    found = np.column_stack([model.intercept_, model.coef_])
    expected = [[0.666007234022, -0.429036332607], [-0.270526663001, 0.225249128579]]
    np.testing.assert_allclose(found[1:] - found[0], expected, rtol=1e-5)
    assert model.log_likelihood_ == pytest.approx(-11.7491707318, rel=1e-8)
