"""Conversion of NumPy numbers to JSON values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def plain(value: Any) -> float | None:
    """Return a float, or None if it is not finite.

    Examples
    --------
    >>> plain(np.float64(0.5)), plain(np.nan)
    (0.5, None)
    """
    return float(value) if math.isfinite(value) else None


def plain_list(values: Any) -> list[float | None]:
    """Return the values of an array (m,) as floats, None for those that are not finite.

    Examples
    --------
    >>> plain_list(np.array([1.0, np.inf]))
    [1.0, None]
    """
    return [plain(value) for value in np.asarray(values, dtype=np.float64)]
