"""How often the rows of a fit were read: one counter for all views of the same rows."""

__all__ = ["Passes"]


class Passes:
    """The number of passes over some rows so far; data that share the rows share the counter.

    A pass is counted when a reduction over all rows starts, by whoever drives it: tasks that travel to the rows know
    nothing of the counter.
    """

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count
