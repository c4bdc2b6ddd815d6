"""Wide data, too few rows to sample: L-BFGS in a metric of single precision, then exact Newton steps."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import clone

from sklearn_mle import MLELogisticClassifier, MLERegressor, _hessian_factors
from sklearn_mle._rows import DenseRows

N, P = 1400, 160
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P)) @ (np.eye(P) + rng.standard_normal((P, P)) / np.sqrt(P))
BINARY = rng.binomial(1, expit(X[:, :4].sum(axis=1) / 4))
CLASSES = BINARY + rng.binomial(1, expit(X[:, 0]))
COUNTS = rng.poisson(np.exp(X[:, 0] / 4))


@pytest.fixture
def rough(monkeypatch):
    """Return the list of how many rows each cross-product in single precision had."""
    seen, original = [], DenseRows._rough_sandwich

    def recorded(self, weight):
        seen.append(self.n_rows)
        return original(self, weight)

    monkeypatch.setattr(DenseRows, "_rough_sandwich", recorded)
    return seen


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (MLELogisticClassifier(C=1.0), BINARY),
        (MLELogisticClassifier(), BINARY),
        (MLELogisticClassifier(C=1.0), CLASSES),
        (MLERegressor("poisson", alpha=1.0), COUNTS),
    ],
    ids=["a prior", "the maximum", "classes", "counts"],
)
@pytest.mark.parametrize("columns", ["independent", "nearly dependent", "far from zero"])
def test_the_optimum_is_that_of_newton_s_method(model, y, columns):
    design = {
        "independent": X,
        "nearly dependent": np.column_stack([X[:, :-1], X[:, 0] + 1e-5 * X[:, -1]]),
        "far from zero": X + 1e6,
    }[columns]
    fits = [clone(model).set_params(solver=solver).fit(design, y) for solver in ("auto", "newton")]
    first, second = (design @ np.atleast_2d(fit.coef_).T + fit.intercept_ for fit in fits)
    # A row's curvature along a change of its predictors, no more than its true one at the end.
    least = {
        1: np.exp(second),
        2: expit(second) * expit(-second),
        3: softmax(second, axis=1).min(axis=1, keepdims=True) ** 2,
    }
    information = least[len(np.unique(y)) if hasattr(fits[0], "classes_") else 1]
    change = first - second
    change -= change.mean(axis=1, keepdims=True) if change.shape[1] > 1 else 0.0
    # Each F is within tol of its least value, so that half the squared distance in its curvature is four times that.
    assert all(fit.gap_ <= fit.tol for fit in fits)
    assert 0.5 * (information * change**2).sum() <= 4 * model.tol


def test_a_metric_that_single_precision_cannot_resolve_is_formed_again(rough, monkeypatch):
    formed = []
    original = _hessian_factors.safe_factor
    monkeypatch.setattr(_hessian_factors, "safe_factor", lambda *a, **k: formed.append(0) or original(*a, **k))
    MLELogisticClassifier(C=1.0).fit(X, BINARY)
    assert rough and not formed
    MLELogisticClassifier(C=1e6).fit(np.column_stack([X[:, :-1], X[:, 0] + 1e-5 * X[:, -1]]), BINARY)
    assert formed
