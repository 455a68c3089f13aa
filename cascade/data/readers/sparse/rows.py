"""Consecutive rows of a file of sparse rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from cascade.data.readers.table.cells import Reasons, no_reasons

MOST_FEATURES = 2**26
"""More columns than any data set has; models hold numbers per column, so that a damaged index would fill the memory."""

Pairs = tuple[Sequence[int], Sequence[float]]
"""Columns of a row and their values."""
SparseRow = tuple[tuple[str, ...], Pairs]
"""Names of a row's labels, and its columns and values."""


@dataclass(frozen=True)
class SparseRows:
    """Consecutive rows.

    Attributes
    ----------
    X : CSR matrix of float, shape (n, F)
    labels : list of tuple of str, length n
        Names of the labels of each row.
    reasons : ndarray of str or None, shape (n,)
        Why a row cannot be used; such rows are empty.
    """

    X: Any
    labels: list[tuple[str, ...]]
    reasons: Reasons


class SparseFile(Protocol):
    """A file of sparse rows, read in parts of one size.

    Attributes
    ----------
    n_features : int or None
        None if only the largest index shows it.
    label_names : tuple of str, or None
        None if they are those that occur.
    n_rows : int or None
        None if unknown before the file is read.
    row_bytes : int
        Approximate memory per row.
    """

    n_features: int | None
    label_names: tuple[str, ...] | None
    n_rows: int | None
    row_bytes: int

    def parts(self, size: int, first: int = 0) -> Iterator[SparseRows]:
        """Yield the rows from number `first` on, `size` at a time; the last part may have fewer."""
        ...


def rows_or_reasons(rows: Sequence[SparseRow | str], n_features: int | None) -> SparseRows:
    """Return rows of lines, of which malformed ones are a text that says why.

    Examples
    --------
    >>> rows_or_reasons([(("a",), ([1], [0.5])), "its line is cut"], 2).reasons.tolist()
    [None, 'its line is cut']
    """
    reasons = no_reasons(len(rows))
    labels: list[tuple[str, ...]] = []
    pairs: list[Pairs] = []
    for number, row in enumerate(rows):
        if isinstance(row, str):
            reasons[number], row = row, ((), ((), ()))
        labels.append(row[0])
        pairs.append(row[1])
    return SparseRows(csr_of(pairs, n_features), labels, reasons)


def csr_of(rows: Sequence[Pairs], n_features: int | None) -> Any:
    """Return a CSR matrix of rows; without `n_features` it is as wide as the largest index."""
    lengths = [len(columns) for columns, _ in rows]
    indices = np.fromiter((column for columns, _ in rows for column in columns), np.int64, sum(lengths))
    values = np.fromiter((value for _, row in rows for value in row), np.float64, sum(lengths))
    width = int(indices.max(initial=-1)) + 1 if n_features is None else n_features
    matrix = sparse.csr_matrix((values, indices, np.cumsum([0, *lengths])), shape=(len(rows), width))
    matrix.sort_indices()
    return matrix


def widened(X: Any, n_features: int) -> Any:
    """Return the same rows with more columns, which are zero."""
    return sparse.csr_matrix((X.data, X.indices, X.indptr), shape=(X.shape[0], n_features))
