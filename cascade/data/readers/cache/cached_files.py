"""Image files or slices that are decoded once: later reads take their pixels from a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.cache.file_state import file_state, file_states
from cascade.data.readers.cache.pixel_cache import PixelCache, in_words
from cascade.data.readers.cache.stored_rows import StoredRows
from cascade.data.readers.files import PixelFiles, attempts_at
from cascade.data.readers.image.stored import ImageSource
from cascade.data.rows import RowSource, RowView
from cascade.errors import DataError
from cascade.utils.environment import installed_versions
from cascade.utils.keys import key_of
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

DECODER = 1
"""Version of how files become pixels; raise it with every change of pixels."""
DECODING_PACKAGES = (
    "pillow",
    "simplejpeg",
    "pydicom",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pylibjpeg-libjpeg",
    "python-gdcm",
    "pyjpegls",
)
"""Packages that decode: another version may give other pixels."""


class StoredSizes:
    """Files at several sizes, each with its stored rows.

    Parameters
    ----------
    files : PixelFiles
    cache : PixelCache
    folder : path
        The data's folder: places of files are relative to it.
    """

    def __init__(self, files: PixelFiles[Any], cache: PixelCache, folder: Path) -> None:
        self.files, self.cache, self.folder = files, cache, folder
        self.states = file_states(files.paths, folder)
        self.stored: dict[int | None, StoredRows | None] = {}

    def add(self, size: int | None) -> PixelFiles[Any]:
        """Store rows at a size too, where None is that of `files`; return the files at this size."""
        files = self.files if size is None else self.files.at_size(size)
        if size not in self.stored:
            # Two threads may both come here; either result is right.
            self.stored[size] = self.cache.rows(self._key(files), self.states, int(np.prod(files.shape[1:])))
        return files

    def read(self, row: int, size: int | None, image: NDArray[np.uint8]) -> bool:
        """Read a stored row into `image`; return whether it was there."""
        stored = self.stored[size]
        return stored is not None and stored.read(row, image)

    def decode(self, row: int, size: int | None) -> NDArray[np.uint8]:
        """Decode a row, and store it at all sizes at which it is not stored yet."""
        path, others = self.files.paths[row], list(self.stored.items())
        sizes = [size, *(other for other, stored in others if other != size and stored and stored.lacks(row))]
        images = self.files.decode_at(path, sizes)
        # Looked at after decoding: a file that was replaced meanwhile must not be stored as the one that was listed.
        if self._is_unchanged(row, path):
            for at, image in zip(sizes, images, strict=True):
                stored = self.stored[at]
                if stored is not None:
                    stored.write(row, image)
        return images[0]

    def _is_unchanged(self, row: int, path: ImageSource) -> bool:
        try:
            return file_state(path, self.folder) == tuple(self.states[row].tolist())
        except OSError:
            return False

    def _key(self, files: PixelFiles[Any]) -> str:
        # The data's folder, too: files of two folders may have the same places, sizes and times.
        return key_of(
            DECODER,
            installed_versions(DECODING_PACKAGES),
            os.path.realpath(self.folder),
            files.pixel_rule(),
            list(files.shape[1:]),
        )


class CachedFiles(RowSource):
    """Rows of files at one size; a row that is not stored is decoded, at all sizes in use at once.

    Pixels of a file that changed since the rows were listed are not stored.

    Parameters
    ----------
    sizes : StoredSizes
    size : int or None
    """

    def __init__(self, sizes: StoredSizes, size: int | None = None) -> None:
        self.sizes, self.size, self.files = sizes, size, sizes.add(size)
        self.shape, self.dtype = self.files.shape, self.files.dtype

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        numbers = np.asarray(rows).tolist()
        batch = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        missing = [place for place, row in enumerate(numbers) if not self.sizes.read(row, self.size, batch[place])]
        decoded = attempts_at(self._decode, [numbers[place] for place in missing]) if missing else ()
        for place, image in zip(missing, decoded, strict=True):
            if isinstance(image, DataError):
                raise image
            batch[place] = image
        return batch

    def attempts(self, rows: Rows) -> Iterator[NDArray[np.uint8] | DataError]:
        """Yield each row, or the error that explains why it cannot be read."""
        yield from attempts_at(self._row, np.asarray(rows).tolist())

    def at_size(self, size: int) -> CachedFiles:
        """Return the same rows at another size."""
        return CachedFiles(self.sizes, size)

    def _row(self, row: int) -> NDArray[np.uint8]:
        image = np.empty(self.shape[1:], np.uint8)
        return image if self.sizes.read(row, self.size, image) else self._decode(row)

    def _decode(self, row: int) -> NDArray[np.uint8]:
        return self.sizes.decode(row, self.size)


def with_cache(files: PixelFiles[Any], cache: PixelCache, folder: Path, sizes: Collection[int] = ()) -> CachedFiles:
    """Return files whose pixels are kept in a cache when they are first decoded.

    Parameters
    ----------
    files : PixelFiles
    cache : PixelCache
    folder : path
        The data's folder.
    sizes : collection of int
        Sizes of images that models take, besides that of `files`.
    """
    stored = StoredSizes(files, cache, folder)
    smaller = sorted(size for size in set(sizes) if size < max(files.shape[1:3]))
    # The smallest first: where the disk has no room for all sizes, it saves the most decoding per byte.
    kept = [shown for size in (*smaller, None) for shown in [stored.add(size)] if stored.stored[size] is not None]
    if kept:
        logger.info(
            "data: decoded pixels are kept in `%s` (`data.cache`): %d files at %s, %s when all are decoded",
            cache.folder,
            len(files),
            " and ".join(f"{shown.shape[2]}x{shown.shape[1]}" for shown in kept),
            in_words(sum(int(np.prod(shown.shape)) for shown in kept)),
        )
    return CachedFiles(stored)


def without_cache(X: Any) -> Any:
    """Return rows that are decoded whenever they are read, to measure what reading costs."""
    if isinstance(X, RowView):
        return RowView(without_cache(X.X), X.rows)
    return X.files if isinstance(X, CachedFiles) else X
