"""
Every display
=============

Each number of the library has a picture, made by one call, in scikit-learn's
``Display`` convention. This page draws them all; :doc:`/displays` says what they mean.
"""

# %%
# Which features matter, and how sure is that?
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.displays import (
    CoefficientDisplay,
    ComparisonDisplay,
    ConvergenceDisplay,
    CrossEntropyDecompositionDisplay,
    EffectsDisplay,
    InfluenceDisplay,
    PITDisplay,
    PredictiveDisplay,
    ProfileLikelihoodDisplay,
    ReliabilityDisplay,
    ResidualDisplay,
)
from sklearn_mle.metrics import cross_entropy_decomposition

X, y = load_diabetes(return_X_y=True, as_frame=True)
regressor = GaussianMLERegressor(scale="log_linear").fit(X, y)
display = CoefficientDisplay.from_estimator(regressor)
assert np.array_equal(display.estimates[:, 0], regressor.coef_)
plt.show()

# %%
# What do the coefficients amount to? Average predictions with one column set to each
# value in all rows, the others as they are.
display = EffectsDisplay.from_estimator(regressor, X, y, column="bmi")
assert (display.lower < display.estimates).all()
plt.show()

# %%
# What does the model say along one feature?
PredictiveDisplay.from_estimator(regressor, X, y, feature="bmi", coverage=0.9)
plt.show()

# %%
# Are the predicted distributions right, on rows that were not fitted to?
PITDisplay.from_estimator(GaussianMLERegressor().fit(X[::2], y[::2]), X[1::2], y[1::2])
plt.show()

# %%
# Which rows decide on the coefficients? Those with leverage and a residual, beyond a
# contour of Cook's distance.
constant = GaussianMLERegressor().fit(X, y)
display = InfluenceDisplay.from_estimator(constant, X, y)
assert display.cooks_distance.max() < 0.1
plt.show()

# %%
# Is the mean right everywhere? Where the band of the smooth leaves zero, it is not.
ResidualDisplay.from_estimator(constant, X, y)
plt.show()

# %%
# When it says 70%, does it happen in 70%? Naive Bayes takes correlated features for
# independent evidence.
X, y = load_breast_cancer(return_X_y=True)
train, test = slice(0, None, 2), slice(1, None, 2)
models = {
    "logistic regression, C=1": make_pipeline(
        StandardScaler(), MLELogisticClassifier(C=1.0)
    ),
    "boosting": HistGradientBoostingClassifier(max_iter=50),
    "naive Bayes": GaussianNB(),
}
display = ReliabilityDisplay.from_estimator(
    models["naive Bayes"].fit(X[train], y[train]), X[test], y[test]
)
assert display.divergence > 10 * display.chance_divergence
plt.show()

# %%
# What do the models know, and what does their miscalibration cost?
parts = {
    name: cross_entropy_decomposition(
        y[test], model.fit(X[train], y[train]).predict_proba(X[test]), n_resamples=100
    )
    for name, model in models.items()
}
CrossEntropyDecompositionDisplay(parts).plot()
plt.show()

# %%
# Better, or luck? Over cross-validation's folds, with paired standard errors.
display = ComparisonDisplay.from_estimators(models, X, y)
print(display.comparison)
plt.show()

# %%
# Can the standard error be trusted? Of few rows the likelihood is no parabola, and the
# profile interval is skewed.
few, outcome = X[::10, :1], y[::10]
classifier = MLELogisticClassifier().fit(few, outcome)
display = ProfileLikelihoodDisplay.from_estimator(classifier, few, outcome, "x0")
assert display.profile.lower < classifier.coef_[0, 0] < display.profile.upper
plt.show()

# %%
# How does a fit approach the optimum? At 1e-8 nats the coefficients are within a
# 7,000th of a standard error of it.
display = ConvergenceDisplay.from_estimator(
    MLELogisticClassifier(C=1.0), X, y, name="newton"
)
ConvergenceDisplay.from_estimator(
    MLELogisticClassifier(C=1.0, solver="lbfgs"), X, y, name="lbfgs", ax=display.ax_
)
plt.show()
