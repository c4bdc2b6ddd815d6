"""Options of a fit by the short names that the estimators have for them."""

from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms


def terms_of(scale: str | float = "constant", fit_intercept: bool = True) -> tuple[Terms, ...]:
    """Return the terms of a location in all columns and of a dispersion: constant, log-linear or known."""
    location = Terms(True, fit_intercept)
    if isinstance(scale, str):
        return (location, Terms()) if scale == "log_linear" else (location,)
    return location, Terms(False, False, known=float(scale))


def ridge(alpha: float) -> Ridge:
    """Return the prior of the location's coefficients."""
    return Ridge((alpha,))
