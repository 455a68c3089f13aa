"""Files that a list names, with their labels: a table, or annotations."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.missing import Known
from cascade.data.readers.annotations.annotated import Annotated
from cascade.data.readers.annotations.reading import read_annotations
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.files import PixelFiles
from cascade.data.readers.image.file_finder import FileFinder
from cascade.data.readers.image.images import MOST_BITS
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles, listed, refuse_duplicates
from cascade.data.readers.table.lists import (
    Listed,
    group_column,
    id_column,
    label_columns,
    list_column,
    one_row_each,
    read_table,
)
from cascade.errors import DataError
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

Source = Callable[[list[Path]], tuple[PixelFiles[Any], Rows]]
"""What opens files as rows, and returns them with their places among the files; bad files may be left out."""

FILE_COLUMN = "file"
PATIENT_COLUMN = "patient"
FOLDER_COLUMN = "folder"
"""Column of labels that means the names of sub-folders where there is no list."""


def read_listed(folder: Path, listing: Path, roles: Roles, labelled: bool, source: Source) -> Dataset:
    """Read the files that a list names, with their labels; `source` opens them as rows."""
    roles = _with_patient(roles)
    named = read_annotations(listing, roles) or _read_list(listing, roles, labelled)
    return _opened(folder, listing, named, roles, labelled, source)


def read_sorted(folder: Path, names: list[str], roles: Roles, source: Source) -> Dataset:
    """Read files whose sub-folder is the label of each, or lists its labels.

    Parameters
    ----------
    folder : path
    names : list of str
        Files, relative to the folder.
    roles : Roles
        With a list of labels in the column `folder`.
    source : callable
    """
    roles = _with_patient(roles)
    assert roles.label_list is not None
    above = [PurePath(name).parent.name for name in names]
    if "" in above:
        raise DataError(
            f"`{folder}` must have each image in a sub-folder, the name of its label. Received "
            f"{names[above.index('')]!r}; move it, or name a list with `data.label_file`."
        )
    table = pa.table({FILE_COLUMN: names, FOLDER_COLUMN: above})
    labels = list_column(table, folder, roles.label_list, roles.labels)
    return _opened(folder, folder, Annotated(np.array(names), labels, table), roles, True, source)


def _with_patient(roles: Roles) -> Roles:
    # Without a named group, a column `patient` is the group if there is one.
    optional = roles.optional if roles.group else roles.optional | {PATIENT_COLUMN}
    return replace(roles, group=roles.group or PATIENT_COLUMN, optional=optional)


def _opened(folder: Path, listing: Path, named: Annotated, roles: Roles, labelled: bool, source: Source) -> Dataset:
    """Find and open named files."""
    roles = roles.within(named.table.column_names)
    ids = named.files if roles.id is None else id_column(named.table, listing, roles.id)
    groups = group_column(named.table, listing, roles.group)
    finder, must_exist = FileFinder(folder, listing), not roles.leave_out_bad_files
    paths = [finder.find(name, row, must_exist) for row, name in enumerate(named.files.tolist())]
    labels = named.labels
    if roles.unlisted_are_empty and labelled:
        more = _unlisted(finder, paths, listing, roles)
        paths += [folder / name for name in more]
        ids, labels = np.concatenate([ids, np.array(more, dtype=str)]), _with_empty_rows(labels, len(more))
    # All headers are checked now if there are labels: one bad file must not stop a run after the gate was trained.
    images, rows = source(paths)
    part = labels.part(rows)
    return Dataset(
        images,
        part.Y,
        part.names,
        None if groups is None else groups[rows],
        ids[rows],
        known=part.known,
        pixels=pixels_as_read(roles, images),
    )


def _read_list(listing: Path, roles: Roles, labelled: bool) -> Annotated:
    """Read a table with a column of file names."""
    table = read_table(listing, roles.format)
    file_column = roles.file or FILE_COLUMN
    if file_column not in table.column_names:
        raise DataError(
            f"`{listing}` has no column {file_column!r} with the names of the files; name it with `data.file`. Its "
            f"columns are {listed(table.column_names)}."
        )
    files = np.array([str(name) for name in table[file_column].to_pylist()])
    roles = roles.within(table.column_names)
    labels = _labels(table, listing, file_column, roles) if labelled else Listed((), None, None)
    if roles.label_list is not None and roles.label_list.id == file_column:
        table, labels, files = one_row_each(table, labels, files)
    refuse_duplicates(files, listing, file_column)
    return Annotated(files, labels, table)


def _labels(table: pa.Table, listing: Path, file_column: str, roles: Roles) -> Listed:
    if roles.label_list is not None:
        return list_column(table, listing, roles.label_list, roles.labels)
    others = {file_column, roles.group, roles.id, *roles.drop}
    names = roles.labels or tuple(n for n in table.column_names if n not in others)
    try:
        Y, known = label_columns(table, listing, names, roles.missing_labels, roles.uncertain, roles.negative)
    except DataError as error:
        hint = (
            ""
            if roles.labels
            else " Every column but file, group and id is a label; name them with `data.labels` (or --labels)."
        )
        raise DataError(f"{error}{hint}") from error
    return Listed(tuple(names), Y, known)


def _unlisted(finder: FileFinder, paths: list[Path], listing: Path, roles: Roles) -> list[str]:
    """Return the files of the folder that a list leaves out, relative to the folder."""
    if roles.group is not None or roles.id is not None:
        raise DataError(
            f"`{listing}` has a column {roles.group or roles.id!r}, which files that it leaves out do not have; take "
            "it or `data.unlisted_are_empty` out."
        )
    seen = {os.path.realpath(path) for path in paths}
    more = [name for name in finder.places if os.path.realpath(finder.folder / name) not in seen]
    logger.info("data: %d files that `%s` leaves out are rows without a label", len(more), listing)
    return more


def _with_empty_rows(labels: Listed, count: int) -> Listed:
    if labels.Y is None:
        return labels
    n_labels = labels.Y.shape[1]
    known: Known = labels.known
    if known is not None:
        known = np.concatenate([known, np.ones((count, n_labels), bool)])
    Y: NDArray[np.uint8] = np.concatenate([labels.Y, np.zeros((count, n_labels), np.uint8)])
    return Listed(labels.names, Y, known)


def pixels_as_read(roles: Roles, images: PixelFiles[Any]) -> PixelOptions:
    """Return the options of pixels with the bits of grey that were found out."""
    bits = getattr(images, "grey_bits", MOST_BITS)
    return replace(roles.pixels.of_images(), grey_bits=None if bits == MOST_BITS else bits)
