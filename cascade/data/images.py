"""Image files on disk: found, listed with their labels, and decoded in parallel when rows are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from cascade.data.columns import (
    Roles,
    group_column,
    id_column,
    label_columns,
    read_table,
    refuse_duplicates,
    require,
)
from cascade.data.dataset import Dataset
from cascade.data.files import PixelFiles
from cascade.errors import DataError
from cascade.labels import Labels
from cascade.missing import Known

SUFFIXES = (".png", ".jpg", ".jpeg")
FILE_COLUMN = "file"
PATIENT_COLUMN = "patient"
MOST_PIXELS = 2**26
MODES = {"L": "L", "1": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


class ImageFiles(PixelFiles):
    """Images of one size, as uint8 of shape (n, height, width, channels); nothing is kept in memory.

    Parameters
    ----------
    paths : list of path
        The first one decides size and channels (grey 1, colour 3).
    """

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths)
        self.mode, size = _look(paths[0])
        self.shape = (len(paths), size[1], size[0], 1 if self.mode == "L" else 3)

    def look(self, path: Path) -> tuple[int, int]:
        """Read the size and refuse another one than the first image's."""
        _, size = _look(path)
        if size != (self.shape[2], self.shape[1]):
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(f"`{path}` must be {wanted} pixels like the first image. Received {size[0]}x{size[1]}.")
        return size

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check the size, then decode."""
        self.look(path)
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert(self.mode), dtype=np.uint8).reshape(self.shape[1:])
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"`{path}` cannot be decoded as an image: {error}.") from error


def _look(path: Path) -> tuple[str, tuple[int, int]]:
    """Read mode and size from the header, before any pixel is expanded."""
    try:
        with Image.open(path) as image:
            mode, size = image.mode, image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"`{path}` cannot be read as an image: {type(error).__name__}.") from error
    if mode not in MODES:
        raise DataError(f"`{path}` must hold 8-bit grey or colour pixels. Received mode {mode!r}; rescale it first.")
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(f"`{path}` declares {size[0]}x{size[1]} pixels, more than {MOST_PIXELS} in all.")
    return MODES[mode], size


def read_image_folder(folder: Path, roles: Roles, labelled: bool) -> Dataset:
    """Read a folder of images with its `labels.csv`; for prediction the list is optional.

    The list has a column `file` (name relative to the folder), one column a label, and optionally a group.
    """
    listing = roles.label_file or folder / "labels.csv"
    if listing.exists():
        return read_listed(folder, listing, roles, labelled)
    if labelled:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {FILE_COLUMN!r} and one column a label.")
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {wanted.group or wanted.id!r}.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(f"`{folder}` must hold {', '.join(SUFFIXES)} files. Received none.")
    ids = np.array([path.relative_to(folder).as_posix() for path in paths])
    return Dataset(ImageFiles(paths), None, (), None, ids)


def read_listed(
    folder: Path,
    listing: Path,
    roles: Roles,
    labelled: bool,
    source: Callable[[list[Path]], PixelFiles] = ImageFiles,
) -> Dataset:
    """Read the files that a table names, with one column a label; `source` makes rows of them."""
    table = read_table(listing, (FILE_COLUMN, PATIENT_COLUMN, roles.group, roles.id))
    require(table, listing, [FILE_COLUMN], "file")
    files = np.array([str(name) for name in table[FILE_COLUMN].to_pylist()])
    if not len(files):
        raise DataError(f"`{listing}` must list at least one image. Received none.")
    refuse_duplicates(files, listing, FILE_COLUMN)
    paths = [_inside(folder, listing, name, row) for row, name in enumerate(files.tolist())]
    optional = roles.optional if roles.group else roles.optional | {PATIENT_COLUMN}
    roles = replace(roles, group=roles.group or PATIENT_COLUMN, optional=optional).within(table.column_names)
    names = roles.labels or tuple(n for n in table.column_names if n not in (FILE_COLUMN, roles.group, roles.id))
    Y, known = _labels(table, listing, names, roles) if labelled else (None, None)
    ids = files if roles.id is None else id_column(table, listing, roles.id)
    images = source(paths)
    if labelled:
        # A run must not fall over a stray size after the gate was trained.
        for _ in images.look_at_all():
            pass
    return Dataset(images, Y, tuple(names), group_column(table, listing, roles.group), ids, known=known)


def _labels(table: pa.Table, listing: Path, names: tuple[str, ...], roles: Roles) -> tuple[Labels, Known]:
    try:
        return label_columns(table, listing, names, roles.missing_labels)
    except DataError as error:
        hint = "" if roles.labels else " Every column but file, group and id is a label; name the labels with `labels`."
        raise DataError(f"{error}{hint}") from error


def _inside(folder: Path, listing: Path, name: str, row: int) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"`{listing}` must name files inside its folder. Received {name!r} at row {row}.")
    if not path.is_file():
        raise DataError(f"`{listing}` names a file that does not exist: {name!r} at row {row}.")
    return path
