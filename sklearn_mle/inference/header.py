"""Facts about a whole fit: its log-likelihood, criteria, deviance, sample size, and gain over the null model."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_mle._predictors import Terms
from sklearn_mle._rows import Block
from sklearn_mle.inference.at_estimate import AtEstimate, fitted_again
from sklearn_mle.inference.covariance import MODEL_BASED, Request
from sklearn_mle.inference.hypotheses import HypothesisTest, chi_squared_test, likelihood_ratio_of, ratio_at_least_zero
from sklearn_mle.inference.model import FitSummary, FittedModel, ReadData, weights_of_deviance
from sklearn_mle.likelihoods import Likelihood


@dataclass(frozen=True)
class SmallSample:
    """What a covariance is multiplied by, and the degrees of freedom of Student's t (inf: the normal distribution)."""

    multiple: float = 1.0
    df: float = math.inf
    notes: tuple[str, ...] = ()


def exact_sample(model: FittedModel, total_weight: float, df: float) -> SmallSample:
    """Return what makes Gaussian inference exact: s^2 = RSS / df and Student's t."""
    residual = math.sqrt(total_weight / df) * math.exp(model.log_dispersion)
    note = f"Residual standard error {residual:.6g} on {df:g} degrees of freedom."
    return SmallSample(total_weight / df, df, (note,))


def small_sample_of(at: AtEstimate, asked: Request) -> SmallSample:
    """Return what the number of observations does to a covariance."""
    n, k = at.n_obs, at.n_coefficients
    if asked.dispersion is not None:
        multiple = pearson_dispersion(at)
        note = f"The dispersion is Pearson's: {multiple:.6g} times that of the likelihood as it was fitted."
        return SmallSample(multiple, n - k, (note,))
    model_based = asked.kind in ("hessian", "expected")
    total_weight = at.total_weight
    if not (at.model.exact and asked.small_sample and n > k):
        return SmallSample(total_weight / n if model_based and at.model.exact else 1.0)
    if model_based:
        return exact_sample(at.model, total_weight, n - k)
    if asked.clusters is None:
        return SmallSample(df=n - k)
    return SmallSample(df=min(way.n_groups for way in asked.clusters if way.sign > 0) - 1.0)


def header_of(model: FittedModel, covariance: str, fit: FitSummary, *, criteria: bool = True) -> dict[str, Any]:
    """Return the header of a summary; AIC and BIC are nan without ``criteria`` (``likelihood_is_trusted``)."""
    header: dict[str, Any] = {"likelihood": _named(model.likelihood)}
    if model.classes is not None and len(model.classes) == 2:
        header["modelled class"] = str(model.classes[1])
    header |= {"observations": fit.n_obs, "parameters": fit.n_parameters, "covariance": covariance}
    if model.weight_type != "frequency":
        header["weights"] = model.weight_type
    deviance = -2 * fit.log_likelihood if criteria and not model.penalized else math.nan
    retained = model.retained_curvature
    return header | {
        "log-likelihood": fit.log_likelihood,
        "AIC": 2 * fit.n_parameters + deviance,
        "BIC": fit.n_parameters * math.log(fit.n_obs) + deviance,
        "converged": fit.converged,
        "gap in nats": fit.gap,
        "condition number": math.nan if retained is None else retained.condition,
    }


def _named(likelihood: Likelihood) -> str:
    """Return the likelihood's name, with its parameters: a quantile, degrees of freedom, a power."""
    given = {} if likelihood.holds_class_codes else likelihood.get_params(deep=False)
    parameters = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"{type(likelihood).__name__}({parameters})" if parameters else type(likelihood).__name__


def likelihood_is_trusted(model: FittedModel, asked: Request) -> tuple[bool, tuple[str, ...]]:
    """Return whether AIC, BIC and the likelihood-ratio test go with a covariance, and a note if they do not."""
    if model.location_of is not None:
        note = (
            f"Of the location of {model.location_of}: parameters, log-likelihood and gap are those of {model.name}; "
            "its summary() has the noise around it."
        )
        return False, (note,)
    if model.penalized or model.weight_type == "sampling":
        return False, ()
    if asked.kind not in MODEL_BASED:
        note = (
            f"covariance={asked.kind!r} does not take the likelihood for true, as AIC, BIC and the likelihood-ratio "
            "test do: they are left out, and wald_test tests with this covariance."
        )
        return False, (note,)
    if asked.dispersion is not None and not (model.likelihood.location_free_of_dispersion and model.n_constants):
        # Where the likelihood's own dispersion was estimated, Pearson's is another estimate of that parameter.
        return False, ("A quasi-likelihood has no AIC and no BIC.",)
    return True, ()


def against_the_null(at: AtEstimate, asked: Request, size: SmallSample, *, tested: bool) -> dict[str, Any]:
    """Return the comparison with the model without columns: its log-likelihood, a test, and the share explained.

    The test, if there is to be one, is of chi-squared, or of F where Student's t is used: exact for the Gaussian; with
    Pearson's dispersion it is the analysis of deviance, in which the null model has the full model's dispersion.
    """
    model, data, quasi = at.model, at.data, asked.dispersion is not None
    terms = [Terms(True, term.intercept) for term in model.terms]
    if not model.is_classifier:
        terms[1:] = [Terms.constant() if term.columns else term for term in model.terms[1:]]
        j = model.likelihood.dispersion_index
        if j is not None and (quasi or not terms[j].intercept):
            terms[j] = Terms(False, False, known=float(np.exp(model.log_dispersion)))
    null = fitted_again(model, _without_columns(model, data), terms)
    explained, value = _deviances(at, null), null.log_likelihood
    slopes = at.n_coefficients - model.n_intercepts
    finding = (
        f"The model without columns has a log-likelihood of {value:.6g}, above that of the model, "
        f"{at.log_likelihood:.6g}"
    )
    statistic = ratio_at_least_zero(2 * (at.log_likelihood - value), finding, stacklevel=3)
    if quasi:
        return explained | (
            _entries(chi_squared_test("F", statistic / size.multiple, slopes, size.df)) if slopes else {}
        )
    out: dict[str, Any] = {"null log-likelihood": value}
    if slopes and tested:
        out |= _entries(likelihood_ratio_of("LR", statistic, slopes, at.n_obs, size.df))
    if model.exact:
        return {**out, "R2": -math.expm1(-statistic / at.n_obs)}
    if model.likelihood.discrete:
        out["pseudo-R2 (McFadden)"] = 1 - at.log_likelihood / value
    return out | explained


def _without_columns(model: FittedModel, data: ReadData) -> ReadData:
    """Return the data without columns; of labels without offsets, all that differ: a row for each class."""
    labels = model.is_classifier and data.y.ndim == 1 and bool((data.y == np.floor(data.y)).all())
    if not labels or data.offset is not None:
        return replace(data, X=np.empty((len(data.y), 0)))
    codes = np.arange(len(model.classes or ()))
    weight = np.bincount(data.y.astype(np.intp), data.sample_weight, len(codes))
    return ReadData(np.empty((len(codes), 0)), codes.astype(data.y.dtype), weight.astype(np.float64), None, None)


def _entries(test: HypothesisTest) -> dict[str, Any]:
    if math.isinf(test.df_resid):
        return {f"LR chi2({test.df:g})": test.statistic, "p of LR": test.p_value}
    return {f"F({test.df:g}, {test.df_resid:g})": test.statistic, "p of F": test.p_value}


def _deviances(at: AtEstimate, null: AtEstimate) -> dict[str, Any]:
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
