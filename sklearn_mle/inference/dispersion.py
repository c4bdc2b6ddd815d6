"""The dispersion that goes with a meaning of weights, at a location that does not depend on it."""

import math
from dataclasses import replace

import numpy as np

from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.inference.weights import divide_dispersion

__all__ = ["with_dispersion"]

_STEPS, _LONGEST, _SETTLED = 200, 1.0, 1e-13


def with_dispersion(model: FittedModel, data: ReadData, weight_type: str) -> FittedModel:
    """Return the model with the dispersion that is most likely where its weights have this meaning.

    That of the fit where the weights meant the same there, are none, or have no dispersion to divide.
    """
    precise = weight_type == "precision"
    if (
        precise == (model.weight_type == "precision")
        or data.sample_weight is None
        or not divide_dispersion(model.likelihood)
        or not model.terms[1].intercept
        or model.terms[1].columns
        or not np.isfinite(model.coefficients[1, -1])
    ):
        return replace(model, weight_type=weight_type)
    # Of a Gaussian and an inverse Gaussian it is exact; of others the beginning.
    mean = float(data.sample_weight[data.sample_weight > 0].mean())
    coefficients = model.coefficients.copy()
    coefficients[1, -1] += (0.5 if precise else -0.5) * model.likelihood.noise_power * math.log(mean)
    model = replace(model, coefficients=coefficients, weight_type=weight_type)
    coefficients = coefficients.copy()
    coefficients[1, -1] += _change(AtEstimate.of(model, data))
    return replace(model, coefficients=coefficients)


def _change(at: AtEstimate) -> float:
    """Return by how much the constant of the dispersion is to be moved: Newton's method in one dimension."""
    data, likelihood, power = at.objective.data, at.likelihood, at.likelihood.noise_power
    assert data.offset is not None
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    prior = at.objective.penalty.value_and_gradient(at.theta)[0]
    change = 0.0
    for _ in range(_STEPS):
        eta = data.offset + np.array([[0.0], [change]])
        # The prior is relative to the noise.
        pull = prior * math.exp(-2 * change / power)
        slope = float(weight @ likelihood.gradient(data.y, eta)[1]) - 2 / power * pull
        curvature = float(weight @ likelihood.hessian(data.y, eta)[1, 1])
        if curvature <= 0:
            curvature = float(weight @ likelihood.expected_information(eta)[1, 1])
        step = -slope / (curvature + 4 / power**2 * pull)
        if not math.isfinite(step):
            break
        change += max(-_LONGEST, min(_LONGEST, step))
        if abs(step) <= _SETTLED:
            break
    return change
