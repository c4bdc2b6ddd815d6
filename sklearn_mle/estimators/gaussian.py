"""Gaussian regression by maximum likelihood, with a constant, a log-linear or a known scale."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np

from sklearn_mle.estimators._regressor import BaseMLERegressor
from sklearn_mle.estimators._scikit_learn import Interval, StrOptions
from sklearn_mle.likelihoods import Gaussian

__all__ = ["GaussianMLERegressor"]


class GaussianMLERegressor(BaseMLERegressor):
    r"""Regression with Gaussian noise by maximum likelihood: mean and scale together.

    .. math:: y_i \sim \mathcal N(b + x_i^\top \beta + o_i,\; s_i^2)

    The scale s is one number for all rows (``"constant"``), :math:`s_i = \exp(c + x_i^\top \gamma)` (``"log_linear"``,
    heteroscedastic), or known. The objective is the total negative log-likelihood, constants included, plus a Gaussian
    prior on :math:`\beta` that is relative to the noise:

    .. math:: \sum_i w_i \left[ \tfrac12 \log 2\pi + \log s_i + \frac{(y_i - \mu_i)^2}{2 s_i^2} \right]
        + \frac{\alpha}{2} \frac{\lVert \beta \rVert^2}{s^2}

    with s in the prior the geometric mean of the fitted scales. So ``coef_`` equals ``Ridge(alpha)``'s for every
    constant scale, known or estimated.

    Parameters
    ----------
    alpha : float, default=0.0
        Precision of the prior on ``coef_``, relative to the noise. Intercepts and scales have no prior.
    scale : {"constant", "log_linear"} or float, default="constant"
        One estimated scale; log scale linear in X; or the known scale, a positive number.
    fit_intercept : bool, default=True
        Whether the location has an intercept. The scale always has one; where it is log-linear, a constant column of X
        adds nothing to it: its coefficient there is 0, with a standard error of nan.
    solver : {"auto", "newton", "lbfgs", "newton-cg"}, default="auto"
        How to minimize; ``"auto"`` chooses by the size of the problem.
    tol : float, default=1e-8
        Bound on the shortfall of the total penalized log-likelihood from its maximum, in nats.
    max_iter : int, default=100
        Bound on the number of iterations. Zero returns the point that they would start from.
    warm_start : bool, default=False
        Whether to start from the previous fit's coefficients, where their shape fits.
    verbose : int, default=0
        Above zero, progress is printed.
    weight_type : {"frequency", "precision", "sampling"}, default="frequency"
        What ``sample_weight`` means: copies of a row; precisions, which divide the variance (R's ``weights``); or
        inverse probabilities of being sampled. The coefficients are the same; all that is said of their precision is
        not. See ``sklearn_mle.inference.infer``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the location.
    intercept_ : float
        Intercept of the location; 0.0 where ``fit_intercept=False``.
    scale_ : float
        The scale: its maximum likelihood estimate (divisor n, not n - p), or the known one. Only where it is constant.
    scale_coef_ : ndarray of shape (n_features,)
        Coefficients of the log scale; only for ``scale="log_linear"``.
    scale_intercept_ : float
        Intercept of the log scale; only for ``scale="log_linear"``.
    n_iter_ : int
        Number of iterations.
    n_passes_ : int
        Number of passes over the data.
    gap_ : float
        Certified shortfall of the total penalized log-likelihood from its maximum, in nats. Where X is read once (many
        rows, a constant or known scale), a bound of what rounding may have done.
    status_ : Status
        How the fit ended.
    log_likelihood_ : float
        Total log-likelihood of the training data without the prior, in nats; inf at a perfect fit.
    n_obs_ : float
        Number of observations: the sum of the weights; the number of rows where weights are no copies.
    df_model_, df_resid_ : float
        Number of coefficients without the intercepts, dependent columns not counted; observations less coefficients
        and intercepts. A constant scale is no degree of freedom.
    condition_number_ : float
        Condition number (estimated) of the standardized design in the metric of the curvature, its columns of unit
        length; nan where no curvature was kept.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features; only where X has names that are strings.

    See Also
    --------
    sklearn.linear_model.Ridge : The same coefficients for a constant scale.

    Notes
    -----
    Where the location fits every row exactly, fit warns with ``PerfectFitWarning`` and ``scale_`` is 0: intervals have
    zero width, and there is no density.

    References
    ----------
    Harvey (1976), Estimating regression models with multiplicative heteroscedasticity, Econometrica 44.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import GaussianMLERegressor
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> y = np.array([1.0, 2.0, 5.0, 6.0])
    >>> model = GaussianMLERegressor().fit(X, y)
    >>> model.coef_.round(6), round(model.scale_, 6)
    (array([1.8]), 0.447214)
    >>> model.predict_interval([[1.5]], coverage=0.9).round(3)
    array([[2.764, 4.236]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLERegressor._parameter_constraints,
        "scale": [StrOptions({"constant", "log_linear"}), Interval(Real, 0, np.inf, closed="neither")],
    }

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        scale: str | float = "constant",
        fit_intercept: bool = True,
        solver: str = "auto",
        tol: float = 1e-8,
        max_iter: int = 100,
        warm_start: bool = False,
        verbose: int = 0,
        weight_type: str = "frequency",
    ) -> None:
        self.alpha = alpha
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.weight_type = weight_type

    def _chosen(self) -> tuple[Gaussian, dict[str, Any]]:
        if isinstance(self.scale, bool | np.bool_):
            raise ValueError(
                f"scale must be 'constant', 'log_linear' or a positive number, the known scale; got {self.scale!r}. "
                "A scale of 1 is written 1.0; one that is to be estimated, 'constant'."
            )
        return Gaussian(), {"scale": "linear" if self.scale == "log_linear" else self.scale}
