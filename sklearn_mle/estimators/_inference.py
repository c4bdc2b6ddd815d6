"""What fitted estimators say of their own estimate, from what the fit left behind."""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.naming import naming
from sklearn_mle.inference import Inference, Summary, infer
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.model import FittedModel, WhatFitKept

__all__ = ["ClassifierInferenceMixin", "InformationCriteriaMixin", "RegressorInferenceMixin"]

Array = NDArray[np.float64]


class InformationCriteriaMixin(ABC):
    """Criteria of the maximized likelihood, for every estimator."""

    log_likelihood_: float
    n_obs_: float

    @abstractmethod
    def _fitted_model(self) -> FittedModel:
        """Return what ``sklearn_mle.inference`` reads of a fitted estimator."""

    def aic(self) -> float:
        r"""Return Akaike's information criterion of the fit: smaller is better.

        .. math:: \mathrm{AIC} = 2 k - 2 \log L

        with k the number of estimated parameters, a constant scale included, and log L the maximum of the likelihood.

        Returns
        -------
        float
            In nats, times two.

        Raises
        ------
        ValueError
            If the fit was penalized or weighted by class: then log L is not a maximum.
        """
        return 2 * self._unpenalized("aic").n_parameters - 2 * self.log_likelihood_

    def bic(self) -> float:
        r"""Return the Bayesian information criterion of the fit: smaller is better.

        .. math:: \mathrm{BIC} = k \log n - 2 \log L

        with n the sum of the weights, k and log L as in ``aic``.

        Returns
        -------
        float
            In nats, times two.

        Raises
        ------
        ValueError
            If the fit was penalized or weighted by class: then log L is not a maximum.
        """
        return self._unpenalized("bic").n_parameters * math.log(self.n_obs_) - 2 * self.log_likelihood_

    def _unpenalized(self, asked: str) -> WhatFitKept:
        model = self._fitted_model()
        assert model.kept is not None
        refuse(asked, model)
        return model.kept


class RegressorInferenceMixin:
    """Standard errors of a regressor, exact for a small Gaussian sample."""

    def parameter_covariance(self, small_sample: bool = True) -> Array:
        """Return the covariance of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters)
            In the order of ``summary``: predictor by predictor, the intercept first. nan for what the data do not
            determine (dependent columns, separation).

        Raises
        ------
        ValueError
            After a penalized fit, or if the fit kept no curvature (more than 2,000 parameters): use
            ``sklearn_mle.inference.infer(estimator, X, y)``.
        """
        return infer(self, small_sample=small_sample).covariance

    def standard_errors(self, small_sample: bool = True) -> Array:
        """Return the standard errors of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.

        Returns
        -------
        ndarray of shape (n_parameters,)
            In the order of ``summary``; nan for what the data do not determine.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.
        """
        return infer(self, small_sample=small_sample).standard_errors

    def summary(
        self,
        confidence_level: float = 0.95,
        small_sample: bool = True,
        *,
        odds_ratios: bool = False,
        rate_ratios: bool = False,
    ) -> Summary:
        """Return the table of the parameters: estimates, standard errors, tests, intervals; and a header.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the Wald intervals, strictly between 0 and 1.
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.
        odds_ratios, rate_ratios : bool, default=False
            Whether to exponentiate estimates and intervals: odds ratios of the binomial likelihood, ratios of means
            where the location is the logarithm of the mean (poisson, negative_binomial, gamma, inverse_gaussian,
            tweedie).

        Returns
        -------
        Summary
            Prints as text and as HTML; ``to_frame()`` is the table as a pandas DataFrame.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.

        See Also
        --------
        sklearn_mle.inference.infer : Robust and clustered standard errors, the null model, penalized fits.
        """
        return infer(self, small_sample=small_sample).summary(confidence_level, odds_ratios, rate_ratios)


class ClassifierInferenceMixin:
    """Standard errors of a classifier, of several classes against a reference where one is named."""

    def parameter_covariance(self, reference: Any = None) -> Array:
        """Return the covariance of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        reference : label, default=None
            Of several classes: report differences from the coefficients of this one. None reports coefficients that
            sum to zero over the classes, as ``coef_`` does.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters)
            In the order of ``summary``: predictor by predictor, the intercept first. nan for what the data do not
            determine (dependent columns, separation).

        Raises
        ------
        ValueError
            After a penalized fit or class weights, or if the fit kept no curvature (more than 2,000 parameters): use
            ``sklearn_mle.inference.infer(estimator, X, y)``.
        """
        return self._inference(reference).covariance

    def standard_errors(self, reference: Any = None) -> Array:
        """Return the standard errors of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        reference : label, default=None
            Of several classes: report differences from the coefficients of this one. None reports coefficients that
            sum to zero over the classes, as ``coef_`` does.

        Returns
        -------
        ndarray of shape (n_parameters,)
            In the order of ``summary``; nan for what the data do not determine.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.
        """
        return self._inference(reference).standard_errors

    def summary(self, confidence_level: float = 0.95, odds_ratios: bool = False, reference: Any = None) -> Summary:
        """Return the table of the parameters: estimates, standard errors, tests, intervals; and a header.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the Wald intervals, strictly between 0 and 1.
        odds_ratios : bool, default=False
            Whether to exponentiate estimates and intervals.
        reference : label, default=None
            Of several classes: report differences from the coefficients of this one. None reports coefficients that
            sum to zero over the classes, as ``coef_`` does.

        Returns
        -------
        Summary
            Prints as text and as HTML; ``to_frame()`` is the table as a pandas DataFrame.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.

        See Also
        --------
        sklearn_mle.inference.infer : Robust and clustered standard errors, the null model, penalized fits.
        """
        with naming("odds_ratios"):
            odds_ratios = bool(odds_ratios)
        return self._inference(reference).summary(confidence_level, odds_ratios)

    def _inference(self, reference: Any) -> Inference:
        result = infer(self)
        return result if reference is None else result.against(reference)
