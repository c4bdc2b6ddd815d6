"""What is to be known of a whole fit: its log-likelihood, criteria, and what it gains over the null model."""

import math
from typing import Any

import numpy as np

from sklearn_mle.fitting import FitOptions, fit
from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.inference.covariance import MODEL_BASED
from sklearn_mle.inference.hypotheses import HypothesisTest, chi_squared_test, likelihood_ratio_of
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.inference.small_samples import SmallSample
from sklearn_mle.likelihoods import Gaussian

__all__ = ["against_the_null", "header_of", "likelihood_is_trusted", "log_likelihood_at"]


def header_of(
    model: FittedModel,
    *,
    n_obs: float,
    n_parameters: int,
    covariance: str,
    log_likelihood: float,
    gap: float,
    converged: bool,
    weight_type: str = "frequency",
    criteria: bool = True,
) -> dict[str, Any]:
    """Return the header of a summary; AIC and BIC are nan without ``criteria`` (``likelihood_is_trusted``)."""
    header: dict[str, Any] = {
        "likelihood": type(model.likelihood).__name__,
        "observations": n_obs,
        "parameters": n_parameters,
        "covariance": covariance,
    }
    if weight_type != "frequency":
        header["weights"] = weight_type
    criteria = criteria and not model.penalized
    kept = model.kept
    return header | {
        "log-likelihood": log_likelihood,
        "AIC": 2 * n_parameters - 2 * log_likelihood if criteria else math.nan,
        "BIC": n_parameters * math.log(n_obs) - 2 * log_likelihood if criteria else math.nan,
        "converged": converged,
        "gap in nats": gap,
        "condition number": math.nan if kept is None or kept.curvature is None else kept.curvature.condition,
    }


def likelihood_is_trusted(
    model: FittedModel, kind: str, weight_type: str, dispersion: str | None
) -> tuple[bool, tuple[str, ...]]:
    """Return whether AIC, BIC and the likelihood-ratio test go with a covariance; and a word for where they do not."""
    if model.penalized or weight_type == "sampling":
        return False, ()
    if kind not in MODEL_BASED:
        word = (
            f"covariance={kind!r} does not take the likelihood for true, as AIC, BIC and the likelihood-ratio test do: "
            "they are left out, and wald_test tests with this covariance."
        )
        return False, (word,)
    if dispersion is not None and not (model.likelihood.location_free_of_second and model.n_constants):
        # Of a likelihood whose own dispersion was estimated, Pearson's is another estimate of the same parameter.
        return False, ("A quasi-likelihood has no AIC and no BIC.",)
    return True, ()


def log_likelihood_at(at: AtEstimate, weight_type: str) -> float:
    """Return the total log-likelihood of the data, with what the weights are said to mean."""
    total = -at.objective.nll(at.theta) * at.prepared.unit
    if weight_type != "precision" or not isinstance(at.likelihood, Gaussian):
        return total
    return _with_precisions(total, at)


def _with_precisions(log_likelihood: float, at: AtEstimate) -> float:
    """Return the Gaussian log-likelihood with variances s^2 / w from that with copies w."""
    weight, n = at.weight, at.n_obs
    sum_of_weights, half_logs = float(weight.sum()), 0.5 * float(np.log(weight).sum())
    if not at.model.exact:
        # A known scale: only the normalization counts rows instead of copies.
        log_scale = at.model.coefficients[1, -1]
        return log_likelihood + (sum_of_weights - n) * (0.5 * math.log(2 * math.pi) + log_scale) + half_logs
    # Of one estimated scale the maximum is -(W / 2) (log 2 pi e s^2), s^2 = RSS / W.
    log_variance = -2 * log_likelihood / sum_of_weights - 1 - math.log(2 * math.pi) + math.log(sum_of_weights / n)
    return -0.5 * n * (math.log(2 * math.pi) + log_variance + 1) + half_logs


def against_the_null(
    at: AtEstimate,
    data: ReadData,
    weight_type: str,
    log_likelihood: float,
    size: SmallSample,
    *,
    dispersion: str | None,
    tested: bool,
) -> dict[str, Any]:
    """Return the comparison with the model without columns: its log-likelihood, a test, and the share explained.

    The test, if there is to be one, is of chi-squared, or of F where Student's t is used: exact for the Gaussian; with
    Pearson's dispersion the analysis of deviance, in which the null model has the full one's second parameter.
    """
    model = at.model
    known: str | float = "constant"
    if len(model.terms) > 1 and not model.is_classifier and (dispersion or not model.terms[1].intercept):
        known = float(np.exp(model.coefficients[1, -1]))
    null = fit(
        model.likelihood,
        np.empty((data.X.shape[0], 0)),
        data.y,
        sample_weight=data.sample_weight,
        offset=data.offset,
        options=FitOptions(fit_intercept=model.terms[0].intercept, scale=known),
    )
    slopes = at.n_coefficients - model.n_intercepts
    if dispersion is not None:
        deviance = max(2 * (-at.objective.nll(at.theta) * at.prepared.unit - null.log_likelihood), 0.0)
        return _entries(chi_squared_test("F", deviance / size.multiple, slopes, size.df)) if slopes else {}
    value = null.log_likelihood
    if weight_type == "precision" and isinstance(model.likelihood, Gaussian):
        value = _with_precisions(value, at)
    statistic = max(2 * (log_likelihood - value), 0.0)
    out: dict[str, Any] = {"null log-likelihood": value}
    if slopes and tested:
        out |= _entries(likelihood_ratio_of("LR", statistic, slopes, at.n_obs, size.df))
    if model.exact:
        return {**out, "R2": -math.expm1(-statistic / at.n_obs)}
    if model.likelihood.discrete:
        return {**out, "pseudo-R2 (McFadden)": 1 - log_likelihood / value}
    return out


def _entries(test: HypothesisTest) -> dict[str, Any]:
    if math.isinf(test.df_resid):
        return {f"LR chi2({test.df:g})": test.statistic, "p of LR": test.p_value}
    return {f"F({test.df:g}, {test.df_resid:g})": test.statistic, "p of F": test.p_value}
