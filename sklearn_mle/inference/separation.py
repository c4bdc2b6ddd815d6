"""Does the maximum likelihood estimate exist? If not, which coefficients run away, and where to."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from sklearn_mle._existence import SeparationSearch, UndecidedError
from sklearn_mle._fit.prepare import Prepared, prepare
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._numerics.arguments import argument_name, as_floats, refuse_masked, refuse_times
from sklearn_mle._numerics.partitions import refuse_dask
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rank import Identification, find_dependence
from sklearn_mle._rows import Data
from sklearn_mle.likelihoods import Bernoulli, Categorical, Likelihood, get_likelihood

__all__ = ["Separation", "detect_separation"]

Array = NDArray[Any]

_NEGLIGIBLE = 1e-6
# Gram matrices of this order are diagonalized in seconds.
_MOST_DIAGONALIZED = 2000


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
        A change of the coefficients, in the units of X and the intercept last, along which the likelihood rises for
        ever; it separates every row that can be. Zeros where the estimate exists. Of several classes it sums to zero.
    separated : ndarray of bool, shape (n,)
        The rows whose outcome becomes certain along it. The others are the limiting model, in which the maximum exists.
    feature_names : tuple of str
    classes : tuple or None
        Labels of the rows of ``coef_limits``, where there are several.
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
    r"""Tell whether the maximum likelihood estimate exists, without fitting; and if not, what runs away.

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
        If y has fewer than two classes, or the likelihood is one whose location cannot run away.
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
    >>> treated = np.array([[0, 1.0], [0, 2.0], [0, 1.5], [1, 1.0], [1, 2.0], [1, 1.2], [1, 1.8]])
    >>> survived = [0, 0, 0, 1, 0, 0, 1]
    >>> detect_separation(treated, survived)
    Separation(quasi-complete, 3 of 7 rows; no finite maximum likelihood estimate exists)
      x0: +inf
      the intercept: -inf
    >>> detect_separation(treated, [0, 0, 1, 1, 0, 0, 1])
    Separation(none: a finite maximum likelihood estimate exists)
    """
    refuse_dask(X)
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
    with argument_name("fit_intercept"):
        fit_intercept = bool(fit_intercept)
    with argument_name("y"):
        model, target, classes = _read(y, likelihood, weight)
    features = tuple(f"x{j}" for j in range(X.shape[1])) if names is None else tuple(str(name) for name in names)
    options = FitOptions(terms=(Terms(True, fit_intercept),))
    with single_threaded_blas, np.errstate(all="ignore"):
        prepared = prepare(X, target, None if weight is None else (weight > 0).astype(float), None, 1, options, names)
        try:
            return _Detection(model, prepared, options, features, classes).run(X.shape[0])
        except UndecidedError as error:
            raise RuntimeError(f"Separation is left open, the linear program was not solved: {error}.") from error


def _read(
    y: Any, likelihood: str | Likelihood | None, weight: Array | None
) -> tuple[Likelihood, Array, tuple[Any, ...] | None]:
    """Return the likelihood, y as it reads it (rows last), and the classes where there are several."""
    if likelihood is not None:
        with argument_name("likelihood"):
            model = get_likelihood(likelihood)
        if not model.may_diverge:
            raise ValueError(
                f"likelihood={likelihood!r}: the location of {type(model).__name__} cannot run away, so there is no "
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


class _Detection:
    """One look for separation; built, run once, thrown away."""

    def __init__(
        self,
        likelihood: Likelihood,
        prepared: Prepared,
        options: FitOptions,
        features: tuple[str, ...],
        classes: tuple[Any, ...] | None,
    ) -> None:
        self.prepared, self.features, self.classes = prepared, features, classes
        data, intercept = prepared.data, options.fit_intercept
        active = np.flatnonzero(~prepared.columns.constant)
        self.identification: Identification | None = find_dependence(data, prepared.columns, options.terms[0])
        if self.identification is not None:
            active = self.identification.active
        contrast = None if classes is None else sum_to_zero_basis(len(classes))
        term = Terms(True, intercept, None if len(active) == data.n_columns else active)
        predictors = LinearPredictors(data.n_columns, [term] * (1 if classes is None else len(classes) - 1), contrast)
        rows = Data(data.rows, data.y, data.weight, None, 1 if classes is None else len(classes))
        self.objective = PenalizedNLL(likelihood, predictors, rows, NoPenalty())
        self.q = 1 if classes is None else len(classes)

    def run(self, n_rows: int) -> Separation:
        objective, columns = self.objective, self.prepared.columns
        predictors = objective.predictors
        search = SeparationSearch(objective, self._start())
        separation = search.run()
        width = predictors.n_columns + 1
        if separation is None:
            none = np.zeros((self.q, width))
            rows = np.zeros(n_rows, dtype=bool)
            return Separation("none", none[:, :-1], none[:, -1], none, rows, self.features, self.classes)
        standardized = predictors.matrix(separation.direction)
        if self.identification is not None:
            standardized = self.identification.minimum_norm(standardized, columns)
        limits = self._limits(search, separation.direction, separation.separated)
        return Separation(
            "complete" if separation.complete else "quasi-complete",
            limits[:, :-1],
            limits[:, -1],
            columns.to_original(standardized),
            self._rows(search, separation.separated, n_rows),
            self.features,
            self.classes,
        )

    def _moving(self, search: SeparationSearch, separated: Array, matrix: Array) -> NDArray[np.bool_]:
        """Return which coefficients (in X's own units) any separating direction moves.

        Together the directions span what the rows left over do not see.
        """
        predictors, columns = self.objective.predictors, self.prepared.columns
        directions = [matrix]
        if predictors.size <= _MOST_DIAGONALIZED and search.constraints.can_be_summed:
            directions = [predictors.matrix(vector) for vector in search.constraints.unseen(~separated).T]
        moving = np.zeros(matrix.shape, dtype=bool)
        for change in directions:
            own = change.copy()
            own[:, -1] -= change[:, :-1] @ (columns.shift / columns.scale)
            moving |= np.abs(own) > _NEGLIGIBLE * float(np.abs(change).max())
        return moving

    def _start(self) -> Array:
        """Return the direction of steepest ascent from the null model: it tells roughly who objects to whom."""
        zero = np.zeros(self.objective.predictors.size)
        if self.objective.likelihood.n_predictors > self.q:
            return zero
        return -self.objective.value_and_gradient(zero)[1]

    def _rows(self, search: SeparationSearch, separated: Array, n_rows: int) -> NDArray[np.bool_]:
        """Return the caller's rows all of whose constraints are separated."""
        present = np.ones(self.objective.data.n_rows, dtype=bool)
        present[search.constraints.row[~separated]] = False
        if self.prepared.row_numbers is None:
            return present
        out = np.zeros(n_rows, dtype=bool)
        out[self.prepared.row_numbers[present]] = True
        return out

    def _limits(self, search: SeparationSearch, direction: Array, separated: Array) -> Array:
        """Return where each coefficient goes, by a linear program each for whether it could go the other way."""
        predictors, columns = self.objective.predictors, self.prepared.columns
        matrix = predictors.matrix(direction)
        scale = float(np.abs(matrix).max())
        limits = np.zeros_like(matrix)
        for k, j in np.argwhere(self._moving(search, separated, matrix)):
            form = np.zeros_like(matrix)
            form[k, j] = 1
            if j == predictors.n_columns:
                # The intercept in X's own units.
                form[k, :-1] -= columns.shift / columns.scale * predictors.used[0, :-1]
            if self.q > 1:
                form -= form.mean(axis=0)
            value = float((form * matrix).sum())
            size = float(np.abs(form).max()) * scale
            rises = value > _NEGLIGIBLE * size or search.can_gain(form)
            falls = value < -_NEGLIGIBLE * size or search.can_gain(-form)
            limits[k, j] = np.nan if rises and falls else np.inf if rises else -np.inf if falls else 0.0
        return limits
