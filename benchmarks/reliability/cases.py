"""The cases: what goes in, and what should come out. 60 rows each, so that the truth can be had with sixty digits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

__all__ = ["KINDS", "Case", "Data", "cases"]

N = 60
KINDS = ("binary", "multinomial", "gaussian", "poisson", "median")


@dataclass(frozen=True)
class Data:
    """What a library is given; its fitted means are ``unit * mean + shift`` of those that are judged."""

    X: Any
    y: Any
    weight: Any = None
    unit: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Case:
    """One hard input for one kind of model.

    Attributes
    ----------
    name, kind : str
    given : callable
        -> Data.
    plain : callable or None
        -> Data with the same fitted means, of independent columns and without the hardness, which the truth is
        computed from; None where the input has no answer.
    words : str
        A regular expression: a clear error or warning says one of these.
    """

    name: str
    kind: str
    given: Callable[[], Data]
    plain: Callable[[], Data] | None
    words: str


_RANK = "collinear|rank|singular|constant|identif"
_APART = "separat|perfect|no finite|converge"
_FINITE = "nan|inf|finite|missing"
_SIZE = "scale|condition|converge|precision|singular|rank|overflow"


def base(kind: str) -> Data:
    """Return a well-behaved problem of the kind, its numbers on a grid, so that shifts and scales round nothing."""
    rng = np.random.default_rng(KINDS.index(kind))
    X = np.round(rng.standard_normal((N, 3)) * 64) / 64
    eta = X @ [0.8, -0.5, 0.3] + 0.2
    y = {
        "binary": lambda: (eta + rng.logistic(size=N) > 0).astype(float),
        "multinomial": lambda: np.argmax(np.outer(eta, [1.0, 0.0, -1.0]) + rng.gumbel(size=(N, 3)), axis=1),
        "gaussian": lambda: np.round((eta + rng.standard_normal(N)) * 256) / 256,
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "median": lambda: np.round((eta + rng.standard_t(2, N)) * 256) / 256,
    }[kind]()
    return Data(X, y)


def cases(kind: str) -> list[Case]:
    """Return all cases of a kind."""
    X, y = (plain := base(kind)).X, plain.y
    rng = np.random.default_rng(10)
    found = []

    def answer(name: str, given: Data, same: Data | None = None, words: str = _SIZE) -> None:
        found.append(Case(name, kind, lambda: given, lambda: same or given, words))

    def none(name: str, given: Data, words: str) -> None:
        found.append(Case(name, kind, lambda: given, None, words))

    def columns(name: str, changed: np.ndarray, words: str = _SIZE) -> None:
        answer(name, Data(changed, y), plain, words)

    answer("nothing hard", plain)
    columns("a year: mean 2000, spread 1", X + np.array([2000, 0, 0]))
    columns("a mean of 1e6", X + np.array([2.0**20, 0, 0]))
    columns("a mean of 1e10", X + np.array([2.0**33, 0, 0]))
    columns("units a thousand apart", X * [2.0**10, 1, 1])
    columns("units a million apart", X * [2.0**20, 1, 1])
    columns("units from 1e-8 to 1e8", X * [2.0**-27, 1, 2.0**27])
    columns("units from 1e-150 to 1e150", X * [2.0**-498, 1, 2.0**498])
    columns("every column about 1e12", X * 2.0**40)
    columns("a column twice", X[:, [0, 1, 2, 0]], _RANK)
    columns("a column that is the sum of two", np.column_stack([X, X[:, 0] + X[:, 1]]), _RANK)
    columns("a constant column", np.column_stack([X, np.full(N, 5.0)]), _RANK)
    columns("a column of zeros", np.column_stack([X, np.zeros(N)]), _RANK)
    columns("two columns equal to 1e-7", np.column_stack([X, X[:, 0] + 2.0**-23 * X[:, 1]])[:, [0, 3, 2]], _RANK)
    far = X.copy()
    far[7, 1] = 1e6
    answer("one entry of 1e6", Data(far, y))
    counts = rng.integers(0, 4, N).astype(float)
    copies = Data(np.repeat(X, counts.astype(int), axis=0), np.repeat(y, counts.astype(int)))
    answer("weights that are copies", Data(X, y, counts), copies)
    answer("weights of 1e-12", Data(X, y, np.full(N, 1e-12)), plain)
    answer("weights of 1e12", Data(X, y, np.full(N, 1e12)), plain)
    if kind in _DECADES:
        answer("weights over twelve decades", Data(X, y, 10.0 ** rng.uniform(-6, 6, N)))
    absent, junk = np.ones(N), X.copy()
    absent[:5], junk[:5] = 0, 1e3
    answer("rows of weight zero that are junk", Data(junk, y, absent), Data(X[5:], y[5:]))
    none(
        "a negative weight",
        Data(X, y, np.where(np.arange(N) == 3, -1.0, 1.0)),
        "weight.*(negative|positive|>= 0)|negative.*weight",
    )
    none("a weight that is NaN", Data(X, y, np.where(np.arange(N) == 3, np.nan, 1.0)), _FINITE)
    for name, value in (("NaN", np.nan), ("infinite", np.inf)):
        bad = X.copy()
        bad[3, 1] = value
        none(f"an entry of X that is {name}", Data(bad, y), _FINITE)
    answer("float32", Data(X.astype(np.float32), y), plain)
    answer("small integers", Data((X * 64).astype(np.int16), y), plain)
    answer("integers near 2^53", Data((X * 64).astype(np.int64) + 2**52, y), plain)
    answer("truth values", Data(X > 0, y), Data((X > 0).astype(float), y))
    answer(
        "sparse, with zeros stored", Data(_with_stored_zeros(np.where(X > 0, X, 0)), y), Data(np.where(X > 0, X, 0), y)
    )
    answer("every other row of a larger array", Data(np.repeat(X, 2, axis=0)[::2], y), plain)
    none("no rows", Data(X[:0], y[:0]), "empty|0 sample|no (rows|data)|minimum|at least|zero-size")
    none("y shorter than X", Data(X, y[:-1]), "inconsistent|length|shape|size|mismatch|same|align")
    if kind != "multinomial":
        unknown = y.copy()
        unknown[3] = np.nan
        none("an outcome that is NaN", Data(X, unknown), _FINITE)
    for name, given, same, words in _OF_KIND[kind](X, y):
        found.append(
            Case(name, kind, lambda given=given: given, None if same is None else lambda same=same: same, words)
        )
    return found


# Of the others the most weighted rows alone have more than one answer to working precision.
_DECADES = ("binary", "gaussian", "poisson")


def _with_stored_zeros(X: np.ndarray) -> Any:
    matrix = sp.csr_matrix(np.where(X == 0, 1.0, X))
    matrix.data[X.ravel() == 0] = 0
    return matrix


def _binary(X: np.ndarray, y: np.ndarray) -> list[tuple[str, Data, Data | None, str]]:
    apart = (X[:, 0] > 0).astype(float)
    edge = np.concatenate([X[:, :1] - X[:, :1].min(), -(X[:, :1] - X[:, :1].min())])
    quasi = Data(np.column_stack([X, (np.arange(N) % 5 == 0) & (y == 1)]).astype(float), y)
    x = np.repeat([0.0, 1.0], 20_000)
    rare = np.zeros(40_000)
    rare[:3], rare[-9:] = 1, 1
    near = np.linspace(-1, 1, N)[:, None]
    almost = (near[:, 0] > 0).astype(float)
    almost[26] = 1.0
    return [
        ("separated", Data(X, apart), None, _APART),
        ("separated but for a tie", Data(edge, np.repeat([1.0, 0.0], N)), None, _APART),
        ("a dummy without events", quasi, None, _APART),
        ("separated but for one row", Data(near, almost), Data(near, almost), _APART),
        ("one class only", Data(X, np.ones(N)), None, "class|variation|constant"),
        ("a class whose rows have weight zero", Data(X, y, (y == 1).astype(float)), None, "class|separat|perfect"),
        ("12 events in 40,000 rows", Data(x[:, None], rare), Data(x[:, None], rare), _SIZE),
        ("more columns than rows", Data(np.eye(N), y), None, _APART),
    ]


def _multinomial(X: np.ndarray, y: np.ndarray) -> list[tuple[str, Data, Data | None, str]]:
    corner = X.copy()
    corner[:, 0] = np.where(y == 2, 3.0, X[:, 0])
    return [
        ("separated", Data(X, np.digitize(X[:, 0], [-0.5, 0.5])), None, _APART),
        ("one class separated from the others", Data(np.minimum(corner, 3.0), y), None, _APART),
        ("a class whose rows have weight zero", Data(X, y, (y != 1).astype(float)), None, "class|separat|perfect"),
        ("a class of two rows", *_of_two_rows(X), _APART),
    ]


def _of_two_rows(X: np.ndarray) -> tuple[Data, Data]:
    y = (np.arange(N) % 2).astype(int)
    y[[20, 41]] = 2
    return Data(X[:, :1], y), Data(X[:, :1], y)


def _gaussian(X: np.ndarray, y: np.ndarray) -> list[tuple[str, Data, Data | None, str]]:
    x = np.linspace(0, 1, N)
    powers = np.column_stack([x**k for k in range(1, 9)])
    exact = Data(X, X @ [1.0, 2.0, 3.0] + 4)
    wide = np.random.default_rng(5).standard_normal((N, N + 20))
    return [
        ("powers up to the eighth", Data(powers, y), Data(powers, y), _SIZE),
        ("every row fitted exactly", exact, exact, "perfect|exact"),
        ("more columns than rows", Data(wide, y), Data(np.eye(N)[:, 1:], y), _RANK),
        ("an outcome about 1e-200", Data(X, y * 2.0**-664, unit=2.0**-664), Data(X, y), _SIZE),
        ("an outcome about 1e150", Data(X, y * 2.0**498, unit=2.0**498), Data(X, y), _SIZE),
        ("an outcome of mean 1e10", Data(X, y + 2.0**33, shift=2.0**33), Data(X, y), _SIZE),
        ("a constant outcome", Data(X, np.full(N, 3.0)), Data(X, np.full(N, 3.0)), "constant|perfect|exact"),
    ]


def _poisson(X: np.ndarray, y: np.ndarray) -> list[tuple[str, Data, Data | None, str]]:
    group = (np.arange(N) % 4 == 0).astype(float)
    zeros = np.where(group > 0, 0.0, y)
    large = np.round(np.exp(20 + X @ [0.8, -0.5, 0.3]))
    x = np.repeat([0.0, 1.0], 20_000)
    rare = np.zeros(40_000)
    rare[:3], rare[-9:] = 1, 1
    return [
        ("a group without events", Data(np.column_stack([X, group]), zeros), None, _APART),
        ("nothing but zeros", Data(X, np.zeros(N)), None, "zero|positive|all|separat|no finite"),
        (
            "a negative count",
            Data(X, np.where(np.arange(N) == 3, -1.0, y)),
            None,
            "negative|range|>= 0|nonnegative|domain",
        ),
        ("counts about 1e9", Data(X, large), Data(X, large), _SIZE),
        ("12 events in 40,000 rows", Data(x[:, None], rare), Data(x[:, None], rare), _SIZE),
    ]


def _median(X: np.ndarray, y: np.ndarray) -> list[tuple[str, Data, Data | None, str]]:
    # The fit depends on an outlier's side alone.
    outlier, nearer = y.copy(), y.copy()
    outlier[5], nearer[5] = 1e12, 1e3
    ties = np.round(y)
    exact = Data(X, X @ [1.0, 2.0, 3.0] + 4)
    return [
        ("an outcome of 1e12", Data(X, outlier), Data(X, nearer), _SIZE),
        ("many ties", Data(X, ties), Data(X, ties), _SIZE),
        ("every row fitted exactly", exact, exact, "perfect|exact"),
        ("an outcome about 1e-100", Data(X, y * 2.0**-332, unit=2.0**-332), Data(X, y), _SIZE),
        ("an outcome about 1e100", Data(X, y * 2.0**332, unit=2.0**332), Data(X, y), _SIZE),
        ("an outcome of mean 1e10", Data(X, y + 2.0**33, shift=2.0**33), Data(X, y), _SIZE),
    ]


_OF_KIND: dict[str, Callable[[np.ndarray, np.ndarray], list[tuple[str, Data, Data | None, str]]]] = {
    "binary": _binary,
    "multinomial": _multinomial,
    "gaussian": _gaussian,
    "poisson": _poisson,
    "median": _median,
}
