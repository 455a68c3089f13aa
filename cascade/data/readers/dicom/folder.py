"""A folder of DICOM slices, with their labels from the RSNA challenge's file or from a list, and their patients."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.dataset import Dataset
from cascade.data.readers.dicom.clipping import warn_where_clipped
from cascade.data.readers.dicom.header import Header
from cascade.data.readers.dicom.slices import DicomFiles
from cascade.data.readers.dicom.storage_class import PREAMBLE, images_among
from cascade.data.readers.files import as_text, exists, is_left_over
from cascade.data.readers.image.image_list import read_listed
from cascade.data.readers.image.images import SUFFIXES
from cascade.data.readers.rsna import is_label_file, labels_of
from cascade.data.readers.table.columns import Roles, refuse_duplicates
from cascade.errors import DataError
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

OTHERS = (*SUFFIXES, ".csv", ".json", ".npy", ".npz", ".parquet")
GROUPS = ("PatientID", "StudyInstanceUID")
"""Attributes that can be the group; the first one is the default."""
ID = "SOPInstanceUID"


def find_slices(folder: Path) -> list[Path]:
    """Find the DICOM files in a folder and its subfolders, by `.dcm` or by their first bytes."""
    found = (path for path in folder.rglob("*") if not is_left_over(str(path.relative_to(folder))))
    return sorted(path for path in found if _is_slice(path))


def _is_slice(path: Path) -> bool:
    suffix = path.suffix.lower()
    # DICOMDIR is the index of a disc: it begins like a slice, but has no pixels.
    if suffix in OTHERS or path.name == "DICOMDIR" or not path.is_file():
        return False
    if suffix == ".dcm":
        return True
    # Scanners write files without a suffix. A preamble and these four letters begin each file (PS3.10).
    with path.open("rb") as handle:
        return handle.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


def read_dicom_folder(
    folder: Path, paths: list[Path], roles: Roles, labelled: bool, row_shape: tuple[int, ...] | None = None
) -> Dataset:
    """Read the slices `paths` of a folder, with labels from `labels.csv` or the given file; prediction needs none.

    The file is the RSNA challenge's (`ID,Label`), each ID beginning with the name of a slice, or a list with a
    column `file` and one column per label. The group is the patient, if the files name one and no list another.
    `row_shape` is the shape of a model's rows.
    """
    listing = roles.label_file or folder / "labels.csv"
    if exists(listing) and not (listing.exists() and is_label_file(listing)):
        return _read_listed(folder, listing, roles, labelled, row_shape)
    if labelled and not listing.exists():
        raise DataError(
            f"`{folder}` must hold `labels.csv`; name another file with `data.label_file` (or --label-file)."
        )
    paths = images_among(folder, paths)
    names, Y = labels_of(listing, list(map(_name, paths)), roles.labels) if labelled else ((), None)
    slices, rows, headers = _survey(paths, roles, row_shape)
    groups, ids = _groups_and_ids(folder, slices.paths, headers, roles)
    return Dataset(slices, None if Y is None else Y[rows], names, groups, ids, pixels=slices.options)


def _survey(
    paths: list[Path], roles: Roles, row_shape: tuple[int, ...] | None
) -> tuple[DicomFiles, Rows, list[Header]]:
    logger.info("data: reading the headers of %d slices", len(paths))
    # Every header is checked, so that an invalid file is found before any training.
    found = DicomFiles.survey(paths, roles.pixels, roles.leave_out_bad_files, row_shape)
    warn_where_clipped(found[0])
    return found


def _read_listed(
    folder: Path, listing: Path, roles: Roles, labelled: bool, row_shape: tuple[int, ...] | None
) -> Dataset:
    """Read files, labels and rows from a list; without a group in it, the group is that of the headers."""
    headers: list[Header] = []

    def source(paths: list[Path]) -> tuple[DicomFiles, Rows]:
        slices, rows, found = _survey(paths, roles, row_shape)
        headers.extend(found)
        return slices, rows

    # A group that is an attribute of the headers need not be a column of the list.
    data = read_listed(folder, listing, replace(roles, optional=roles.optional | set(GROUPS)), labelled, source)
    groups = data.groups
    if groups is None:
        groups = _groups_and_ids(folder, data.X.paths, headers, replace(roles, id=None))[0]
    return replace(data, groups=groups, pixels=data.X.options)


def _groups_and_ids(
    folder: Path, paths: Sequence[Path], headers: list[Header], roles: Roles
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Return group and identifier of each slice: those in its header, or its path below the folder."""
    group = known_attribute(folder, "group", roles.within(GROUPS).group, GROUPS)
    row_id = known_attribute(folder, "id", roles.within((ID,)).id, (ID,))
    names = [(header.names[group or GROUPS[0]], header.names[ID]) for header in headers]
    groups, uids = np.array(names).T
    ids = uids if row_id else np.array([place_below(folder, path) for path in paths])
    refuse_duplicates(ids, folder, row_id or "file")
    # Slices without any patient are independent rows; if only some name one, the others might be the same patient.
    if group is None and not groups.astype(bool).any():
        return None, ids
    without = np.flatnonzero(groups == "")
    if len(without):
        at = paths[without[0]]
        raise DataError(f"`{at}` has no {group or GROUPS[0]}, which slices are grouped by; name another group.")
    return groups, ids


def known_attribute(folder: Path, role: str, name: str | None, known: tuple[str, ...]) -> str | None:
    """Return the name of a group or identifier; raise if it is not one of the `known` attributes."""
    if name not in (None, *known):
        raise DataError(f"`{folder}` has no {role} {name!r}; for DICOM slices it is {' or '.join(known)}.")
    return name


def _name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".dcm" else path.name


def place_below(folder: Path, path: Path) -> str:
    """Return the identifier of a slice: its path below the folder, without `.dcm`."""
    return as_text(path.relative_to(folder).with_name(_name(path)))
