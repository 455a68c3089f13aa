"""Labels that never occur without another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from cascade.utils.types import Rows

MOST_ROWS = 8
"""Rows of a label that are compared one by one, before whole columns are."""


def implications(rows: sparse.csr_array) -> Iterator[tuple[int, int]]:
    """Yield each pair of different labels of which the first one occurs, and never without the second.

    A label implies only labels of the row that has the fewest, so time grows with the number of labels and not with its
    square, as the table of all pairs does.

    Examples
    --------
    >>> list(implications(sparse.csr_array([[1, 1, 0], [0, 1, 0], [0, 1, 1]])))
    [(0, 1), (2, 1)]
    """
    columns = rows.tocsc()
    columns.sort_indices()
    count, size = np.diff(columns.indptr), np.diff(rows.indptr)
    for k in np.flatnonzero(count).tolist():
        having = _entries(columns, k)
        # Its row with the fewest labels, then a few others: nearly all candidates are gone after them.
        few = having[np.argsort(size[having], kind="stable")[:MOST_ROWS]] if len(having) > 1 else having
        found = _entries(rows, few[0])
        for row in few[1:].tolist():
            found = np.intersect1d(found, _entries(rows, row))
        # A label of fewer rows cannot be on all of them.
        for j in np.sort(found[count[found] >= count[k]]).tolist():
            if j != k and np.isin(having, _entries(columns, j), assume_unique=True).all():
                yield k, j


def _entries(matrix: sparse.csr_array | sparse.csc_array, number: int) -> Rows:
    entries: Rows = matrix.indices[matrix.indptr[number] : matrix.indptr[number + 1]]
    return entries
