"""Images that are cells of a table: their bytes, and a temporary file that keeps them out of memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cascade.errors import DataError
from cascade.utils.address import Place


class Spool:
    """A temporary file of bytes one after the other, which is removed with this object."""

    def __init__(self) -> None:
        number, name = tempfile.mkstemp(prefix="cascade-images-")
        os.close(number)
        self.path = Path(name)
        # A copy in another process, which pickling makes, must not remove the file.
        self._removed = weakref.finalize(self, _remove, name)

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}


def _remove(name: str) -> None:
    Path(name).unlink(missing_ok=True)


@dataclass(frozen=True)
class StoredImage:
    """An image in a row of a table.

    Attributes
    ----------
    table : path
    row : int
        In the table, from 0.
    held : bytes, Spool or None
        The bytes, or the file that holds them; None where the cell is empty.
    start, length : int
        Place in the file.
    """

    table: Place
    row: int
    held: bytes | Spool | None
    start: int = 0
    length: int = 0

    def __str__(self) -> str:
        return f"{self.table}, row {self.row}"

    def content(self) -> bytes:
        """Return the bytes of the image.

        Raises
        ------
        DataError
            If the cell is empty.
        """
        if self.held is None:
            raise DataError(f"`{self}` holds no bytes of an image.")
        if isinstance(self.held, bytes):
            return self.held
        with self.held.path.open("rb") as handle:
            handle.seek(self.start)
            return handle.read(self.length)

    def in_memory(self) -> StoredImage:
        """Return the same image with its bytes, so that they are read once."""
        return self if self.held is None else replace(self, held=self.content())


ImageSource = Path | StoredImage


def spooled(images: Iterable[StoredImage]) -> list[StoredImage]:
    """Write the bytes of images to a temporary file, one after the other; return the images that are in it."""
    spool, start = Spool(), 0
    kept = []
    with spool.path.open("wb") as handle:
        for image in images:
            if not isinstance(image.held, bytes):
                kept.append(image)
                continue
            handle.write(image.held)
            kept.append(StoredImage(image.table, image.row, spool, start, len(image.held)))
            start += len(image.held)
    return kept
