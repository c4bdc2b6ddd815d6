"""Every likelihood's distribution is scored: against its definition, against itself, and with a scale for each row."""

import numpy as np
import pytest

from sklearn_mle import likelihoods
from sklearn_mle.metrics import crps, kl_divergence, negative_log_likelihood, pit_histogram
from sklearn_mle.metrics.crps import crps_rows

# Location, log of the second parameter (a log-linear scale) and shapes, of three rows.
ETA = np.array([[0.2, -0.3, 0.8], [-0.4, 0.1, 0.5], [0.3, -0.5, 0.0], [1.5, 0.0, 3.0], [0.1, -0.3, -2.0]])
OUTCOMES = {
    "real": np.array([-1.3, 0.4, 3.0]),
    "positive": np.array([0.2, 1.4, 3.0]),
    "count": np.array([0.0, 1.0, 4.0]),
    "share": np.array([0.1, 0.5, 0.97]),
}
OF_KIND = {
    "real": [
        "AsymmetricLaplace",
        "Gaussian",
        "GaussianMixture",
        "Gumbel",
        "Huber",
        "Laplace",
        "Logistic",
        "SkewT",
        "StudentT",
    ],
    "positive": ["Gamma", "InverseGaussian", "LogNormal", "Tweedie", "Weibull"],
    "count": ["NegativeBinomial", "Poisson"],
    "share": ["Beta"],
}
CASES = [(name, kind) for kind, names in OF_KIND.items() for name in names]


def distribution_of(name):
    likelihood = getattr(likelihoods, name)()
    return likelihood.distribution(ETA[: likelihood.n_predictors])


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_scores_of_each_likelihood(name, kind):
    y, distribution = OUTCOMES[kind], distribution_of(name)
    rows = crps_rows(y, distribution)
    x = np.linspace(-60, 120, 9_001)[:, None] if kind != "share" else np.linspace(-0.5, 1.5, 4_001)[:, None]
    step = float(x[1, 0] - x[0, 0])
    square = (distribution.cdf(np.broadcast_to(x, (len(x), 3))) - (x >= y)) ** 2
    # The step at y is hit to half a step of the grid.
    np.testing.assert_allclose(rows, np.trapezoid(square, dx=step, axis=0), rtol=0.02, atol=step)
    assert crps(y, distribution) == pytest.approx(rows.mean(), rel=1e-14)
    assert np.isfinite(negative_log_likelihood(y, distribution))
    assert pit_histogram(y, distribution, n_bins=5)[0].mean() == pytest.approx(1)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] not in ("Tweedie", "Huber")])
def test_a_distribution_is_no_divergence_from_itself(name, kind):
    distribution = distribution_of(name)
    assert kl_divergence(distribution, distribution) == pytest.approx(0, abs=1e-15)
