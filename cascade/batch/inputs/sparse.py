"""A text file of sparse rows as the input of a job, with malformed lines rejected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.batch.inputs.chunk import Chunk, row_numbers, sift
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.data.readers.sparse.reading import mark_invalid, refuse_columns
from cascade.data.readers.sparse.rows import SparseFile
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError


class SparseInput:
    """Rows of a file of SVMlight, LIBSVM, the extreme classification repository, or sparse ARFF.

    Parameters
    ----------
    path : path
    file : SparseFile
    roles : Roles
    n_features : int or None
        Number of columns that the model takes.
    """

    def __init__(self, path: Path, file: SparseFile, roles: Roles, n_features: int | None) -> None:
        refuse_columns(path, roles)
        if file.n_features != n_features:
            raise DataError(f"`{path}` must have {n_features} features, as in training. Received {file.n_features}.")
        self.path, self.file, self.roles = path, file, roles
        self.n_rows, self.row_bytes = file.n_rows, file.row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of name, size and time of the file."""
        return fingerprint_files(self.path.parent, [self.path.name])

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows."""
        start = first
        # A line has no known offset, so a resumed job reads and drops those before.
        for part in self.file.parts(size, first):
            mark_invalid(part, self.roles)
            n = len(part.reasons)
            yield sift(part.X, row_numbers(start, start + n), None, part.reasons, start)
            start += n
