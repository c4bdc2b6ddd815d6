"""What must work where only the wheel is installed: `make test-wheel` runs this file outside the tree."""

import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

import sklearn_mle
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer
from sklearn_mle.likelihoods import Poisson
from sklearn_mle.metrics import cross_entropy, log_likelihood_scorer

installed = Path(sklearn_mle.__file__)
assert "site-packages" in installed.parts, f"imported from {installed}, not from an installed wheel"
assert version("sklearn-mle") == sklearn_mle.__version__
assert (files("sklearn_mle") / "py.typed").is_file()
optional = {"matplotlib", "pandas", "polars", "dask"} & sys.modules.keys()
assert not optional, f"imported without being asked for: {optional}"

X, y = load_diabetes(return_X_y=True, scaled=False)

classifier = MLELogisticClassifier().fit(X, y > 140)
assert classifier.gap_ <= 1e-8
nats = cross_entropy(y > 140, classifier.predict_log_proba(X), log_proba=True) * len(y)
assert np.isclose(nats, -classifier.log_likelihood_, rtol=1e-12)
print(infer(classifier).summary())

regressor = GaussianMLERegressor(scale="log_linear").fit(X, y)
lower, upper = regressor.predict_interval(X, coverage=0.9).T
assert 0.8 < np.mean((lower <= y) & (y <= upper)) < 1.0

counts = MLERegressor(Poisson())
scores = cross_val_score(counts, X, np.round(y / 50), scoring=log_likelihood_scorer)
assert np.isfinite(scores).all()

print(f"sklearn-mle {version('sklearn-mle')} from {installed.parent}, Python {sys.version.split()[0]}: works")
print("with", ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn")))
