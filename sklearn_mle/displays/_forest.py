"""Estimates with their intervals in groups, such as classes: a row for each estimate, a colour for each group."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from sklearn_mle.displays._base import COLOURS, MARKERS, Display


class ForestDisplay(Display):
    """A display of ``estimates``, ``lower`` and ``upper`` of shape (m,) or (m, n_groups).

    Where an interval has no finite ends it is not drawn, and the estimate has a hollow marker.
    """

    estimates: Any
    lower: Any
    upper: Any
    _names_of: ClassVar[tuple[str, str]]  # the parameters that name the rows and the groups

    def __post_init__(self) -> None:
        for parameter in self._names_of:
            setattr(self, parameter, list(getattr(self, parameter)))
        for parameter in ("estimates", "lower", "upper"):
            setattr(self, parameter, np.reshape(getattr(self, parameter), (len(self._row_names), -1)))

    @property
    def _row_names(self) -> list[Any]:
        return list(getattr(self, self._names_of[0]))

    @property
    def _group_names(self) -> list[str]:
        return list(getattr(self, self._names_of[1]))

    def _height(self) -> float:
        n_groups = len(self._group_names)
        return (1.3 if n_groups == 1 else 1.5) + max(0.34, 0.14 * (n_groups + 1)) * len(self._row_names)

    def _draw_rows(self, is_new: bool, shown: Callable[..., Any] = np.asarray) -> tuple[list[Any], list[Any]]:
        """Draw a function of the numbers, row by row, and return the points and the intervals of each group."""
        points, intervals = [], []
        n_groups = len(self._group_names)
        for k, name in enumerate(self._group_names):
            value, lower, upper = (shown(numbers[:, k]) for numbers in (self.estimates, self.lower, self.upper))
            height = np.arange(len(value)) + (k - (n_groups - 1) / 2) * 0.8 / n_groups
            colour, marker = COLOURS[k % len(COLOURS)], MARKERS[(k + k // len(COLOURS)) % len(MARKERS)]
            style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none"}
            known = np.isfinite(lower) & np.isfinite(upper)
            intervals.append(self.ax_.hlines(height[known], lower[known], upper[known], color=colour, linewidth=1.5))
            points += self.ax_.plot(value, height, label=name, **style)
            self.ax_.plot(value[~known], height[~known], markerfacecolor="white", **style)
        self._name_rows([str(name) for name in self._row_names], is_new)
        return points, intervals

    def _name_groups(self, handles: Sequence[Any], is_new: bool, n_columns: int) -> None:
        """Add a legend, if there are several groups: of a new figure below the picture, where no interval ends."""
        if len(handles) > 1 and is_new:
            place = {"loc": "outside lower center", "ncols": min(len(handles), n_columns)}
            self.figure_.legend(handles=handles, frameon=False, **place)
        elif len(handles) > 1:
            self.ax_.legend(handles=handles, frameon=False)
