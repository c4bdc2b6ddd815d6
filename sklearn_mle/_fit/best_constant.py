"""The best constant location at given other parameters: what a share of explained deviance is measured from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import solve
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._start import weighted_quantile

__all__ = ["best_constant"]

Array = NDArray[Any]


def best_constant(
    likelihood: Likelihood,
    intercepts: Array,
    y: Array,
    *,
    sample_weight: Array | None = None,
    offset: Array | None = None,
) -> Array:
    """Return the linear predictors, shape (q, n), of the best model without columns.

    Parameters
    ----------
    likelihood : Likelihood
    intercepts : ndarray of shape (q,)
        Those of the predictors beside the location are kept.
    y : ndarray of shape (n,) or (2, n)
    sample_weight : ndarray of shape (n,) or None
    offset : ndarray of shape (n,) or None
        Of the location.
    """
    n = y.shape[-1]
    eta = np.repeat(intercepts[:, None], n, axis=1)
    eta[0] = 0 if offset is None else offset
    if not likelihood.smooth:
        # A quantile of what the offset leaves.
        eta[0] += likelihood.start(y - eta[0], sample_weight)[0]
        return eta
    weight = sample_weight
    y, times = likelihood.in_units_of_mean(y)
    if times is not None:
        weight = times if weight is None else times * weight
    predictors = LinearPredictors(0, [Terms(), *[Terms(False, False)] * (len(eta) - 1)])
    rows = DenseRows(np.zeros((n, 0)), np.zeros(0), np.ones(0))
    objective = PenalizedNLL(likelihood, predictors, Data(rows, y, weight, eta, len(eta)), NoPenalty())
    start = likelihood.start(y, weight)[:1] - weighted_quantile(eta[0], weight, 0.5)
    with single_threaded_blas:
        found = solve(objective, start, FitOptions(), null_value=np.inf)
    eta[0] += found.theta[0]
    return eta
