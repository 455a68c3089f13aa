"""Rows of any container: index them, view them without a copy, and yield them in blocks of one fixed size."""

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
"""Rows per call of an estimator. Results of float kernels depend on the batch's shape, so it never varies."""


class RowSource:
    """Rows that are computed on access, such as image files on disk.

    A subclass sets `shape` and `dtype`, and returns a batch for an array of row numbers. It sets `in_memory` if it is
    a view of rows in memory. Any other object with `__len__` and such a `__getitem__` is accepted too.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_memory: bool = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        raise NotImplementedError

    def attempts(self, rows: Rows) -> Iterator[NDArray[Any] | DataError]:
        """Yield each row, or the error that explains why it cannot be read."""
        # One row at a time: in a batch, an invalid row would take the valid ones with it.
        for row in rows:
            try:
                yield self[np.array([row])][0]
            except DataError as error:
                yield error


class RowView(RowSource):
    """Some rows of `X` in a given order, fetched on access and never copied as a whole."""

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
    """Return whether `X` computes its rows on access instead of storing them."""
    # Data frames are recognised by attributes, so that no library of them has to be imported.
    held = isinstance(X, (list, tuple, np.ndarray)) or sparse.issparse(X) or hasattr(X, "columns") or hasattr(X, "iloc")
    return not held and hasattr(X, "__len__") and hasattr(X, "__getitem__")


def is_in_memory(X: Any) -> bool:
    """Return whether the rows of `X` are in memory, in `X` or in what it is a view of."""
    return not is_source(X) or bool(getattr(X, "in_memory", False))


def n_rows(X: Any) -> int:
    """Count the rows of `X`."""
    if hasattr(X, "shape"):
        return int(X.shape[0])
    if not hasattr(X, "__len__"):
        raise DataError(f"`X` must hold rows that can be counted. Received {type(X).__name__}.")
    return len(X)


def spaced_rows(n: int, most: int) -> Rows:
    """Return up to `most` of `n` row numbers, evenly spaced: deterministic, and from all parts of the data.

    Examples
    --------
    >>> spaced_rows(9, 3).tolist(), spaced_rows(2, 3).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(np.intp))


def take(X: Any, rows: Rows) -> Any:
    """Fetch the rows of `X` with the given numbers; consecutive rows of an array are a view."""
    if isinstance(X, np.ndarray) and _are_consecutive(rows):
        # A slice is a view, where an array of row numbers would copy.
        return X[rows[0] : rows[-1] + 1]
    if is_source(X) or isinstance(X, np.ndarray):
        return X[rows]
    # For data frames, lists and sparse matrices. The import takes a second, which arrays do not need.
    from sklearn.utils import _safe_indexing

    return _safe_indexing(X, rows)


def part_of(X: Any, rows: Rows) -> Any:
    """Select rows of `X`: a view that fetches nothing yet if `X` is a source, else the rows."""
    return RowView(X, rows) if isinstance(X, RowSource) else take(X, rows)


def _are_consecutive(rows: Rows) -> bool:
    # The two ends rule out most selections before all numbers are compared.
    return len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())


def as_dense(batch: Any) -> NDArray[Any]:
    """Convert a batch of any container to an array for networks; uint8 stays uint8."""
    values = batch.toarray() if hasattr(batch, "toarray") else np.asarray(batch)
    return values if values.dtype == np.uint8 else values.astype(np.float32, copy=False)


def not_finite(batch: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the rows of a batch that hold NaN or infinity, shape (n,).

    A network's output does not reveal them: the kernels of some processors treat NaN as 0.
    """
    if batch.dtype.kind != "f":
        return np.zeros(len(batch), bool)
    invalid: NDArray[np.bool_] = ~np.isfinite(batch).reshape(len(batch), -1).all(axis=1)
    return invalid


def makes_batches(estimator: Any) -> bool:
    """Return whether `estimator` fetches rows by number, in batches of one fixed shape."""
    return bool(getattr(estimator, "makes_batches", False))


def takes_views(estimator: Any) -> bool:
    """Return whether `estimator`, or the first step of a pipeline, fetches rows by number."""
    while hasattr(estimator, "steps") and not makes_batches(estimator):
        estimator = estimator.steps[0][1]
    return makes_batches(estimator)


def subset(X: Any, rows: Rows, estimator: Any) -> Any:
    """Select rows of `X` for `estimator`: a view if it fetches rows by number, else the rows."""
    if takes_views(estimator) and hasattr(X, "dtype"):
        return RowView(X, rows)
    return take(X, rows)


def blocks(X: Any, rows: Rows, size: int, pad: bool = True) -> Iterator[tuple[Rows, Any]]:
    """Yield row numbers with their batch, the last batch padded to `size` rows by repeating its last row.

    While a batch is used, the next one is fetched in a separate thread. Rows in memory are not, since that would save
    nothing and take a core from the estimator.
    """
    batches = _blocks(X, rows, size, pad)
    return batches if is_in_memory(X) or len(rows) <= size else ahead(batches)


def blocks_to_fetch(X: Any, rows: Rows, size: int) -> Iterator[tuple[Rows, Callable[[], Any]]]:
    """Yield row numbers with a function that returns their batch, to be called in the thread that uses the batch.

    Rows in memory are fetched or averaged by that call; other rows are fetched before, as in `blocks`.
    """
    if is_in_memory(X):
        return ((part, partial(_padded, X, part, size)) for part in in_parts(rows, size))
    return ((part, partial(_identity, batch)) for part, batch in blocks(X, rows, size))


def _blocks(X: Any, rows: Rows, size: int, pad: bool) -> Iterator[tuple[Rows, Any]]:
    for part in in_parts(rows, size):
        yield part, _padded(X, part, size if pad else len(part))


def in_parts(rows: Rows, size: int) -> Iterator[Rows]:
    """Cut row numbers into parts of a size; the last one may have fewer."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _padded(X: Any, rows: Rows, size: int) -> Any:
    batch = take(X, rows)
    # The last row is repeated: it is valid input for every estimator, which zeros may not be.
    return batch if len(rows) == size else take(batch, np.minimum(np.arange(size), len(rows) - 1))


def _identity(batch: Any) -> Any:
    return batch
