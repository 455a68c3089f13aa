"""A few quantities per row: columns of a table, brightness and contrast of an image, length of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.rows import spaced_rows, take
from cascade.drift.counts import FEATURE
from cascade.drift.text.measures import Learned, Quantity, measure_texts
from cascade.drift.text.vocabulary import Vocabulary
from cascade.utils.types import Floats, Rows

MOST_ROWS = 10_000
"""Rows measured at most: they determine a share of 10 % to within 0.6 percentage points."""
MOST_COLUMNS = 256
"""Columns measured at most. Of a wider table, evenly spaced ones, and mean and spread of each row over all columns."""
IMAGE_MEASURES = ("brightness", "contrast")
"""What is measured of an image: mean and standard deviation of its pixels."""
AT_A_TIME = 256
"""Rows of images or of wide tables that are converted at a time."""


class Measures(NamedTuple):
    """Names of q quantities and their values (n, q), NaN where missing."""

    names: tuple[str, ...]
    values: Floats


def quantities(X: Any, rows: Rows, names: tuple[str, ...] | None, learned: list[Learned]) -> Iterator[Quantity]:
    """Measure some rows of `X`, and their columns of text and categories by vocabularies.

    Parameters
    ----------
    X : rows of any container
    rows : ndarray of int, shape (n,)
    names : tuple of str or None
        Column names of a table.
    learned : list of Learned
        Vocabularies; a column that has one is not measured as numbers.
    """
    texts = measure_texts(X, rows, learned)
    yield from with_texts(measure(X, rows, names), texts, [each.vocabulary for each in learned])


def with_texts(measured: Measures, texts: Iterable[Quantity], vocabularies: Iterable[Vocabulary]) -> Iterator[Quantity]:
    """Yield the measures of columns without a vocabulary, then the quantities of those that have one."""
    texts = list(texts)
    taken = {each.name for each in texts} | {each.column for each in vocabularies}
    for name, values in zip(measured.names, measured.values.T, strict=True):
        if name not in taken:
            yield Quantity(FEATURE, name, values)
    yield from texts


def measure(X: Any, rows: Rows, names: tuple[str, ...] | None = None) -> Measures:
    """Measure some rows of `X`.

    Parameters
    ----------
    X : rows of any container
    rows : ndarray of int, shape (n,)
    names : tuple of str, optional
        Column names of a table.

    Returns
    -------
    Measures
        Images have `brightness` and `contrast`, the mean and standard deviation of their pixels; texts have `length`;
        tables have their columns, dates in seconds since 1970, except columns of text of a data frame.
    """
    if hasattr(X, "columns"):
        frame = take(X, rows)
        return _of_columns(((str(name), frame[name]) for name in frame.columns), len(rows))
    shape = getattr(X, "shape", None)
    # Three or more dimensions are images, or stacks of them; two are a table, and fewer a list.
    if shape is not None and len(shape) > 2:
        return Measures(IMAGE_MEASURES, _stacked(map(_mean_and_spread, _batches(X, rows)), 2))
    if shape is None or len(shape) < 2:
        return _of_list(take(X, rows))
    return _of_table(X, rows, names)


def _of_table(X: Any, rows: Rows, names: tuple[str, ...] | None) -> Measures:
    width = X.shape[1]
    chosen = spaced_rows(width, MOST_COLUMNS)
    column_names = tuple(str(column) if names is None else names[column] for column in chosen.tolist())
    if X.dtype.kind not in "biuf":
        values = np.asarray(take(X, rows))
        return _of_columns(((name, values[:, k]) for name, k in zip(column_names, chosen, strict=True)), len(rows))
    if width <= MOST_COLUMNS:
        return Measures(column_names, _stacked((_numbers(batch) for batch in _batches(X, rows)), width))
    # Mean and spread cover the columns that are left out, so a shift of all of them is still detected.
    parts = (np.hstack([_numbers(batch)[:, chosen], _mean_and_spread(batch)]) for batch in _batches(X, rows))
    return Measures((*column_names, "mean of the row", "spread of the row"), _stacked(parts, len(column_names) + 2))


def _of_columns(columns: Iterable[tuple[str, Any]], n: int) -> Measures:
    """Measure the columns that convert to numbers."""
    numeric: dict[str, Floats] = {}
    for name, values in columns:
        # Tried rather than decided by dtype: numbers in a column of Python objects are measured too.
        try:
            numeric[name] = _column_numbers(values)
        except (TypeError, ValueError):
            continue
    names = tuple(numeric)
    chosen = [names[k] for k in spaced_rows(len(names), MOST_COLUMNS)]
    return Measures(tuple(chosen), np.column_stack([numeric[name] for name in chosen]) if chosen else np.empty((n, 0)))


def _column_numbers(values: Any) -> Floats:
    dates = np.asarray(values) if getattr(values.dtype, "tz", None) is None else values.to_numpy("datetime64[ns]")
    if dates.dtype.kind != "M":
        return np.asarray(values, dtype=np.float64)
    # In seconds, whatever the column's unit. A missing date would otherwise be the smallest whole number.
    return np.where(np.isnat(dates), np.nan, dates.astype("datetime64[ns]").astype(np.int64) / 1e9)


def _of_list(batch: Any) -> Measures:
    values = np.asarray(batch)
    if values.dtype.kind in "OUST":
        return Measures(("length",), np.array([[len(str(value))] for value in values], dtype=np.float64))
    # A list of numbers, or of rows of numbers, is a table.
    table = values.reshape(len(values), -1).astype(np.float64)
    return _of_table(table, np.arange(len(table)), None)


def _batches(X: Any, rows: Rows) -> Iterator[Any]:
    for start in range(0, len(rows), AT_A_TIME):
        yield take(X, rows[start : start + AT_A_TIME])


def _numbers(batch: Any) -> Floats:
    dense = batch.toarray() if sparse.issparse(batch) else np.asarray(batch)
    return np.asarray(dense, dtype=np.float64)


def _mean_and_spread(batch: Any) -> Floats:
    if isinstance(batch, np.ndarray) and batch.dtype == np.uint8:
        return _of_bytes(batch.reshape(len(batch), -1))
    values = _numbers(batch)
    values = values.reshape(len(values), -1)
    finite = np.isfinite(values)
    n_finite = finite.sum(axis=1)
    divisor = np.maximum(n_finite, 1)
    # Not nanmean and nanstd: they warn on a row without a finite value, and would propagate infinity.
    mean = np.where(finite, values, 0.0).sum(axis=1) / divisor
    square = (np.where(finite, values - mean[:, None], 0.0) ** 2).sum(axis=1) / divisor
    measured = np.column_stack([mean, np.sqrt(square)])
    measured[n_finite == 0] = np.nan
    return measured


def _of_bytes(pixels: NDArray[np.uint8]) -> Floats:
    """Return mean and spread by sums of whole numbers, which are exact and need no second pass."""
    n = max(1, pixels.shape[1])
    values = pixels.astype(np.float64)
    # Exact up to 2^53, which is more than any image has.
    sums, squares = values.sum(axis=1), np.einsum("ij,ij->i", values, values)
    pairs = [(int(total), int(square)) for total, square in zip(sums, squares, strict=True)]
    measured = [(total / n, ((n * square - total**2) / n**2) ** 0.5) for total, square in pairs]
    return np.array(measured, dtype=np.float64).reshape(len(pixels), 2)


def _stacked(parts: Iterator[Floats], width: int) -> Floats:
    # The empty part gives the result its width if there are no rows.
    return np.concatenate([np.empty((0, width)), *parts])
