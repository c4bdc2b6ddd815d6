"""Names of parameters: no two alike, whatever the columns are called; looked up in one place."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.displays import CoefficientDisplay
from sklearn_mle.inference import infer, penalized_likelihood_ratio_test, profile_interval, wald_test

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.standard_normal((60, 3)), columns=["intercept", "log_scale", "scale"])
PLAIN = X.set_axis(["a", "b", "c"], axis=1)
Y = X.to_numpy() @ [1.0, -2.0, 0.5] + 3 + rng.standard_normal(60)


def test_columns_with_names_of_parameters_have_their_position_added():
    result = infer(GaussianMLERegressor().fit(X, Y), X, Y)
    assert result.parameters == ("intercept", "intercept (column 0)", "log_scale (column 1)", "scale", "log_scale")
    linear = infer(GaussianMLERegressor(scale="log_linear").fit(X, Y), X, Y)
    names = ("intercept", "intercept (column 0)", "log_scale (column 1)", "scale")
    assert linear.parameters == tuple(f"{of}: {name}" for of in ("location", "log_scale") for name in names)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("intercept", "intercept"),
        ("intercept (column 0)", "a"),
        ("log_scale (column 1)", "b"),
        ("scale", "c"),
        ("log_scale", "log_scale"),
    ],
)
def test_tests_and_profiles_look_the_parameter_up_that_is_named(name, same):
    """As of the same columns under names that nothing else has."""
    model, plain = GaussianMLERegressor().fit(X, Y), GaussianMLERegressor().fit(PLAIN, Y)
    assert wald_test(model, X, Y, [name]).statistic == wald_test(plain, PLAIN, Y, [same]).statistic
    found, expected = (
        profile_interval(*of, name, n_points=1) for of, name in (((model, X, Y), name), ((plain, PLAIN, Y), same))
    )
    assert (found.parameter, found.interval) == (name, expected.interval)


def test_of_bias_reduced_fits_and_in_pictures():
    labels = (Y > 3).astype(int)
    model = MLELogisticClassifier(bias_reduction="firth").fit(X, labels)
    plain = MLELogisticClassifier(bias_reduction="firth").fit(PLAIN, labels)
    found = penalized_likelihood_ratio_test(model, X, labels, ["intercept (column 0)"])
    assert found.statistic == penalized_likelihood_ratio_test(plain, PLAIN, labels, ["a"]).statistic
    display = CoefficientDisplay.from_estimator(model, X, labels)
    assert list(display.names) == ["intercept (column 0)", "log_scale", "scale"]


def test_names_that_two_classes_make_alike():
    columns = X.set_axis(["c", "b: c", "d"], axis=1)
    classes = np.array(["a", "a: b", "z"])[rng.integers(0, 3, 60)]
    names = infer(MLELogisticClassifier().fit(columns, classes), columns, classes).parameters
    assert len(set(names)) == len(names) == 12
    assert "a: b: c (parameter 2)" in names and "a: b: c (parameter 5)" in names
