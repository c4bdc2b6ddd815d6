"""Weights that are known inverse variances: a meta-regression, against R's metafor 3.8-1 and clubSandwich 0.5.8.

d <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
f <- rma(yi, vi, mods = ~ ablat + year, data = d, method = "FE")
"""

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor
from sklearn_mle.inference import infer

# Thirteen trials of BCG vaccine (Colditz and others 1994): latitude and year, vaccinated and control with and without
# tuberculosis.
TRIALS = np.array(
    [
        [44, 1948, 4, 119, 11, 128],
        [55, 1949, 6, 300, 29, 274],
        [42, 1960, 3, 228, 11, 209],
        [52, 1977, 62, 13536, 248, 12619],
        [13, 1973, 33, 5036, 47, 5761],
        [44, 1953, 180, 1361, 372, 1079],
        [19, 1973, 8, 2537, 10, 619],
        [13, 1980, 505, 87886, 499, 87892],
        [27, 1968, 29, 7470, 45, 7232],
        [42, 1961, 17, 1699, 65, 1600],
        [18, 1974, 186, 50448, 141, 27197],
        [33, 1969, 5, 2493, 3, 2338],
        [33, 1976, 27, 16886, 29, 17825],
    ],
    dtype=float,
)
X = TRIALS[:, :2]
_EVENTS, _SIZES = TRIALS[:, 2::2], TRIALS[:, 2::2] + TRIALS[:, 3::2]
Y = np.log(_EVENTS[:, 0] / _SIZES[:, 0]) - np.log(_EVENTS[:, 1] / _SIZES[:, 1])
PRECISION = 1 / (1 / _EVENTS - 1 / _SIZES).sum(axis=1)
PERIOD = X[:, 1] // 5
# R prints 17 digits; its year is not centred, 1e5 times its variation.
RTOL = 1e-9


@pytest.fixture(scope="module")
def fitted():
    return GaussianMLERegressor(scale=1.0, weight_type="precision").fit(X, Y, sample_weight=PRECISION)


def test_the_variances_are_known(fitted):
    """f$b and f$se: no scale is estimated, so that a common factor of the weights does matter."""
    found = infer(fitted, X, Y, sample_weight=PRECISION)
    np.testing.assert_allclose(
        found.estimates, [17.151801172134434, -0.033875449410478431, -0.0084660391148465367], rtol=RTOL
    )
    errors = [10.832056246486836, 0.0039963387410101225, 0.005455780223358804]
    np.testing.assert_allclose(found.standard_errors, errors, rtol=RTOL)
    halved = GaussianMLERegressor(scale=1.0, weight_type="precision").fit(X, Y, sample_weight=PRECISION / 4)
    np.testing.assert_allclose(halved.standard_errors(), 2 * found.standard_errors, rtol=RTOL)


@pytest.mark.parametrize(
    ("options", "errors"),
    [
        # robust(f, cluster = d$trial, adjust = FALSE)$se
        ({"covariance": "HC0"}, [10.019676936553404, 0.0035681480829684448, 0.0050510332221164319]),
        # sqrt(diag(vcovCR(f, cluster = d$year %/% 5, type = "CR0")))
        (
            {"covariance": "cluster", "small_sample": False},
            [7.3078490864483197, 0.0028645852880837767, 0.0036778994481942019],
        ),
        # The same of "CR3".
        ({"covariance": "CR3"}, [43.597759199750655, 0.0092566799099219454, 0.022024369399140539]),
        # "CR2" of lm(yi / s ~ 0 + x / s), s = sqrt(vi): the adjustment is symmetric in standardized residuals.
        ({"covariance": "CR2"}, [16.729030272909977, 0.0040655940152021239, 0.0084506643456813448]),
    ],
)
def test_sandwiches(fitted, options, errors):
    groups = None if options["covariance"] == "HC0" else PERIOD
    found = infer(fitted, X, Y, sample_weight=PRECISION, groups=groups, **options)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=RTOL)
    if options["covariance"] == "CR2":
        # coef_test(..., test = "Satterthwaite")$df_Satt
        np.testing.assert_allclose(
            found.degrees_of_freedom(), [1.8807015591612013, 1.2216663574670763, 1.8892941570955748], rtol=1e-7
        )
