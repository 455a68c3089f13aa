"""Images in the cells of a table as the input of a job, with those that cannot be decoded rejected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.batch.inputs.chunk import Chunk, divide, row_numbers
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.batch.inputs.images import reason_below
from cascade.data.readers.files import AHEAD
from cascade.data.readers.image.image_table import stored_images
from cascade.data.readers.image.images import ImageFiles, image_shape
from cascade.data.readers.image.stored import StoredImage
from cascade.data.readers.table.cells import Reasons
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.tables import TableColumns, TableFile
from cascade.data.signature import InputSignature
from cascade.errors import DataError
from cascade.utils.address import Place


class ImageTableInput:
    """Rows of a table with a column of images, decoded as they are read.

    Parameters
    ----------
    table : TableFile
    column : str
        Column of the images.
    folder, files : path or address, and list of str
        Files that the rows are read from.
    roles : Roles
    signature : InputSignature
    """

    def __init__(
        self, table: TableFile, column: str, folder: Place, files: list[str], roles: Roles, signature: InputSignature
    ) -> None:
        self.table, self.column, self.folder, self.files = table, column, folder, files
        self.columns = TableColumns.choose(table, roles, ())
        table.check(self.columns)
        self.row_shape, self.pixels = image_shape(table.path, signature.row_shape), roles.pixels
        self.n_rows = table.n_rows
        self.row_bytes = int(np.prod(self.row_shape)) + self.columns.row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows, across files."""
        images = stored_images(self.table, self.column, first)
        # The names of the rows are read beside the images, in a stream of their own.
        names = TableFile(self.table.path, self.table.files) if self.columns.all else None
        parts = iter(()) if names is None else names.parts(self.columns, size, first)
        start = first
        while True:
            part = next(parts, None)
            X, reasons = self._decoded(islice(images, size), size, None if part is None else part.reasons)
            n = len(reasons)
            if not n:
                return
            ids = None if part is None else part.ids
            ids = row_numbers(start, start + n) if ids is None else ids
            yield divide(X, ids, None if part is None else part.groups, reasons, start)
            start += n

    def _decoded(
        self, images: Iterator[StoredImage], size: int, given: Reasons | None
    ) -> tuple[NDArray[np.uint8], Reasons]:
        """Decode up to `size` images, few of whose bytes are in memory at a time; those that fail get a reason."""
        X, n_decoded = np.empty((size, *self.row_shape), np.uint8), 0
        reasons: list[str | None] = []
        while batch := list(islice(images, AHEAD)):
            files = ImageFiles(batch, self.row_shape, self.pixels.frame, self.pixels.grey_bits)
            for row in files.attempts(np.arange(len(batch))):
                why = None if given is None else given[len(reasons)]
                if isinstance(row, DataError):
                    why = why or reason_below(row, self.folder)
                elif why is None:
                    X[n_decoded] = row
                    n_decoded += 1
                reasons.append(why)
        return X[:n_decoded], np.array(reasons, dtype=object)
