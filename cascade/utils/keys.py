"""Keys of plain data, to name what depends on it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def key_of(*parts: Any) -> str:
    """Return a key of plain data, to name what depends on it.

    Examples
    --------
    >>> key_of({"seed": 0}, None) == key_of({"seed": 0}, None), key_of(1) == key_of(2)
    (True, False)
    """
    # 24 hexadecimal digits are 96 bits: no collision among runs, and a path that stays short.
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
