"""A folder of images, with a list of their labels or, for prediction, without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.data.readers.files import as_text, exists, files_below, without_bad_files
from cascade.data.readers.image.image_list import (
    FILE_COLUMN,
    FOLDER_COLUMN,
    Source,
    pixels_as_read,
    read_listed,
    read_sorted,
)
from cascade.data.readers.image.images import SUFFIXES, ImageFiles, image_shape, warn_passed_over
from cascade.data.readers.image.stored import ImageSource
from cascade.data.readers.regular import opened
from cascade.data.readers.table.columns import Roles, refuse_duplicates
from cascade.errors import DataError
from cascade.utils.types import Rows

LIST = ".txt"


def read_image_folder(folder: Path, roles: Roles, labelled: bool, row_shape: tuple[int, ...] | None = None) -> Dataset:
    """Read a folder of images with its `labels.csv`; for prediction the list is optional.

    The list has a column `file` (name relative to the folder), one column per label, and optionally a group. Without a
    list, labels in the column `folder` are the names of the sub-folders. With the `row_shape` of a model, grey images
    are converted to colour or colour images to grey, as the model needs.
    """
    if row_shape is not None:
        row_shape = image_shape(folder, row_shape)
    source = partial(open_images, roles=roles, row_shape=row_shape, check=labelled)
    listing = roles.label_file or folder / "labels.csv"
    if exists(listing):
        return read_listed(folder, listing, roles, labelled, source)
    if labelled and roles.label_list is not None and roles.label_list.column == FOLDER_COLUMN:
        return read_sorted(folder, files_below(folder, SUFFIXES), roles, source)
    if labelled:
        raise DataError(
            f"`{folder}` must hold `labels.csv` with a column {FILE_COLUMN!r} and one column per label. Where each "
            f"sub-folder is a label, set `data.labels` to {{column: {FOLDER_COLUMN}}}."
        )
    return _without_labels(folder, unlisted_images(folder, roles), roles, source)


def unlisted_images(folder: Path, roles: Roles) -> list[str]:
    """Return the names of the images below a folder without a list, relative to it.

    Raises
    ------
    DataError
        If there is none, or a group or identifier is required, which only a list has.
    """
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {wanted.group or wanted.id!r}.")
    names = files_below(folder, SUFFIXES)
    if not names:
        raise DataError(f"`{folder}` must hold {', '.join(SUFFIXES)} files. Received none.")
    warn_passed_over(folder)
    return names


def _without_labels(folder: Path, names: list[str], roles: Roles, source: Source) -> Dataset:
    images, rows = source([folder / name for name in names])
    ids = np.array([as_text(names[row]) for row in rows])
    return Dataset(images, None, (), None, ids, pixels=pixels_as_read(roles, images))


def is_named_images(path: Path) -> bool:
    """Return whether a file is an image, or by its ending a list of images."""
    return path.suffix.lower() in (LIST, *SUFFIXES)


def named_images(path: Path, roles: Roles) -> list[str]:
    """Return the names of the images that a text file lists, one per line, or of the only one that `path` is.

    They are relative to the folder of the file.

    Raises
    ------
    DataError
        If no image is named, one twice, or a group is required, which there is none of.
    """
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(
            f"`{path}` has no column {wanted.group or wanted.id!r}: it is an image or a plain list of some."
        )
    if path.suffix.lower() != LIST:
        return [path.name]
    # File names are bytes on Linux; surrogates keep those that are not UTF-8.
    with opened(path) as handle:
        text = handle.read().decode("utf-8", errors="surrogateescape")
    names = [line for line in text.splitlines() if line]
    if not names:
        raise DataError(f"`{path}` must name at least one image. Received none.")
    refuse_duplicates(np.array(names), path, "file")
    return names


def read_named_images(path: Path, roles: Roles, row_shape: tuple[int, ...] | None) -> Dataset:
    """Read an image, or those that a text file lists, without labels."""
    if row_shape is not None:
        row_shape = image_shape(path, row_shape)
    source = partial(open_images, roles=roles, row_shape=row_shape, check=False)
    return _without_labels(path.parent, named_images(path, roles), roles, source)


def open_images(
    paths: Sequence[ImageSource], roles: Roles, row_shape: tuple[int, ...] | None, check: bool
) -> tuple[ImageFiles, Rows]:
    """Open images as rows of a shape, or of the one that they have in common."""
    pixels = roles.pixels
    if row_shape is None:
        return ImageFiles.survey(paths, pixels.frame, roles.leave_out_bad_files, pixels.grey_bits)
    images = ImageFiles(paths, row_shape, pixels.frame, pixels.grey_bits)
    rows = np.arange(len(paths))
    if check:
        rows = without_bad_files(list(images.headers(rows)), roles.leave_out_bad_files)
    return images.only(rows), rows
