"""JSON without NaN and infinity, which are no JSON: an undefined figure is null."""

from __future__ import annotations

import json
import math
from typing import Any


def defined(value: Any) -> Any:
    """Return plain data with None in place of numbers that are NaN or infinite.

    Examples
    --------
    >>> defined({"f1": float("nan"), "labels": [0.5, float("inf")], "bounds": (1.0, 2.0)})
    {'f1': None, 'labels': [0.5, None], 'bounds': [1.0, 2.0]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: defined(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [defined(item) for item in value]
    return value


def to_json(value: Any, indent: int | None = None) -> str:
    """Return plain data as JSON, with null for undefined numbers."""
    return json.dumps(defined(value), indent=indent, allow_nan=False)
