r"""
Can the standard error be believed?
===================================

A standard error describes the log-likelihood by a parabola around its maximum. The *profile* likelihood is the curve
itself: for each value of one coefficient, the largest likelihood that the others allow,

.. math:: \ell_p(b) = \max_{\theta : \theta_j = b} \ell(\theta).

Its 95% interval holds the values within 1.92 nats of the top. With many rows curve and parabola agree; with 32 they
do not.
"""

# %%
# Spector and Mazzeo's data: did a new way of teaching (``PSI``) improve the grade of 32 students, given their grade
# point average (``GPA``) and an entrance test (``TUCE``)?
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.stats import chi2

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.displays import ProfileLikelihoodDisplay
from sklearn_mle.inference import ProfileLikelihood

students = sm.datasets.spector.load_pandas().data
X, y = students[["GPA", "TUCE", "PSI"]], students["GRADE"].astype(int)
model = MLELogisticClassifier().fit(X, y)
print(model.summary())


# %%
# Holding a coefficient at b is moving its column, times b, into the offset. That is all a profile needs.
def profile(name):
    """Return the profile likelihood of one coefficient, with its 95% interval."""
    estimate = model.coef_[0, list(X).index(name)]
    error = model.standard_errors()[1 + list(X).index(name)]
    others = X.drop(columns=name)

    def at(b):
        return MLELogisticClassifier().fit(others, y, offset=b * X[name]).log_likelihood_

    def above_threshold(b):
        return at(b) - model.log_likelihood_ + chi2.ppf(0.95, 1) / 2

    lower = brentq(above_threshold, estimate - 5 * error, estimate)
    upper = brentq(above_threshold, estimate, estimate + 4 * error)
    grid = np.unique([*np.linspace(estimate - 3.2 * error, estimate + 4.2 * error, 60), lower, estimate, upper])
    curve = np.array([at(b) for b in grid])
    return ProfileLikelihood(name, estimate, error, grid, curve, model.log_likelihood_, 0.95, lower, upper)


profiles = [profile("GPA"), profile("PSI")]
for found in profiles:
    half = 1.959964 * found.standard_error
    print(f"{found.parameter}: Wald [{found.estimate - half:.3f}, {found.estimate + half:.3f}], {found}")

# %%
# Wald's interval is symmetric by construction. The profile's reaches further up, where the likelihood falls off
# slowly.
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for panel, found in zip(axes, profiles, strict=True):
    ProfileLikelihoodDisplay(found).plot(ax=panel)
plt.show()
