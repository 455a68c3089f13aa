"""Rows that are texts or values, as short text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

from cascade.data import Dataset
from cascade.data.rows import take
from cascade.utils.types import Rows

LONGEST = 240
"""Characters shown per row, and per text of a row with several."""
MOST_VALUES = 8
"""Features shown of a row that has no text."""


def excerpts(data: Dataset, rows: Rows) -> dict[int, str]:
    """Return an excerpt by row number; none for images and for features without names.

    Examples
    --------
    >>> texts = Dataset(np.array(["It leaks.", "Fine."], object), None, (), None, np.arange(2))
    >>> excerpts(texts, np.array([0]))
    {0: 'It leaks.'}
    """
    X = data.X
    if not len(rows) or len(getattr(X, "shape", (0,))) > 2:
        return {}
    batch = take(X, rows)
    if hasattr(batch, "columns"):
        kinds = data.kinds or {}
        # What is read comes first; numbers and categories only where nothing is.
        read = [name for name in batch.columns if kinds.get(str(name)) == "text"]
        shown = [(str(name), batch[name].tolist()) for name in read or list(batch.columns)[:MOST_VALUES]]
    elif data.feature_names is not None and isinstance(batch, np.ndarray):
        shown = [(name, batch[:, k].tolist()) for k, name in enumerate(data.feature_names[:MOST_VALUES])]
    elif isinstance(batch, list) or batch.dtype.kind in "OUT":
        shown = [("", list(batch))]
    else:
        return {}
    return {
        int(row): _excerpt((name, values[place]) for name, values in shown) for place, row in enumerate(rows.tolist())
    }


def _excerpt(values: Iterable[tuple[str, Any]]) -> str:
    listed = list(values)
    # A single text needs no name.
    return ", ".join(_short(value) if len(listed) == 1 else f"{name} {_short(value)}" for name, value in listed)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    # Control and direction characters could make the page show another text than the row's.
    text = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in str(value))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"
