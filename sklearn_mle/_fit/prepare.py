"""From validated arrays to row blocks: weights rescaled, absent rows dropped, columns standardized."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from sklearn_mle._existence.limit import SEPARATION_PRIOR
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._numerics.arguments import NotFiniteError, first_not_finite, listed
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.stored import StoredArray
from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle._rows import Data, DenseRows, SparseRows, StoredRows
from sklearn_mle._rows.columns import Columns
from sklearn_mle.likelihoods import Likelihood

# Sparse rows of fewer entries, zeros counted, are cheaper dense.
_DENSE_ELEMENTS = 500_000
# Columns or rows that a warning names.
_MOST_NAMED = 5


@dataclass(frozen=True)
class RawRows:
    """Rows of positive weight, weights of mean one, whose columns are as the caller gave them.

    Attributes
    ----------
    mean_weight : float
        Totals in nats are this times those of ``data``.
    n_obs : float
        The sum of the caller's weights.
    row_numbers : ndarray of int or None
        The caller's numbers of the rows, when some were dropped.
    lacking : float
        By how much the NLL of the model that was asked for exceeds that of the one that is fitted to the rows.
    """

    data: Data
    mean_weight: float
    n_obs: float
    row_numbers: Array | None = None
    lacking: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Prepared(RawRows):
    """The data of a fit in the solver's units: columns standardized, weights of mean one (None when all are equal).

    Attributes
    ----------
    prior : Ridge
        In the unit of ``data``.
    products : CrossProducts or None
        Those of X and y, where the fit is made of them and they settle the standardization.
    """

    columns: Columns
    prior: Ridge
    feature_names: Any
    products: Any = None

    def precision(self, predictor: int = 0) -> Array:
        """Return the prior's precision of a predictor's coefficient of each standardized column, shape (p,)."""
        return self.prior.in_standardized(self.columns.scale, predictor)

    @property
    def separation_precision(self) -> Array:
        """The same of the tiny prior that takes the place of a maximum where none exists."""
        return SEPARATION_PRIOR * self.data.weight_sum * np.square(self.columns.spread)

    def varying(self, term: Terms) -> Array:
        """Return the columns of a predictor that are not constant."""
        own = term.indices(self.data.n_columns)
        return own[~self.columns.constant[own]]

    def name(self, column: int) -> str:
        """Return how a warning calls a column."""
        return f"column {column}" if self.feature_names is None else f"{str(self.feature_names[column])!r}"

    def names(self, columns: Array) -> str:
        """Return a list of columns for a warning, shortened."""
        return listed([self.name(int(column)) for column in columns[:_MOST_NAMED]], len(columns))

    def row_names(self, rows: Array) -> str:
        """Return a list of rows for a warning, shortened, by the caller's numbers."""
        if len(rows) == self.data.n_rows:
            return "every row"
        numbers = rows if self.row_numbers is None else self.row_numbers[rows]
        return f"rows {listed([str(number) for number in numbers[:_MOST_NAMED]], len(numbers))}"


def read_fit(likelihood: Likelihood, X: Any, y: Array, weight: Array | None, offset: Array | None) -> RawRows:
    """Return the rows of validated arrays, y and offset with their rows first, as a fit takes them."""
    outcomes, own, lacking = y.T, weight, 0.0
    target, trials = likelihood.in_units_of_mean(outcomes)
    if trials is not None:
        assert likelihood.of_fractions is not None
        zeros = np.zeros((1, len(trials)))
        nll = likelihood.nll(outcomes, zeros) - trials * likelihood.of_fractions.nll(target, zeros)
        lacking = float(nll.sum() if weight is None else weight @ nll)
        weight = trials if weight is None else trials * weight
        if not weight.any():
            raise ValueError("y: no row of positive weight has any trials. Successes and failures are needed.")
    with np.errstate(all="ignore"):
        rows = read(X, target, weight, None if offset is None else np.atleast_2d(offset.T), likelihood.n_predictors)
    if trials is None:
        return rows
    return replace(rows, n_obs=float(len(trials) if own is None else own.sum()), lacking=lacking)


def read(X: Any, y: Array, weight: Array | None, offset: Array | None, n_predictors: int) -> RawRows:
    """Return the rows of arrays in memory or in storage; y and offset have their rows last."""
    mean_weight, n_obs = 1.0, float(X.shape[0])
    row_numbers = None
    if weight is not None:
        n_obs = float(weight.sum())
        present = weight > 0
        if not present.all():
            row_numbers = np.flatnonzero(present)
            if isinstance(X, StoredArray):
                # A row that is absent is not read, so it is not judged either.
                X = X.select(row_numbers)
                X = X[:] if X.is_few else X
            else:
                bad = None if sp.issparse(X) else first_not_finite(X[~present])
                if bad is not None:
                    raise NotFiniteError(int(np.flatnonzero(~present)[bad]))
                X = X[present]
            y, weight = y[..., present], weight[present]
            offset = None if offset is None else offset[..., present]
        largest = float(weight.max())
        relative = weight / largest
        mean_weight = float(relative.mean()) * largest
        weight = None if relative.min() == 1.0 else relative / relative.mean()
    return RawRows(Data(_rows(X), y, weight, offset, n_predictors), mean_weight, n_obs, row_numbers)


def _rows(X: Any) -> DenseRows | SparseRows | StoredRows:
    """Return the rows of X, as they are."""
    if isinstance(X, StoredArray):
        return StoredRows(X)
    if sp.issparse(X):
        return SparseRows(X) if X.shape[0] * X.shape[1] > _DENSE_ELEMENTS else DenseRows(X.toarray())
    return DenseRows(X)


def standardize(
    raw: RawRows, options: FitOptions, feature_names: Any, cross_products: Callable[..., Any] | None = None
) -> Prepared:
    """Return the data of a fit in the solver's units; ``cross_products`` may tell the columns', too (``Strategy``)."""
    prior, centre = options.prior.times(1 / raw.mean_weight), options.fit_intercept
    about: dict[str, Any] = {"centre": centre, "least_scale": float(np.sqrt(prior.precisions[0] / raw.data.n_rows))}
    try:
        known = None if cross_products is None else cross_products(raw.data, **about)
        products, columns = known or (None, Columns.of(raw.data, **about))
    except NotFiniteError as error:
        raise error if raw.row_numbers is None else NotFiniteError(int(raw.row_numbers[error.row])) from None
    # Columns that come standardized are taken as they are.
    shift = columns.shift if centre and columns.shift.any() else None
    scale = None if shift is None and (columns.scale == 1).all() else columns.scale
    given = {**vars(raw), "data": raw.data.standardize(shift, scale)}
    return Prepared(**given, columns=columns, prior=prior, feature_names=feature_names, products=products)
