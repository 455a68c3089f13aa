"""Names for the arrays and callbacks that signatures repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
"""Row numbers."""

StageProgress = Callable[[str, int, int], object]
"""Called with the stage, the number of rows done and of all rows."""
RowProgress = Callable[[int, int], object]
"""Called with the number of rows done and of all rows."""


class ProbabilityEstimator(Protocol):
    """A fitted classifier that is scored by its probabilities."""

    def predict_proba(self, X: Any) -> Any:
        """Return probabilities in one of scikit-learn's layouts."""
