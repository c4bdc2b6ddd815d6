"""The ways of deprecating that CONTRIBUTING.md describes: what is deprecated works as before, and says what to write.

scikit-learn's public helpers suffice, so the library has none of its own.
"""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import deprecated

from sklearn_mle import MLERegressor

X, Y = np.arange(12.0)[:, None], np.array([0, 1, 1, 3, 2, 4, 6, 5, 8, 7, 9, 12.0])


@deprecated("`old_total` is renamed to `total` in 0.2 and will be removed in 0.4.")
def old_total(values):
    """Sum of the values."""
    return sum(values)


class Renamed(MLERegressor):
    """An estimator whose parameter `ridge` has become `alpha`."""

    def __init__(self, likelihood="gaussian", *, alpha=0.0, ridge="deprecated"):
        super().__init__(likelihood, alpha=alpha)
        self.ridge = ridge

    def fit(self, X, y):
        """Fit, with the value of the old name where one was given."""
        if isinstance(self.ridge, str) and self.ridge == "deprecated":
            return super().fit(X, y)
        message = "`ridge` is renamed to `alpha` in 0.2 and will be removed in 0.4: write alpha=..."
        warnings.warn(message, FutureWarning, stacklevel=2)
        return clone(self).set_params(alpha=self.ridge, ridge="deprecated").fit(X, y)


def test_a_deprecated_function_works_and_warns():
    with pytest.warns(FutureWarning, match=r"renamed to `total` in 0\.2 and will be removed in 0\.4"):
        assert old_total([1, 2]) == 3


def test_a_renamed_parameter_works_and_warns():
    with pytest.warns(FutureWarning, match=r"`ridge` is renamed to `alpha`"):
        old = Renamed(ridge=3.0).fit(X, Y)
    assert old.coef_ == Renamed(alpha=3.0).fit(X, Y).coef_


def test_the_new_name_and_the_default_are_silent():
    model = Renamed(alpha=3.0)
    assert isinstance(clone(model), BaseEstimator) and clone(model).get_params()["ridge"] == "deprecated"
    GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2).fit(X, Y)  # the warning would be an error
