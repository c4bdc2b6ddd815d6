"""A fit that is cut short, by max_iter or by whoever watches it: the best point so far, and a true status."""

import warnings

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._penalties import Jeffreys
from sklearn_mle._rows import Data
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError
from sklearn_mle.likelihoods import get_likelihood
from tests.fit.options import terms_of

pytestmark = pytest.mark.slow

rng = np.random.default_rng(0)
FEW, MANY, P = 400, 60_000, 25
X = rng.standard_normal((MANY, P)) @ (np.eye(P) + 0.3 * rng.standard_normal((P, P)))
SIGNAL = 0.5 * X[:, 0] - 0.5 * X[:, 1]
NOISE = np.exp(0.2 * X[:, 2])
Y = {
    "bernoulli": (SIGNAL + rng.logistic(size=MANY) > 0).astype(float),
    "categorical": np.argmax(np.outer(SIGNAL, [1, 0, -1]) + rng.gumbel(size=(MANY, 3)), axis=1),
    "gaussian": SIGNAL + NOISE * rng.standard_normal(MANY),
    "student_t": SIGNAL + rng.standard_t(4, MANY),
    "huber": SIGNAL + rng.standard_t(4, MANY),
    "laplace": SIGNAL + NOISE * rng.laplace(size=MANY),
    "poisson": rng.poisson(np.exp(0.3 * SIGNAL)).astype(float),
    "negative_binomial": rng.poisson(np.exp(0.3 * SIGNAL) * rng.gamma(2, 0.5, MANY)).astype(float),
    "gamma": np.exp(SIGNAL) * rng.gamma(2, 0.5, MANY),
}
# What is fitted, on how many rows, and the options.
PATHS = {
    "newton": ("bernoulli", FEW, {"solver": "newton"}),
    "newton-cg": ("bernoulli", FEW, {"solver": "newton-cg"}),
    "lbfgs": ("bernoulli", FEW, {"solver": "lbfgs"}),
    "a sample first": ("bernoulli", MANY, {}),
    "a sample first, matrix-free": ("bernoulli", MANY, {"solver": "newton-cg"}),
    "classes": ("categorical", FEW, {}),
    "firth": ("bernoulli", FEW, {"prior": Jeffreys()}),
    "firth of many rows": ("bernoulli", MANY, {"prior": Jeffreys()}),
    "least squares, matrix-free": ("gaussian", FEW, {"solver": "newton-cg"}),
    "log-linear scale": ("gaussian", FEW, {"terms": terms_of("log_linear")}),
    "log-linear scale of many rows": ("gaussian", MANY, {"terms": terms_of("log_linear")}),
    "bounded degrees of freedom": ("student_t", FEW, {}),
    "huber": ("huber", FEW, {}),
    "counts": ("poisson", FEW, {}),
    "dispersed counts": ("negative_binomial", FEW, {}),
    "amounts": ("gamma", FEW, {}),
    "check loss": ("laplace", FEW, {}),
    "check loss of many rows": ("laplace", MANY, {}),
    "check loss, log-linear scale": ("laplace", FEW, {"terms": terms_of("log_linear")}),
}
# Passes after the stop, where there may be more than one: a product with the rows and one with their transpose prove
# the gap of a check loss, and its log-linear scale has to be judged, too.
AFTER = {"check loss": 2, "check loss of many rows": 2, "check loss, log-linear scale": 7}
EVERY = pytest.mark.parametrize("path", PATHS)


class Passes:
    """Counts the passes over all rows."""

    def __init__(self, monkeypatch, n_rows):
        self.count = 0
        for name in ("reduce_rows", "map_rows"):
            monkeypatch.setattr(Data, name, self._counted(getattr(Data, name), n_rows))

    def _counted(self, original, n_rows):
        def counted(data, *arguments):
            self.count += data.n_rows == n_rows
            return original(data, *arguments)

        return counted


def run(path, observer=None, **changes):
    name, n, options = PATHS[path]
    likelihood = get_likelihood(name) if name not in ("bernoulli", "categorical") else _of_classes(name)
    return fit(likelihood, X[:n], Y[name][:n], options=FitOptions(**{**options, **changes}), observer=observer)


def _of_classes(name):
    from sklearn_mle.likelihoods import Bernoulli, Categorical

    return Bernoulli() if name == "bernoulli" else Categorical(3)


def objective(path, coefficients):
    """What is minimized, from its formula."""
    name, n, options = PATHS[path]
    likelihood = _of_classes(name) if name in ("bernoulli", "categorical") else get_likelihood(name)
    eta = coefficients[:, :-1] @ X[:n].T + coefficients[:, -1:]
    total = likelihood.nll(Y[name][:n], eta).sum()
    if options.get("prior") == Jeffreys():
        probability = 1 / (1 + np.exp(-eta[0]))
        design = np.column_stack([X[:n], np.ones(n)])
        total -= 0.5 * np.linalg.slogdet(design.T @ (design * (probability * (1 - probability))[:, None]))[1]
    return total


@EVERY
def test_whoever_stops_a_fit_gets_the_best_point_so_far_and_no_pass_but_one(path, monkeypatch):
    _, n, _ = PATHS[path]
    seen = []
    run(path, observer=lambda number, coefficients: seen.append(number))
    for last in sorted({1, 2, 3, len(seen) // 2, len(seen) - 1} & set(range(1, len(seen) + 1))):
        points = []
        with monkeypatch.context() as patch:
            passes = Passes(patch, n)

            def stop(number, coefficients, points=points, last=last, passes=passes):
                points.append((coefficients.copy(), passes.count))
                return number >= last

            result = run(path, observer=stop)
            after = passes.count - points[-1][1]
        assert len(points) == last and result.status is Status.STOPPED
        assert result.status.message == "stopped by a callback, at the best point so far"
        values = [objective(path, coefficients) for coefficients, _ in points]
        assert objective(path, result.coefficients) <= min(values) + 1e-9 * abs(values[0])
        assert after <= AFTER.get(path, 1)


@EVERY
def test_max_iter_ends_a_fit_at_the_best_point_so_far(path):
    n_iter = run(path).n_iter
    for most in sorted({1, 2, n_iter // 2} & set(range(1, n_iter))):
        points = []

        def watch(number, coefficients, points=points):
            points.append(coefficients.copy())

        result = run(path, observer=watch, max_iter=most)
        assert result.status is Status.MAX_ITER
        values = [objective(path, coefficients) for coefficients in points]
        assert objective(path, result.coefficients) <= min(values) + 1e-9 * abs(values[0])
        assert result.gap > 0


@pytest.mark.parametrize(
    "path", ["newton", "newton-cg", "lbfgs", "a sample first", "classes", "firth", "huber", "gamma", "check loss"]
)
def test_max_iter_of_zero_returns_the_start(path):
    path = {"gamma": "amounts"}.get(path, path)
    result = run(path, max_iter=0)
    assert result.n_iter == 0 and result.status is Status.MAX_ITER
    assert result.gap > 0 and np.isfinite(result.coefficients).all()
    assert objective(path, result.coefficients) >= objective(path, run(path).coefficients)


rows = np.arange(60)
FEATURES = np.random.default_rng(1).standard_normal((60, 2))
NOISY = (FEATURES[:, 1] + np.random.default_rng(2).standard_normal(60) > 0).astype(int)
WITH_DUMMY = np.column_stack([FEATURES, rows < 10])
COUNTS = np.random.default_rng(3).poisson(3, 60) * (rows >= 10)
# Data without a finite maximum: rows separated by a column, by a dummy, among three classes; a dummy of zeros alone.
WITHOUT_MAXIMUM = {
    "complete": (MLELogisticClassifier, FEATURES, (FEATURES[:, 0] > 0).astype(int), {}),
    "quasi-complete": (MLELogisticClassifier, WITH_DUMMY, np.where(rows < 10, 1, NOISY), {}),
    "three classes": (MLELogisticClassifier, WITH_DUMMY, np.where(rows < 10, 2, NOISY), {}),
    "poisson": (MLERegressor, WITH_DUMMY, COUNTS, {"likelihood": "poisson"}),
    "negative binomial": (MLERegressor, WITH_DUMMY, COUNTS, {"likelihood": "negative_binomial"}),
}


@pytest.mark.filterwarnings(
    "ignore::sklearn_mle.exceptions.SeparationWarning", "ignore::sklearn_mle.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("data", WITHOUT_MAXIMUM)
def test_without_a_maximum_max_iter_bounds_the_iterations_of_all_stages(data, solver):
    estimator, X, y, options = WITHOUT_MAXIMUM[data]
    for most in (0, 1, 3, 10, 30):
        iterations = []
        model = estimator(**options, solver=solver, max_iter=most)
        model._fit(X, y, None, None, observer=lambda number, coefficients, seen=iterations: seen.append(number))
        assert len(iterations) <= most
        assert np.max(model.n_iter_) <= most


@pytest.mark.filterwarnings(
    "ignore::sklearn_mle.exceptions.SeparationWarning", "ignore::sklearn_mle.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("data", WITHOUT_MAXIMUM)
def test_fits_of_one_iteration_each_reach_the_answer_by_warm_start(data, solver):
    estimator, X, y, options = WITHOUT_MAXIMUM[data]
    whole = estimator(**options).fit(X, y)
    model = estimator(**options, solver=solver, max_iter=1, warm_start=True)
    for _ in range(60):
        model.fit(X, y)
        assert np.max(model.n_iter_) == 1
        if model.status_ is Status.CONVERGED:
            break
    # Both are within tol of the mode, whose least curvature is the prior's, 6e-5: sqrt(2 * 1e-8 / 6e-5) < 0.02.
    assert model.status_ is Status.CONVERGED and model.gap_ < 1e-8
    assert np.allclose(model.coef_, whole.coef_, rtol=1e-9, atol=1e-9)


def test_least_squares_by_conjugate_gradients_go_on_from_a_warm_start():
    y = FEATURES @ [1.0, 2.0] + NOISY
    model = GaussianMLERegressor(solver="newton-cg", max_iter=1, warm_start=True)
    for _ in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(FEATURES, y)
        if model.status_ is Status.CONVERGED:
            break
    assert np.allclose(model.coef_, GaussianMLERegressor().fit(FEATURES, y).coef_, rtol=1e-9)


def test_max_iter_says_what_its_number_is():
    data = FEATURES, (FEATURES[:, 0] + FEATURES[:, 1] ** 2 > 0.5).astype(int)
    with pytest.warns(ConvergenceWarning, match="an estimate .half the squared Newton decrement"):
        MLELogisticClassifier(max_iter=0).fit(*data)
    with pytest.warns(ConvergenceWarning, match="an estimate .the duality gap"):
        MLERegressor("laplace", max_iter=1).fit(FEATURES, FEATURES[:, 0] ** 3)


def test_a_named_solver_is_refused_where_it_cannot_be_used():
    with pytest.raises(
        NotSupportedError, match="solver='lbfgs' needs a likelihood that is smooth, and Laplace has a kink"
    ):
        MLERegressor("laplace", solver="lbfgs").fit(FEATURES, FEATURES[:, 0])
