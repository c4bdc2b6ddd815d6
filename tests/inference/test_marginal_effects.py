"""Our inference in the package marginaleffects: its numbers for statsmodels' fits of the same models.

The package is no dependency of the tests: those that call it run where it is installed (0.6, with polars below 2).
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer, to_marginaleffects
from sklearn_mle.inference.marginal_effects import predicted
from sklearn_mle.likelihoods import StudentT

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=150), "b": RNG.normal(size=150)})
Y = (X["a"] - 0.5 * X["b"] + RNG.logistic(size=150) > 0).astype(int)
CLASSES = np.array(["u", "v", "w"])[RNG.integers(0, 3, 150)]


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (MLELogisticClassifier(), Y),
        (MLELogisticClassifier(), CLASSES),
        (MLERegressor("gamma"), RNG.gamma(2.0, np.exp(X["a"]))),
        (make_pipeline(StandardScaler(), LogisticRegression(C=np.inf)), Y),
    ],
    ids=["two classes", "classes", "gamma", "pipeline"],
)
def test_predictions_at_the_estimates_are_the_estimators(model, y):
    model.fit(X, y)
    found = infer(model, X, y)
    wanted = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    wanted = wanted[:, 1] if wanted.ndim == 2 and wanted.shape[1] == 2 else wanted
    np.testing.assert_allclose(predicted(found, found.estimates, X), wanted, rtol=1e-9)
    moved = predicted(found, found.estimates + 0.1, X)
    assert np.abs(moved - wanted).max() > (1e-3 if np.ndim(wanted) == 1 else -1)


def test_a_distribution_without_a_mean_has_its_location():
    y = X["a"] + RNG.standard_t(1, size=150)
    model = MLERegressor(StudentT(df=1.0)).fit(X, y)
    found = infer(model)
    np.testing.assert_allclose(predicted(found, found.estimates, X), model.predict(X), rtol=1e-12)


def test_what_has_no_answer_says_so():
    model = MLERegressor("poisson").fit(X, Y, offset=np.zeros(150))
    with pytest.raises(NotSupportedError, match="offset"):
        to_marginaleffects(infer(model), X)
    plain = infer(MLERegressor("poisson").fit(X, Y))
    with pytest.raises(TypeError, match="must be a pandas or polars DataFrame"):
        to_marginaleffects(plain, X.to_numpy())
    with pytest.raises(TypeError, match="inference must be the result of infer"):
        to_marginaleffects(model, X)
    with pytest.raises(ValueError, match="contrasts between classes"):
        to_marginaleffects(infer(MLELogisticClassifier().fit(X, CLASSES)).against("u"), X)


def test_slopes_and_errors_are_statsmodels():
    marginaleffects = pytest.importorskip("marginaleffects")
    formula = pytest.importorskip("statsmodels.formula.api")
    model = MLELogisticClassifier().fit(X, Y)
    ours = marginaleffects.avg_slopes(to_marginaleffects(infer(model, X, Y), X, Y))
    theirs = marginaleffects.avg_slopes(formula.logit("y ~ a + b", X.assign(y=Y)).fit(disp=0, tol=1e-12))
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-3)
    robust = marginaleffects.avg_slopes(to_marginaleffects(infer(model, X, Y, covariance="HC3"), X))
    assert (robust["std_error"].to_numpy() != ours["std_error"].to_numpy()).all()
    groups = marginaleffects.avg_predictions(
        to_marginaleffects(infer(MLELogisticClassifier().fit(X, CLASSES), X, CLASSES), X)
    )
    assert sorted(groups["group"]) == ["u", "v", "w"]
    assert abs(groups["estimate"].sum() - 1) < 1e-9
