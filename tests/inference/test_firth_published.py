"""Bias-reduced fits against what others have published, to the digits that they print.

The sources of data and numbers are told in ``tests/data/firth/README.md``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.inference import detect_separation, penalized_likelihood_ratio_test, profile_interval

DATA = Path(__file__).parents[1] / "data" / "firth"

# R's logistf on its data sex2: coefficient, 90% profile penalized likelihood interval, chi-squared and p of the
# penalized likelihood ratio test.
SEX2 = {
    "intercept": (0.12025405, -0.6673577, 0.9177303, 0.06286298, 8.020268e-01),
    "age": (-1.10598131, -1.8277045, -0.4328451, 7.50773092, 6.143472e-03),
    "oc": (-0.06881673, -0.7986318, 0.6507581, 0.02467044, 8.751911e-01),
    "vic": (2.26887464, 1.4248338, 3.2325326, 22.93139022, 1.678877e-06),
    "vicl": (-2.11140817, -3.0613215, -1.2704704, 19.10407252, 1.237805e-05),
    "vis": (-0.78831694, -1.4743338, -0.1137542, 3.69740975, 5.449701e-02),
    "dia": (3.09601166, 1.0835108, 6.8752016, 7.89693139, 4.951873e-03),
}


def firth(X, y, weight=None):
    return MLELogisticClassifier(bias_reduction="firth").fit(X, y, weight)


def sex2():
    data = pd.read_csv(DATA / "sex2.csv")
    return data.drop(columns="case"), data["case"]


def endometrial():
    data = pd.read_csv(DATA / "endometrial.csv")
    return data.drop(columns="HG"), data["HG"]


def test_sex2_coefficients():
    model = firth(*sex2())
    found = [model.intercept_[0], *model.coef_[0]]
    # logistf stops at changes of 1e-5: its last digits are not the maximum's.
    np.testing.assert_allclose(found, [row[0] for row in SEX2.values()], atol=5e-7)


@pytest.mark.parametrize("name", SEX2)
def test_sex2_tests_and_intervals(name):
    X, y = sex2()
    model = firth(X, y)
    _, lower, upper, statistic, p = SEX2[name]
    found = penalized_likelihood_ratio_test(model, X, y, name)
    assert found.statistic == pytest.approx(statistic, rel=1e-6, abs=1e-8)
    assert found.p_value == pytest.approx(p, rel=1e-5)
    interval = profile_interval(model, X, y, name, confidence_level=0.9).interval
    np.testing.assert_allclose(interval, [lower, upper], atol=2e-5)


def test_sex2_overall():
    X, y = sex2()
    found = penalized_likelihood_ratio_test(firth(X, y), X, y)
    assert (found.df, round(found.statistic, 5)) == (6, 49.09064)
    assert found.p_value == pytest.approx(7.15089e-09, rel=1e-5)


def test_endometrial_neovasculation_is_separated():
    separation = detect_separation(*endometrial())
    assert separation.kind == "quasi-complete"
    np.testing.assert_array_equal(separation.coef_limits, [[np.inf, 0, 0]])


def test_endometrial_as_brglm2_prints_it():
    model = firth(*endometrial())
    np.testing.assert_array_equal(model.coef_[0].round(5), [2.92927, -0.03475, -2.60416])
    np.testing.assert_array_equal(model.intercept_.round(5), [3.77456])
    np.testing.assert_array_equal(model.standard_errors().round(5), [1.48869, 1.55076, 0.03958, 0.77602])
    assert round(-2 * model.log_likelihood_, 3) == 56.575


def test_hepatitis_of_three_kinds_as_bull_mak_and_greenwood_print_it():
    # Blood withheld by surrogate markers or not; recruited before anti-HCV testing, or after: none, C, and other
    # hepatitis. Of those withheld before it nobody had hepatitis C, so no finite maximum exists.
    counts = pd.DataFrame(
        [
            (0, 0, 389, 5, 3),
            (0, 1, 1864, 5, 11),
            (1, 0, 400, 0, 2),
            (1, 1, 1896, 3, 10),
        ],
        columns=["withheld", "after", "none", "C", "other"],
    )
    long = counts.melt(["withheld", "after"], var_name="kind", value_name="count")
    X = np.column_stack([long["withheld"], long["after"], long["withheld"] * long["after"]]).astype(float)
    assert not detect_separation(X[long["count"] > 0], long["kind"][long["count"] > 0]).exists
    model = firth(X, long["kind"], long["count"])
    coef = dict(zip(model.classes_, model.coef_, strict=True))
    np.testing.assert_array_equal((coef["C"] - coef["none"]).round(2), [-2.43, -1.57, 1.96])
    np.testing.assert_array_equal((coef["other"] - coef["none"]).round(2), [-0.36, -0.38, 0.26])
