"""What a fit retains for inference: the curvature at the optimum, and what the data do not determine.

It holds no data: a factor that the solver had formed already, and how its variables become coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows.columns import Columns

if TYPE_CHECKING:
    from sklearn_mle._rank import Identification


# A factor of this order takes 32 MB of memory, and of every pickle.
MOST_KEPT = 2000
# What is not determined is known to the rounding of a QR; this part of it (in units of the columns) counts as zero.
_NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Curvature:
    """Curvature of the total NLL at the estimate: ``mean_weight`` times that of the factor."""

    # Of the Hessian in the solver's theta, with weights of mean one.
    factor: Factor
    # From theta to coefficients of the standardized columns, and from these to X's own.
    predictors: LinearPredictors
    columns: Columns
    mean_weight: float = 1.0
    # Which columns depend on others, predictor by predictor; None where none do.
    identification: "Sequence[Identification | None] | None" = None
    # Changes of the coefficients, shape (k, q, p + 1), in the units of X, along which no finite maximum exists: they
    # span, together with what the columns leave open, all such directions. What they touch has no standard error.
    divergent: Array | None = None
    # What each predictor's coefficients are multiplied by to be in y's units; None is one.
    response_scale: Sequence[float] | None = None
    # How far from the estimate the curvature was formed, in standard errors: its relative error is at most of this
    # order (and smaller, the more rows there are).
    drift: float = 0.0

    @property
    def parameters(self) -> NDArray[np.bool_]:
        """Which entries of the coefficients, shape (q, p + 1), are parameters of the model."""
        out = np.empty(self.predictors.shape, dtype=bool)
        for row, term in zip(out, self.predictors.terms, strict=True):
            row[:-1], row[-1] = term.columns, term.intercept
        contrast = self.predictors.contrast
        return out if contrast is None else np.tile(out[:1], (len(contrast), 1))

    @property
    def condition(self) -> float:
        """Condition number of the standardized design in the metric of the curvature, its columns of unit length."""
        return self.factor.condition

    def root(self) -> Array:
        """Return T of shape (q (p + 1), size) with T T' the covariance of the coefficients, flattened row by row.

        Where a coefficient is not identified, that of least norm is meant.
        """
        refuse_unless_it_fits(
            self.factor.size,
            self.parameters.size,
            what=f"The covariance of {self.parameters.size:,} coefficients",
            remedy="Fewer columns are needed",
        )
        with single_threaded_blas:  # threads that wait for each other cost more than a small matrix's inverse
            return self._coefficients(self.factor.unwhiten(np.eye(self.factor.size)).T).T / np.sqrt(self.mean_weight)

    def inflated(self, multiple: float) -> "Curvature":
        """Return the curvature whose covariance is ``multiple`` times this one's."""
        return replace(self, mean_weight=self.mean_weight / multiple)

    def _coefficients(self, thetas: Array) -> Array:
        """Return the changes of the coefficients, in the units of X and y, that go with changes of theta (rows)."""
        matrices = np.empty((len(thetas), *self.parameters.shape))
        for matrix, theta in zip(matrices, thetas, strict=True):
            matrix[:] = self.predictors.direction(theta)
        if self.identification is not None:
            for j, identification in enumerate(self.identification):
                if identification is not None:
                    matrices[:, j] = identification.minimum_norm(matrices[:, j], self.columns)
        out = self.columns.to_original(matrices.reshape(-1, matrices.shape[2])).reshape(matrices.shape)
        if self.response_scale is not None:
            out *= np.asarray(self.response_scale)[:, None]
        return out.reshape(len(out), self.parameters.size)

    def undetermined(self) -> Array:
        """Return what the data leave open, shape (q (p + 1), k): directions of the coefficients.

        Along them the likelihood is constant (dependent columns), or rises without end (separation). A linear
        combination of coefficients has a standard error where it is orthogonal to all of them. Classes whose
        coefficients are in the gauge that sums to zero leave nothing open in this sense.
        """
        q, width = self.parameters.shape
        directions = []
        for j, identification in enumerate(self.identification or ()):
            if identification is not None:
                null = identification.null_space(self.columns, self.parameters[j, -1])
                block = np.zeros((q, width, null.shape[1]))
                block[j] = null
                directions.append(block.reshape(q * width, -1))
        if self.divergent is not None and len(self.divergent):
            directions.append(self.divergent.reshape(len(self.divergent), -1).T)
        return np.concatenate(directions, axis=1) if directions else np.zeros((q * width, 0))

    def covariance(self, combinations: Array | None = None) -> Array:
        """Return the covariance of linear combinations of the coefficients; nan in the rows of the undetermined ones.

        ``combinations`` has shape (r, q (p + 1)); None is every coefficient by itself, row by row of the coefficients.
        """
        if combinations is None:
            combinations = np.eye(self.parameters.size)
        with single_threaded_blas:
            root = combinations @ self.root()
            covariance = root @ root.T
        lost = self.lost(combinations)
        covariance[lost] = covariance[:, lost] = np.nan
        return covariance

    def standard_errors(self, combinations: Array, root: Array | None = None) -> Array:
        """Return the standard errors of linear combinations of the coefficients; nan for the undetermined ones.

        Not from the covariance, whose entries leave the range of float64 at columns of 1e-160. ``root`` is that of
        the covariance, where it is known already.
        """
        with single_threaded_blas:
            root = combinations @ (self.root() if root is None else root)
        size = np.abs(root).max(axis=1, initial=0.0)
        errors = size * np.linalg.norm(root / np.where(size > 0, size, 1)[:, None], axis=1)
        errors[self.lost(combinations)] = np.nan
        return errors

    def lost(self, combinations: Array) -> NDArray[np.bool_]:
        """Return which linear combinations of the coefficients (as in ``covariance``) are undetermined."""
        # In units of a standardized column, so that X's units decide nothing.
        length = np.tile(np.append(np.hypot(self.columns.scale, self.columns.shift), 1.0), len(self.parameters))
        open_directions = self.undetermined() * length[:, None]
        if not open_directions.shape[1]:
            return np.zeros(len(combinations), dtype=bool)
        scaled = combinations / length
        with single_threaded_blas:
            part = scaled @ _orthonormal(open_directions)
            return np.linalg.norm(part, axis=1) > _NEGLIGIBLE * np.linalg.norm(scaled, axis=1)


def _orthonormal(directions: Array) -> Array:
    size = np.abs(directions).max(axis=0)
    q, r, _ = scipy.linalg.qr(directions / np.where(size > 0, size, 1), mode="economic", pivoting=True)
    diagonal = np.abs(r.diagonal())
    return q[:, : int((diagonal > 1e-10 * diagonal.max(initial=0.0)).sum())]
