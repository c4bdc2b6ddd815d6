"""The options of a fit, and its result."""

from dataclasses import dataclass

from sklearn_mle._curvature import Curvature
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._penalties import NO_PRIOR, Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle._solvers import Status


@dataclass(frozen=True)
class FitOptions:
    """Options of a fit.

    Attributes
    ----------
    prior : Ridge
        Of the coefficients, against the total NLL.
    terms : tuple of Terms
        One per linear predictor of the likelihood (of a classifier one for all classes); the predictors after the last
        one given are constants.
    solver : {"auto", "newton", "lbfgs", "newton-cg"}
    tol : float
        Bound on the shortfall of the total penalized log-likelihood from its maximum, in nats.
    max_iter : int
        At most so many iterations in all stages together; zero returns the start.
    verbose : int
    separated : bool
        Whether the fit whose coefficients are the start had no finite maximum. Then separation is looked for first, so
        that no iteration is spent on a likelihood without a maximum.
    """

    prior: Ridge = NO_PRIOR
    terms: tuple[Terms, ...] = (Terms(),)
    solver: str = "auto"
    tol: float = 1e-8
    max_iter: int = 100
    verbose: int = 0
    separated: bool = False

    @property
    def fit_intercept(self) -> bool:
        """Whether the location has an intercept."""
        return self.terms[0].intercept

    def terms_of(self, n_predictors: int) -> tuple[Terms, ...]:
        """Return one for each linear predictor."""
        return (*self.terms, *[Terms.constant()] * (n_predictors - len(self.terms)))


@dataclass(frozen=True)
class FitResult:
    """The estimate and what is known about it.

    Attributes
    ----------
    coefficients : ndarray of shape (q, p + 1)
        One row per linear predictor of the likelihood, the intercept last, in the units of X and y.
    dispersion : float or None
        The constant dispersion parameter, estimated or known; None where there is none.
    log_likelihood : float
        Total, unpenalized, in nats.
    n_obs : float
        Sum of the weights.
    n_iter, n_passes : int
        Iterations of the solver; passes over the data of all steps together.
    gap : float
        Shortfall of the total penalized log-likelihood from its maximum, in nats.
    status : Status
    warnings : tuple of Warning
        For the caller to issue, after it has published the estimate.
    n_parameters : int
        How many were estimated: a constant scale counts, dependent columns do not.
    curvature : Curvature or None
        Of the NLL at the estimate, for inference; None under a prior, for more than ``MOST_KEPT`` parameters, and
        where it was never formed or is not positive.
    exists : bool
        False where no finite maximum exists, or that could not be excluded, so that a tiny prior took its place.
    """

    coefficients: Array
    dispersion: float | None
    log_likelihood: float
    n_obs: float
    n_iter: int
    n_passes: int
    gap: float
    status: Status
    warnings: tuple[Warning, ...]
    n_parameters: int
    curvature: Curvature | None = None
    exists: bool = True
