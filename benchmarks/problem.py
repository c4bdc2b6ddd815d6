"""What a workload asks for, and where its data lie while the solvers read them."""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

__all__ = ["DF", "EPSILON", "LEVEL", "Problem", "fingerprint", "load", "row_sample", "save", "stored_bytes"]

# Where Huber's tails begin (HuberRegressor's default), Student's degrees of freedom, the quantile that is fitted.
EPSILON = 1.35
DF = 4.0
LEVEL = 0.9

WARM_UP_ROWS = 2000


@dataclass(frozen=True)
class Problem:
    """One estimation problem: everything a solver may depend on, without the data.

    Attributes
    ----------
    name : str
        Name of the workload.
    model : {"bernoulli", "categorical", "gaussian", "gaussian_log_linear", "poisson", "huber", "student_t", "quantile"}
        The likelihood.
    n, p, n_classes : int
        Rows, columns, classes (0 for regression).
    alpha : float
        Precision of the prior on the coefficients, in units of the total NLL (1 / C); 0 is no prior.
    sparse : bool
        Whether X is a CSR matrix.
    search : tuple of float
        Values of C to search by cross-validation; empty for a single fit.
    """

    name: str
    model: str
    n: int
    p: int
    n_classes: int = 0
    alpha: float = 0.0
    sparse: bool = False
    search: tuple[float, ...] = ()

    @property
    def C(self) -> float:  # noqa: N802  (scikit-learn's name)
        """Inverse of alpha; inf for no prior."""
        return 1 / self.alpha if self.alpha else np.inf


def save(folder: Path, problem: Problem, X: Any, y: np.ndarray) -> None:
    """Write the problem and its data, uncompressed."""
    (folder / "problem.json").write_text(json.dumps(asdict(problem)))
    np.save(folder / "y.npy", y)
    if problem.sparse:
        sp.save_npz(folder / "X.npz", X, compressed=False)
    else:
        np.save(folder / "X.npy", X)


def load(folder: Path) -> tuple[Problem, Any, np.ndarray]:
    """Read what `save` wrote into this process (no memory map: every page is touched before the clock runs)."""
    values = json.loads((folder / "problem.json").read_text())
    problem = Problem(**{**values, "search": tuple(values["search"])})
    X = sp.load_npz(folder / "X.npz") if problem.sparse else np.load(folder / "X.npy")
    return problem, X, np.load(folder / "y.npy")


def buffers(X: Any) -> list[np.ndarray]:
    """Return the arrays that hold X."""
    return [X.data, X.indices, X.indptr] if sp.issparse(X) else [X]


def stored_bytes(X: Any) -> int:
    """Return the memory that X occupies."""
    return sum(part.nbytes for part in buffers(X))


def fingerprint(X: Any, y: np.ndarray) -> str:
    """Return a checksum of the data: a stored optimum is believed only for the very same numbers."""
    checksum = 0
    for part in [*buffers(X), y]:
        checksum = zlib.crc32(np.ascontiguousarray(part).data, checksum)
    return f"{checksum:08x}"


def row_sample(X: Any, y: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return a few evenly spaced rows, of the same types, for a warm-up."""
    rows = np.arange(0, len(y), max(1, len(y) // WARM_UP_ROWS))
    return X[rows], y[rows]
