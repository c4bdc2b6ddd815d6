"""Deviances of a generalized linear model and of the model without columns."""

from typing import Any

import numpy as np

from sklearn_mle._rows import Block
from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.inference.model import weights_of_deviance


def deviances(at: AtEstimate, null: AtEstimate) -> dict[str, Any]:
    """Return the null and the residual deviance with their degrees of freedom, the dispersion and D2.

    Nothing for least squares, which has R2, and where the deviance is not that of one location at one dispersion: for
    other families than the exponential ones, and where the dispersion depends on columns or moves the location.
    """
    likelihood, modelled = at.likelihood, at.model.has_several and not at.model.is_classifier
    tied = bool(at.model.n_constants) and not likelihood.location_free_of_dispersion
    if not likelihood.exponential_dispersion or likelihood.least_squares or modelled or tied:
        return {}
    n, k = at.n_obs, at.n_coefficients
    of_null, of_model = total_deviance(null), total_deviance(at)
    out = {
        f"null deviance ({n - null.n_coefficients:g} df)": of_null,
        f"deviance ({n - k:g} df)": of_model,
        "D2": 1 - of_model / of_null if of_null > 0 else np.nan,
    }
    if likelihood.dispersion_parameter is None and n > k:
        out["Pearson's dispersion"] = pearson_dispersion(at)
    return out


def total_deviance(at: AtEstimate) -> float:
    """Return the sum over rows of the caller's weights times the unit deviances, as ``deviance`` of an estimator."""
    weight = weights_of_deviance(at.model, at.data.sample_weight, at.data.offset)
    rows = at.prepared.row_numbers
    data = at.objective.data
    assert data.offset is not None
    unit = at.likelihood.deviance(data.y, data.offset)
    return float(unit.sum() if weight is None else (weight if rows is None else weight[rows]) @ unit)


def pearson_dispersion(at: AtEstimate) -> float:
    """Return Pearson's X^2 / (n - k), the dispersion relative to that of the likelihood as it was fitted.

    X^2 is the weighted sum of squared residuals in units of their deviations.
    """
    n, k = at.n_obs, at.n_coefficients
    if n <= k:
        raise ValueError(
            f"dispersion='pearson' divides by the degrees of freedom, {n:g} observations less {k} coefficients: more "
            "observations are needed."
        )

    def block_sum(block: Block) -> tuple[float]:
        assert block.offset is not None
        squares = at.likelihood.squared_pearson_residual(block.y, block.offset)
        return (float(squares.sum() if block.weight is None else block.weight @ squares),)

    return at.objective.data.reduce_rows(block_sum)[0] * at.mean_weight / (n - k)
