"""What all displays share: matplotlib, imported when a picture is first drawn; colours, units, and a place to draw."""

import re
from typing import Any

from scipy.special import ndtri

from sklearn_mle.metrics._units import nats_in_unit

__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "MARKERS",
    "VERMILION",
    "Unit",
    "axes_for",
    "check_level",
    "check_name",
    "confidence_factor",
    "plain_logarithmic_ticks",
    "signed",
    "wrapped",
]

# Okabe and Ito's palette, told apart with every kind of colour vision; in an order that alternates light and dark.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
MARKERS = "osD^vP"
GREY = "0.45"

_WIDTH = 6.0  # inches: 600 pixels at matplotlib's 100 dots an inch
_NAME_WIDTH = 28  # characters of a name on a line
_MOST_LINES = 2
_PIECES = re.compile(rf".{{1,{_NAME_WIDTH}}}?(?:[\s_,;/(=-]+|(?<=[a-z])(?=[A-Z])|$)|.{{{_NAME_WIDTH}}}")


class Unit:
    """A unit of information, by the base of its logarithm: None is nats, 2 bits; a ValueError for no valid base."""

    def __init__(self, base: float | None) -> None:
        self.nats = nats_in_unit(base)
        names: dict[float | None, str] = {None: "nats", 2: "bits", 10: "bans"}
        self.name = names.get(base, f"units of {self.nats:.4g} nats")


def axes_for(ax: Any, height: float = 4.0) -> tuple[Any, Any]:
    """Give (figure, axes): those of ``ax``, or new ones of 600 pixels' width and ``height`` inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as missing:
            raise ImportError("Displays need matplotlib: pip install 'sklearn-mle[displays]'.") from missing
        _, ax = pyplot.subplots(figsize=(_WIDTH, height), layout="constrained")
    elif not hasattr(ax, "spines"):
        raise TypeError(f"ax must be matplotlib axes, or None for new ones; got {ax!r}.")
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure, ax


def plain_logarithmic_ticks(axis: Any) -> None:
    """Write 0.1, 1, 10 on a logarithmic axis, not powers of ten; and numbers between where these are few."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    # 1e20, not 1e+20: over many decades there is no room for more.
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e+", "e").replace("e0", "e")))
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))


def check_level(confidence_level: Any) -> None:
    """Refuse a confidence level that is not strictly between 0 and 1, with a ValueError."""
    if not (isinstance(confidence_level, float) and 0 < confidence_level < 1):
        raise ValueError(f"confidence_level must be a number strictly between 0 and 1; got {confidence_level!r}.")


def check_name(name: Any) -> Any:
    """Return a name, a string or None; a TypeError for anything else."""
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"name must be a string, or None; got {name!r}.")
    return name


def confidence_factor(confidence_level: float) -> float:
    """Standard errors to each side of a normal interval of this level."""
    check_level(confidence_level)
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


def signed(value: float, form: str) -> str:
    """Format a number with the minus sign that matplotlib puts on its axes."""
    return format(value, form).replace("-", "−")
