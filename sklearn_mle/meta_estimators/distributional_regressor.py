"""A likelihood around any regressor: its prediction is the location, and its errors on new rows are the noise."""

from contextlib import suppress
from numbers import Integral
from typing import Any, ClassVar, Self

from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_mle._numerics.arguments import as_bool, refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators._scikit_learn import CallbackSupportMixin, StrOptions, fit_context
from sklearn_mle.estimators._state import publish
from sklearn_mle.estimators._validation import check_sample_weight
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.likelihoods import Likelihood, get_likelihood
from sklearn_mle.meta_estimators._answers import NoiseAnswers, read_target
from sklearn_mle.meta_estimators._base import will_have_methods
from sklearn_mle.meta_estimators._cross_fit import BaseFits, folds_of, is_frozen, route
from sklearn_mle.meta_estimators._noise import read_likelihood
from sklearn_mle.meta_estimators._out_of_fold import OutOfFold, real_prediction


class DistributionalRegressor(CallbackSupportMixin, RegressorMixin, NoiseAnswers):
    r"""A predictive distribution, intervals and quantiles for any regressor, from its errors on rows it did not see.

    .. math:: y_i \sim p\bigl(\,\cdot \mid \hat f(x_i),\, s_i\bigr) ,\qquad
        \log s_i = a + b \log \hat s(x_i, \hat f(x_i))

    The location is the estimator's prediction, through the link of the likelihood, and ``predict`` returns it
    untouched. All else is learnt from out-of-fold predictions, each by a model that did not see its row: residuals of
    rows that a model was fitted to are too small. :math:`\hat s` models the absolute out-of-fold residual given X and
    the prediction, and is cross-fitted itself; a and b, and the likelihood's other parameters, are maximum likelihood
    estimates. Then the estimator is refitted to all rows.

    Parameters
    ----------
    estimator : estimator
        Any regressor, also a pipeline or a search; it is cloned. A fitted one as ``FrozenEstimator(estimator)`` is used
        as it is, and all rows passed to ``fit`` must then be new to it.
    likelihood : str or Likelihood, default="student_t"
        The noise: a name of ``sklearn_mle.likelihoods.likelihood_names()`` or an instance. Degrees of freedom of a
        likelihood that is named are estimated. Of counts, positive numbers and rates the dispersion, shape or precision
        takes the place of the scale. ``"auto"`` chooses, for real numbers, between Gaussian, Student's t, skew t and
        mixtures of Gaussians, each with a constant and with the modelled scale, by cross-validated likelihood: the best
        one. Whole numbers are judged by their probabilities there, as ``compare``
        does. If the location of a likelihood is not its mean (or if it has none), a shift is fitted beside the
        prediction, proportional to the scale.
    scale : {"auto", "constant"} or regressor, default="auto"
        What the scale depends on. ``"auto"`` boosts trees (``HistGradientBoostingRegressor(loss="poisson")``) on the
        absolute residuals, given X and the prediction; a regressor is fitted to the same, its predictions are those of
        a positive number, and the prediction is the last column of its X. ``"constant"`` is one scale for all rows.
        Where trees find no split, or b has the wrong sign, the scale is constant, too.
    cv : "auto", int, splitter or iterable, default="auto"
        The folds. ``"auto"`` is ten below 2,000 rows and five from there on, of shuffled rows (in a fixed order), or
        of whole groups. Rows that no fold tests are left out with an ``OutOfFoldWarning``.
    ensemble : bool, default=False
        Whether to predict by the average of the fold models, instead of one model fitted to all rows.
    recalibrate : bool, default=False
        Whether to map the predicted probabilities monotonically, so that out-of-fold outcomes have uniform probability
        integral transforms; not for counts. ``predict`` does not change.
    n_jobs : int, default=None
        Number of parallel fits; the result does not depend on it.

    Attributes
    ----------
    estimator_ : estimator
        The estimator, fitted to all rows; not with ``ensemble=True``.
    estimators_ : list of estimators
        The fold models; only with ``ensemble=True``.
    noise_ : MLERegressor
        The fitted likelihood; its offset is the location.
    likelihood_ : Likelihood
        The likelihood that was fitted.
    out_of_fold_prediction_ : ndarray of shape (n_samples,)
        What the noise was learnt from; nan for rows that no fold tests.
    comparison_ : Comparison or None
        The candidates of ``likelihood="auto"``, with paired standard errors; None otherwise.
    n_features_in_ : int
        Number of features, where X is a table.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has some.

    See Also
    --------
    MLERegressor : A likelihood whose location is linear in X.
    sklearn_mle.model_selection.compare : Whether one of two models is better, and by how much.

    Notes
    -----
    The scale is at least a tenth of the unit to which y is rounded: the largest number of which all differences in y
    are multiples (none is found in numbers that are not rounded). A model that predicts rounded outcomes exactly would
    otherwise be infinitely certain.

    Intervals hold for rows like those of the fit. Out-of-fold models see fewer rows than the final one, so that
    intervals are rather too wide than too narrow; they do not say what the estimator does not know far from its data.

    References
    ----------
    G. Barber, E. Candès, A. Ramdas and R. Tibshirani (2021), Predictive inference with the jackknife+, Annals of
    Statistics 49, for why residuals must be of models that did not see the row; R. A. Rigby and D. M. Stasinopoulos
    (2005), Generalized additive models for location, scale and shape, Applied Statistics 54.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from sklearn_mle import DistributionalRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> base = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    >>> model = DistributionalRegressor(base, cv=3).fit(X[:400], y[:400])
    >>> interval = model.predict_interval(X[400:], coverage=0.9)  # mg/dl, in the unit of y
    >>> inside = (interval[:, 0] <= y[400:]) & (y[400:] <= interval[:, 1])
    >>> interval.shape, bool(inside.mean() > 0.75)
    ((42, 2), True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        # Validated where they are read.
        "estimator": "no_validation",  # type: ignore[dict-item]
        "likelihood": "no_validation",  # type: ignore[dict-item]
        "scale": "no_validation",  # type: ignore[dict-item]
        "cv": ["cv_object", StrOptions({"auto"})],
        "ensemble": ["boolean"],
        "recalibrate": ["boolean"],
        "n_jobs": [Integral, None],
    }

    _why_not_inferred = (
        "Its location is what estimator_ predicts: infer(model, X, y) is of that, with every covariance, where infer "
        "supports the estimator (a linear model, also in a pipeline), and other calls take model.estimator_. The "
        "standard errors of others, and of ensemble=True, come from refits to resampled rows. summary() is of the "
        "noise."
    )

    def __init__(
        self,
        estimator: Any,
        likelihood: str | Likelihood = "student_t",
        *,
        scale: Any = "auto",
        cv: Any = "auto",
        ensemble: bool = False,
        recalibrate: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.likelihood = likelihood
        self.scale = scale
        self.cv = cv
        self.ensemble = ensemble
        self.recalibrate = recalibrate
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(TypeError, ValueError):  # fit says what is wrong with it
            tags.target_tags.positive_only = not self._is_auto and get_likelihood(self.likelihood).positive_only
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the estimator and the distribution of its errors.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Whatever the estimator takes.
        y : array-like of shape (n_samples,)
            Target values, in the likelihood's domain.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0: a weight of k counts as k copies of the row in the likelihood, and goes to the estimator, or
            to the last step of a pipeline, if its fit takes weights. (With metadata routing, if they are requested.)
        **fit_params : dict
            ``groups`` for the splitter, and arguments of the estimator's fit. (With metadata routing, as requested.)

        Returns
        -------
        self : object
            The fitted estimator; a fit that fails leaves it as it was.

        Raises
        ------
        ValueError
            If the input is not valid, ``cv`` has one fold, or predictions are outside the likelihood's domain: the rows
            are named.
        TypeError
            If ``estimator`` has no ``fit`` and ``predict``.
        """
        _check_estimator("estimator", self.estimator)
        if not (isinstance(self.scale, str) and self.scale in ("auto", "constant")):
            _check_estimator("scale", self.scale, "'auto', 'constant', or ")
        refuse_masked(X=X, y=y, sample_weight=sample_weight)
        likelihood = None if self._is_auto else read_likelihood(self.likelihood)
        if self.recalibrate and likelihood is not None and likelihood.discrete:
            raise NotSupportedError(f"recalibrate=True is for continuous y; {likelihood!r} is for counts.")
        X = self._rows_of(X)
        y = read_target(likelihood, y)
        state = self._features(X)
        check_consistent_length(X, y)
        weight = check_sample_weight(sample_weight, len(y))
        params, groups = route(self, self.estimator, weight, fit_params)
        folds = folds_of(self.cv, X, y, groups)
        fits = BaseFits(self, X, y, folds, params, real_prediction)
        out_of_fold = OutOfFold(X, y, fits.prediction, weight, groups, folds)
        learnt = out_of_fold.learn(likelihood, self.scale, recalibrate=self.recalibrate, n_jobs=self.n_jobs)
        if self.ensemble and not is_frozen(self.estimator):
            state["estimators_"] = fits.models
        else:
            state["estimator_"] = fits.models[0]
        state |= {
            "_learnt": learnt,
            "noise_": learnt.noise.regressor,
            "likelihood_": learnt.noise.likelihood,
            "comparison_": learnt.comparison,
            "out_of_fold_prediction_": fits.prediction,
        }
        publish(self, state)
        fits.finish()
        return self

    @property
    def _is_auto(self) -> bool:
        return isinstance(self.likelihood, str) and self.likelihood == "auto"

    def _location(self) -> Any:
        """Return the estimator whose coefficients are those of the location, for inference."""
        check_is_fitted(self)
        return self._fitted_model() if self.ensemble else self.estimator_

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Return the estimator's prediction and, if ``return_std``, the standard deviation of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.
        return_std : bool, default=False
            Whether to return the standard deviation too.

        Returns
        -------
        prediction : ndarray of shape (n_samples,)
            What ``estimator_`` predicts; the mean of the fold models' with ``ensemble=True``.
        std : ndarray of shape (n_samples,)
            Standard deviation of the predictive distribution; only if ``return_std``.

        Raises
        ------
        NotSupportedError
            If the standard deviation is asked for after ``recalibrate=True``.
        """
        return_std = as_bool("return_std", return_std)
        prediction = self._base_prediction(X)
        if not return_std:
            return prediction
        if self._learnt.pit_map is not None:
            raise NotSupportedError(
                "return_std: a recalibrated distribution has probabilities, but no moments; use predict_interval."
            )
        return prediction, self.noise_.predict(**self._arguments(X), return_std=True)[1]


def _check_estimator(argument: str, estimator: Any, also: str = "") -> None:
    has_methods = hasattr(estimator, "fit") and (hasattr(estimator, "predict") or will_have_methods(estimator))
    if isinstance(estimator, type) or not has_methods:
        raise TypeError(
            f"{argument} must be {also}an estimator with fit and predict (an instance, not a class); got {estimator!r}."
        )
