"""n_passes_ is how often the rows were read: what was handed out of storage, over the number of rows."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._fit import start
from sklearn_mle._rows import DenseRows
from sklearn_mle.likelihoods import StudentT, likelihood_names
from tests.estimators.stored_arrays import SlicedArray

# Several blocks of rows, so that each is handed out anew in every pass; few enough that starts look at all rows.
N, P = 6000, 60
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P))
ETA = X[:, :3] @ [0.5, -0.5, 0.2]
REAL = ETA + rng.standard_normal(N)
POSITIVE = np.exp(0.5 * REAL)
Y = {
    "bernoulli": rng.binomial(1, expit(ETA)).astype(float),
    "binomial": np.column_stack([successes := rng.binomial(5, expit(ETA)), 5 - successes]),
    "beta": rng.beta(4 * expit(ETA), 4 * expit(-ETA)),
    "poisson": rng.poisson(POSITIVE).astype(float),
    "negative_binomial": rng.negative_binomial(2, 0.3, N).astype(float),
    "tweedie": POSITIVE * (rng.random(N) > 0.1),
    "gamma": POSITIVE,
    "inverse_gaussian": POSITIVE,
    "weibull": POSITIVE,
    "lognormal": POSITIVE,
}
FITS = {
    name: (MLERegressor(name), Y.get(name, REAL))
    for name in likelihood_names()
    if name not in ("bernoulli", "categorical")
}
FITS |= {
    f"{name}, log-linear": (MLERegressor(name, predictors="linear"), Y.get(name, REAL))
    for name in ("gaussian", "laplace", "student_t", "gamma", "negative_binomial")
}
FITS |= {
    "student_t, estimated df": (MLERegressor(StudentT(df=None)), REAL),
    "gumbel, known scale": (MLERegressor("gumbel", predictors={"scale": 0.01}), REAL),
    "ridge": (MLERegressor("huber", alpha=3.0), REAL),
    "two classes": (MLELogisticClassifier(), (REAL > 0).astype(int)),
    "classes": (MLELogisticClassifier(), np.digitize(REAL, [-1, 1])),
    "a prior": (MLELogisticClassifier(C=0.1), (REAL > 0).astype(int)),
    "firth": (MLELogisticClassifier(bias_reduction="firth"), (REAL > 0).astype(int)),
    "conjugate gradients": (GaussianMLERegressor(solver="newton-cg"), REAL),
    "lbfgs": (MLELogisticClassifier(solver="lbfgs"), (REAL > 0).astype(int)),
    "least squares": (GaussianMLERegressor(), REAL),
}


@pytest.fixture
def read(monkeypatch):
    """Return the list of how many rows were handed out, block by block."""
    seen = []
    original = DenseRows.block

    def counted(rows, start, stop):
        if rows.n_rows == N:
            seen.append(stop - start)
        return original(rows, start, stop)

    monkeypatch.setattr(DenseRows, "block", counted)
    return seen


@pytest.mark.parametrize("name", FITS)
def test_passes_are_rows_read_over_rows(name, read):
    model, y = FITS[name]
    model.fit(X, y)
    assert max(read) < N
    assert model.n_passes_ == sum(read) / N


def test_no_least_squares_are_solved_twice(monkeypatch):
    """What tells that a fit is not perfect is the start of one that is not."""
    solved, original = [], start.least_squares
    monkeypatch.setattr(start, "least_squares", lambda *a: solved.append(a) or original(*a))
    MLERegressor("gamma").fit(X, POSITIVE)
    assert len(solved) == 1


@pytest.mark.parametrize("name", ["gamma", "student_t", "poisson"])
def test_storage_is_read_once_a_pass(name):
    wide = rng.standard_normal((45_000, 100))
    array = SlicedArray(wide)
    real = 0.3 * wide[:, 0] + rng.standard_normal(len(wide))
    y = {"student_t": real, "poisson": np.floor(np.exp(real))}.get(name, np.exp(real))
    model = MLERegressor(name).fit(array, y)
    assert model.n_passes_ == sum(start == 0 for start, _ in array.reads)
