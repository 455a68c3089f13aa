"""Rows of a table as the input of a job, whatever the format of its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cascade.batch.inputs.chunk import Chunk, row_numbers, sift
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.tables import TableColumns, TableFile
from cascade.utils.address import Place


class TableInput:
    """Rows of a table, of which invalid ones are rejected.

    Parameters
    ----------
    table : TableFile
    folder, files : path or address, and list of str
        Files that the rows are read from.
    roles : Roles
    features : tuple of str, or None
        Feature columns that the model was trained on.
    """

    def __init__(
        self, table: TableFile, folder: Place, files: list[str], roles: Roles, features: tuple[str, ...] | None
    ) -> None:
        self.table, self.folder, self.files = table, folder, files
        self.columns = TableColumns.choose(table, roles, features)
        table.check(self.columns)
        self.n_rows = table.n_rows
        # A part of a CSV file is held as text and as numbers at the same time.
        self.row_bytes = self.columns.row_bytes * (3 if self.n_rows is None else 1)

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows, across files."""
        start = first
        for part in self.table.parts(self.columns, size, first):
            n = len(part.reasons)
            ids = row_numbers(start, start + n) if part.ids is None else part.ids
            yield sift(part.X, ids, part.groups, part.reasons, start)
            start += n
