"""The ways out of a fitted estimator, and back in: scikit-learn's own models, and JSON."""

from typing import Any, Self

from sklearn_mle.estimators import _json
from sklearn_mle.estimators._to_scikit_learn import as_scikit_learn


class ExchangeMixin:
    """Methods of every estimator, by which other software reads its fit."""

    def to_sklearn(self) -> Any:
        """Return a fitted estimator of scikit-learn's that makes the same predictions, from the same coefficients.

        It is a ``LogisticRegression``, ``LinearRegression``, ``PoissonRegressor``, ``GammaRegressor``,
        ``TweedieRegressor``, ``HuberRegressor`` or ``QuantileRegressor``: for tools that know those, such as
        converters to ONNX. It predicts classes and probabilities, or means (of laplace the median); a scale, dispersion
        or shape has no place in it. Its penalty is the default one, and was not used.

        Returns
        -------
        estimator
            Fitted.

        Raises
        ------
        NotSupportedError
            If scikit-learn has no such model, or the fit had an offset.
        """
        return as_scikit_learn(self._fitted_model(), getattr(self, "feature_names_in_", None))  # type: ignore[attr-defined]

    def to_json(self) -> str:
        """Return the fitted estimator as JSON, which ``from_json`` reads in this and later versions, without a pickle.

        The schema is ``{"format": "sklearn-mle estimator", "version": 1, ...}``: the class and its parameters, the
        likelihood, which linear predictors have columns and intercepts, the coefficients in the units of X, facts of
        the fit, and the curvature that its standard errors come from. Numbers are read back to the last bit.

        Returns
        -------
        str
            Strict JSON; numbers that are not finite are written as texts ("nan", "inf", "-inf").

        Raises
        ------
        NotSupportedError
            If the likelihood is one's own, whose formulas are code, or a parameter is of a type that has no place in
            JSON.
        """
        return _json.written(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the fitted estimator that ``to_json`` wrote: same predictions, same inference.

        Nothing in the text is executed: it is data, and names are looked up among this library's own.

        Parameters
        ----------
        text : str
            As ``to_json`` returned it.

        Returns
        -------
        estimator
            Fitted.

        Raises
        ------
        ValueError
            If it is no such text, of another class, or of a later version of the schema than this one.
        """
        return _json.read(cls, text)
