"""Check single values that users give."""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade.utils.types import Floats


def is_number(value: Any) -> bool:
    """Tell whether `value` is one finite number; a boolean is none."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))


def as_numbers(values: Any) -> Floats | None:
    """Turn a number or nested sequence of numbers into an array; None if it is something else."""
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" and array.size else None
