"""Which call can answer for which model and option: one table, for the code that refuses and for the tests that ask.

A request is a set of words: the call, its options as ``name='value'``, and what the fitted model is (``traits``). It is
refused if it has all words of some row, for the reason that the first such row gives.
"""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.model import FittedModel, know_precisions


class Refusal(NamedTuple):
    """A request that cannot be answered (every one that has all the words), and why."""

    words: frozenset[str]
    # With places for the call, the model (its class), its likelihood, how it was fitted and the options.
    reason: str


_PENALIZED = "prior|class_weight"
_OF_LIKELIHOODS = "aic|bic|infer without data|likelihood_ratio_test|score_test|profile_interval|anova"
_MODEL_BASED = "covariance='hessian'|covariance='expected'|covariance='opg'"
_KINDS_OF_SCORES = ("opg", "HC0", "HC1", "HC2", "HC3", "HAC", "cluster", "CR2", "CR3", "kernel")
_OF_SCORES = "|".join(f"covariance={kind!r}" for kind in _KINDS_OF_SCORES)

# Requests and why they cannot be answered: commas separate the words of a request, bars the choices of a word, and
# semicolons requests.
_REASONS = {
    "fit|infer|influence, weight_type='precision', no precisions": (
        "weight_type='precision' divides the variance by the weight, which gives another likelihood than the weighted "
        "one that {model} maximizes with {likelihood}. It is defined for gaussian, lognormal, gamma, "
        "inverse_gaussian and tweedie with a constant (or known) scale, and for models without a scale; use "
        "weight_type='frequency' or 'sampling'."
    ),
    # Estimates that maximize something else than the likelihood.
    f"{_OF_LIKELIHOODS}, {_PENALIZED}": (
        "{call} needs the maximum of the likelihood, but this {model} was fitted with {how}. Fit without it; "
        "infer(estimator, X, y, penalized=...) gives the standard errors of penalized fits."
    ),
    "score_test|anova, firth": (
        "{call} needs the maximum of the likelihood, but this {model} was fitted with {how}. Fit without it, or "
        "use penalized_likelihood_ratio_test."
    ),
    "likelihood_ratio_test, beside='maximum', firth": (
        "{model} was fitted with bias reduction, and the other was not: the ratio of their likelihoods has no known "
        "distribution. Fit both with it, or both without."
    ),
    f"infer, penalized=None, {_PENALIZED}": (
        "{model} was fitted with {how}, so its estimate is not the maximum likelihood estimate and has other standard "
        "errors. Choose penalized='laplace' (curvature of the posterior) or penalized='sandwich' (sampling "
        "variance of the shrunken estimate), or fit without it."
    ),
    "infer, penalized='laplace'|penalized='sandwich', unpenalized": (
        "penalized={penalized!r}, but this {model} was fitted without a penalty or class_weight."
    ),
    "infer, penalized='laplace', class_weight": (
        "penalized='laplace': class weights are not a prior; use penalized='sandwich'."
    ),
    f"infer, penalized='laplace', {_OF_SCORES}|dispersion='pearson'": (
        "penalized='laplace' is the inverse of the posterior's curvature: leave covariance at its default."
    ),
    "penalized_likelihood_ratio_test, no firth": (
        "{model} was not fitted with bias_reduction='firth'. Test maximum likelihood fits by likelihood_ratio_test."
    ),
    # Rows drawn with unequal probabilities.
    f"{_OF_LIKELIHOODS}|penalized_likelihood_ratio_test, weight_type='sampling'": (
        "weight_type='sampling': rows drawn with unequal probabilities have no likelihood, and so no AIC, "
        "likelihood ratios, score tests or profiles. Use infer(estimator, X, y, sample_weight=...), whose sandwich is "
        "valid, and its wald_test."
    ),
    # Kinds of covariance.
    f"infer, covariance='HC2'|covariance='HC3'|covariance='CR2'|covariance='CR3', {_PENALIZED}": (
        "covariance={covariance!r} is not defined under a penalty or class_weight; use 'HC0' or 'HC1'."
    ),
    f"infer, dispersion='pearson', covariance='hessian'|{_OF_SCORES}|penalized='sandwich'|weight_type='sampling'": (
        "dispersion='pearson' scales the expected information: it cannot be combined with another covariance."
    ),
    "infer, dispersion='pearson', no dispersion": (
        "dispersion='pearson' is not defined for {likelihood} as it was fitted here."
    ),
    "infer, covariance='kernel', smooth": (
        "covariance='kernel' is for likelihoods with a kink; for {likelihood} use 'HC0'."
    ),
    # A distribution around an estimator: the estimator's own likelihood says nothing about the noise.
    "infer without data, location": (
        "The likelihood of {model} is not that of the distribution around it: use infer(estimator, X, y), whose "
        "default is a sandwich there."
    ),
    "noise_effects, location": (
        "of: this inference is on the location alone, 'mean' or 'predictor', which is what {model} predicts. The noise "
        "around it is in the summary() of the distribution."
    ),
    "infer without data, kink; infer, covariance='hessian', kink; bread, bread='observed', kink": (
        "covariance='hessian' and bread='observed' use the Hessian of {likelihood}, which is zero almost everywhere "
        "and carries no information; use infer(estimator, X, y) with covariance='kernel' (the default), 'HC0' "
        "(bread=None or 'expected') or 'expected'."
    ),
    "infer, covariance='CR2'|covariance='CR3', kink": (
        "covariance={covariance!r} takes leverages from the information, but {likelihood}, a likelihood with "
        "kinks, has none that its rows share; use 'cluster'."
    ),
    "bread, bread='observed', covariance='CR2'|covariance='CR3'": (
        "covariance={covariance!r} takes leverages from the expected information, which is on both sides of it "
        "as well: leave bread at its default."
    ),
    f"bread, bread='observed'|bread='expected', {_MODEL_BASED}|covariance='kernel'": (
        "bread={bread!r} is the information on both sides of a sandwich, covariance='HC0' to 'HC3', 'HAC' or "
        "'cluster'; got covariance={covariance!r}."
    ),
    f"infer, penalized='sandwich'|weight_type='sampling', {_MODEL_BASED}": (
        "penalized='sandwich' and weight_type='sampling' call for a sandwich: covariance='HC0', 'HC1' or 'cluster'; "
        "got {covariance!r}."
    ),
    "infer, covariance='HC2'|covariance='HC3', several predictors": (
        "covariance={covariance!r} is defined for models with one linear predictor (besides constants), unlike "
        "this {model} with {likelihood}; use 'HC0' or 'HC1'."
    ),
    "profile_interval, kink": (
        "The likelihood {likelihood} has kinks, so its profile is not followed; use infer(..., covariance='kernel')."
    ),
    # Single rows.
    "influence, kink": (
        "The likelihood {likelihood} has kinks, so its curvature does not tell how the fit changes without a row: "
        "refit without the row."
    ),
    "influence, firth": (
        "{call} takes a step from the estimate to that without a row, but the prior of this {model}, fitted "
        "with bias reduction, changes with the rows: fit without bias reduction, or refit without the row."
    ),
    "influence, deletion_residual='deviance', no dispersion|several predictors": (
        "deletion_residual='deviance' follows R's influence.measures for generalized linear models, unlike this "
        "{model} with {likelihood}; use 'pearson'."
    ),
    "residuals, several classes": (
        "An outcome of three or more classes is neither above nor below what was expected, so it has no residual. "
        "Judge one class against the others, or use metrics.cross_entropy_decomposition."
    ),
    "residuals, kind='standardized'|kind='standardized_pearson'|kind='studentized', several predictors": (
        "kind={kind!r} divides by what one linear predictor leaves of a row's variance, but {model} with "
        "{likelihood} has several that depend on columns; use kind='quantile' or 'pearson'."
    ),
    "residuals, kind='standardized'|kind='standardized_pearson'|kind='studentized', kink": (
        "kind={kind!r} needs the leverages of rows, but {likelihood}, a likelihood with kinks, has none; use "
        "kind='quantile' or 'deviance'."
    ),
    "residuals, kind='standardized'|kind='standardized_pearson'|kind='studentized', firth": (
        "kind={kind!r} needs the influence of rows, for which a fit with bias reduction ({model}) has no "
        "one-step formula; use kind='quantile' or 'deviance'."
    ),
    "bootstrap, kind='wild', no least squares": (
        "kind='wild' gives least-squares residuals random signs, but {model} with {likelihood} has no such "
        "residuals; use 'pairs' or 'parametric'."
    ),
    # What is of classifiers, or of regressors.
    "mean_interval, classifier": "mean_interval is for regressors; a classifier has probability_interval.",
    "probability_interval, regressor": "probability_interval is for classifiers; a regressor has mean_interval.",
    "quantile_effects, discrete": (
        "of: a quantile of {likelihood} is a whole number, which changes in steps: it has no effects with standard "
        "errors. Use 'mean' or Above(threshold)."
    ),
    "against, regressor|two classes": (
        "reference: only a classifier of three or more classes has contrasts between classes."
    ),
    "d2_score, modelled scale": (
        "d2_score is not defined if parameters besides the location depend on columns, because no constant "
        "model has the same ones. Compare log_likelihood with that of another model."
    ),
}

REFUSALS = tuple(
    Refusal(frozenset(words), reason)
    for requests, reason in _REASONS.items()
    for request in requests.split("; ")
    for words in product(*(choices.split("|") for choices in request.split(", ")))
)


def traits(model: FittedModel) -> frozenset[str]:
    """Return what a fitted model is, in the words of the table."""
    likelihood, modelled = model.likelihood, model.has_several and not model.is_classifier
    words = {
        "classifier" if model.is_classifier else "regressor",
        "smooth" if likelihood.smooth else "kink",
        "discrete" if likelihood.discrete else "continuous",
        "firth" if model.bias_reduced else "no firth",
        f"weight_type={model.weight_type!r}",
        "unpenalized" if not model.penalized else "class_weight" if model.class_weighted else "prior",
    }
    conditions = {
        "several classes": model.classes is not None and len(model.classes) > 2,
        "two classes": model.classes is not None and len(model.classes) < 3,
        "modelled scale": modelled,
        "several predictors": modelled or (model.is_classifier and len(model.terms) > 1),
        "no dispersion": modelled or not likelihood.exponential_dispersion,
        "no least squares": modelled or not likelihood.least_squares,
        "location": model.location_of is not None,
        "no precisions": not know_precisions(likelihood, model.terms),
    }
    return frozenset(words | {word for word, holds in conditions.items() if holds})


def why_not(words: Iterable[str]) -> str | None:
    """Return why a request has no answer; None where it has one."""
    asked = frozenset(words)
    return next((row.reason for row in REFUSALS if row.words <= asked), None)


def refuse(call: str, model: FittedModel, **options: str | None) -> None:
    """Raise NotSupportedError where a model has no answer to a call with these options."""
    words = {name: f"{name}={value!r}" for name, value in options.items()}
    fitted = {word for word in traits(model) if word.partition("=")[0] not in words}
    how = "class_weight" if model.class_weighted else "bias reduction" if model.bias_reduced else "a penalty"
    asked = {call, *words.values(), *fitted}
    refuse_words(asked, model.name, model.likelihood, call=call, how=how, **options)


def refuse_words(words: Iterable[str], model: str, likelihood: object, **more: str | None) -> None:
    """Raise NotSupportedError where the table has an entry for such a request; only then is the likelihood written."""
    reason = why_not(words)
    if reason is not None:
        raise NotSupportedError(reason.format(model=model, likelihood=likelihood, **more))
