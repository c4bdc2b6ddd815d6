"""Average predictions, average effects and contrasts, on the columns of X before any transformer."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklearn_mle._numerics.arguments import check_choice
from sklearn_mle.inference.averages import Prediction
from sklearn_mle.inference.effects_result import Effects
from sklearn_mle.inference.estimating import COMPARISONS, AskedAverages, compare_by
from sklearn_mle.inference.quantities import Logarithm
from sklearn_mle.inference.result import Inference
from sklearn_mle.inference.tables import Table


def average_predictions(
    inference: Inference,
    X: Any,
    *,
    of: Any = None,
    at: Any = None,
    by: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    population: Any = None,
) -> Effects:
    r"""Return averages over rows of what a model predicts, with their joint covariance.

    .. math:: \bar f = \sum_i w_i f(\eta_i) / \sum_i w_i , \qquad
        \operatorname{var} \bar f = \nabla \bar f^\top V \, \nabla \bar f

    Parameters
    ----------
    inference : Inference
        What ``infer(estimator, X, y, covariance=...)`` returned: its covariance V is used, whatever its kind.
    X : array-like or frame of shape (n_samples, n_features)
        The rows to average over, as the estimator (a pipeline, say) takes them: those of the fit, a grid, or a
        counterfactual frame.
    of : str or object, default=None
        The quantity. None is ``"mean"`` of y, or ``"probability"`` (of the second of two classes, of each of several).
        ``"predictor"`` is the location's linear predictor. A parameter of the distribution has its name (``"scale"``,
        ``"shape"``, ...); ``Quantile(level)``, ``Above(threshold)`` and ``Probability(label)`` are others.
    at : "means" or mapping, default=None
        A mapping sets columns to values in all rows before the average, for each combination of the values. ``"means"``
        replaces the rows by one, numbers at their means and others at the commonest value.
    by : str, int, sequence of these or ndarray, default=None
        Columns of X, or an array of labels: averages in each group of rows.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the average; rows of weight 0 are absent.
    offset : array-like, default=None
        As in the fit.
    population : {None, "rows"} or array-like of shape (n_samples,), default=None
        None: the rows are given. ``"rows"``: they are a random sample of a population, whose average is meant, and
        their variance is added; labels: so are clusters of rows.

    Returns
    -------
    Effects
        Estimates (probabilities, or in the unit of the quantity), standard errors, intervals, ``to_frame()``.

    Raises
    ------
    ValueError
        If an argument is not valid.
    NotSupportedError
        If the model has no such quantity, or it has no derivative.
    TypeError
        If ``inference`` is not what ``infer`` returned.

    References
    ----------
    Lane and Nelder (1982), Analysis of covariance and standardization as instances of prediction, Biometrics 38.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import average_predictions, infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "sex"]]
    >>> inference = infer(MLELogisticClassifier().fit(X, y > 140), X, y > 140)
    >>> average_predictions(inference, X, at={"bmi": [22, 30]}).to_frame().round(3)
       bmi  estimate  standard error  lower  upper
    0   22     0.246           0.030  0.187  0.304
    1   30     0.735           0.032  0.673  0.798
    """
    asked = AskedAverages.of(inference, X, of, at, by, sample_weight, offset, population)
    asked.add(Prediction(), {})
    return asked.effects("Average predictions", null=None)


def average_effects(
    inference: Inference,
    X: Any,
    columns: Any = None,
    *,
    of: Any = None,
    slope: str = "dydx",
    at: Any = None,
    by: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    population: Any = None,
) -> Effects:
    r"""Return average marginal effects of columns of X, with their joint covariance.

    Of a column of numbers it is the mean slope, of any other column the difference of the averages with all rows set to
    one level and to another:

    .. math:: \frac{\sum_i w_i \, \partial f(x_i) / \partial x_{ij}}{\sum_i w_i} , \qquad
        \frac{\sum_i w_i \, [f(x_i; x_{ij} = a) - f(x_i; x_{ij} = b)]}{\sum_i w_i}

    The columns are those of X before a pipeline's transformers, so that one-hot, spline and interaction columns made
    of one column move together. Derivatives are exact where the transformers are linear in the column, and otherwise
    differences by a five-point rule, right to about ten digits; their gradient in the coefficients is analytic.

    Parameters
    ----------
    inference : Inference
        What ``infer(estimator, X, y, covariance=...)`` returned: its covariance is used, whatever its kind.
    X : array-like or frame of shape (n_samples, n_features)
        The rows to average over, as the estimator (a pipeline, say) takes them.
    columns : str, int, sequence of these or mapping, default=None
        None is all that the model depends on. A mapping says how values are compared, as in ``contrasts``; None there
        is a slope, or ``"reference"`` for columns that do not hold numbers.
    of : str or object, default=None
        The quantity, as in ``average_predictions``.
    slope : {"dydx", "eyex", "eydx", "dyex"}, default="dydx"
        The slope of f in x, of log f in log x (an elasticity), of log f in x, or of f in log x. Levels are compared by
        differences of f, or of log f.
    at : "means" or mapping, default=None
        Where the other columns are set, as in ``average_predictions``.
    by : str, int, sequence of these or ndarray, default=None
        Groups of rows, as in ``average_predictions``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the average; rows of weight 0 are absent.
    offset : array-like, default=None
        As in the fit.
    population : {None, "rows"} or array-like of shape (n_samples,), default=None
        Of what the rows are a sample, as in ``average_predictions``.

    Returns
    -------
    Effects
        Estimates (probabilities, or in the unit of the quantity), standard errors, intervals, p-values, ``to_frame()``.

    Raises
    ------
    ValueError
        If an argument is not valid, or a column of numbers enters the model in steps, which have no slope.
    NotSupportedError
        If the model has no such quantity, or it has no derivative.
    TypeError
        If ``inference`` is not what ``infer`` returned.

    References
    ----------
    Bartus (2005), Estimation of marginal effects using margeff, Stata Journal 5. Gelman and Pardoe (2007), Average
    predictive comparisons for models with nonlinearity, interactions, and variance components, Sociological
    Methodology 37.

    Examples
    --------
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, SplineTransformer
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import average_effects, infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "sex"]].assign(sex=X["sex"].map({1.0: "a", 2.0: "b"}))
    >>> transformers = make_column_transformer(
    ...     (SplineTransformer(3, include_bias=False), ["bmi"]),
    ...     (OneHotEncoder(drop="first"), ["sex"]),
    ... )
    >>> pipeline = make_pipeline(transformers, MLELogisticClassifier()).fit(X, y > 140)
    >>> average_effects(infer(pipeline, X, y > 140), X).to_frame().iloc[:, :5].round(3)
      column contrast  estimate  standard error       z
    0    bmi     d/dx     0.054           0.005  11.614
    1    sex    b - a    -0.042           0.042  -0.989
    """
    labels = {"dydx": "d/dx", "eyex": "elasticity", "eydx": "d log/dx", "dyex": "d/d log x"}
    check_choice("slope", slope, list(labels))
    asked = AskedAverages.of(inference, X, of, at, by, sample_weight, offset, population)
    for name, how in _columns(asked.rows.given, columns):
        if how is None and asked.rows.given.is_numeric(name):
            task, matters = asked.slope_in(name, relative=slope in ("eyex", "dyex"))
            if matters or columns is not None:
                asked.add(task, {"column": name, "contrast": labels[slope]})
        elif columns is not None or not asked.is_unused(name):
            asked.add_contrasts(name, how or "reference", COMPARISONS["difference"])
    if not asked.tasks:
        raise ValueError("columns: the model depends on no column that could be changed; name columns of X.")
    if slope in ("eyex", "eydx"):
        asked.function = Logarithm(asked.function)
    return asked.effects("Average effects", skip_unaffected=columns is None)


def contrasts(
    inference: Inference,
    X: Any,
    columns: Any,
    *,
    compare: Any = "difference",
    of: Any = None,
    at: Any = None,
    by: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    population: Any = None,
) -> Effects:
    r"""Compare the average predictions with a column of X at one value and at another.

    With :math:`\bar f_a` the average with the column set to a in all rows: differences :math:`\bar f_a - \bar f_b`,
    ratios :math:`\bar f_a / \bar f_b`, odds ratios, or any function of the two. Ratios are of averages, not averages
    of ratios.

    Parameters
    ----------
    inference : Inference
        What ``infer(estimator, X, y, covariance=...)`` returned: its covariance is used, whatever its kind.
    X : array-like or frame of shape (n_samples, n_features)
        The rows to average over, as the estimator (a pipeline, say) takes them.
    columns : str, int, sequence of these or mapping
        Names of columns, or a mapping from these to what is compared: ``"reference"`` (each level against the first;
        the default of columns that do not hold numbers), ``"pairwise"``, ``"sequential"``; a number d, for x + d
        against x (the default of numbers is 1); or a sequence of values, each against the first. A value may be a
        function, from the column to its new values.
    compare : str or callable, default="difference"
        ``"difference"``, ``"ratio"``, ``"odds_ratio"``, ``"log_ratio"``, ``"log_odds_ratio"``, or a function of two
        arrays of averages. Intervals of ratios and odds ratios are those of their logarithms, exponentiated.
    of : str or object, default=None
        The quantity, as in ``average_predictions``.
    at : "means" or mapping, default=None
        Where the other columns are set, as in ``average_predictions``.
    by : str, int, sequence of these or ndarray, default=None
        Groups of rows, as in ``average_predictions``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the average; rows of weight 0 are absent.
    offset : array-like, default=None
        As in the fit.
    population : {None, "rows"} or array-like of shape (n_samples,), default=None
        Of what the rows are a sample, as in ``average_predictions``.

    Returns
    -------
    Effects
        Estimates (probabilities, or in the unit of the quantity), standard errors, intervals, p-values, ``to_frame()``.

    Raises
    ------
    ValueError
        If an argument is not valid.
    NotSupportedError
        If the model has no such quantity, or it has no derivative.
    TypeError
        If ``inference`` is not what ``infer`` returned.

    References
    ----------
    Lane and Nelder (1982), Analysis of covariance and standardization as instances of prediction, Biometrics 38.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import contrasts, infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "bp"]]
    >>> inference = infer(MLELogisticClassifier().fit(X, y > 140), X, y > 140)
    >>> ratios = contrasts(inference, X, {"bmi": [25, 30], "bp": 10}, compare="ratio")
    >>> frame = ratios.to_frame()
    >>> frame[["column", "contrast", "estimate", "lower", "upper"]].round(3)
      column  contrast  estimate  lower  upper
    0    bmi   30 / 25     1.587  1.404  1.793
    1     bp  x+10 / x     1.153  1.094  1.215
    """
    comparison = compare_by(compare)
    asked = AskedAverages.of(inference, X, of, at, by, sample_weight, offset, population)
    for name, how in _columns(asked.rows.given, columns):
        chosen = how if how is not None else 1 if asked.rows.given.is_numeric(name) else "reference"
        asked.add_contrasts(name, chosen, comparison)
    if not asked.tasks:
        raise ValueError("columns: name at least one column.")
    return asked.effects("Contrasts", comparison.null, comparison.exponentiated)


def _columns(table: Table, columns: Any) -> list[tuple[Any, Any]]:
    """Return the columns that are meant, and how each is compared."""
    if columns is None:
        return [(name, None) for name in table.names]
    if isinstance(columns, Mapping):
        return [(table.place(name), how) for name, how in columns.items()]
    names = [columns] if isinstance(columns, str) or np.ndim(columns) == 0 else list(columns)
    return [(table.place(name), None) for name in names]
