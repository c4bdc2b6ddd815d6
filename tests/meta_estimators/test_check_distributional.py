"""scikit-learn's own checks of DistributionalRegressor around several bases, with no expected failure."""

import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mle import DistributionalRegressor

# Leaves of at least 20 rows, and bootstrap samples, do not take a weight of two for two copies: then the base alone
# fails the check of it, too.
OTHERS = [
    HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=1),
    RandomForestRegressor(5, bootstrap=False, random_state=0),
    # Sparse columns are not centred: before scikit-learn 1.7 a pipeline says that it takes them, whatever its steps.
    make_pipeline(StandardScaler(with_mean=False), LinearRegression()),
]

# The checks' data are few rows, some of them predicted exactly.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::sklearn_mle.exceptions.{name}Warning")
    for name in ("PerfectFit", "PIT", "RankDeficiency", "UnboundedLikelihood")
]


@parametrize_with_checks(
    [DistributionalRegressor(LinearRegression(), scale=LinearRegression(), cv=3, recalibrate=True)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([DistributionalRegressor(base, cv=3) for base in OTHERS])
def test_scikit_learn_checks_around_others(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        DistributionalRegressor(LinearRegression()),
        DistributionalRegressor(LinearRegression(), "gaussian", scale="constant", cv=3, ensemble=True),
        DistributionalRegressor(LinearRegression(), "auto", cv=3),
    ]
)
def test_scikit_learn_checks_of_other_settings(estimator, check):
    check(estimator)
