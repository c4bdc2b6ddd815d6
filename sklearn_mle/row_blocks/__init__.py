"""Floor 1: where the rows are (in memory, dense or sparse, or in storage), and who walks them."""

from sklearn_mle.row_blocks.data import RowBlock, RowBlocks
from sklearn_mle.row_blocks.dense import DenseRows
from sklearn_mle.row_blocks.sparse import SparseRows
from sklearn_mle.row_blocks.stored import StoredRows

__all__ = ["DenseRows", "RowBlock", "RowBlocks", "SparseRows", "StoredRows"]
