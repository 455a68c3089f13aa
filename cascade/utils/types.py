"""Names for the arrays and callbacks that signatures repeat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
"""Numbers of rows."""

StageProgress = Callable[[str, int, int], object]
"""Called with the stage, the rows done and the rows in all."""
RowProgress = Callable[[int, int], object]
"""Called with the rows done and the rows in all."""
