"""NumPy's arrays: their type in annotations (shapes and entries are said beside it), and the rounding of float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)
