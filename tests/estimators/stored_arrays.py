"""Arrays that are not in memory: mapped files, and one that slices by rows and remembers what it was asked for."""

import numpy as np


class SlicedArray:
    """What zarr and h5py have in common: a shape, a dtype, and slices by rows. Nothing else is allowed."""

    def __init__(self, array, chunks=None):
        self._array, self.reads = array, []
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, index):
        if index is Ellipsis:
            index = slice(0, self.shape[0])
        assert isinstance(index, slice) and index.step is None, "rows are asked for by slices"
        self.reads.append((index.start or 0, index.stop))
        return self._array[index].copy()

    def __array__(self, *args, **kwargs):
        raise AssertionError("the array was read as a whole")


def mapped(folder, array, *, mode="r", order="C"):
    """Return the array as a file mapped into memory."""
    path = folder / f"{len(list(folder.iterdir()))}.bin"
    written = np.memmap(path, dtype=array.dtype, mode="w+", shape=array.shape, order=order)
    written[...] = array
    written.flush()
    return np.memmap(path, dtype=array.dtype, mode=mode, shape=array.shape, order=order)
