"""Parse JSON that may be from elsewhere: no duplicate keys, and no numbers that are not finite."""

from __future__ import annotations

import json
import math
from typing import Any


def parse_json(content: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError, RecursionError
        If it is not JSON, has a key twice, or a number that is NaN or infinite.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the key 'a' is there twice
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    # Readers differ in which of two values they use.
    if len(body) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return body


def _refuse(name: str) -> float:
    # Python's parser accepts NaN and Infinity, which are not JSON and would pass some comparisons later.
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    # 1e999 is valid JSON, and infinity in Python.
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large a number")
    return value
