r"""
Can the standard error be believed?
===================================

A standard error describes the log-likelihood by a parabola around its maximum. The
*profile* likelihood is the curve itself: for each value of one coefficient, the largest
likelihood that the others allow,

.. math:: \ell_p(b) = \max_{\theta : \theta_j = b} \ell(\theta).

Its 95% interval holds the values within 1.92 nats of the top. With many rows curve and
parabola agree; with 32 they do not.
"""

# %%
# Spector and Mazzeo's data: did a new way of teaching (``PSI``) improve the grade of 32
# students, given their grade point average (``GPA``) and an entrance test (``TUCE``)?
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.displays import ProfileLikelihoodDisplay
from sklearn_mle.inference import infer, profile_interval

students = sm.datasets.spector.load_pandas().data
X, y = students[["GPA", "TUCE", "PSI"]], students["GRADE"].astype(int)
model = MLELogisticClassifier().fit(X, y)
print(model.summary())

# %%
# Wald's interval is symmetric by construction. The profile's reaches further up, where
# the likelihood falls off slowly.
inference = infer(model)
wald = dict(zip(inference.parameters, inference.confidence_intervals(), strict=True))
profiles = profile_interval(model, X, y, ["GPA", "PSI"])
for found in profiles:
    print(
        f"{found.parameter}: Wald {wald[found.parameter].round(3)}, profile "
        f"{np.round(found.interval, 3)}"
    )

# %%
# What the curve is made of: hold a coefficient at b by moving its column, times b, into
# the offset, and fit the others.
b = 4.0
held = MLELogisticClassifier().fit(X.drop(columns="PSI"), y, offset=b * X["PSI"])
psi = profiles[1]
below = psi.maximum - held.log_likelihood_
print(
    f"with the coefficient of PSI at {b}: {held.log_likelihood_:.6f} nats, {below:.3f} "
    "below the maximum"
)
assert np.isclose(
    np.interp(b, psi.grid, psi.log_likelihood), held.log_likelihood_, atol=0.02
)

# %%
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for panel, found in zip(axes, profiles, strict=True):
    ProfileLikelihoodDisplay(found).plot(ax=panel)
plt.show()
