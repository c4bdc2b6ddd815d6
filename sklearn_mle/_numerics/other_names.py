"""Names of statsmodels' results, and ours for the same: an AttributeError about one of theirs gives ours."""

from typing import Any, NoReturn

OURS = {
    "params": "estimates of infer(model, X, y); coef_ and intercept_ of an estimator",
    "bse": "standard_errors",
    "tvalues": "summary()['z'], or summary()['t']",
    "pvalues": "summary()['p']",
    "conf_int": "confidence_intervals(level) of infer(model, X, y); 'lower' and 'upper' of summary()",
    "cov_params": "covariance of infer(model, X, y); parameter_covariance() of an estimator",
    "llf": "log_likelihood_ of an estimator; header['log-likelihood'] of a summary or infer(model, X, y)",
    "llnull": "infer(model, X, y).header['null log-likelihood']",
    "prsquared": "infer(model, X, y).header['pseudo-R2 (McFadden)']",
    "rsquared": "infer(model, X, y).header['R2'], or score(X, y)",
    "nobs": "n_obs_ of an estimator; header['observations'] of a summary or infer(model, X, y)",
    "df_resid": "df_resid_ of an estimator",
    "aic": "aic() of an estimator; header['AIC'] of a summary or infer(model, X, y)",
    "bic": "bic() of an estimator; header['BIC'] of a summary or infer(model, X, y)",
    "pearson_chi2": "the sum of squares of sklearn_mle.inference.residuals(model, X, y, kind='pearson')",
    "resid_deviance": "sklearn_mle.inference.residuals(model, X, y)",
    "resid_pearson": "sklearn_mle.inference.residuals(model, X, y, kind='pearson')",
    "resid": "sklearn_mle.inference.residuals(model, X, y)",
    "fittedvalues": "predict(X)",
    "summary2": "summary()",
    "get_robustcov_results": "sklearn_mle.inference.infer(model, X, y, covariance=...)",
    "get_prediction": "sklearn_mle.inference.mean_interval(infer(model, X, y), X); predict_interval(X)",
    "get_distribution": "predict_distribution(X)",
    "get_margeff": "sklearn_mle.inference.average_effects(infer(model, X, y), X)",
    "get_influence": "sklearn_mle.inference.influence(model, X, y)",
    "f_test": "wald_test(R)",
    "t_test": "wald_test(R)",
    "compare_f_test": "sklearn_mle.inference.likelihood_ratio_test(smaller, larger, X, y)",
    "compare_lr_test": "sklearn_mle.inference.likelihood_ratio_test(smaller, larger, X, y)",
}


def refuse_other_name(owner: Any, name: str) -> NoReturn:
    """Raise the AttributeError of a name that the owner lacks; of statsmodels' names it says ours."""
    kind = type(owner).__name__
    if name in OURS:
        raise AttributeError(f"{kind!r} object has no attribute {name!r}, statsmodels' name. Here it is {OURS[name]}.")
    raise AttributeError(f"{kind!r} object has no attribute {name!r}")
