"""Data of classes that overlap, or are separated, and their objective."""

import numpy as np

from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle.likelihoods import Bernoulli, Categorical


def objective_of(X, y, n_classes=2, weight=None, intercept=True):
    term = Terms(True, intercept)
    if n_classes == 2:
        likelihood, predictors = Bernoulli(), LinearPredictors(X.shape[1], [term])
        y = y.astype(float)
    else:
        likelihood = Categorical(n_classes)
        predictors = LinearPredictors(X.shape[1], [term] * (n_classes - 1), sum_to_zero_basis(n_classes))
    data = Data(DenseRows(X), y, weight, None, likelihood.n_predictors)
    return PenalizedNLL(likelihood, predictors, data, NoPenalty())


def overlapping(n_classes=2, n=150, p=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ rng.normal(0, 1, (p, n_classes))
    return X, (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)


def complete(n_classes=2):
    X, y = overlapping(n_classes)
    X[:, :n_classes] += 20 * np.eye(n_classes)[y]
    return X, y


def quasi(n_classes=2):
    """A dummy that is one in some rows of the last class, and in no others."""
    X, y = overlapping(n_classes)
    dummy = np.zeros(len(y))
    dummy[np.flatnonzero(y == n_classes - 1)[:9]] = 1
    return np.column_stack([X, dummy]), y


SEPARATED = {"complete": complete, "quasi": quasi}
