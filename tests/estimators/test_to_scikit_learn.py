"""Our coefficients in scikit-learn's estimators: the same predictions, also after a conversion to ONNX."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError, SeparationWarning
from sklearn_mle.likelihoods import Huber, Tweedie

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = RNG.gamma(3.0, np.exp(X[:, 0]))
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, [1.5, 4])]
REGRESSORS = {
    "LinearRegression": GaussianMLERegressor(scale="log_linear"),
    "HuberRegressor": MLERegressor(Huber(epsilon=1.2)),
    "QuantileRegressor": MLERegressor("laplace"),
    "PoissonRegressor": MLERegressor("poisson"),
    "GammaRegressor": MLERegressor("gamma", fit_intercept=False),
    "TweedieRegressor": MLERegressor(Tweedie(power=1.4)),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name):
    y = np.round(Y) if name == "PoissonRegressor" else Y
    model = REGRESSORS[name].fit(X, y)
    found = model.to_sklearn()
    assert type(found).__name__ == name
    np.testing.assert_allclose(found.predict(X), model.predict(X), rtol=1e-13)
    assert found.n_features_in_ == 3
    clone(found)


@pytest.mark.parametrize("labels", [LABELS, LABELS == "low"], ids=["three", "two"])
def test_classifiers_and_names_of_columns(labels):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MLELogisticClassifier(bias_reduction="firth").fit(frame, labels)
    found = model.to_sklearn()
    np.testing.assert_allclose(found.predict_proba(frame), model.predict_proba(frame), rtol=1e-12)
    np.testing.assert_array_equal(found.predict(frame), model.predict(frame))
    assert list(found.feature_names_in_) == ["a", "b", "c"]
    found.coef_[:] = 0
    assert model.coef_.any()


def test_what_has_no_counterpart_says_so():
    with pytest.raises(NotSupportedError, match="no linear model with the likelihood Weibull"):
        MLERegressor("weibull").fit(X, Y).to_sklearn()
    with pytest.raises(NotSupportedError, match="offset"):
        MLERegressor("poisson").fit(X, np.round(Y), offset=np.zeros(80)).to_sklearn()
    weight = (LABELS != "high").astype(float)
    with pytest.warns(SeparationWarning):
        absent = MLELogisticClassifier().fit(X, LABELS, weight)
    if not np.isfinite(absent.intercept_).all():
        with pytest.raises(NotSupportedError, match="not finite"):
            absent.to_sklearn()


@pytest.mark.parametrize("labels", [LABELS, LABELS == "low"], ids=["three", "two"])
def test_onnx(labels):
    """Where skl2onnx and onnxruntime are installed; single precision there."""
    skl2onnx, runtime = pytest.importorskip("skl2onnx"), pytest.importorskip("onnxruntime")
    model = MLELogisticClassifier().fit(X, labels)
    rows = X.astype(np.float32)
    converted = skl2onnx.to_onnx(model.to_sklearn(), rows[:1], options={"zipmap": False})
    session = runtime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: rows})[1]
    np.testing.assert_allclose(found, model.predict_proba(rows), rtol=1e-4, atol=1e-6)
    linear = GaussianMLERegressor().fit(X, Y)
    converted = skl2onnx.to_onnx(linear.to_sklearn(), rows[:1])
    session = runtime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: rows})[0]
    np.testing.assert_allclose(found.ravel(), linear.predict(rows), rtol=1e-4, atol=1e-5)
