"""The log-prior: what is added to the NLL, as a function of the solver's theta."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from sklearn_mle._numerics.arrays import Array


@dataclass(frozen=True)
class Ridge:
    r"""What an estimator is asked to penalize: :math:`\tfrac12 \sum_k \alpha_k \lVert \beta_k \rVert^2`.

    In nats of the total NLL and in the units of X; intercepts are free. ``precisions`` holds :math:`\alpha_k` for the
    likelihood's predictors from the first on, zero for those not listed (of a classifier, one for all classes). That of
    the location is relative to the noise where the noise can vanish; the others are absolute.
    """

    precisions: tuple[float, ...] = (0.0,)
    # Whether it is Jeffreys' prior.
    bias_reduced: ClassVar[bool] = False

    @property
    def is_flat(self) -> bool:
        """Whether nothing is penalized, so that the mode is the maximum of the likelihood."""
        return not any(self.precisions)

    def penalizes(self, predictor: int) -> bool:
        """Return whether a predictor's coefficients have a proper prior, under which each of them has a mode."""
        return predictor < len(self.precisions) and self.precisions[predictor] > 0

    def times(self, factor: float) -> "Ridge":
        """Return the penalty multiplied by a factor."""
        return Ridge(tuple(factor * precision for precision in self.precisions))

    def of_theta(self, scale: Array, used: Array) -> "Penalty":
        """Return the first predictor's log-prior on each row of ``used`` (k, p + 1), where theta's entries stand."""
        return gaussian_of_columns(self.in_standardized(scale), used) if self.penalizes(0) else NoPenalty()

    def in_standardized(self, scale: Array, predictor: int = 0) -> Array:
        """Return the precision of each coefficient (p,) of a predictor, of columns divided by ``scale``."""
        precision = self.precisions[predictor] if predictor < len(self.precisions) else 0.0
        return precision / np.square(scale)


@dataclass(frozen=True)
class Jeffreys(Ridge):
    """Jeffreys' prior, which reduces the bias as Firth did.

    It has no precision: which coefficients there are is asked as of the likelihood alone. It needs the rows, so that
    the objective with it is built by the fit (``_jeffreys``).
    """

    bias_reduced = True

    def times(self, factor: float) -> "Jeffreys":
        """Return the same: it is a function of the information, whose unit is that of the likelihood."""
        return self


NO_PRIOR = Ridge()


class Penalty(Protocol):
    """A smooth penalty on theta, in nats of the total NLL."""

    convex: bool

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the penalty and its gradient."""

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        """Return the matrix with the penalty's Hessian at theta added to it (in place)."""

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        """Return the penalty's Hessian at theta times the vector."""

    def root(self, theta: Array) -> Array:
        """Return rows whose cross-product is the penalty's Gauss-Newton curvature, positive semidefinite."""


class NoPenalty:
    """The flat prior of maximum likelihood."""

    convex = True

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        return 0.0, np.zeros(theta.shape, theta.dtype)

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return np.zeros_like(vector)

    def root(self, theta: Array) -> Array:
        return np.zeros((0, len(theta)))


class GaussianPrior:
    r"""Independent Gaussian priors: :math:`\tfrac12 \sum_j \lambda_j \theta_j^2`; precisions may be zero."""

    convex = True

    def __init__(self, precision: Array) -> None:
        self.precision = precision

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        gradient = self.precision * theta
        return 0.5 * float(gradient @ theta), gradient

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        matrix.flat[:: len(matrix) + 1] += self.precision
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return self.precision * vector

    def root(self, theta: Array) -> Array:
        return np.diag(np.sqrt(self.precision))


def gaussian_of_columns(precision: Array, used: Array) -> GaussianPrior:
    """Return the prior of such precision for each column (p,), none for intercepts, on each row of ``used``."""
    return GaussianPrior(np.tile(np.append(precision, 0.0), (len(used), 1))[used])


class QuadraticForm:
    r"""Half of :math:`\lVert R \theta \rVert^2`, R given by its rows: curvature along some directions."""

    convex = True

    def __init__(self, rows: Array) -> None:
        self.rows = rows

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        along = self.rows @ theta
        return 0.5 * float(along @ along), self.rows.T @ along

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        matrix += self.rows.T @ self.rows
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return self.rows.T @ (self.rows @ vector)

    def root(self, theta: Array) -> Array:
        return self.rows


class NoiseRelativePrior:
    r"""A Gaussian prior relative to the noise: :math:`\tfrac12 (\sum_j \lambda_j \theta_j^2 + c) e^{-2 m^\top \theta}`.

    m'theta is the weighted mean of the log scales, so the prior's unit is the geometric mean of the fitted scales. In
    absolute units with an estimated scale the problem would be bimodal, or unbounded for n < p.

    Parameters
    ----------
    precision : ndarray of shape (size,)
        Zero but for the location's coefficients.
    mean_log_scale : ndarray of shape (size,)
        The linear form m.
    squares : float
        The number c: what coefficients that are held add to the sum.
    """

    def __init__(self, precision: Array, mean_log_scale: Array, squares: float = 0.0) -> None:
        self.precision, self.mean_log_scale, self.squares = precision, mean_log_scale, squares
        self.convex = not precision.any()

    def _at(self, theta: Array) -> tuple[float, Array, float]:
        """Return the factor of the noise, the gradient beside it, and twice the value."""
        shrink = np.exp(-2 * (self.mean_log_scale @ theta))
        direct = self.precision * theta * shrink
        return shrink, direct, float(direct @ theta + self.squares * shrink)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        _, direct, twice = self._at(theta)
        return 0.5 * twice, direct - twice * self.mean_log_scale

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        shrink, direct, twice = self._at(theta)
        cross = np.multiply.outer(direct, self.mean_log_scale)
        matrix.flat[:: len(matrix) + 1] += self.precision * shrink
        matrix -= 2 * (cross + cross.T)
        matrix += 2 * twice * np.multiply.outer(self.mean_log_scale, self.mean_log_scale)
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        # As add_hessian has it, without the matrix: it is asked for where that would be too large.
        shrink, direct, twice = self._at(theta)
        along, across = float(self.mean_log_scale @ vector), float(direct @ vector)
        out = self.precision * shrink * vector - 2 * along * direct
        return out + (2 * twice * along - 2 * across) * self.mean_log_scale

    def root(self, theta: Array) -> Array:
        # The penalty is half the square of sqrt(precision) theta exp(-m'theta); the Hessian itself is indefinite. That
        # of what is held is 2 c exp(-2 m'theta) m m' in full.
        noise = np.exp(-(self.mean_log_scale @ theta))
        scaled = np.sqrt(self.precision) * noise
        rows = np.diag(scaled) - np.multiply.outer(scaled * theta, self.mean_log_scale)
        held = np.sqrt(2 * self.squares) * noise * self.mean_log_scale
        return np.concatenate([rows, held[None]]) if self.squares else rows


class SumOfPenalties:
    """A share of one penalty plus another."""

    def __init__(self, first: Penalty, share: float, second: Penalty) -> None:
        self.first, self.share, self.second = first, share, second
        self.convex = first.convex and second.convex

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        value, gradient = self.first.value_and_gradient(theta)
        other, other_gradient = self.second.value_and_gradient(theta)
        return self.share * value + other, self.share * gradient + other_gradient

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        scaled = self.first.add_hessian(np.zeros_like(matrix), theta)
        scaled *= self.share
        matrix += scaled
        return self.second.add_hessian(matrix, theta)

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return self.share * self.first.hessian_product(theta, vector) + self.second.hessian_product(theta, vector)

    def root(self, theta: Array) -> Array:
        return np.concatenate([np.sqrt(self.share) * self.first.root(theta), self.second.root(theta)])


class ShiftedPenalty:
    """A penalty as a function of the distance from a point."""

    def __init__(self, penalty: Penalty, origin: Array) -> None:
        self.penalty, self.origin, self.convex = penalty, origin, penalty.convex

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        return self.penalty.value_and_gradient(self.origin + theta)

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        return self.penalty.add_hessian(matrix, self.origin + theta)

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return self.penalty.hessian_product(self.origin + theta, vector)

    def root(self, theta: Array) -> Array:
        return self.penalty.root(self.origin + theta)
