"""Separation: whether a finite maximum exists, without a fit; and scikit-learn's estimates where none exists.

Our own estimators report what diverges. scikit-learn's stop somewhere far out, where the curvature is meaningless: here
the coefficients that diverge are found, and the others are assessed without the separated rows.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from sklearn_mle._existence.certificates import CERTIFIED, certificate
from sklearn_mle._existence.limit import coefficient_limits, limiting_objective, separation_in_words
from sklearn_mle._existence.separation import SeparatingDirection, SeparationSearch, UndecidedError, find_separation
from sklearn_mle._existence.zeros import find_zeros_separation
from sklearn_mle._fit.prepare import Prepared, read, standardize
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.arguments import argument_name, as_bool, as_floats, refuse_masked, refuse_times
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._numerics.partitions import refuse_lazy
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty, QuadraticForm
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rank import find_dependence
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.inference.at_estimate import AtEstimate
from sklearn_mle.likelihoods import Bernoulli, Categorical, Likelihood, get_likelihood


@dataclass(frozen=True, eq=False)
class Separation:
    """Whether a finite maximum likelihood estimate exists.

    Attributes
    ----------
    kind : {"none", "quasi-complete", "complete"}
        ``"none"``: it exists. ``"complete"``: every row's outcome can be made certain at once; ``"quasi-complete"``:
        that of some rows, while the others stay as they are.
    coef_limits : ndarray of shape (q, n_features)
        Where each coefficient goes: ``inf``, ``-inf``, 0 where it stays finite, and nan where it does not stay, but may
        go either way (or anywhere): the data do not say. One row, or one per class.
    intercept_limits : ndarray of shape (q,)
        The same of the intercepts.
    direction : ndarray of shape (q, n_features + 1)
        A change of the coefficients, in the units of X and the intercept last, along which the likelihood rises
        without end; it separates every row that can be. Zeros where the estimate exists. Of several classes it sums to
        zero.
    separated : ndarray of bool, shape (n,)
        The rows whose outcome becomes certain along it. The others are the limiting model, in which the maximum exists.
    feature_names : tuple of str
    classes : tuple or None
        Labels of the rows of ``coef_limits``, where there are several.

    Examples
    --------
    >>> from sklearn_mle.inference import detect_separation
    >>> separation = detect_separation([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])
    >>> separation.exists, separation.kind, separation.coef_limits
    (False, 'complete', array([[inf]]))
    """

    kind: Literal["none", "quasi-complete", "complete"]
    coef_limits: Array
    intercept_limits: Array
    direction: Array
    separated: NDArray[np.bool_]
    feature_names: tuple[str, ...]
    classes: tuple[Any, ...] | None

    @property
    def exists(self) -> bool:
        """Whether a finite maximum likelihood estimate exists."""
        return self.kind == "none"

    def __repr__(self) -> str:
        if self.exists:
            return "Separation(none: a finite maximum likelihood estimate exists)"
        limits = np.column_stack([self.coef_limits, self.intercept_limits])
        moves = []
        for j, name in enumerate([*self.feature_names, "the intercept"]):
            for k, limit in enumerate(limits[:, j]):
                of_class = "" if self.classes is None else f" (class {self.classes[k]!r})"
                if limit != 0:
                    moves.append(f"  {name}{of_class}: {'either way' if np.isnan(limit) else f'{limit:+}'}")
        rows = f"{int(self.separated.sum())} of {len(self.separated)} rows"
        return "\n".join([f"Separation({self.kind}, {rows}; no finite maximum likelihood estimate exists)", *moves])


def detect_separation(
    X: Any,
    y: Any,
    *,
    likelihood: str | Likelihood | None = None,
    fit_intercept: bool = True,
    sample_weight: Any = None,
) -> Separation:
    r"""Tell, without fitting, whether the maximum likelihood estimate exists and, if not, which coefficients diverge.

    No finite maximum exists where some direction d of the coefficients lowers the likelihood of no row and raises that
    of some, without end. For classes it moves no outcome's predictor down against a rival's,

    .. math:: x_i^\top (d_{y_i} - d_k) \ge 0 \quad \text{for all } i, k ,

    and for counts and amounts with zeros (poisson, negative_binomial, tweedie) it lowers the mean of zeros alone,
    :math:`x_i^\top d \le 0` where :math:`y_i = 0` and :math:`x_i^\top d = 0` elsewhere. Linear programs decide.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features; sparse ones stay sparse.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Class labels, or class probabilities (a soft label is an outcome of every class that it gives a probability);
        with a likelihood, what that takes.
    likelihood : str or Likelihood, default=None
        None: y are classes. Else ``"poisson"``, ``"negative_binomial"``, ``"tweedie"`` or ``"binomial"``, or an
        instance.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    sample_weight : array-like of shape (n_samples,), default=None
        Rows of weight zero are absent; other weights do not matter.

    Returns
    -------
    Separation

    Raises
    ------
    ValueError
        If y has fewer than two classes, or the likelihood is one whose location cannot diverge.
    RuntimeError
        If a linear program is too large to be solved.

    References
    ----------
    Albert and Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models,
    Biometrika 71.
    Konis (2007), Linear programming algorithms for detecting separated data in binary logistic regression models,
    University of Oxford.
    Correia, Guimaraes and Zylkin (2019), Verifying the existence of maximum likelihood estimates for generalized linear
    models, arXiv:1903.01633.

    Examples
    --------
    A treatment that nobody survived without:

    >>> import numpy as np
    >>> from sklearn_mle.inference import detect_separation
    >>> treated = np.array(
    ...     [[0, 1.0], [0, 2.0], [0, 1.5], [1, 1.0], [1, 2.0], [1, 1.2], [1, 1.8]]
    ... )
    >>> survived = [0, 0, 0, 1, 0, 0, 1]
    >>> detect_separation(treated, survived)
    Separation(quasi-complete, 3 of 7 rows; no finite maximum likelihood estimate exists)
      x0: +inf
      the intercept: -inf
    >>> detect_separation(treated, [0, 0, 1, 1, 0, 0, 1])
    Separation(none: a finite maximum likelihood estimate exists)
    """
    refuse_lazy(X)
    refuse_masked(X=X, y=y, sample_weight=sample_weight)
    names = getattr(X, "columns", None)
    with argument_name("X"):
        refuse_times(X, "X")
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], input_name="X")
    with argument_name("y"):
        check_consistent_length(y)
    check_consistent_length(X, y)
    weight = None
    if sample_weight is not None:
        with argument_name("sample_weight"):
            refuse_times(sample_weight, "sample_weight")
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    fit_intercept = as_bool("fit_intercept", fit_intercept)
    with argument_name("y"):
        model, target, classes = _read(y, likelihood, weight)
    features = tuple(f"x{j}" for j in range(X.shape[1])) if names is None else tuple(str(name) for name in names)
    term = Terms(True, fit_intercept)
    present = None if weight is None else (weight > 0).astype(float)
    with single_threaded_blas, np.errstate(all="ignore"):
        prepared = standardize(read(X, target, present, None, 1), FitOptions(terms=(term,)), names)
        try:
            return _detected(model, prepared, X.shape[0], term, features, classes)
        except UndecidedError as error:
            raise RuntimeError(
                f"Separation is undecided, because the linear program was not solved: {error}."
            ) from error


def _read(
    y: Any, likelihood: str | Likelihood | None, weight: Array | None
) -> tuple[Likelihood, Array, tuple[Any, ...] | None]:
    """Return the likelihood, y as it reads it (rows last), and the classes where there are several."""
    if likelihood is not None:
        with argument_name("likelihood"):
            model = get_likelihood(likelihood)
        if not model.may_diverge:
            raise ValueError(
                f"likelihood={likelihood!r}: the location of {type(model).__name__} cannot diverge, so there is no "
                "separation to detect. It is for classes, counts, and amounts with zeros."
            )
        return model, model.check_target(as_floats(y, "y").astype(np.float64, copy=False).T), None
    target: NDArray[Any]
    mass: NDArray[Any]
    columns, y = getattr(y, "columns", None), np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        classes = np.arange(y.shape[1]) if columns is None else np.asarray(columns)
        target = np.asarray(y, dtype=np.float64).T
        mass = (target if weight is None else target * (weight > 0)).sum(axis=1)
    else:
        classes, target = np.unique(y.ravel(), return_inverse=True)
        mass = np.bincount(target, None if weight is None else weight > 0, minlength=len(classes))
    if (mass > 0).sum() < 2:
        raise ValueError(
            f"y has rows of positive sample_weight in fewer than two classes; its classes are {classes.tolist()}."
        )
    if len(classes) == 2:
        return Bernoulli(), (target[1] if target.ndim == 2 else target).astype(np.float64), None
    return Categorical(len(classes)), target, tuple(classes.tolist())


def _detected(
    likelihood: Likelihood, prepared: Prepared, n_rows: int, term: Terms, features: tuple[str, ...], classes: Any
) -> Separation:
    data, columns = prepared.data, prepared.columns
    q = 1 if classes is None else len(classes)
    identification = find_dependence(data, columns, term)
    active = np.flatnonzero(~columns.constant) if identification is None else identification.active
    contrast = None if classes is None else sum_to_zero_basis(q)
    predictors = LinearPredictors(data.n_columns, [term.restricted(active, data.n_columns)] * max(1, q - 1), contrast)
    rows = data.with_values(data.y, data.weight, None, q)
    objective = PenalizedNLL(likelihood, predictors, rows, NoPenalty())
    start = np.zeros(predictors.size)
    if likelihood.n_predictors == q:
        # Steepest ascent from the null model is a rough guess at the separating direction.
        start = -objective.gradient(start)
    search = SeparationSearch(objective, start)
    separation = search.run()
    kind: Literal["none", "quasi-complete", "complete"] = "none"
    limits = direction = np.zeros((q, data.n_columns + 1))
    present = np.arange(n_rows) if prepared.row_numbers is None else prepared.row_numbers
    separated = np.zeros(n_rows, dtype=bool)
    if separation is not None:
        limits = coefficient_limits(search, separation, columns)
        direction = predictors.matrix(separation.direction)
        if identification is not None:
            direction = identification.minimum_norm(direction, columns)
        direction = columns.to_original(direction)
        kind = "complete" if separation.complete else "quasi-complete"
        separated[present] = True
        separated[present[search.constraints.row[~separation.separated]]] = False
    return Separation(kind, limits[:, :-1], limits[:, -1], direction, separated, features, classes)


def at_the_limit(at: AtEstimate) -> AtEstimate:
    """Return the estimate in the limiting model if no finite maximum exists, with a SeparationWarning.

    In that model the separated rows are certain, so that their gradients and curvatures are zero; what the other rows
    do not determine is ``unseen``. Estimates of our own, which say what diverges, are returned as they are.
    """
    model = at.model
    if model.retained is not None or model.prior.penalizes(0) or not at.likelihood.may_diverge or at.fixed:
        return at
    separation = _direction(at)
    if separation is None:
        return at
    what = separation_in_words(at.objective, separation, at.prepared.name, model.classes)
    warnings.warn(
        SeparationWarning(
            f"{what} {model.name} stopped where its tol or max_iter told it to, so coefficients that diverge "
            "are not estimates and have no standard errors (nan); the others are assessed without the separated rows."
        ),
        stacklevel=3,
    )
    limit, unseen = limiting_objective(at.objective, separation)
    if unseen is None:
        unseen = np.eye(at.predictors.size)
    # Determined directions are orthogonal to the others, so this does not change their part of the inverse.
    limit.penalty = QuadraticForm(np.sqrt(limit.data.weight_sum) * unseen.T)
    return replace(at, objective=limit, unseen=unseen)


def _direction(at: AtEstimate) -> SeparatingDirection | None:
    """Return the separating direction; None where there is none, or the problem is too large to tell."""
    objective = at.objective
    start = at.predictors.theta(at.prepared.columns.to_standardized(at.model.coefficients))
    if at.likelihood.holds_class_codes:
        with suppress(NotPositiveDefiniteError):
            factor = hessian_factor(objective, at.theta)
            gap = 0.5 * factor.squared_norm(objective.gradient(at.theta))
            if certificate(objective, at.theta, factor, gap, at.prepared.columns.largest) < CERTIFIED:
                return None
    with suppress(UndecidedError):
        find = find_separation if at.likelihood.holds_class_codes else find_zeros_separation
        return find(objective, start)
    return None
