"""A text file per label with lines of image and value, as in PASCAL VOC's folder `ImageSets/Main`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.annotations.annotated import Annotated, annotated
from cascade.data.readers.regular import read_whole
from cascade.data.readers.table.columns import Roles, refuse_duplicates
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

STAR = "*"
VALUES = {b"1": 1, b"+1": 1, b"0": 0, b"-1": -1}
MOST_BYTES = 2**28
"""Longest list: ten million images."""


def read_class_lists(pattern: Path, paths: Sequence[Path], roles: Roles) -> Annotated:
    """Read a list of images per label, whose name takes the place of `*` in the pattern.

    A value of 1 sets a label. Where -1 occurs in any of the lists, it means not set and 0 unknown ("difficult" in
    PASCAL VOC); else 0 means not set.

    Parameters
    ----------
    pattern : path
        Such as `ImageSets/Main/*_train.txt`; of a single file, the label is its name.
    paths : sequence of path
        Files that fit the pattern.
    roles : Roles
        With `missing_labels`, an image that a list leaves out has no known value of its label.

    Raises
    ------
    DataError
        If a line has another form, or a list names an image twice or leaves one out.
    """
    names = [_label(path, pattern) for path in paths]
    lists = [_values(path) for path in paths]
    files = list(dict.fromkeys(image for values in lists for image in values))
    codes = np.full((len(files), len(lists)), -2, np.int8)
    for column, values in enumerate(lists):
        codes[:, column] = [values.get(image, -2) for image in files]
    absent = np.argwhere(codes == -2)
    if len(absent) and not roles.missing_labels:
        row, column = absent[0]
        raise DataError(
            f"`{paths[column]}` leaves out image {files[row]!r}, which another list has; set `data.missing_labels` "
            "where labels may be unknown."
        )
    return annotated(pattern, files, names, (codes == 1).astype(np.uint8), _known(codes), [])


def _known(codes: NDArray[np.int8]) -> NDArray[np.bool_] | None:
    known = codes != -2
    if (codes == -1).any():
        known &= codes != 0
        logger.info("data: of the values 1, 0 and -1, -1 is a label that is not set, and 0 one that is not known")
    return None if known.all() else known


def _label(path: Path, pattern: Path) -> str:
    if path == pattern:
        return path.stem
    before, star, after = pattern.name.partition(STAR)
    if not star or STAR in after or path.parent != pattern.parent:
        raise DataError(f"`{pattern}` must have one `*` in the name of the file, in the place of the label.")
    return path.name[len(before) : len(path.name) - len(after)]


def _values(path: Path) -> dict[str, int]:
    content = read_whole(path, MOST_BYTES, "; split it")
    images: list[str] = []
    values = []
    for number, line in enumerate(content.splitlines(), 1):
        # From the right, since names may have blanks.
        parts = line.rsplit(None, 1)
        if not parts:
            continue
        if len(parts) != 2 or parts[1] not in VALUES:
            shown = line[:40].decode("utf-8", "backslashreplace")
            raise DataError(f"`{path}` must have an image and 1, 0 or -1 in line {number}. Received {shown!r}.")
        images.append(parts[0].strip().decode("utf-8", "surrogateescape"))
        values.append(VALUES[parts[1]])
    refuse_duplicates(np.array(images), path, "image")
    return dict(zip(images, values, strict=True))
