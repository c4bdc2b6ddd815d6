"""scikit-learn's own checks, over several settings of each estimator, with no expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.likelihoods import AsymmetricLaplace, Tweedie, likelihood_names
from tests.estimators.regressions import Squashing

# Rates in (0, 1) are not what the checks send: these two see them squashed.
RATES = ("beta", "binomial")
# A classifier without an intercept is not among them: check_class_weight_classifiers wants class weights to move nearly
# all predictions to one class, which takes an intercept. LogisticRegression(fit_intercept=False) fails it too.
# Each class, with each kind of model.
ESTIMATORS = [
    MLELogisticClassifier(),
    GaussianMLERegressor(),
    GaussianMLERegressor(scale="log_linear", alpha=1.0),
    MLERegressor("poisson"),
    MLERegressor("laplace"),
    MLERegressor("gamma", predictors="linear", alpha=1.0),
]
OTHERS = [
    MLELogisticClassifier(C=1.0),
    MLELogisticClassifier(C=0.1, solver="newton-cg", warm_start=True),
    MLELogisticClassifier(solver="newton"),
    MLELogisticClassifier(class_weight="balanced"),
    MLELogisticClassifier(solver="lbfgs"),
    GaussianMLERegressor(alpha=1.0),
    GaussianMLERegressor(fit_intercept=False),
    GaussianMLERegressor(scale=2.0),
    GaussianMLERegressor(scale="log_linear"),
    *(
        Squashing(name) if name in RATES else MLERegressor(name)
        for name in likelihood_names()
        if name not in ("poisson", "laplace")
    ),
    MLERegressor(AsymmetricLaplace(quantile=0.3)),
    MLERegressor("huber", predictors="linear"),
    MLERegressor("student_t", predictors={"scale": 2.0}, alpha=1.0),
    MLERegressor("student_t", predictors={"df": "constant"}),
    MLERegressor("inverse_gaussian", alpha=1.0, warm_start=True),
    MLERegressor("weibull", predictors="linear"),
    MLERegressor(Tweedie(power=1.8), predictors={"dispersion": 1.5}),
    MLERegressor("gamma", predictors={"shape": [0]}),
    MLERegressor("negative_binomial", predictors="linear"),
    MLERegressor("gumbel", solver="lbfgs"),
    Squashing("beta", predictors="linear", alpha=1.0),
    MLERegressor("logistic", fit_intercept=False, solver="newton-cg"),
]


# Many of the checks' data sets have no finite MLE, collinear columns or more columns than rows. That the warnings come
# is tested where the cause is known.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::sklearn_mle.exceptions.{name}Warning")
    for name in ("Separation", "RankDeficiency", "PerfectFit", "UnboundedLikelihood")
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(OTHERS)
def test_scikit_learn_checks_of_other_settings(estimator, check):
    check(estimator)
