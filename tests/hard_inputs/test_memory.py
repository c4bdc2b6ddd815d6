"""No table beyond scikit-learn's working_memory: another route, or an error before anything is allocated."""

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._numerics.memory import fits, refuse_unless_it_fits
from sklearn_mle._predictors import sum_to_zero_basis
from sklearn_mle.exceptions import SeparationWarning, WorkingMemoryError
from sklearn_mle.inference import detect_separation, infer, profile_interval

pytestmark = pytest.mark.alone

rng = np.random.default_rng(0)
MEGABYTE = 1e6
# One MiB holds a table of 362 x 362, so that 400 columns are too many.
N, P = 3000, 400
X = sp.random(N, P, density=0.02, random_state=0, format="csr")
SIGNAL = X @ rng.standard_normal(P)
OUTCOMES = {
    "bernoulli": (SIGNAL + rng.logistic(size=N) > 0).astype(int),
    "categorical": rng.integers(0, 3, N),
    "gaussian": SIGNAL + rng.standard_normal(N),
    "student_t": SIGNAL + rng.standard_t(4, N),
    "laplace": SIGNAL + rng.laplace(size=N),
    "poisson": rng.poisson(np.exp(0.3 * SIGNAL)),
    "gamma": np.exp(SIGNAL) * rng.gamma(2.0, 0.5, N),
}
MODELS = {
    "bernoulli": MLELogisticClassifier(C=1.0),
    "categorical": MLELogisticClassifier(C=1.0),
    **{name: MLERegressor(name, alpha=1.0) for name in ["gaussian", "student_t", "laplace", "poisson", "gamma"]},
}
SMOOTH = [name for name in MODELS if name != "laplace"]


def one_mebibyte():
    return sklearn.config_context(working_memory=1)


def peak_of(function):
    """What the call allocates at its peak, in megabytes."""
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


def refused(function, what):
    """The error is named, says size and remedy, and comes before the table."""

    def call():
        with pytest.raises(WorkingMemoryError, match=what) as caught:
            function()
        return str(caught.value)

    message, peak = peak_of(call)
    assert "working_memory" in message and "GiB" in message and "set_config" in message
    return message, peak


def test_the_limit_is_scikit_learn_s():
    assert fits(11_000, 11_000) and not fits(12_000, 12_000)
    with sklearn.config_context(working_memory=2000):
        assert fits(12_000, 12_000)
    with one_mebibyte():
        assert fits(362, 362) and not fits(363, 363)
        with pytest.raises(WorkingMemoryError, match=r"It is a table of 363 x 363 numbers, .* Do that; or .*=2\)"):
            refuse_unless_it_fits(363, 363, what="It", remedy="Do that")


@pytest.mark.parametrize("name", SMOOTH)
def test_a_fit_goes_without_the_curvature_and_ends_at_the_same_optimum(name):
    model, y = sklearn.clone(MODELS[name]), OUTCOMES[name]
    free = sklearn.clone(model).fit(X, y)
    with one_mebibyte():
        _, peak = peak_of(lambda: model.fit(X, y))
    assert model.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(model.coef_, free.coef_, atol=1e-5)
    # The data are 0.3 MB; the free fit needs the curvature several times over (16 MB and more for three classes).
    assert peak < 6


@pytest.mark.parametrize("name", SMOOTH)
def test_newton_asked_for_by_name_is_refused(name):
    model = sklearn.clone(MODELS[name]).set_params(solver="newton")
    with one_mebibyte():
        message, peak = refused(lambda: model.fit(X, OUTCOMES[name]), "The curvature of")
    assert "solver='newton-cg'" in message and peak < 6
    assert not hasattr(model, "coef_")


def test_what_has_no_other_route_is_refused():
    labels = OUTCOMES["bernoulli"]
    with one_mebibyte():
        for model, y, remedy in (
            (MLELogisticClassifier(bias_reduction="firth"), labels, "bias_reduction='firth'"),
            (MODELS["laplace"], OUTCOMES["laplace"], "a smooth one"),
            (MLERegressor("laplace", predictors="linear"), OUTCOMES["laplace"], "a smooth one"),
        ):
            message, peak = refused(lambda model=model, y=y: sklearn.clone(model).fit(X, y), "The curvature of")
            assert remedy in message and peak < 6
        refused(lambda: sum_to_zero_basis(400), "The basis of 400 classes")


def test_inference_is_refused_before_its_tables():
    free = MLELogisticClassifier(C=1.0).fit(X, OUTCOMES["bernoulli"])
    exact = MLELogisticClassifier(solver="newton").fit(X, OUTCOMES["bernoulli"])
    y = OUTCOMES["bernoulli"]
    with one_mebibyte():
        for call in (
            exact.summary,
            exact.standard_errors,
            exact.parameter_covariance,
            lambda: infer(free, X, y, penalized="laplace"),
            lambda: infer(free, X, y, penalized="sandwich"),
            lambda: infer(exact, X, y, covariance="HC0"),
            lambda: profile_interval(exact, X, y, 0),
        ):
            assert refused(call, "The covariance of 401 parameters")[1] < 3
    assert np.isfinite(exact.standard_errors()).all()


def test_groups_are_refused_before_their_gradients():
    few = X[:, :100].toarray()
    model = MLELogisticClassifier().fit(few, OUTCOMES["bernoulli"])
    with one_mebibyte():
        message, _ = refused(
            lambda: infer(model, few, OUTCOMES["bernoulli"], covariance="cluster", groups=np.arange(N)),
            "The gradient of 3,000 groups",
        )
    assert "groups:" in message


def test_far_more_columns_than_rows_cost_what_the_rows_do():
    wide, y = rng.standard_normal((60, 3000)), rng.standard_normal(60)
    for model in (GaussianMLERegressor(), MLERegressor("huber")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, peak = peak_of(lambda model=model: model.fit(wide, y))
        np.testing.assert_allclose(model.predict(wide), y, atol=1e-8)
        # The rows and their copies are 1.4 MB each; the columns' own products would be 72.
        assert peak < 15
    # Their covariance is that of 3,000 coefficients: here it is refused, at the default it is small enough.
    with one_mebibyte():
        refused(GaussianMLERegressor(alpha=1.0).fit(wide, y).standard_errors, "The covariance of 3,002 parameters")


def test_existence_is_left_open_where_its_programs_are_too_large():
    dense = rng.standard_normal((500, 300))
    y = (dense[:, 0] + rng.logistic(size=500) > 0).astype(int)  # separable, by the columns' number
    with one_mebibyte():
        with pytest.warns(SeparationWarning, match="could not be excluded"):
            MLELogisticClassifier().fit(dense[:, :280], y)
        with pytest.raises(RuntimeError, match="is undecided"):
            detect_separation(dense, y)


def test_twenty_thousand_columns_fit_in_little_memory():
    n, p = 2000, 20_000
    wide = sp.random(n, p, density=1e-3, random_state=1, format="csr")
    y = (wide @ rng.standard_normal(p) + rng.logistic(size=n) > 0).astype(int)
    model, peak = peak_of(lambda: MLELogisticClassifier(C=1.0).fit(wide, y))
    assert model.gap_ <= 1e-8 and peak < 40
    assert refused(lambda: infer(model, wide, y, penalized="laplace"), "The covariance of 20,001 parameters")[1] < 40
    newton = MLELogisticClassifier(C=1.0, solver="newton")
    assert refused(lambda: newton.fit(wide, y), r"numbers, 2\.\d+ GiB")[1] < 40


def test_a_check_loss_copies_only_rows_in_doubt():
    """A third of X: no sample is held beside the rows in doubt, and few vectors as long as y."""
    own = np.random.default_rng(0)
    X = own.standard_normal((100_000, 60))
    y = X[:, 0] + own.standard_normal(len(X))
    fitted, peak = peak_of(lambda: MLERegressor("laplace").fit(X, y))
    assert fitted.gap_ <= 1e-9
    assert peak <= 0.5 * X.nbytes / MEGABYTE
