r"""What each observation does to a fit: leverage, and the change of the coefficients were it left out.

With A the information of the fit in theta, J_i the derivative of observation i's predictors, H_i its information in
them and g_i the gradient of its NLL,

.. math:: P_i = J_i A^{-1} J_i^\top ,\qquad u_i = (1 - H_i P_i)^{-1} g_i ,\qquad
    \hat\theta - \hat\theta_{(i)} \approx -A^{-1} J_i^\top u_i

which is one Newton step from the estimate without the observation, by the formula for an inverse of low rank.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from sklearn_mle._hessian_factors import hessian_factor, information_factor
from sklearn_mle._numerics.arguments import check_choice
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._numerics.frames import import_pandas
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._rows import Block
from sklearn_mle.inference.at_estimate import AtEstimate, gap_of, read_training, with_dispersion
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.covariance import checked
from sklearn_mle.inference.model import WEIGHT_TYPES, FittedModel
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.residual_rows import deviance_residual, noise_unit, pearson_residual, root_of_precisions
from sklearn_mle.likelihoods import Likelihood

_CHUNK_ELEMENTS = 1 << 20
# The least of one minus a leverage; less is rounding.
_LEAST_LEFT = 1e-10


@dataclass(frozen=True)
class Influence:
    r"""Influence of each observation on a fit, as :func:`influence` returns it: arrays with an entry per row of X.

    Rows of weight zero have nan. So has, in what compares the fit with that without a row, a row of leverage one:
    nothing but the row itself determines its fitted value.

    Attributes
    ----------
    rows : ndarray of shape (n,)
        Names of the rows: the index of a frame, else 0, 1, ...
    parameters : tuple of str
        Names of the m coefficients.
    leverage : ndarray of shape (n,)
        Diagonal of the hat matrix; over all observations it sums to the number of coefficients.
    cooks_distance : ndarray of shape (n,)
        Squared distance by which the coefficients move without the row, in the metric of their covariance, over
        ``n_coefficients``.
    covariance_ratio : ndarray of shape (n,)
        Determinant of the coefficients' covariance without the row, over that with it.
    dfbeta : ndarray of shape (n, m)
        Coefficients less those without the row, in their own units.
    standard_errors : ndarray of shape (m,)
        Model-based ones of the coefficients, the dispersion being that of the likelihood.
    standardized_residual : ndarray of shape (n,) or None
        Deviance residual over its standard deviation. This and what follows are of models with one linear predictor of
        columns and a deviance; None otherwise.
    standardized_pearson_residual : ndarray of shape (n,) or None
        Pearson residual over its standard deviation.
    studentized_residual : ndarray of shape (n,) or None
        Residual by which the row would be judged if it had not been fitted: R's ``rstudent``.
    dffits : ndarray of shape (n,) or None
        Change of the row's own linear predictor without the row, over its standard error.
    relative_scale : ndarray of shape (n,) or None
        Root of the dispersion without the row, over that of the fit; R's ``sigma`` is this times ``noise``.
    noise : float
        Root of the fitted dispersion that residuals leave out; 1 where there is none.
    n_coefficients : float
        How many coefficients the data determine; of penalized fits the sum of the leverages.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import influence
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> found = influence(model, X[["bmi", "bp"]], y)
    >>> round(float(found.leverage.sum()), 9), found.dfbetas.shape
    (3.0, (442, 3))
    """

    rows: Array
    parameters: tuple[str, ...]
    leverage: Array
    cooks_distance: Array
    covariance_ratio: Array
    dfbeta: Array
    standard_errors: Array
    standardized_residual: Array | None = None
    standardized_pearson_residual: Array | None = None
    studentized_residual: Array | None = None
    dffits: Array | None = None
    relative_scale: Array | None = None
    noise: float = 1.0
    n_coefficients: float = math.nan

    @property
    def dfbetas(self) -> Array:
        """``dfbeta`` over the standard errors at the dispersion without the row, shape (n, m)."""
        scale = 1.0 if self.relative_scale is None else self.relative_scale[:, None]
        return self.dfbeta / (self.standard_errors * scale)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row per row of X: all of the above, and ``dfbetas`` by coefficient.

        Returns
        -------
        pandas.DataFrame
            Its index has the names of the rows.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = import_pandas("the attributes are arrays")
        names = [field.name for field in fields(self)]
        values = {name: getattr(self, name) for name in names if name not in ("rows", "dfbeta", "standard_errors")}
        columns = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        columns |= {f"dfbetas: {name}": column for name, column in zip(self.parameters, self.dfbetas.T, strict=True)}
        return pd.DataFrame(columns, index=pd.Index(self.rows, name="row"))


def influence(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    weight_type: str | None = None,
    information: str = "expected",
    deletion_residual: str = "pearson",
) -> Influence:
    r"""Return leverage, Cook's distance, DFBETA(S), DFFITS, covariance ratio and studentized residuals of each row.

    Nothing is refitted: the estimate without a row is that of one Newton step (of least squares it is exact),

    .. math:: \hat\beta - \hat\beta_{(i)} = \frac{A^{-1} x_i w_i (-g_i)}{1 - h_i} ,\qquad h_i = w_i H_i x_i^\top A^{-1}
        x_i ,\qquad D_i = \frac{r_i^2}{\phi\, p} \frac{h_i}{(1 - h_i)^2}

    with A the information, H_i that of the row in its linear predictor, g_i the derivative of its NLL (in nats), r_i
    its Pearson residual, p the number of coefficients and :math:`\phi` Pearson's dispersion. Where one linear predictor
    depends on columns, constants beside it (a scale, dispersion, shape) are held, as in R; where several do (a modelled
    scale, three or more classes) all coefficients move together, and h_i is the trace of
    :math:`H_i J_i A^{-1} J_i^\top`.

    Parameters
    ----------
    estimator : fitted estimator
        As ``infer`` takes them.
    X, y : array-like
        The data of the fit, in memory.
    sample_weight, offset : array-like, default=None
        As in the fit.
    weight_type : {"frequency", "precision", "sampling"}, default=None
        What a weight means, as in ``infer``. Of copies of a row one is left out, otherwise the row. R's weights are
        ``"precision"``. Sampling weights have a mean of one here, whatever their unit.
    information : {"expected", "observed"}, default="expected"
        Of A and H. R's is the expected one; the observed one is nearer to the exact deletion where links are not
        canonical. With a canonical link the two are equal.
    deletion_residual : {"pearson", "deviance"}, default="pearson"
        ``"pearson"`` is the Newton step above. ``"deviance"`` puts the deviance residual in the place of Pearson's in
        DFBETA(S) and DFFITS of a generalized linear model, as R's ``influence.measures`` does; it is no step towards
        the estimate without the row. Of least squares they are the same.

    Returns
    -------
    Influence
        With ``to_frame()``.

    Raises
    ------
    NotSupportedError
        If the likelihood has a kink, or the fit was with bias reduction.
    ValueError
        If an argument is not valid, these are not the data of the fit, or there are no more observations than
        coefficients and one.
    TypeError
        If ``infer`` does not support the estimator.

    References
    ----------
    D. A. Belsley, E. Kuh and R. E. Welsch (1980), Regression Diagnostics, chapter 2. D. Pregibon (1981), Logistic
    regression diagnostics, Annals of Statistics 9. D. A. Williams (1987), Generalized linear model diagnostics using
    the deviance and single case deletions, Applied Statistics 36 (the studentized residual).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import influence
    >>> X, y = np.array([[1.0], [2], [3], [4], [10]]), np.array([1.1, 1.9, 3.2, 3.9, 2.0])
    >>> found = influence(GaussianMLERegressor().fit(X, y), X, y)
    >>> found.leverage.round(3)
    array([0.38, 0.28, 0.22, 0.2 , 0.92])
    >>> found.cooks_distance.round(2)
    array([ 0.45,  0.03,  0.07,  0.21, 17.03])
    """
    check_choice("weight_type", weight_type, (None, *WEIGHT_TYPES))
    check_choice("information", information, ("expected", "observed"))
    check_choice("deletion_residual", deletion_residual, ("pearson", "deviance"))
    index = getattr(X, "index", None)
    model, X = read_estimator("estimator", estimator, X)
    model.refuse_too_many_parameters()
    weight_type = weight_type or model.weight_type
    refuse("influence", model, weight_type=weight_type, deletion_residual=deletion_residual)
    model, data = read_training(model, X, y, sample_weight, offset)
    if np.isneginf(model.coefficients).any() and model.likelihood.least_squares:
        raise ValueError("The fit was perfect: the scale is zero, so the influence of rows is not defined.")
    with single_threaded_blas, np.errstate(all="ignore"):
        at = AtEstimate.of(with_dispersion(model, data, weight_type), data, location_only=not model.has_several)
        found = _deletions(at, information == "observed", deletion_residual == "deviance")
    n = data.X.shape[0]
    names = np.arange(n) if index is None or callable(index) or len(index) != n else np.asarray(index)
    every: dict[str, Any] = {"rows": names}
    if at.prepared.row_numbers is not None:  # nan in rows of weight zero
        for name, value in vars(found).items():
            if name not in ("rows", "standard_errors") and isinstance(value, np.ndarray):
                every[name] = np.full((n, *value.shape[1:]), np.nan)
                every[name][at.prepared.row_numbers] = value
    return replace(found, **every)


def _has_residuals(model: FittedModel) -> bool:
    """Return whether each row has one residual: one linear predictor has columns, and y has a deviance."""
    return not model.has_several and (
        model.likelihood.holds_class_codes or type(model.likelihood).deviance is not Likelihood.deviance
    )


class _Rows(NamedTuple):
    """Numbers of the n rows of a block."""

    leverage: Array
    # Determinant of 1 - H P.
    left: Array
    dfbeta: Array
    # Squared length of the step, in the metric of the information.
    move: Array
    # Change of the first predictor, in its standard errors.
    shift: Array
    deviance: Array
    pearson: Array


def _deletions(at: AtEstimate, observed: bool, by_deviance: bool) -> Influence:
    """Return the influence of the rows of positive weight; see ``influence``."""
    model = at.model
    form, asked = (hessian_factor, "observed") if observed else (information_factor, "expected")
    factor = checked(lambda: form(at.objective, at.theta), f"information={asked!r}", "information='expected'")
    gap_of(at, factor, model.divergent is not None)
    # Sampling weights say how rows were drawn, in any unit; their mean is one here, so that there are n observations.
    unit = 1.0 if model.weight_type == "sampling" else at.mean_weight
    curvature = at.curvature(factor, unit)
    free = curvature.parameters.ravel()[model.entries]
    units = np.eye(model.coefficients.size)[model.entries[free]]
    root = curvature.root()
    data = at.reweighted(at.weight / at.copies / at.mean_weight)
    roots = root[model.entries[free]] * np.sqrt(unit)
    parts = data.map_rows(lambda block: _rows_of(at, block, factor, roots, observed, by_deviance))
    rows = _Rows(*map(np.concatenate, zip(*parts, strict=True)))
    rows.dfbeta[:, curvature.lost(units)] = np.nan
    size = float(np.sum(at.copies * rows.leverage)) if model.penalized else float(factor.size)
    found = Influence(
        np.arange(len(rows.leverage)),
        tuple(name for name, keep in zip(model.labels, free, strict=True) if keep),
        rows.leverage,
        rows.move * unit / size,
        1 / rows.left,
        rows.dfbeta,
        curvature.standard_errors(units, root),
        n_coefficients=size,
    )
    return _with_residuals(at, found, rows, size, unit) if _has_residuals(model) else found


def _rows_of(at: AtEstimate, block: Block, factor: Factor, root: Array, observed: bool, by_deviance: bool) -> _Rows:
    likelihood, y, eta = at.likelihood, block.y, block.offset
    assert eta is not None
    used = [k for k in range(len(eta)) if k not in at.fixed]
    information = block.weighted((likelihood.hessian if observed else likelihood.information)(y, eta))
    information = information[np.ix_(used, used)].transpose(2, 0, 1)
    deviance = pearson = np.zeros(eta.shape[1])
    if _has_residuals(at.model):
        deviance, pearson = deviance_residual(at.model, y, eta), pearson_residual(at.model, y, eta)
    sides = [block.weighted(likelihood.gradient(y, eta))[used]]
    if by_deviance:
        sides.append(-np.sqrt(block.weighted(information[:, 0, 0])) * deviance / noise_unit(at.model))
    right = np.stack(np.broadcast_arrays(*sides), axis=-1).transpose(1, 0, 2)
    n, size = block.rows.n_rows, factor.size
    leverage, left, move, shift = np.empty((4, n))
    out = _Rows(leverage, left, np.empty((n, len(root))), move, shift, deviance, pearson)
    step = max(1, _CHUNK_ELEMENTS // max(1, size * len(used)))
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        dense = block.rows.take(rows).standardized
        units = np.repeat(np.eye(len(eta))[used, :, None], len(rows), axis=2)
        white = np.stack([factor.whiten(at.predictors.pull_back_rows(dense, unit).T) for unit in units])
        spread = np.einsum("jsn,ksn->njk", white, white)
        product = information[rows] @ spread
        rest = np.eye(len(used)) - product
        determinant = np.linalg.det(rest)
        rest[determinant < _LEAST_LEFT] = determinant[determinant < _LEAST_LEFT] = np.nan
        solved = np.linalg.solve(rest, right[rows])
        change = -np.einsum("ksn,nkr->rsn", white, solved)
        out.leverage[rows], out.left[rows] = np.einsum("njj->n", product), determinant
        out.move[rows] = np.square(change[0]).sum(axis=0)
        out.dfbeta[rows] = change[-1].T @ root.T
        moved = -np.einsum("nk,nk->n", spread[:, 0], solved[:, :, -1])
        out.shift[rows] = moved / np.sqrt(spread[:, 0, 0])
    return out


def _with_residuals(at: AtEstimate, found: Influence, rows: _Rows, size: float, mean_weight: float) -> Influence:
    """Return the influence with its residuals, and with what depends on the dispersion with and without each row."""
    model, likelihood, unit = at.model, at.likelihood, noise_unit(at.model)
    df = at.n_obs - size
    if df <= 1:
        raise ValueError(
            "influence compares dispersions with and without a row, which needs at least two observations more than "
            f"coefficients: there are {at.n_obs:g} observations and {size:g} coefficients."
        )
    given, kept = at.data.sample_weight, at.prepared.row_numbers
    precision = root_of_precisions(model, given if given is None or kept is None else given[kept])
    rows = rows._replace(deviance=precision * rows.deviance, pearson=precision * rows.pearson)
    weight = at.weight * (mean_weight / at.mean_weight) / np.square(precision)
    left, deviance, pearson = rows.left, np.square(rows.deviance), np.square(rows.pearson)
    if not (likelihood.exponential_dispersion or likelihood.discrete):
        pearson = deviance  # the score is no multiple of Pearson's residual
    scaled = likelihood.exponential_dispersion or likelihood.location_free_of_dispersion
    constant = scaled and likelihood.dispersion_index is not None and model.has_constant_dispersion
    estimated = constant and likelihood.location_free_of_dispersion
    root, scale, reference = unit * np.sqrt(left), np.ones(len(left)), 1.0
    if scaled:
        # From the deviance residuals of every family, as in R.
        total = float(weight @ deviance)
        scale = np.sqrt((total - weight / at.copies * deviance / left) / (df - 1)) / unit
        reference = math.sqrt(total / df) / unit
    fitted = float(weight @ pearson) / df / unit**2 if estimated else 1.0
    jackknifed = np.sign(rows.deviance) * np.sqrt(deviance + rows.leverage / left * pearson) / unit
    return replace(
        found,
        cooks_distance=found.cooks_distance / fitted,
        covariance_ratio=np.power(scale / reference, 2 * size) / left,
        standardized_residual=rows.deviance / root / math.sqrt(fitted),
        standardized_pearson_residual=rows.pearson / root / math.sqrt(fitted),
        studentized_residual=jackknifed / scale if constant else jackknifed,
        dffits=rows.shift * math.sqrt(mean_weight) / scale,
        relative_scale=scale,
        noise=unit,
    )
