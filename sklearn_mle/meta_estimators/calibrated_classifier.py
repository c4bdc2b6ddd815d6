"""Calibrated probabilities for any classifier, by maximum likelihood on predictions of rows that it did not see."""

from contextlib import suppress
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators._labels import codes_of, encode_labels, is_soft, plain_numbers
from sklearn_mle.estimators._scikit_learn import CallbackSupportMixin, StrOptions, fit_context
from sklearn_mle.estimators._state import publish
from sklearn_mle.estimators._validation import check_sample_weight, check_target, total_over_rows
from sklearn_mle.meta_estimators._base import LikelihoodAround
from sklearn_mle.meta_estimators._calibration_methods import METHODS, choose, fit_map, pooled_logarithms
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows
from sklearn_mle.meta_estimators._class_probabilities import class_probabilities, response_of
from sklearn_mle.meta_estimators._cross_fit import BaseFits, folds_of, is_frozen, n_rows_of, route

# Folds of the rows that a fitted classifier is calibrated on, to choose a method by.
_CHOOSING_FOLDS = 5


class LikelihoodCalibratedClassifier(CallbackSupportMixin, ClassifierMixin, LikelihoodAround):
    r"""Calibrated class probabilities of any classifier, by maximum likelihood on its out-of-fold predictions.

    The classifier is fitted once per fold. One map from its probabilities p to calibrated ones q is then fitted to the
    predictions of all rows, each by the model that did not see it, by minimizing their cross-entropy

    .. math:: -\sum_i w_i \log q_{i y_i} ,\qquad q_i = \operatorname{softmax}(g(\log(p_i + \delta)))

    and is applied to every fold model; the geometric mean of what they say, normalized, is the prediction.

    Parameters
    ----------
    estimator : estimator
        Any classifier with ``predict_proba`` or ``decision_function``, also a pipeline or a search; it is cloned. A
        decision function, where there is nothing else, is read as log-odds, or of several classes as log-probabilities
        up to a constant. A fitted one as ``FrozenEstimator(estimator)`` is used as it is, and all rows passed to
        ``fit`` must then be new to it.
    method : str, default="spline_matrix"
        The map g; see the notes.

        - ``"temperature"``: one slope for all classes; it keeps every ranking.
        - ``"bias_corrected_temperature"``: and an intercept for each class.
        - ``"vector"``: a slope and an intercept for each class.
        - ``"matrix"``: a full matrix, its off-diagonal entries and the intercepts under a ridge (ODIR).
        - ``"dirichlet"``: a full matrix, its deviations from temperature scaling under a ridge.
        - ``"sigmoid"``: Platt's, a line in the log-odds of each class against the others, normalized.
        - ``"beta"``: beta calibration, with slopes of log p and log(1 - p) of their own, normalized.
        - ``"isotonic"``: isotonic regression of each class against the others, normalized.
        - ``"spline"``: one monotone function of log p for all classes, and intercepts.
        - ``"spline_matrix"``: the spline, then a matrix near the identity.
        - ``"average"``: the mean of the probabilities of ``"spline"`` and ``"matrix"``.
        - ``"auto"``: the method with the least cross-entropy on folds of the same rows; see ``calibration_table_``.
    ensemble : bool, default=True
        Whether to predict by the geometric mean of the fold models' calibrated probabilities; otherwise from the
        estimator fitted to all rows.
    cv : int, splitter, iterable or "auto", default=5
        The folds; stratified if a number. ``"auto"`` is ten folds below 2,000 rows and five from there on. Rows that no
        fold tests calibrate nothing.
    n_jobs : int, default=None
        Number of parallel fits; the result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    estimators_ : list of estimators
        The fold models; the one fitted to all rows with ``ensemble=False``; the frozen one.
    calibration_ : object
        The fitted map, with its parameters as attributes.
    method_ : str
        The method, or what ``"auto"`` chose.
    calibration_table_ : dict of ndarray or None
        With ``method="auto"``, by increasing cross-entropy: ``"method"``, ``"cross_entropy"`` (mean nats per row),
        ``"difference"`` from the chosen one, and the paired ``"standard_error"`` of that, given the fold models.
        ``"uncalibrated"`` is among the rows for comparison, and is never chosen.
    gap_ : float
        Certified shortfall of the (penalized) log-likelihood of the map from its maximum, in nats; zero for isotonic
        regression, which is exact.
    log_likelihood_ : float
        Total log-likelihood of the out-of-fold rows under the map, in nats.
    out_of_fold_probability_ : ndarray of shape (n_samples, n_classes)
        What the map was fitted to; nan for rows that no fold tests.
    n_features_in_ : int
        Number of features, where X is a table.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has some.

    See Also
    --------
    sklearn.calibration.CalibratedClassifierCV : Sigmoid, isotonic and temperature, one map per fold.
    sklearn_mle.metrics.cross_entropy_decomposition : How much calibration could gain.

    Notes
    -----
    Zero probabilities have no logarithm, and naive Bayes' are far too small. The floor :math:`\delta` is added to every
    probability before its logarithm is taken; it keeps their order, and is chosen by likelihood from a grid between
    1e-12 and 0.3, together with the temperature: that of a forest, whose zeros mean little, is large. All methods but
    isotonic regression use it; that one's probabilities are at least 1e-12 before they are normalized.

    Besides the labels the map sees one row of prior in all, whose label is drawn from the prediction: a maximum exists
    then even if the labels separate. Parameters also have a Gaussian prior of standard deviation 100, which settles
    what constant forecasts leave open. The more flexible methods shrink theirs (the matrix's deviations, the
    differences of the spline's neighbouring slopes, the intercepts) by Gaussian priors, whose precisions maximize the
    evidence (MacKay 1992). With ``sample_weight``, a weight of k counts as k copies. Of more than 40 classes matrices
    are not fitted: ``"spline_matrix"`` and ``"average"`` are the spline alone.

    A class that a fold's model did not see has probability zero there, before calibration. Geometric means (logarithmic
    opinion pools) of calibrated probabilities had less cross-entropy than arithmetic ones, and both less than the
    calibrated mean of uncalibrated ones.

    References
    ----------
    J. Platt (1999), Probabilistic outputs for support vector machines; M. Kull, T. Silva Filho and P. Flach (2017),
    Beta calibration, AISTATS; C. Guo, G. Pleiss, Y. Sun and K. Weinberger (2017), On calibration of modern neural
    networks, ICML; M. Kull et al. (2019), Beyond temperature scaling, NeurIPS 32; D. MacKay (1992), Bayesian
    interpolation, Neural Computation 4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_mle import LikelihoodCalibratedClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LikelihoodCalibratedClassifier(GaussianNB(), "temperature").fit(X, y)
    >>> model.predict(X[:2]), model.gap_ < 1e-8
    (array([0, 0]), True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        # Validated where it is read.
        "estimator": "no_validation",  # type: ignore[dict-item]
        "method": [StrOptions({"auto", *METHODS})],
        "ensemble": ["boolean"],
        "cv": ["cv_object", StrOptions({"auto"})],
        "n_jobs": [Integral, None],
    }

    _why_not_inferred = (
        "They are those of a classifier through a map that was learnt from its predictions of rows it did not see: the "
        "standard errors come from refits to resampled rows. infer(model, X, y) of the classifier by itself, where "
        "infer knows it, is of the probabilities before the map."
    )

    def __init__(
        self,
        estimator: Any,
        method: str = "spline_matrix",
        *,
        ensemble: bool = True,
        cv: Any = 5,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.ensemble = ensemble
        self.cv = cv
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(AttributeError, TypeError, ValueError):  # fit says what is wrong with it
            inner = get_tags(self.estimator).classifier_tags
            tags.classifier_tags.multi_class = inner is None or inner.multi_class
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the classifier on every fold, and the map to its predictions of the rows it did not see.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Whatever the estimator takes.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0: a weight of k counts as k copies of the row in the likelihood, and goes to the estimator, or
            to the last step of a pipeline, if its fit takes weights. (With metadata routing, if they are requested.)
        **fit_params : dict
            ``groups`` for the splitter, and arguments of the estimator's fit. (With metadata routing, as requested.)

        Returns
        -------
        self : LikelihoodCalibratedClassifier
            The fitted estimator; a fit that fails leaves it as it was.

        Raises
        ------
        ValueError
            If the input is not valid, y has one class only, ``cv`` has one fold, or a matrix is asked for of more than
            40 classes.
        TypeError
            If ``estimator`` has no ``fit``, or neither ``predict_proba`` nor ``decision_function``.
        """
        response_of(self.estimator)
        refuse_masked(X=X, y=y, sample_weight=sample_weight)
        X = self._rows_of(X)
        labels, classes, codes = _read_labels(y)
        check_consistent_length(X, codes)
        features = self._features(X)
        weight = check_sample_weight(sample_weight, len(codes))
        params, groups = route(self, self.estimator, weight, fit_params)
        method, table = self.method, None
        frozen = is_frozen(self.estimator)
        folds = [] if frozen else folds_of(self.cv, X, labels, groups, classifying=True)
        predict = partial(class_probabilities, classes=classes)
        fits = BaseFits(self, X, labels, folds, params, predict)
        probability = fits.prediction
        known = ~np.isnan(probability[:, 0])
        of_known = probability[known], codes[known], None if weight is None else weight[known]
        if weight is not None and not weight[known].any():
            raise ValueError("cv: no row of positive weight has an out-of-fold prediction; give other folds.")
        if method == "auto":
            tested = _choosing_folds(codes, weight) if frozen else [test for _, test in folds]
            numbers = np.cumsum(known) - 1
            method, table = choose(*of_known, [numbers[test] for test in tested])
        calibration = fit_map(method, CalibrationRows.of(*of_known))
        own = calibration.log_probabilities(of_known[0])[np.arange(len(of_known[1])), of_known[1]]
        state = {
            **features,
            "classes_": classes,
            "estimators_": fits.models,
            "calibration_": calibration,
            "method_": method,
            "calibration_table_": table,
            "gap_": calibration.gap,
            "log_likelihood_": total_over_rows(own, of_known[2]),
            "out_of_fold_probability_": probability,
        }
        publish(self, state)
        fits.finish()
        return self

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the calibrated probabilities, computed in log space.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in nats.
        """
        X = self._read(X)
        rows = np.arange(n_rows_of(X))
        probabilities = [class_probabilities(model, X, rows, self.classes_) for model in self.estimators_]
        return pooled_logarithms([self.calibration_.log_probabilities(p) for p in probabilities])

    def predict_proba(self, X: Any) -> Array:
        """Return the calibrated class probabilities of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities; rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, after calibration.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        logarithms = self.predict_log_proba(X)
        return self.classes_[logarithms.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean accuracy.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.

        Returns
        -------
        float
            Weighted share of rows whose predicted class is the true one, between 0 and 1.
        """
        predicted = self.predict(X)
        with argument_name("y"):
            truth = plain_numbers(check_target(y))
            check_consistent_length(predicted, truth)
        return float(accuracy_score(truth, predicted, sample_weight=check_sample_weight(sample_weight, len(truth))))

    def log_likelihood(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the total log-likelihood of labels under the calibrated probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            True labels, all among ``classes_``.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.

        Returns
        -------
        float
            In nats.
        """
        logarithms = self.predict_log_proba(X)
        with argument_name("y"):
            codes = codes_of(check_target(y), self.classes_)
            check_consistent_length(logarithms, codes)
        weight = check_sample_weight(sample_weight, len(codes))
        return total_over_rows(logarithms[np.arange(len(codes)), codes], weight)


def _read_labels(y: Any) -> tuple[Any, NDArray[Any], NDArray[np.intp]]:
    """Return y in the form that the estimator is given, its classes, and each row's code."""
    with argument_name("y"):
        if y is not None and is_soft(y):
            raise ValueError(
                f"y must hold class labels, shape (n,), but has shape {np.shape(y)}: a classifier cannot be fitted to "
                "rows of class probabilities. Give labels; for probabilities, give one row per class, weighted "
                "by its probability."
            )
        labels = check_target(y)
        if not len(labels):
            raise ValueError("Found array with 0 sample(s) while a minimum of 2 is required, one of each class.")
        classes, codes = encode_labels(labels)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class only, {classes.tolist()}: nothing can be calibrated. Two classes are needed."
        )
    return labels, classes, codes


def _choosing_folds(codes: NDArray[np.intp], weight: Array | None) -> list[NDArray[np.intp]]:
    """Return stratified folds of the rows of positive weight, of which there may be few."""
    rows = np.arange(len(codes)) if weight is None else np.flatnonzero(weight > 0)
    n_folds = max(min(_CHOOSING_FOLDS, int(np.bincount(codes[rows]).max())), 2)
    with argument_name("y"):
        return [rows[test] for _, test in StratifiedKFold(n_folds).split(rows, codes[rows])]
