"""Floor 1: where the rows are (in memory, dense or sparse, or in storage), and who walks them."""

from sklearn_mle._rows.data import Block, Data
from sklearn_mle._rows.dense import DenseRows
from sklearn_mle._rows.sparse import SparseRows
from sklearn_mle._rows.stored import StoredRows

__all__ = ["Block", "Data", "DenseRows", "SparseRows", "StoredRows"]
