r"""Derivatives in a column of X, through whatever transformers stand before the model.

Columns that the model sees are linear in most columns of X (scalers, interactions): then a central difference over a
large step is exact, and rows where it is not so show a second difference. In these (splines, polynomials, logarithms)
the derivative is that of a five-point rule over a small step, exact for quartic polynomials.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.stored import dot_rows
from sklearn_mle.inference.averages import BlockOfRows, Parts
from sklearn_mle.inference.hypotheses import FIVE_POINTS
from sklearn_mle.inference.tables import dense

# The large step, in standard deviations of the column (a fraction that no grid of values has), and its ratio to the
# small step.
_STEP, _TIMES_SMALLER = 0.1370359, 128
# A second difference of at most so many roundings is that of a linear function.
_ROUNDINGS = 64 * np.finfo(np.float64).eps
# The number of values at which it is tested whether the model depends on a column, and not in steps.
_PROBES = 33
# A kink's second difference shrinks with the step, a jump's does not.
_JUMP = 0.25


def step_of(values: Array) -> float:
    """Return the large step for a column of these numbers."""
    values = values[np.isfinite(values)]
    spread = float(values.std()) if len(values) else 0.0
    return _STEP * (spread or float(np.abs(values).max(initial=0.0)) or 1.0)


def probed_values(values: Array) -> Array:
    """Return some of the values of a column, from the least to the largest."""
    values = np.unique(values[np.isfinite(values)])
    if not len(values):
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, _PROBES).round().astype(np.intp))]


@dataclass(frozen=True)
class Slope:
    """The derivative of the function in a column; times the column itself where ``relative`` (elasticities)."""

    name: Any
    step: float
    relative: bool = False

    def __call__(self, block: BlockOfRows) -> tuple[Array, Parts]:
        """Return the slopes, shape (m, n), and their derivatives in the coefficients."""
        X, eta = block.base
        x = block.table.numbers(self.name)
        columns, change = self._derivative(block, x)
        along = dot_rows(block.model.coefficients[:, columns], change)
        jacobian = block.jacobian
        turned = block.function.turned(eta, along)
        value = (jacobian * along).sum(axis=1)
        if self.relative:
            value, turned, jacobian = value * x, turned * x, jacobian * x
        return value, [(turned, X, None), (jacobian, change, columns)]

    def _derivative(self, block: BlockOfRows, x: Array) -> tuple[NDArray[np.intp], Any]:
        """Return which of the model's columns move with the column, and their derivatives in it, shape (n, k)."""
        base, step = block.base[0], _within(x, self.step)
        up, down = x + step, x - step
        plus, minus = (self._moved_to(block, moved) for moved in (up, down))
        columns = np.flatnonzero(any_row(plus != base) | any_row(minus != base))
        base, plus, minus = (dense(part[:, columns]) for part in (base, plus, minus))
        width = np.where(up > down, up - down, 1.0)
        change = (plus - minus) / width[:, None]
        second = np.abs(plus + minus - 2 * base)
        largest = np.maximum(np.abs(base), np.abs(plus)).max(axis=0, initial=0.0)
        reach = np.nanmax(np.abs(x), initial=0.0) + self.step
        allowed = _ROUNDINGS * (largest + np.abs(change).max(axis=0, initial=0.0) * reach)
        bent = np.flatnonzero((second > allowed).any(axis=1))
        if len(bent):
            change[bent], jumps = self._small_step(block, x[bent], step[bent] / _TIMES_SMALLER, bent, columns)
            if (jumps > np.maximum(_JUMP * second[bent].max(axis=0), allowed)).any():
                self._refuse()
        return columns, change

    def _small_step(
        self, block: BlockOfRows, x: Array, step: Array, rows: Array, columns: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Return derivatives by the five-point rule, and the largest second difference of each column."""
        table = block.table.take(rows)

        def at(multiple: int) -> Array:
            moved = table.replaced(self.name, x + multiple * step)
            return dense(block.read(moved, rows)[0][:, columns])

        found = {multiple: at(multiple) for multiple, _ in FIVE_POINTS}
        total = sum(weight * found[multiple] for multiple, weight in FIVE_POINTS)
        second = np.abs(found[1] + found[-1] - 2 * dense(block.base[0][rows][:, columns]))
        return total / step[:, None], second.max(axis=0)

    def _moved_to(self, block: BlockOfRows, x: Array) -> Any:
        with argument_name(f"X[{self.name!r}]"):
            try:
                return block.read(block.table.replaced(self.name, x))[0]
            except ValueError as error:
                raise ValueError(
                    f"X[{self.name!r}] is a column of numbers, but the transformers reject numbers slightly off "
                    f"its values ({error}). If its values are categories, say "
                    f"columns={{{self.name!r}: 'reference'}} to compare them."
                ) from error

    def probe(self, block: BlockOfRows) -> bool:
        """Return whether the model depends on the column, from equal rows with different values of it.

        Raise ValueError if it does so in steps (bins, one-hot), whose slopes are zero.
        """
        columns, change = self._derivative(block, block.table.numbers(self.name))
        X = block.base[0]
        lowest, highest = ends_of(X)
        size = np.maximum(np.abs(highest), np.abs(lowest))
        varies = highest - lowest > _ROUNDINGS * size
        moves = np.zeros(X.shape[1], dtype=bool)
        moves[columns[(change != 0).any(axis=0)]] = True
        if (varies & ~moves).any():
            self._refuse()
        return bool(moves.any())

    def _refuse(self) -> None:
        raise ValueError(
            f"X[{self.name!r}] is a column of numbers, but the transformers turn it into steps (bins, or a column for "
            f"each value), which have no slope. Compare its values: columns={{{self.name!r}: 'reference'}}, or "
            "contrasts with the values of interest."
        )


def _within(x: Array, step: float) -> Array:
    """Return a step for each row that stays on its side of 0 and of 1, where the column is bounded by them."""
    out = np.full(len(x), step)
    if np.nanmin(x, initial=np.inf) >= 0:
        out = np.where(x > 0, np.minimum(out, x / 8), out)
        if np.nanmax(x, initial=-np.inf) <= 1:
            out = np.where((x > 0) & (x < 1), np.minimum(out, (1 - x) / 8), out)
    return out


def ends_of(X: Any) -> tuple[Array, Array]:
    """Return the least and the largest entry of each column, each of shape (p,)."""
    return dense(X.min(axis=0)).ravel(), dense(X.max(axis=0)).ravel()


def any_row(changed: Any) -> NDArray[np.bool_]:
    """Return which columns have a True."""
    if sp.issparse(changed):
        out = np.zeros(changed.shape[1], dtype=bool)
        out[changed.tocoo().col] = True
        return out
    return np.asarray(changed.any(axis=0))
