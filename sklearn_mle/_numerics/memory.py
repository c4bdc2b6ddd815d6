"""How large a table may be: the one place that knows the limit.

X is the caller's, and is walked block by block. What else could fill the memory are tables both of whose sides are
numbers of parameters (curvatures, factors, covariances), and rows of a sparse X made dense. Whoever forms one asks here
first: ``fits`` where there is another route, ``refuse_unless_it_fits`` where there is none. The limit is scikit-learn's
own ``working_memory``, 1 GiB unless it is set otherwise. A fit may hold a few tables of the size that is asked for.
"""

from math import prod

from sklearn import get_config

from sklearn_mle.exceptions import WorkingMemoryError

__all__ = ["fits", "refuse_unless_it_fits"]

_MEBIBYTE = 1 << 20


def fits(*shape: int) -> bool:
    """Return whether a table of float64 of this shape is within scikit-learn's ``working_memory``."""
    # Small tables need no look at the configuration, which costs a microsecond.
    size = _bytes(shape)
    return size <= _MEBIBYTE or size <= get_config()["working_memory"] * _MEBIBYTE


def refuse_unless_it_fits(*shape: int, what: str, remedy: str) -> None:
    """Raise WorkingMemoryError where the table does not fit.

    Parameters
    ----------
    *shape : int
    what : str
        The subject of the error's first sentence.
    remedy : str
        What to do instead, as a sentence without its full stop.
    """
    if fits(*shape):
        return
    needed, allowed = -(-_bytes(shape) // _MEBIBYTE), get_config()["working_memory"]
    sides = " x ".join(f"{side:,}" for side in shape)
    raise WorkingMemoryError(
        f"{what} is a table of {sides} numbers, {needed / 1024:.3g} GiB, more than scikit-learn's working_memory of "
        f"{allowed / 1024:.3g} GiB. {remedy}; or allow more, where the machine has it: "
        f"sklearn.set_config(working_memory={needed})."
    )


def _bytes(shape: tuple[int, ...]) -> int:
    return 8 * prod(int(side) for side in shape)
