"""Rows of any container: index them, view them without a copy, and feed them in blocks of one fixed size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.errors import DataError
from cascade.utils.threads import ahead
from cascade.utils.types import Rows

BLOCK = 1024
"""Rows an estimator sees at a time. Float kernels depend on the batch's shape, so it never varies."""


class RowSource:
    """Rows that are made when they are asked for, such as image files on disk.

    A subclass gives the number of rows, and a batch for an array of row numbers; it says if it only shows what is
    `in_memory`. Any other object with `__len__` and such a `__getitem__` is accepted too.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_memory: bool = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        raise NotImplementedError

    def attempts(self, rows: Rows) -> Iterator[NDArray[Any] | DataError]:
        """Yield each row, or the error that tells why it cannot be had."""
        for row in rows:
            try:
                yield self[np.array([row])][0]
            except DataError as error:
                yield error


class RowView(RowSource):
    """Some rows of `X`, in a given order, fetched when they are asked for and never copied as a whole."""

    def __init__(self, X: Any, rows: Rows) -> None:
        self.X = X
        self.rows = np.asarray(rows, dtype=np.intp)
        self.in_memory = is_in_memory(X)
        self.shape = (len(self.rows), *X.shape[1:])
        self.dtype = X.dtype

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        batch: NDArray[Any] = take(self.X, self.rows[rows])
        return batch


def is_source(X: Any) -> bool:
    """Tell whether `X` makes its rows on demand rather than holding them."""
    held = isinstance(X, (list, tuple, np.ndarray)) or sparse.issparse(X) or hasattr(X, "columns") or hasattr(X, "iloc")
    return not held and hasattr(X, "__len__") and hasattr(X, "__getitem__")


def is_in_memory(X: Any) -> bool:
    """Tell whether `X` holds its rows, or only shows what something else holds."""
    return not is_source(X) or bool(getattr(X, "in_memory", False))


def n_rows(X: Any) -> int:
    """Count the rows of `X`."""
    if hasattr(X, "shape"):
        return int(X.shape[0])
    if not hasattr(X, "__len__"):
        raise DataError(f"`X` must hold rows that can be counted. Received {type(X).__name__}.")
    return len(X)


def take(X: Any, rows: Rows) -> Any:
    """Fetch the rows of `X` with the given numbers; of an array, neighbours are a view."""
    if isinstance(X, np.ndarray) and _are_neighbours(rows):
        return X[rows[0] : rows[-1] + 1]
    if is_source(X) or isinstance(X, np.ndarray):
        return X[rows]
    # Frames, lists and sparse matrices; importing it takes a second, which arrays do not wait for.
    from sklearn.utils import _safe_indexing

    return _safe_indexing(X, rows)


def part_of(X: Any, rows: Rows) -> Any:
    """Some rows of `X`: of a source a view that fetches nothing yet, else the rows."""
    return RowView(X, rows) if isinstance(X, RowSource) else take(X, rows)


def _are_neighbours(rows: Rows) -> bool:
    return len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())


def as_dense(batch: Any) -> NDArray[Any]:
    """Turn one batch of any container into an array that networks take; uint8 stays uint8."""
    values = batch.toarray() if hasattr(batch, "toarray") else np.asarray(batch)
    return values if values.dtype == np.uint8 else values.astype(np.float32, copy=False)


def not_finite(batch: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the rows of a batch that hold NaN or infinity, shape (n,).

    A network's answer does not tell: the kernels of some processors take NaN for 0 and go on.
    """
    if batch.dtype.kind != "f":
        return np.zeros(len(batch), bool)
    invalid: NDArray[np.bool_] = ~np.isfinite(batch).reshape(len(batch), -1).all(axis=1)
    return invalid


def makes_batches(estimator: Any) -> bool:
    """Tell whether `estimator` fetches rows by number itself, in batches of one fixed shape."""
    return bool(getattr(estimator, "makes_batches", False))


def subset(X: Any, rows: Rows, estimator: Any) -> Any:
    """Give `estimator` some rows of `X`: a view if it fetches by number itself, else the rows."""
    if makes_batches(estimator) and hasattr(X, "dtype"):
        return RowView(X, rows)
    return take(X, rows)


def blocks(X: Any, rows: Rows, size: int, pad: bool = True) -> Iterator[tuple[Rows, Any]]:
    """Yield row numbers with their batch, the last batch padded to `size` rows by repeating its last row.

    A source is asked for the next batch while the last one is used. Where its rows are in memory that would save
    nothing, and take a core from who uses them.
    """
    batches = _blocks(X, rows, size, pad)
    return batches if is_in_memory(X) or len(rows) <= size else ahead(batches)


def blocks_to_fetch(X: Any, rows: Rows, size: int) -> Iterator[tuple[Rows, Callable[[], Any]]]:
    """Yield row numbers with a call that gives their batch, so that threads fetch or average what they compute.

    What is not in memory was fetched before, as by `blocks`.
    """
    if is_in_memory(X):
        return ((part, partial(_padded, X, part, size)) for part in in_parts(rows, size))
    return ((part, partial(_itself, batch)) for part, batch in blocks(X, rows, size))


def _blocks(X: Any, rows: Rows, size: int, pad: bool) -> Iterator[tuple[Rows, Any]]:
    for part in in_parts(rows, size):
        yield part, _padded(X, part, size if pad else len(part))


def in_parts(rows: Rows, size: int) -> Iterator[Rows]:
    """Cut row numbers into parts of a size; the last one may have fewer."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _padded(X: Any, rows: Rows, size: int) -> Any:
    batch = take(X, rows)
    return batch if len(rows) == size else take(batch, np.minimum(np.arange(size), len(rows) - 1))


def _itself(batch: Any) -> Any:
    return batch
