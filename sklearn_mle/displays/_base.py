"""The base of all displays: figure and axes, units, names and colours; matplotlib is imported when first needed."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import ndtri

from sklearn_mle.inference.hypotheses import check_confidence_level
from sklearn_mle.metrics._means import log_of_base
from sklearn_mle.metrics._responses import open_up

# Okabe and Ito's palette, told apart with every kind of colour vision; in an order that alternates light and dark.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
MARKERS = "osD^vP"
GREY = "0.45"
REFERENCE: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": ":"}  # a line to compare with
BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0}

_WIDTH = 6.0  # inches: 600 pixels at matplotlib's 100 dots an inch
_NAME_WIDTH = 28  # characters of a name on a line
_MOST_LINES = 2
_LINE_HEIGHT = 1.2  # of the size of its type
_SMALLEST_TYPE = 4.0  # points
_PIECES = re.compile(rf".{{1,{_NAME_WIDTH}}}?(?:[\s_,;/(=-]+|(?<=[a-z])(?=[A-Z])|$)|.{{{_NAME_WIDTH}}}")


class Unit:
    """A unit of information, by the base of its logarithm: None is nats, 2 bits; a ValueError for no valid base."""

    def __init__(self, base: float | None) -> None:
        self.nats = log_of_base(base)
        names: dict[float | None, str] = {None: "nats", 2: "bits", 10: "bans"}
        self.name = names.get(base, f"units of {self.nats:.4g} nats")


class Display(ABC):
    """A picture in scikit-learn's ``Display`` convention.

    Class methods compute the numbers that the constructor takes, and draw them; ``plot`` draws them again. A subclass
    is a dataclass of what it draws; it says how high a new figure is, and draws on ``ax_``.
    """

    ax_: Any
    figure_: Any
    _arrays: ClassVar[tuple[str, ...]] = ()  # the parameters that are array-like

    def __post_init__(self) -> None:
        for parameter in self._arrays:
            setattr(self, parameter, np.asarray(getattr(self, parameter)))
        check_options(name=getattr(self, "name", None))

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        Display
            This display, with the axes as ``ax_`` and their figure as ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the unit's ``base`` or the ``confidence_level`` is not valid, or there is nothing to draw.
        """
        self._check()
        is_new = ax is None
        if is_new:
            try:
                from matplotlib import pyplot
            except ImportError as missing:
                raise ImportError("Displays need matplotlib: pip install 'sklearn-mle[displays]'.") from missing
            _, ax = pyplot.subplots(figsize=(_WIDTH, self._height()), layout="constrained")
        elif not hasattr(ax, "spines"):
            raise TypeError(f"ax must be matplotlib axes, or None for new ones; got {ax!r}.")
        ax.spines[["top", "right"]].set_visible(False)
        self.figure_, self.ax_ = ax.figure, ax
        self._draw(is_new)
        return self

    def _check(self) -> None:
        """Raise for what cannot be drawn, before a figure is made."""
        check_options(getattr(self, "base", None), getattr(self, "confidence_level", 0.95))

    def _height(self) -> float:
        """Return the height of a new figure in inches."""
        return 4.0

    @abstractmethod
    def _draw(self, is_new: bool) -> None:
        """Draw on ``ax_``, which may be alone on a new figure, or share another with what is drawn already."""

    def _title(self, text: str | None, color: str = GREY) -> None:
        if text:
            self.ax_.set_title(text, loc="left", fontsize="medium", color=color)

    def _draw_points(self, x: Any, y: Any, color: str = GREY) -> Any:
        """Draw a point for each row. Many are fainter, so that their density shows instead of their number."""
        alpha = float(np.clip(300 / len(x), 0.1, 0.6))
        return self.ax_.scatter(x, y, s=14, color=color, alpha=alpha, linewidths=0, zorder=2)

    def _name_rows(self, names: Sequence[str], is_new: bool) -> None:
        """Write the names of the rows 0, 1, ... on the vertical axis, the first at the top.

        A new figure is as high as they need. In given axes names that would not fit are shortened to one line, and the
        type is smaller.
        """
        texts = [wrapped(name) for name in names]
        self.ax_.set_yticks(range(len(names)), texts)
        self.ax_.set_ylim(len(names) - 0.5, -0.5)
        if is_new:
            return
        labels = self.ax_.get_yticklabels()
        size = labels[0].get_size()
        height = self.ax_.get_window_extent().height * 72 / self.figure_.dpi / len(names)
        if height < _LINE_HEIGHT * size * max(text.count("\n") + 1 for text in texts):
            texts = [shortened(name) for name in names]
        size = min(size, max(height / _LINE_HEIGHT, _SMALLEST_TYPE))
        self.ax_.set_yticks(range(len(names)), texts, fontsize=size)

    def _write(self, text: str, x: float, y: float, **style: Any) -> None:
        """Write a text at a share of the width and a value of the vertical axis."""
        self.ax_.annotate(text, (x, y), xycoords=("axes fraction", "data"), **{"color": GREY, **style})


class PredictionDisplay(Display):
    """A display of predictions, which are given or come from an estimator."""

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, offset: Any = None, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Predict, and draw.

        Parameters
        ----------
        estimator : estimator
            Fitted probabilistic classifier; for distributions of y a fitted regressor with ``predict_distribution``, or
            one of scikit-learn's Gaussian regressors. Also inside pipelines and searches.
        X : array-like of n rows
            Features; best of rows that were not fitted to.
        y : array-like of n rows
            As ``from_predictions`` takes ``y_true``.
        offset : array-like, default=None
            As in the estimator's predict methods.
        name : str, default=None
            The model's name in the picture; that of the estimator's class by default.
        **kwargs : dict
            Keywords of ``from_predictions``. There ``pos_label`` is one of the estimator's classes, the second of two
            by default.

        Returns
        -------
        Display
            The display.

        Raises
        ------
        ValueError
            If there are more than two classes and a ``pos_label`` is needed and not given, or it is none of them.
        TypeError
            If the estimator gives no such predictions.
        """
        check_options(name=name)
        final, opened = open_up(estimator, X)
        return cls._from_fitted(final, opened, y, offset, name=name or type(final).__name__, **kwargs)

    @classmethod
    @abstractmethod
    def _from_fitted(cls, estimator: Any, X: Any, y: Any, offset: Any, **kwargs: Any) -> Self:
        """Predict with an estimator that is no pipeline, and draw; ``kwargs`` are those of ``from_predictions``."""


def check_options(base: float | None = None, confidence_level: float = 0.95, name: str | None = None) -> None:
    """Raise for a unit, a level or a name that is not valid."""
    Unit(base)
    check_confidence_level(confidence_level)
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"name must be a string, or None; got {name!r}.")


def confidence_factor(confidence_level: float) -> float:
    """Return the number of standard errors to each side of a normal interval of this level."""
    check_confidence_level(confidence_level)
    return float(ndtri((1 + confidence_level) / 2))


def wrapped(name: str) -> str:
    """Break a long name into at most two lines, after blanks and punctuation where that is possible."""
    lines = [""]
    for piece in _PIECES.findall(name):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > _NAME_WIDTH:
            lines.append("")
        lines[-1] += piece
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][: _NAME_WIDTH - 2].rstrip() + " …"]
    return "\n".join(line.rstrip() for line in lines)


def shortened(name: str) -> str:
    """Return a name on one line, both ends of a long one: names of columns differ at either."""
    half = (_NAME_WIDTH - 1) // 2
    return name if len(name) <= _NAME_WIDTH else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"


def percent(level: float) -> str:
    """Format a probability as 95%."""
    return f"{100 * level:g}%"


def signed(value: float, form: str) -> str:
    """Format a number with the minus sign that matplotlib puts on its axes."""
    return format(value, form).replace("-", "−")
