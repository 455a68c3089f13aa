"""Masks of the phantom's findings: the file beside the images, and images with access to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import RowSource
from cascade.errors import DataError
from cascade.utils.types import Rows

FILE = "findings.npz"

Boxes = NDArray[np.int64]

SKULL = 128
"""Grey value between tissue and bone: the head extends from the first to the last pixel above it."""


class FindingWriter:
    """Gather the findings of images that are drawn one block after another."""

    def __init__(self) -> None:
        self.n_rows = 0
        self.parts: list[tuple[Rows, Rows, NDArray[np.uint8], Boxes]] = []

    def add(self, masks: NDArray[np.bool_]) -> None:
        """Take the masks (rows, findings, size, size) of the next images."""
        rows, findings = np.nonzero(masks.any(axis=(2, 3)))
        held = masks[rows, findings]
        # One bit per pixel, and only for findings that are present: most masks would be empty.
        packed = np.packbits(held.reshape(len(held), masks.shape[2] * masks.shape[3]), axis=1)
        self.parts.append((rows + self.n_rows, findings, packed, _boxes(held)))
        self.n_rows += len(masks)

    def write(self, folder: Path) -> None:
        """Write row, label, packed mask and box (top, left, bottom, right; ends excluded) of each finding."""
        row, label, packed, box = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        np.savez_compressed(folder / FILE, row=row, label=label, packed=packed, box=box.astype(np.int16))


def _boxes(masks: NDArray[np.bool_]) -> Boxes:
    """Return the smallest box around each mask, int of shape (len(masks), 4)."""
    size = masks.shape[1]
    sides = []
    for axis in (2, 1):
        inside = np.asarray(masks.any(axis=axis))
        sides.append((inside.argmax(axis=1), size - inside[:, ::-1].argmax(axis=1)))
    (top, bottom), (left, right) = sides
    return np.column_stack([top, left, bottom, right])


class PhantomImages(RowSource):
    """Images of a folder made by `cascade phantom`, with the masks of their findings.

    Parameters
    ----------
    folder : path
        With `images.npy` and `findings.npz`.

    Raises
    ------
    DataError
        If the folder has no masks, such as one with images as files.

    Examples
    --------
    >>> import tempfile
    >>> from cascade.datasets.phantom import write_phantom
    >>> folder = Path(tempfile.mkdtemp()) / "phantom"
    >>> facts = write_phantom(folder, rows=40, size=32)
    >>> images = PhantomImages(folder)
    >>> images.masks(np.arange(40)).shape
    (40, 32, 32)
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not (folder / FILE).exists():
            raise DataError(f"`{folder}` must hold {FILE}; write it again with `cascade phantom`.")
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.shape, self.dtype = self.images.shape, self.images.dtype
        with np.load(folder / FILE) as held:
            self._row, self._packed = held["row"], held["packed"]

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        return np.asarray(self.images[rows])

    def masks(self, rows: Rows) -> NDArray[np.bool_]:
        """Mark the pixels of the given rows that belong to any finding, bool of shape (len(rows), size, size)."""
        pixels = np.zeros((len(rows), self._packed.shape[1]), np.uint8)
        # Findings are stored in the order of their rows, so those of a row are one range.
        first, last = (np.searchsorted(self._row, rows, side=side) for side in ("left", "right"))
        for place, (start, stop) in enumerate(zip(first, last, strict=True)):
            # Masks are combined while packed; a row without findings keeps the initial 0.
            pixels[place] = np.bitwise_or.reduce(self._packed[start:stop], axis=0, initial=0)
        size = self.shape[1]
        return np.unpackbits(pixels, axis=1, count=size * size).reshape(-1, size, size).astype(np.bool_)

    def frames(self, rows: Rows) -> Boxes:
        """Return the smallest box around each head, int of shape (len(rows), 4), ends excluded."""
        return _boxes(self[rows][..., 0] > SKULL)
