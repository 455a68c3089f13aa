"""Check single values that users give."""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade.utils.types import Floats


def is_number(value: Any) -> bool:
    """Return whether `value` is one finite number; booleans do not count."""
    # Python's booleans are integers, so they have to be excluded.
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))


def as_numbers(values: Any) -> Floats | None:
    """Convert a number or nested sequence of numbers to an array; None for anything else."""
    try:
        array = np.asarray(values)
    except ValueError:
        # Sequences of unequal lengths form no array.
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" and array.size else None
