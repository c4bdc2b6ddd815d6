"""How a changed problem is to be read: in which units, origins and order its answers are those of the unchanged one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

ONE = "one"  # the name of a constant column

Key = tuple[int, str]  # which linear predictor (or class), and which column (or "intercept")


@dataclass(frozen=True)
class Coordinates:
    """What was done to the rows, as their answers see it.

    Attributes
    ----------
    unit : float
        y is this many times what it was.
    affine : bool
        Whether the location is in the unit of y; otherwise it is a logarithm.
    second_power : float
        To which power of ``unit`` the second parameter, the dispersion, goes.
    deviance_power : float
        To which power of ``unit`` the deviance goes.
    moved_intercept : bool
        Whether it was the intercept, and not an offset, that took up the unit of y.
    scale, origin : mapping of str to float
        Column j is scale_j x + origin_j.
    line : mapping of str to ndarray of shape (K,)
        x_j times this was added to the offset, of each predictor of the location.
    constant : ndarray of shape (K,)
        Was added to the offset.
    sign : float
        -1 where the two classes changed places.
    """

    unit: float = 1.0
    affine: bool = False
    second_power: float = 0.0
    deviance_power: float = 0.0
    moved_intercept: bool = True
    scale: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    line: Mapping[str, np.ndarray] = field(default_factory=dict)
    constant: np.ndarray | None = None
    sign: float = 1.0

    def original(self, theta: Mapping[Key, float], classes: bool) -> dict[Key, float]:
        """Return the parameters of the unchanged problem."""
        found: dict[Key, float] = {}
        for (j, name), value in theta.items():
            location = j == 0 or classes
            of_unit = self.unit if self.affine and location else 1.0
            name = "intercept" if name == ONE else name
            if name == "intercept":
                if j == 1 and not classes:
                    value -= self.second_power * np.log(self.unit)
                elif location and not self.affine and self.moved_intercept:
                    value -= np.log(self.unit)
                moved = sum(theta[j, column] * by for column, by in self.origin.items() if (j, column) in theta)
                value = (value + moved) / of_unit
                if self.constant is not None and location:
                    value += self.constant[j]
            else:
                value = value * self.scale.get(name, 1.0) / of_unit
                if name in self.line and location:
                    value += self.line[name][j]
            found[j, name] = self.sign * value
        return found


def linear_part(change: Callable[[dict[Key, float]], dict[Key, float]], keys: list[Key]) -> np.ndarray:
    """Return the matrix of an affine change of parameters, rows and columns in the order of ``keys``."""
    origin = change(dict.fromkeys(keys, 0.0))
    columns = [change({other: float(other == key) for other in keys}) for key in keys]
    return np.array([[column[key] - origin[key] for column in columns] for key in origin])
