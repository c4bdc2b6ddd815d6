"""The mean over rows: weights are counts, and what is no weight is refused."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mle import GaussianMLERegressor
from sklearn_mle._numerics.arguments import check_weight
from sklearn_mle.exceptions import InfiniteScoreWarning, NotSupportedError
from sklearn_mle.metrics import cross_entropy, log_likelihood_scorer, neg_crps_scorer
from sklearn_mle.metrics._means import weighted_mean
from sklearn_mle.model_selection import compare

ROWS = np.array([0.5, 2.0, 4.0])


def test_a_weight_of_k_counts_k_times_and_0_leaves_out():
    assert weighted_mean(ROWS, np.array([2.0, 0.0, 1.0])) == pytest.approx(np.mean([0.5, 0.5, 4.0]), rel=1e-15)
    assert weighted_mean(np.array([0.5, np.inf]), np.array([3.0, 0.0])) == 0.5
    assert weighted_mean(ROWS, None) == ROWS.mean()


def test_weights_near_the_ends_of_the_floats():
    for weight in (1.7e308, 5e-324):
        assert weighted_mean(ROWS, np.full(3, weight)) == pytest.approx(ROWS.mean(), rel=1e-15)
    assert weighted_mean(np.array([1.0, np.inf]), np.array([1e308, 5e-324])) == 1.0


def test_finite_scores_whose_sum_overflows_say_so():
    logs = np.array([[-1.7e308, 0.0], [-1.7e308, 0.0]])
    with pytest.warns(InfiniteScoreWarning, match="all scores are finite, but their sum is beyond"):
        assert cross_entropy([0, 0], logs, labels=[0, 1], log_proba=True) == np.inf


def test_no_mean_is_minus_zero():
    for weight in (None, np.ones(2)):
        assert np.copysign(1, weighted_mean(np.array([-0.0, -0.0]), weight)) == 1


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, 1.0], r"sample_weight must have shape \(3,\), one weight per row; got \(2,\)"),
        (2.0, r"got \(\)"),
        ([[1.0], [1.0], [1.0]], r"got \(3, 1\)"),
        ([1.0, -0.5, 1.0], r"sample_weight\[1\] is -0.5"),
        ([1.0, 1.0, np.nan], r"sample_weight\[2\] is nan"),
        ([np.inf, 1.0, 1.0], r"sample_weight\[0\] is inf"),
        ([0, 0, 0], "sample_weight sums to zero"),
        (["a", "b", "c"], "sample_weight must hold real numbers"),
    ],
)
def test_refusals(weight, message):
    with pytest.raises(ValueError, match=message):
        check_weight(weight, 3)


def test_integers_and_no_weights_are_accepted():
    np.testing.assert_array_equal(check_weight([1, 0, 2], 3), [1.0, 0.0, 2.0])
    assert check_weight(None, 3) is None


def precise(within_pipeline):
    rng = np.random.default_rng(0)
    X, weight = rng.standard_normal((60, 2)), rng.uniform(0.5, 4.0, 60)
    y = X[:, 0] + rng.standard_normal(60) / np.sqrt(weight)
    model = GaussianMLERegressor(weight_type="precision").fit(X, y, sample_weight=weight)
    return (
        (Pipeline([("as it is", FunctionTransformer()), ("model", model)]) if within_pipeline else model),
        X,
        y,
        weight,
    )


@pytest.mark.parametrize("within_pipeline", [False, True])
def test_weights_that_are_precisions_are_no_counts(within_pipeline):
    """Scores of rows are of distributions of precision one: with such weights they would be of other models."""
    model, X, y, weight = precise(within_pipeline)
    assert np.isfinite(neg_crps_scorer(model, X, y))
    refused = "was fitted with weight_type='precision'"
    with pytest.raises(NotSupportedError, match=refused):
        neg_crps_scorer(model, X, y, sample_weight=weight)
    with pytest.raises(NotSupportedError, match=refused):  # whole numbers are scored by their probability
        log_likelihood_scorer(model, X, np.rint(y), sample_weight=weight)
    inner = model["model"] if within_pipeline else model
    expected = norm.logpdf(y, inner.predict(X), inner.scale_ / np.sqrt(weight)).mean()
    assert log_likelihood_scorer(model, X, y, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


def test_precisions_are_not_compared_as_counts():
    model, X, y, weight = precise(within_pipeline=False)
    with pytest.raises(NotSupportedError, match="was fitted with weight_type='precision'"):
        compare({"precise": model}, X, y, sample_weight=weight)
