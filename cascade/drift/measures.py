"""A few numbers of each row that tell how it looks: columns of a table, brightness of an image, length of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from cascade.data.rows import take
from cascade.utils.types import Floats, Rows

MOST_ROWS = 10_000
"""Rows measured of any data: a share of a tenth is known to .006 by them."""
MOST_COLUMNS = 256
"""Columns measured of a table; of a wider one evenly spaced ones, and each row's mean and spread over all."""
AT_A_TIME = 256
"""Rows of images or of wide tables that are made numbers of at the same time."""


class Measures(NamedTuple):
    """Quantities (n, q) of n rows, NaN where missing, and their names."""

    names: tuple[str, ...]
    values: Floats


def spaced_rows(n: int, most: int = MOST_ROWS) -> Rows:
    """Numbers of up to `most` of `n` rows, evenly spaced: the same ones each time, and from all parts of the data."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(np.intp))


def measure(X: Any, rows: Rows, names: tuple[str, ...] | None = None) -> Measures:
    """Measure some rows of `X`.

    Parameters
    ----------
    X : rows of any container
    rows : ndarray of int, shape (n,)
    names : tuple of str, optional
        Of the columns of a table.

    Returns
    -------
    Measures
        Of an image `brightness` and `contrast`, mean and standard deviation of its pixels; of a text its `length`; of
        a table its columns, those of a data frame that are no numbers left out.
    """
    if hasattr(X, "columns"):
        frame = take(X, rows)
        return _of_columns(((str(name), frame[name]) for name in frame.columns), len(rows))
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) > 2:
        return Measures(("brightness", "contrast"), _stacked(map(_mean_and_spread, _batches(X, rows)), 2))
    if shape is None or len(shape) < 2:
        return _of_list(take(X, rows))
    return _of_table(X, rows, names)


def _of_table(X: Any, rows: Rows, names: tuple[str, ...] | None) -> Measures:
    width = X.shape[1]
    chosen = spaced_rows(width, MOST_COLUMNS)
    told = tuple(str(column) if names is None else names[column] for column in chosen.tolist())
    if X.dtype.kind not in "biuf":
        values = np.asarray(take(X, rows))
        return _of_columns(((name, values[:, k]) for name, k in zip(told, chosen, strict=True)), len(rows))
    if width <= MOST_COLUMNS:
        return Measures(told, _stacked((_numbers(batch) for batch in _batches(X, rows)), width))
    parts = (np.hstack([_numbers(batch)[:, chosen], _mean_and_spread(batch)]) for batch in _batches(X, rows))
    return Measures((*told, "mean of the row", "spread of the row"), _stacked(parts, len(told) + 2))


def _of_columns(columns: Iterable[tuple[str, Any]], n: int) -> Measures:
    """Measure columns of which some may hold no numbers."""
    found: dict[str, Floats] = {}
    for name, values in columns:
        try:
            found[name] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            continue
    names = tuple(found)
    chosen = [names[k] for k in spaced_rows(len(names), MOST_COLUMNS)]
    return Measures(tuple(chosen), np.column_stack([found[name] for name in chosen]) if chosen else np.empty((n, 0)))


def _of_list(batch: Any) -> Measures:
    values = np.asarray(batch)
    if values.dtype.kind in "OUST":
        return Measures(("length",), np.array([[len(str(value))] for value in values], dtype=np.float64))
    flat = values.reshape(len(values), -1).astype(np.float64)
    return _of_table(flat, np.arange(len(flat)), None)


def _batches(X: Any, rows: Rows) -> Iterator[Any]:
    for start in range(0, len(rows), AT_A_TIME):
        yield take(X, rows[start : start + AT_A_TIME])


def _numbers(batch: Any) -> Floats:
    dense = batch.toarray() if sparse.issparse(batch) else np.asarray(batch)
    return np.asarray(dense, dtype=np.float64)


def _mean_and_spread(batch: Any) -> Floats:
    flat = _numbers(batch)
    flat = flat.reshape(len(flat), -1)
    known = np.isfinite(flat)
    found = known.sum(axis=1)
    number = np.maximum(found, 1)
    mean = np.where(known, flat, 0.0).sum(axis=1) / number
    square = (np.where(known, flat - mean[:, None], 0.0) ** 2).sum(axis=1) / number
    answer = np.column_stack([mean, np.sqrt(square)])
    answer[found == 0] = np.nan
    return answer


def _stacked(parts: Iterator[Floats], width: int) -> Floats:
    return np.concatenate([np.empty((0, width)), *parts])
