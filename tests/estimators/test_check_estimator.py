"""scikit-learn's own checks, over several settings of each estimator, with no expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier

# A classifier without an intercept is not among them: check_class_weight_classifiers wants class weights to move nearly
# all predictions to one class, which takes an intercept. LogisticRegression(fit_intercept=False) fails it too.
ESTIMATORS = [
    MLELogisticClassifier(),
    MLELogisticClassifier(C=1.0),
    MLELogisticClassifier(solver="newton"),
    MLELogisticClassifier(class_weight="balanced"),
    MLELogisticClassifier(solver="lbfgs"),
    MLELogisticClassifier(C=0.1, solver="newton-cg", warm_start=True),
    GaussianMLERegressor(),
    GaussianMLERegressor(alpha=1.0),
    GaussianMLERegressor(fit_intercept=False),
    GaussianMLERegressor(scale=2.0),
    GaussianMLERegressor(scale="log_linear"),
    GaussianMLERegressor(scale="log_linear", alpha=1.0),
]


# Many of the checks' data sets have no finite MLE, collinear columns or more columns than rows. That the warnings come
# is tested where the cause is known.
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.RankDeficiencyWarning")
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PerfectFitWarning")
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.UnboundedLikelihoodWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
