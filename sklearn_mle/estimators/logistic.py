"""Logistic regression by maximum likelihood: Bernoulli for two classes, categorical for more."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from sklearn_mle._fit import FitResult, RawRows
from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._penalties import Jeffreys, Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.estimators._classifier import PredictiveClassifier
from sklearn_mle.estimators._labels import (
    ClassReader,
    class_weights,
    classes_of_columns,
    is_soft,
    mass_of_classes,
    read_classes,
    weighted_target,
)
from sklearn_mle.estimators._scikit_learn import Interval, StrOptions, fit_context
from sklearn_mle.estimators._training_data import PartitionedRows, TrainingData, features_of
from sklearn_mle.estimators._validation import check_class_offset, check_sample_weight, validate_training
from sklearn_mle.inference import Inference, Summary, infer
from sklearn_mle.inference.model import Fitted, ReadData
from sklearn_mle.likelihoods import Bernoulli, Categorical, Likelihood


class MLELogisticClassifier(PredictiveClassifier):
    r"""Logistic regression by maximum likelihood, binary and multinomial.

    Minimizes ``LogisticRegression``'s objective, the total negative log-likelihood with a Gaussian prior of precision
    1/C on the coefficients (never on intercepts):

    .. math:: -\sum_i w_i \sum_k p_{ik} \log q_{ik} + \frac{1}{2C} \lVert B \rVert^2 ,\qquad
        q_i = \operatorname{softmax}(B x_i + b + o_i)

    with :math:`p_i` the label of row i (one-hot) or its class probabilities, and :math:`o_i` its offset. Two classes
    have one linear predictor, the log-odds of the second. The first term is the cross-entropy of p and q; the default,
    ``C=inf``, is the pure maximum likelihood estimate, and ``C=1.0`` reproduces ``LogisticRegression()``.

    Parameters
    ----------
    C : float, default=inf
        Inverse of the prior's precision: smaller is stronger regularization. ``inf`` is no prior.
    fit_intercept : bool, default=True
        Whether the linear predictors have an intercept.
    class_weight : dict or "balanced", default=None
        Weight of each class, multiplied into ``sample_weight``; ``"balanced"`` gives each class the same weighted
        total. A soft label counts as one weighted row per class, so each class's weight multiplies its probability.
    solver : {"auto", "newton", "lbfgs", "newton-cg"}, default="auto"
        How to minimize; ``"auto"`` chooses by the size of the problem.
    tol : float, default=1e-8
        Bound on the shortfall of the total penalized log-likelihood from its maximum, in nats.
    max_iter : int, default=100
        Bound on the number of iterations. Zero returns the model of the class frequencies, or the
        previous fit's where ``warm_start`` asks for it.
    warm_start : bool, default=False
        Whether to start from the previous fit's coefficients, where their shape fits.
    verbose : int, default=0
        Above zero, progress is printed.
    bias_reduction : {"firth"} or None, default=None
        ``"firth"`` maximizes the log-likelihood plus half the log-determinant of its information (Jeffreys' prior).
        The estimate is finite even for separated classes, and free of the MLE's first-order bias. Requires ``C=inf``.
    on_separation : {"warn", "raise", "ignore"}, default="warn"
        How to report that no finite maximum likelihood estimate exists: issue a ``SeparationWarning``, raise a
        ``SeparationError``, or return the same estimate silently.
    weight_type : {"frequency", "precision", "sampling"}, default="frequency"
        The meaning of ``sample_weight`` for standard errors and criteria: see ``sklearn_mle.inference.infer``.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients. Without a prior those of several classes sum to zero over the classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; zero where ``fit_intercept=False``.
    classes_ : ndarray of shape (n_classes,)
        Class labels; for soft labels the frame's columns, or 0, ..., K - 1.
    n_iter_ : ndarray of shape (1,)
        Number of iterations, in ``LogisticRegression``'s shape.
    n_passes_ : int
        Number of passes over the data.
    gap_ : float
        Certified shortfall of the total penalized log-likelihood from its maximum, in nats.
    status_ : Status
        How the fit ended.
    log_likelihood_ : float
        Total log-likelihood of the training data without the prior, in nats; weights and class weights included.
    n_obs_ : float
        The sum of the weights, class weights included; the number of rows where they are no copies.
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
    sklearn.linear_model.LogisticRegression : The same model with ``C=1.0``.

    Notes
    -----
    Where no finite maximum exists (separated classes), fit warns with ``SeparationWarning`` and returns the posterior
    mode under one tiny, fixed prior.

    With ``bias_reduction="firth"``, ``log_likelihood_`` is the log-likelihood at the estimate, without Jeffreys' prior,
    and ``gap_`` is that of the penalized one.

    References
    ----------
    Firth (1993), Bias reduction of maximum likelihood estimates, Biometrika 80.
    Bishop (2006), Pattern Recognition and Machine Learning, sections 4.3.2 and 4.3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLELogisticClassifier
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> y = np.array(["no", "yes", "no", "yes"])
    >>> model = MLELogisticClassifier().fit(X, y)
    >>> model.predict_proba([[1.5]]).round(6)
    array([[0.5, 0.5]])
    >>> soft = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    >>> MLELogisticClassifier().fit(X, soft).predict(X)
    array([0, 0, 1, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLE._parameter_constraints,
        "C": [Interval(Real, 0, None, closed="right")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "bias_reduction": [StrOptions({"firth"}), None],
        "on_separation": [StrOptions({"warn", "raise", "ignore"})],
    }

    def __init__(
        self,
        C: float = np.inf,
        *,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: str = "auto",
        tol: float = 1e-8,
        max_iter: int = 100,
        warm_start: bool = False,
        verbose: int = 0,
        bias_reduction: str | None = None,
        on_separation: str = "warn",
        weight_type: str = "frequency",
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.bias_reduction = bias_reduction
        self.on_separation = on_separation
        self.weight_type = weight_type

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array or dataframe} of shape (n_samples, n_features)
            Features. Float64 and float32 arrays are not copied. ``np.memmap``, and what slices by rows (zarr, h5py), is
            read block by block, never as a whole.
            Rows that Dask keeps stay where they are, those of the other arguments too: see docs/scaling.md.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels; or class probabilities, whose rows sum to 1 within 1e-6 (soft labels).
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights: a row with weight k counts as k identical rows, and rows with weight 0 are ignored. If
            None, every row has weight 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Added to the linear predictors: (n_samples,) for two classes, (n_samples, n_classes) for more; the columns
            of a frame may be named after the classes, in any order. A scalar holds for every row. A model fitted with
            an offset predicts only with one. With an offset, X may have no columns: the intercepts alone are fitted.

        Returns
        -------
        self : MLELogisticClassifier
            The fitted estimator; a fit that fails leaves it as it was.

        Raises
        ------
        ValueError
            If the input is not valid, y has one class only, bias_reduction is combined with a finite C, or the
            fit would need all of Dask's rows in one place.
        SeparationError
            If no finite maximum exists and ``on_separation="raise"``.
        """
        if self.bias_reduction is not None and np.inf > self.C:
            raise ValueError(
                f"bias_reduction={self.bias_reduction!r} is itself a prior, so C must be inf; got C={self.C!r}. "
                "Leave C at its default, or set bias_reduction=None."
            )
        return self._fit(X, y, sample_weight, offset)

    def _prepare(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        X, attributes = validate_training(self, X, offset)
        classes, target = read_classes(y)
        check_consistent_length(X, target)
        weight = check_sample_weight(sample_weight, len(target))
        per_class = class_weights(self.class_weight, classes, mass_of_classes(target, weight, len(classes)))
        target, weight = weighted_target(target, weight, per_class, len(classes))
        offset = check_class_offset(offset, sample_weight, len(target), classes)
        data = ReadData(X, target, weight, None, offset)
        return self._training_data(classes, per_class, data, attributes, offset)

    def _prepare_partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        attributes = features_of(self, X, offset)
        with argument_name("y"):
            named = classes_of_columns(y) if is_soft(y) else None
        partitions = PartitionedRows(ClassReader(), X, y, sample_weight, offset)
        classes = partitions.labels if named is None else named
        per_class = class_weights(self.class_weight, classes, partitions.mass(classes))
        reader = ClassReader(classes, per_class)
        if named is not None and per_class is not None:
            partitions = partitions.again(reader)
        n_predictors = _likelihood(len(classes)).n_predictors
        rows = partitions.rows(reader, n_predictors, classes if named is None else None)
        return self._training_data(classes, per_class, rows, attributes, offset)

    def _partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> RawRows:
        classes = self.classes_
        reader = ClassReader(classes, self._fitted.class_weights)
        partitions = PartitionedRows(reader, X, y, sample_weight, offset)
        return partitions.rows(reader, self._fitted.likelihood.n_predictors, None if is_soft(y) else classes)

    def _training_data(
        self, classes: Array, per_class: Array | None, rows: Any, attributes: dict[str, Any], offset: Any
    ) -> TrainingData:
        likelihood = _likelihood(len(classes))
        terms = (Terms(True, bool(self.fit_intercept)),) * likelihood.n_predictors
        prior = Jeffreys() if self.bias_reduction == "firth" else Ridge((1 / float(self.C),))
        n_offsets = 0 if offset is None else likelihood.n_predictors
        fitted = Fitted(likelihood, terms, prior, per_class, self.weight_type, n_offsets)
        return TrainingData(type(self).__name__, fitted, rows, {**attributes, "classes_": classes})

    def _attributes(self, fitted: Fitted, coefficients: Array, scale: float | None) -> dict[str, Any]:
        return {"coef_": coefficients[:, :-1].copy(), "intercept_": coefficients[:, -1].copy()}

    def _coefficients(self) -> Array:
        return np.column_stack([self.coef_, self.intercept_])

    def _report(self, fitted: Fitted, result: FitResult) -> dict[str, Any]:
        return {**super()._report(fitted, result), "n_iter_": np.array([result.n_iter], dtype=np.int32)}

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
        return self._inference(reference).summary(confidence_level, odds_ratios)

    def _inference(self, reference: Any) -> Inference:
        result = infer(self)
        return result if reference is None else result.against(reference)


def _likelihood(n_classes: int) -> Likelihood:
    return Bernoulli() if n_classes == 2 else Categorical(n_classes)
