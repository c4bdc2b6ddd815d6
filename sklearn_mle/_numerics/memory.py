"""The limit on the size of a table: scikit-learn's own ``working_memory``, 1 GiB unless it is set otherwise.

X is the caller's, and is read block by block. What else could fill the memory are tables both of whose sides are
numbers of parameters (curvatures, factors, covariances), and rows of a sparse X made dense. Before one is formed, its
size is checked here: by ``fits`` where there is another route, by ``refuse_unless_it_fits`` where there is none. A fit
may hold a few tables of the size that is checked.
"""

from math import prod

from sklearn import get_config

from sklearn_mle.exceptions import WorkingMemoryError

_MEBIBYTE = 1 << 20


def fits(*shape: int) -> bool:
    """Return whether a table of float64 of this shape is within scikit-learn's ``working_memory``."""
    # Small tables need no look at the configuration, which costs a microsecond.
    size = 8 * prod(map(int, shape))
    return size <= _MEBIBYTE or size <= get_config()["working_memory"] * _MEBIBYTE


def refuse_unless_it_fits(*shape: int, what: str, remedy: str) -> None:
    """Raise WorkingMemoryError where the table does not fit.

    ``what`` is the subject of the error's first sentence, ``remedy`` a sentence without its full stop.
    """
    if fits(*shape):
        return
    needed, allowed = -(-8 * prod(map(int, shape)) // _MEBIBYTE), get_config()["working_memory"]
    sides = " x ".join(f"{side:,}" for side in shape)
    raise WorkingMemoryError(
        f"{what} is a table of {sides} numbers, {needed / 1024:.3g} GiB, more than scikit-learn's working_memory of "
        f"{allowed / 1024:.3g} GiB. {remedy}; or allow more, if the machine has it: "
        f"sklearn.set_config(working_memory={needed})."
    )
