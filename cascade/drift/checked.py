"""Numbers of a profile that was read from a file, which anybody may have written."""

from __future__ import annotations

import math
from typing import Any

from cascade.errors import DataError


def check_count(value: Any) -> int:
    """Return a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"a profile's counts must be whole numbers of 0 or more. Received {value!r}.")
    return value


def check_number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"a profile's numbers must be finite. Received {value!r}.")
    return float(value)


def check_effective(value: Any, rows: int) -> float:
    """Return an effective number of rows: not negative, and no more than there are."""
    number = check_number(value)
    if not 0 <= number <= rows * (1 + 1e-9):
        raise DataError(f"a profile's `effective` must lie between 0 and its rows ({rows}). Received {number:g}.")
    return number
