"""Arrays, in memory or in a file, as the input of a job."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scipy import sparse

from cascade.batch.inputs.chunk import Chunk, row_numbers, sift
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.data.readers.table.finite import invalid_rows


class ArrayInput:
    """Rows of one array or CSR matrix.

    Parameters
    ----------
    folder, files : path and list of str
        Files that the array was read from.
    X : array, ArrayFile or CSR matrix, n rows
    ids : ndarray of str, shape (n,), or None for row numbers
    groups : ndarray, shape (n,), or None
    allow_missing : bool
    """

    def __init__(
        self,
        folder: Path,
        files: list[str],
        X: Any,
        ids: NDArray[Any] | None,
        groups: NDArray[Any] | None,
        allow_missing: bool,
    ) -> None:
        self.folder, self.files = folder, files
        self.X, self.ids, self.groups, self.allow_missing = X, ids, groups, allow_missing
        self.n_rows: int | None = X.shape[0]
        self.row_bytes = _row_bytes(X) + 1

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows; those of a file are read chunk by chunk."""
        n = self.X.shape[0]
        for start in range(first, n, size):
            part = slice(start, min(start + size, n))
            ids = row_numbers(part.start, part.stop) if self.ids is None else self.ids[part]
            groups = None if self.groups is None else self.groups[part]
            # A slice, not row numbers: of an array it is a view.
            X = self.X[part]
            yield sift(X, ids, groups, invalid_rows(X, self.allow_missing), start)


def _row_bytes(X: Any) -> int:
    if not sparse.issparse(X):
        return int(math.prod(X.shape[1:]) * X.dtype.itemsize)
    # A CSR matrix holds an index per stored value and a pointer per row besides the values.
    return int((X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) // max(1, X.shape[0]))
