"""Image files on disk: found in a folder or listed with their labels, and decoded in parallel on access."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cascade.data.averaging import reduced_side, shrunk
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.readers.columns import Roles, refuse_duplicates, require
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.files import PixelFiles, as_text, blaming, files_below
from cascade.data.readers.lists import group_column, id_column, label_columns, read_table
from cascade.data.readers.regular import check_regular
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = (".png", *JPEG, ".bmp", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
"""Formats that are decoded, whatever a file's name is: other decoders start programs or are little tested."""
FILE_COLUMN = "file"
PATIENT_COLUMN = "patient"
MOST_PIXELS = 2**26
"""Images of 8192 x 8192: a small file may declare a size that fills the memory."""
OTHER_IMAGES = (
    ".gif",
    ".jp2",
    ".j2k",
    ".ppm",
    ".pgm",
    ".pbm",
    ".tga",
    ".avif",
    ".heic",
    ".heif",
    ".psd",
    ".eps",
    ".svg",
)
MODES = {"L": "L", "LA": "L", "1": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


class ImageFiles(PixelFiles):
    """Images of one size, as uint8 of shape (n, height, width, channels); nothing is kept in memory.

    Parameters
    ----------
    paths : sequence of path
    row_shape : tuple of int, optional
        Height, width and channels (grey 1, colour 3); if not given the first image decides.
    image_size : int, optional
        Height and width that larger images are averaged down to. The codec then decodes a JPEG at the smallest scale
        that has at least this many pixels.
    """

    def __init__(
        self, paths: Sequence[Path], row_shape: tuple[int, ...] | None = None, image_size: int | None = None
    ) -> None:
        super().__init__(paths)
        self.image_size = image_size
        if row_shape is None:
            with _opened(paths[0]) as image:
                mode, (width, height) = _look(paths[0], image)
            row_shape = (image_size or height, image_size or width, 1 if mode == "L" else 3)
        self.mode = "L" if row_shape[2] == 1 else "RGB"
        self.shape = (len(paths), *row_shape)

    def at_size(self, size: int) -> ImageFiles:
        """Return the same images at another size; the codec reduces them as far as it can."""
        return ImageFiles(self.paths, (size, size, self.shape[3]), size)

    def look(self, path: Path) -> None:
        """Read the header and raise for an image of another size."""
        with _opened(path) as image:
            self._check_header(path, image)

    def _check_header(self, path: Path, image: Image.Image) -> None:
        _, size = _look(path, image)
        if self.image_size is not None:
            if max(size) ** 2 > MOST_PIXELS:
                raise DataError(f"`{path}` is {size[0]}x{size[1]} pixels, too long to be made square.")
            if max(size) < self.image_size:
                raise DataError(
                    f"`{path}` must not be smaller than `image_size` ({self.image_size}). Received {size[0]}x{size[1]}."
                )
        elif size != (self.shape[2], self.shape[1]):
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(f"`{path}` must be {wanted} pixels like the others. Received {size[0]}x{size[1]}.")

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check the header, then decode."""
        with _opened(path) as image:
            self._check_header(path, image)
            with blaming(path, "cannot be decoded as an image", _cause):
                return np.asarray(self._sized(image), dtype=np.uint8).reshape(self.shape[1:])

    def _sized(self, image: Image.Image) -> Image.Image:
        if self.image_size is None:
            return image.convert(self.mode)
        width, height = image.size
        share = reduced_side(max(width, height), self.image_size) / max(width, height)
        # `draft` sets the codec's scale in place; for formats other than JPEG it returns None.
        drafted = image.draft(self.mode, (math.ceil(width * share), math.ceil(height * share)))
        # The codec decodes whole blocks, which may reach beyond the image: the box is the image inside.
        box = None if drafted is None else drafted[1]
        return shrunk(image.convert(self.mode), self.image_size, box)


def _look(path: Path, image: Image.Image) -> tuple[str, tuple[int, int]]:
    """Return mode and size from the header, before any pixel is decoded."""
    mode, size = image.mode, image.size
    # Pillow drops the lower bits of 16-bit colour. Its mode does not show that, only the raw mode of a tile.
    if mode not in MODES or any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        raise DataError(f"`{path}` must hold 8-bit grey or colour pixels. Received mode {mode!r}; rescale it first.")
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(f"`{path}` declares {size[0]}x{size[1]} pixels, more than {MOST_PIXELS} in all.")
    # Counting frames reads on in the file, which may fail if it is damaged.
    with blaming(path, "cannot be read as an image", _cause):
        frames = getattr(image, "n_frames", 1)
    # An MPO is a camera's JPEG with further copies of the image, such as a preview; the first frame is read.
    if frames > 1 and image.format != "MPO":
        raise DataError(f"`{path}` must hold one image. Received {frames}; save each to a separate file.")
    return MODES[mode], size


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, which reads its header, and close the file at the end."""
    check_regular(path)
    with blaming(path, "cannot be read as an image", _cause):
        image = Image.open(path, formats=FORMATS)
    with image:
        yield image


def _cause(error: BaseException) -> str:
    """Describe an error without the path, which the message names already."""
    if isinstance(error, OSError) and error.errno is not None:
        return str(error.strerror)
    return (
        f"it holds no {', '.join(FORMATS)}"
        if isinstance(error, UnidentifiedImageError)
        else str(error).rstrip(".") or type(error).__name__
    )


def read_image_folder(folder: Path, roles: Roles, labelled: bool) -> Dataset:
    """Read a folder of images with its `labels.csv`; for prediction the list is optional.

    The list has a column `file` (name relative to the folder), one column per label, and optionally a group.
    """
    listing = roles.label_file or folder / "labels.csv"
    if listing.exists():
        return read_listed(folder, listing, roles, labelled)
    if labelled:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {FILE_COLUMN!r} and one column per label.")
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {wanted.group or wanted.id!r}.")
    names = files_below(folder, SUFFIXES)
    paths = [folder / name for name in names]
    if not paths:
        raise DataError(f"`{folder}` must hold {', '.join(SUFFIXES)} files. Received none.")
    warn_passed_over(folder)
    ids = np.array([as_text(name) for name in names])
    images = ImageFiles(paths, image_size=roles.pixels.image_size)
    return Dataset(images, None, (), None, ids, pixels=roles.pixels)


def warn_passed_over(folder: Path) -> None:
    """Warn about images in a folder whose format is not supported."""
    names = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in OTHER_IMAGES)
    if names:
        logger.warning("data: skipped %d files of unsupported formats, such as %r", len(names), names[0])


def read_listed(
    folder: Path,
    listing: Path,
    roles: Roles,
    labelled: bool,
    source: Callable[[list[Path]], PixelFiles] | None = None,
) -> Dataset:
    """Read the files that a table lists, with one column per label; `source` opens them as rows."""
    table = read_table(listing)
    require(table.column_names, listing, [FILE_COLUMN], "file")
    files = np.array([str(name) for name in table[FILE_COLUMN].to_pylist()])
    if not len(files):
        raise DataError(f"`{listing}` must list at least one image. Received none.")
    refuse_duplicates(files, listing, FILE_COLUMN)
    paths = [_path_inside(folder, listing, name, row) for row, name in enumerate(files.tolist())]
    # Without a named group, a column `patient` is the group if there is one.
    optional = roles.optional if roles.group else roles.optional | {PATIENT_COLUMN}
    roles = replace(roles, group=roles.group or PATIENT_COLUMN, optional=optional).within(table.column_names)
    names = roles.labels or tuple(n for n in table.column_names if n not in (FILE_COLUMN, roles.group, roles.id))
    Y, known = _labels(table, listing, names, roles) if labelled else (None, None)
    ids = files if roles.id is None else id_column(table, listing, roles.id)
    images = (source or partial(ImageFiles, image_size=roles.pixels.image_size))(paths)
    if labelled:
        # All sizes are checked now: one wrong file must not stop a run after the gate was trained.
        for _ in images.look_at_all():
            pass
    return Dataset(
        images, Y, tuple(names), group_column(table, listing, roles.group), ids, known=known, pixels=roles.pixels
    )


def _labels(table: pa.Table, listing: Path, names: tuple[str, ...], roles: Roles) -> tuple[Labels, Known]:
    try:
        return label_columns(table, listing, names, roles.missing_labels)
    except DataError as error:
        hint = (
            ""
            if roles.labels
            else " Every column but file, group and id is a label; name them with `data.labels` (or --labels)."
        )
        raise DataError(f"{error}{hint}") from error


def _path_inside(folder: Path, listing: Path, name: str, row: int) -> Path:
    path = folder / name
    # Resolved, so that neither `..` nor a link leads to files elsewhere.
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DataError(f"`{listing}` must name files inside its folder. Received {name!r} at row {row}.")
    if not path.is_file():
        raise DataError(f"`{listing}` names a file that does not exist: {name!r} at row {row}.")
    return path
