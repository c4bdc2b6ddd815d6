"""scipy's own methods in the place of ours, by name: the same optimum, by our measure of the gap."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._solvers import Status
from sklearn_mle.likelihoods import Bernoulli, Categorical, get_likelihood, likelihood_names

N, P = 300, 4
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P)) * [1, 10, 0.1, 1]
ETA = X @ [0.5, 0.05, -5, 0.2]
REAL = ETA + rng.standard_normal(N)
POSITIVE = np.exp(0.5 * REAL)
SUCCESSES = rng.binomial(5, expit(ETA))
Y = {
    "bernoulli": (REAL > 0).astype(float),
    "binomial": np.column_stack([SUCCESSES, 5 - SUCCESSES]),
    "categorical": np.digitize(REAL, [-1, 1]),
    "beta": rng.beta(4 * expit(ETA), 4 * expit(-ETA)),
    "poisson": rng.poisson(POSITIVE).astype(float),
    "negative_binomial": rng.poisson(POSITIVE * rng.gamma(2, 0.5, N)).astype(float),
    "tweedie": POSITIVE * (rng.random(N) > 0.1),
    **dict.fromkeys(("gamma", "inverse_gaussian", "weibull", "lognormal"), POSITIVE),
}
METHODS = ["L-BFGS-B", "trust-exact", "trust-krylov", "Newton-CG"]
LIKELIHOODS = {"bernoulli": Bernoulli(), "categorical": Categorical(3)}
LIKELIHOODS |= {name: get_likelihood(name) for name in likelihood_names() if name not in LIKELIHOODS}
SMOOTH = [name for name, likelihood in LIKELIHOODS.items() if likelihood.smooth]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SMOOTH)
def test_they_reach_the_same_optimum(name, method):
    likelihood, y = LIKELIHOODS[name], Y.get(name, REAL)
    ours = fit(likelihood, X, y)
    theirs = fit(likelihood, X, y, options=FitOptions(solver=method, max_iter=500))
    assert theirs.gap <= 1e-8 and theirs.status in (Status.CONVERGED, Status.ROUNDING)
    assert theirs.log_likelihood == pytest.approx(ours.log_likelihood, abs=2e-8)
    np.testing.assert_allclose(theirs.coefficients, ours.coefficients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_they_are_watched_and_cut_short(method):
    seen = []
    stopped = fit(
        Bernoulli(),
        X,
        Y["bernoulli"],
        options=FitOptions(solver=method),
        observer=lambda number, coefficients: seen.append(number) or number == 2,
    )
    assert stopped.status is Status.STOPPED and seen == [1, 2] and stopped.n_iter == 2
    short = fit(Bernoulli(), X, Y["bernoulli"], options=FitOptions(solver=method, max_iter=1))
    assert short.status is Status.MAX_ITER and short.n_iter == 1 and short.gap > 1e-8
