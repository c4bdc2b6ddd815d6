"""Stable special functions that scipy lacks in the form needed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_softmax"]

Array = NDArray[Any]


def log_softmax(eta: Array) -> Array:
    """Return the logarithms of the softmax along the last axis, with full relative accuracy.

    ``scipy.special.log_softmax`` is accurate to an absolute eps only: the log-probability of a near-certain class,
    minus the sum of the others' probabilities, loses its digits there. Here it is ``-log1p`` of that sum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.numerics.special import log_softmax
    >>> log_softmax(np.array([[0.0, -50.0]]))[0, 0]
    np.float64(-1.9287498479639178e-22)
    """
    shifted = eta - eta.max(axis=-1, keepdims=True)
    others = np.exp(shifted)
    np.put_along_axis(others, shifted.argmax(axis=-1)[..., None], 0.0, axis=-1)
    shifted -= np.log1p(others.sum(axis=-1, keepdims=True))
    return shifted
