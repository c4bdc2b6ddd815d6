"""How distributions of any make are read."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mle.metrics import crps, negative_log_likelihood, pit_values
from sklearn_mle.metrics._distributions import RowDistributions, is_discrete, read_distributions


def test_frozen_parameters_by_name_however_they_were_given():
    mean, std = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    for frozen in (stats.norm(mean, std), stats.norm(loc=mean, scale=std), stats.norm(mean, scale=std)):
        rows = RowDistributions(frozen)
        assert rows.family is type(stats.norm) and rows.shape == (2,)
        np.testing.assert_array_equal(rows.parameters["scale"], std)
    assert set(RowDistributions(stats.gamma(2.0, scale=3.0)).parameters) == {"a", "loc", "scale"}
    assert set(RowDistributions(stats.poisson(2.0)).parameters) == {"mu", "loc"}
    assert RowDistributions(stats.t(3.0)).shape == ()


@pytest.mark.parametrize(("old", "new", "discrete"), [("norm", "Normal", False), ("binom", "Binomial", True)])
def test_scipys_newer_distributions(old, new, discrete):
    if not hasattr(stats, new):
        pytest.skip("came with a later scipy")
    frozen, y = (stats.binom(5, 0.3), [0, 2, 5]) if discrete else (stats.norm(0.5, 2.0), [0.0, 2.0, 5.0])
    newer = getattr(stats, new)(n=5, p=0.3) if discrete else getattr(stats, new)(mu=0.5, sigma=2.0)
    assert is_discrete(newer) == discrete == is_discrete(frozen)
    assert crps(y, newer) == pytest.approx(crps(y, frozen), rel=1e-9)
    assert negative_log_likelihood(y, newer) == pytest.approx(negative_log_likelihood(y, frozen), rel=1e-12)
    np.testing.assert_allclose(pit_values(y, newer), pit_values(y, frozen), atol=1e-12)


class OnlyQuantiles:
    def cdf(self, x):
        return stats.norm.cdf(x)

    def ppf(self, q):
        return stats.norm.ppf(q)


def test_what_is_not_needed_is_not_asked():
    y = np.array([-1.0, 0.5])
    assert crps(y, OnlyQuantiles()) == pytest.approx(crps(y, stats.norm()), rel=1e-9)
    np.testing.assert_allclose(pit_values(y, OnlyQuantiles())[:, 1], stats.norm.cdf(y))
    with pytest.raises(TypeError, match="a OnlyQuantiles, has no logpdf or log_pdf: a frozen scipy.stats"):
        negative_log_likelihood(y, OnlyQuantiles())


def test_shapes_must_be_of_the_rows():
    y = np.zeros(3)
    assert read_distributions(stats.norm(), y).shape == ()
    assert read_distributions(stats.norm([0.0]), y).shape == (1,)
    with pytest.raises(ValueError, match=r"y_pred has scale of shape \(2,\) for outcomes of shape \(3,\)"):
        read_distributions(stats.norm(0.0, [1.0, 2.0]), y)
    with pytest.raises(ValueError, match=r"y_pred has loc of shape \(3, 1\)"):
        read_distributions(stats.norm(np.zeros((3, 1))), y)
