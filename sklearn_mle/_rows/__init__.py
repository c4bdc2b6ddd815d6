"""The rows of a fit: where they are (in memory, dense or sparse, in storage, on Dask) and the reductions over them."""

from sklearn_mle._rows.data import Block, Data
from sklearn_mle._rows.dense import DenseRows, SingleRows, StoredRows
from sklearn_mle._rows.sparse import SparseRows

__all__ = ["Block", "Data", "DenseRows", "SingleRows", "SparseRows", "StoredRows"]
