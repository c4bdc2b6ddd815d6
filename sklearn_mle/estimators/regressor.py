"""Regression by maximum likelihood, under any likelihood or Gaussian: choosing a loss is choosing a noise model."""

from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone

from sklearn_mle.estimators._modelled_parameters import likelihood_with
from sklearn_mle.estimators._regressor import BaseMLERegressor
from sklearn_mle.estimators._scikit_learn import Interval, StrOptions
from sklearn_mle.likelihoods import Gaussian, Likelihood, get_likelihood


class MLERegressor(BaseMLERegressor):
    r"""Regression by maximum likelihood, whatever the noise: the likelihood is an argument that can be searched.

    .. math:: y_i \sim p(\,\cdot \mid \eta_i, \theta) ,\qquad \eta_i = b + x_i^\top \beta + o_i

    Each parameter of the distribution has a linear predictor: the first, the location, is linear in X (it is the mean,
    the log mean, the log-odds, a quantile, ... as each likelihood says); the others (scale, shape, dispersion,
    precision, degrees of freedom, ...) are one number for all rows, depend on columns through their logarithm, or are
    known, as ``predictors`` says. The objective is the total negative log-likelihood, constants included, plus a
    Gaussian prior:

    .. math:: \sum_i w_i \left[ -\log p(y_i \mid \eta_i, \theta_i) \right] + \frac{\alpha}{2} \lVert \beta \rVert^2

    Where the noise can vanish (all likelihoods with a dispersion parameter but the negative binomial) the prior is
    relative to it: :math:`\frac{\alpha}{2} \lVert \beta \rVert^2 / s^2`, with s the (geometric mean) scale,
    :math:`s^2` the dispersion, :math:`1 / s^2` the shape or precision, :math:`1 / s` Weibull's shape. So the Gaussian's
    ``coef_`` are ``Ridge(alpha)``'s, and a perfect fit, infinitely likely, does not outweigh the prior.

    Parameters
    ----------
    likelihood : str or Likelihood, default="gaussian"
        A name of ``sklearn_mle.likelihoods.likelihood_names()``, or an instance of a likelihood, such as
        ``StudentT(df=3)`` or your own (``UserLikelihood``). Its parameters can be searched, as ``likelihood__df``.
    predictors : None, "linear" or dict, default=None
        What the parameters of the distribution depend on. None: the location on all columns, the others on nothing.
        ``"linear"``: every parameter on all columns (degrees of freedom stay constant); a likelihood without parameters
        beside the location is as by None, so that one grid serves all. A dict maps names of parameters (the
        likelihood's ``parameter_names``; others are as by None) to

        - ``"linear"``: all columns, and an intercept;
        - ``"constant"``: one estimated number, of Student's ``"df"``, too;
        - a number: the known value of the parameter itself (not its logarithm); not for the location;
        - a list of columns: their names (of a DataFrame), their positions, or a mask. A name by itself is no list.

        For example ``{"scale": ["age", "bmi"]}``, ``{"shape": 2.0}``, ``{"mean": [0, 1], "dispersion": "linear"}``.
    alpha : float or dict, default=0.0
        Precision of the prior on ``coef_``. A dict from names of parameters to numbers gives each parameter's
        coefficients a prior of their own: the location's is relative to the noise, as by a number, the others' are
        absolute (of coefficients of logarithms, which have no unit of y). Intercepts have no prior.
    fit_intercept : bool, default=True
        Whether the location has an intercept. The other parameters always have one; where they depend on columns, a
        constant column of X adds nothing: its coefficient there is 0, with a standard error of nan.
    solver : {"auto", "newton", "lbfgs", "newton-cg"}, default="auto"
        How to minimize; ``"auto"`` chooses by the size of the problem. ``"laplace"`` and ``"asymmetric_laplace"`` are
        not smooth: an exact interior-point method fits them, and any other value is refused.
    tol : float, default=1e-8
        Bound on the shortfall of the total penalized log-likelihood from its maximum, in nats. Fits of
        ``"laplace"`` and ``"asymmetric_laplace"`` end at rounding, whatever it is.
    max_iter : int, default=100
        Bound on the number of iterations. Zero returns the point that they would start from.
    warm_start : bool, default=False
        Whether to start from the previous fit's coefficients, where their shape fits. With a constant or known scale
        it has no effect on ``"laplace"`` and ``"asymmetric_laplace"``, nor on a Gaussian that is solved directly.
    verbose : int, default=0
        Above zero, progress is printed.
    on_separation : {"warn", "raise", "ignore"}, default="warn"
        What to do where zeros leave no finite maximum likelihood estimate (poisson, negative_binomial, tweedie,
        binomial): issue a ``SeparationWarning``, raise a ``SeparationError``, or return the same estimate (the mode
        under one tiny prior) without a word.
    weight_type : {"frequency", "precision", "sampling"}, default="frequency"
        What ``sample_weight`` means: copies of a row; precisions, which divide the variance (R's ``weights``); or
        inverse probabilities of being sampled. The coefficients are the same; all that is said of their precision is
        not. See ``sklearn_mle.inference.infer``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the location's linear predictor.
    intercept_ : float
        Its intercept; 0.0 where ``fit_intercept=False``.
    scale_, shape_, dispersion_, precision_, df_ : float
        The parameters beside the location under their own names, as the likelihood has them: the maximum likelihood
        estimate, or the known value, where it is one number for all rows. ``df_`` is at least one; inf where the
        Gaussian is the best of all.
    scale_coef_, shape_coef_, ... : ndarray of shape (n_features,)
        Coefficients of the logarithm of a parameter that depends on columns; 0 for columns that do not enter.
    scale_intercept_, shape_intercept_, ... : float
        Intercept of its logarithm.
    parameters_ : dict
        All estimates by the names of the parameters, whatever the likelihood: a number, or a tuple (coef, intercept)
        where a parameter depends on columns.
    n_iter_ : int
        Number of iterations.
    n_passes_ : int
        Number of passes over the data.
    gap_ : float
        Certified shortfall of the total penalized log-likelihood from its maximum (a local one, where the likelihood
        has several), in nats.
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

    See Also
    --------
    GaussianMLERegressor : The same with Gaussian noise.
    sklearn_mle.likelihoods : The models, what each assumes, and how to write one.

    References
    ----------
    J. A. Nelder and R. W. M. Wedderburn (1972), Generalized linear models, JRSS A 135; for predictors of the second
    parameter R. A. Rigby and D. M. Stasinopoulos (2005), Generalized additive models for location, scale and shape,
    Applied Statistics 54. Each likelihood names its own source.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLERegressor
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> y = np.array([0.0, 1.0, 1.0, 3.0, 8.0, 12.0])
    >>> model = MLERegressor("poisson").fit(X, y)
    >>> model.coef_.round(4), round(model.intercept_, 4), round(model.log_likelihood_, 4)
    (array([0.7406]), -1.1203, -8.3648)
    >>> model.predict([[6.0]]).round(2)
    array([27.76])

    The logarithm of a gamma's shape depends on the first column of two:

    >>> Z = np.column_stack([X, np.cos(X)])
    >>> amounts = np.array([0.5, 1.2, 2.9, 2.5, 6.5, 4.0])
    >>> model = MLERegressor("gamma", predictors={"shape": [0]}).fit(Z, amounts)
    >>> model.shape_coef_.round(3), model.predict_parameters(Z[:1])["shape"].round(1)
    (array([-0.277,  0.   ]), array([29.6]))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLERegressor._parameter_constraints,
        # The errors of get_likelihood and likelihood_with say more.
        "likelihood": "no_validation",  # type: ignore[dict-item]
        "predictors": "no_validation",  # type: ignore[dict-item]
        "alpha": [*BaseMLERegressor._parameter_constraints["alpha"], dict],
        "on_separation": [StrOptions({"warn", "raise", "ignore"})],
    }

    def __init__(
        self,
        likelihood: str | Likelihood = "gaussian",
        *,
        predictors: str | Mapping[str, Any] | None = None,
        alpha: float | Mapping[str, float] = 0.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        tol: float = 1e-8,
        max_iter: int = 100,
        warm_start: bool = False,
        verbose: int = 0,
        on_separation: str = "warn",
        weight_type: str = "frequency",
    ) -> None:
        self.likelihood = likelihood
        self.predictors = predictors
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.on_separation = on_separation
        self.weight_type = weight_type

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of a likelihood that is an instance as ``likelihood__<name>``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object
            This estimator.

        Raises
        ------
        ValueError
            If a parameter is not known, or is of a likelihood that is only named: a name has no parameters.
        """
        likelihood = params.get("likelihood", self.likelihood)
        nested = [name for name in params if name.startswith("likelihood__")]
        if nested and isinstance(likelihood, str):
            instance = f"{type(get_likelihood(likelihood)).__name__}()"
            raise ValueError(
                f"{nested[0]} cannot be set, because likelihood={likelihood!r} is a name, which stands for the "
                f"default parameters. Give an instance, likelihood={instance}, whose parameters can be set and "
                "searched."
            )
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        with suppress(TypeError, ValueError):  # fit says what is wrong with the likelihood
            tags.target_tags.positive_only = get_likelihood(self.likelihood).support[0] >= 0
        return tags

    def _chosen(self) -> tuple[Likelihood, Any]:
        # A copy: parameters that are set after fit must not change the fitted model.
        return likelihood_with(clone(get_likelihood(self.likelihood)), self.predictors), self.predictors


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
                "Write a known scale of 1 as 1.0, and a scale to be estimated as 'constant'."
            )
        return Gaussian(), {"scale": "linear" if self.scale == "log_linear" else self.scale}
