"""The dispersion of a likelihood, whatever its name: how to ask for it, and what was fitted."""

from sklearn_mle.likelihoods import get_likelihood


def dispersion_as(likelihood, how):
    """Return ``predictors`` of MLERegressor: the dispersion "constant", "log_linear" or known, where there is one."""
    name = get_likelihood(likelihood).dispersion_parameter
    if name is None or how == "constant":
        return None
    return {name: "linear" if how == "log_linear" else how}


def dispersion(model):
    """Return the fitted constant."""
    return model.parameters_[model._fitted.likelihood.dispersion_parameter]
