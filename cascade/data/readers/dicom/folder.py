"""A folder of DICOM slices, with their labels from the RSNA challenge's file or from a list, and their patients."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.columns import Roles, refuse_duplicates
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.dicom.slices import DicomFiles
from cascade.data.readers.images import SUFFIXES, read_listed
from cascade.data.readers.rsna import is_label_file, labels_of
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

PREAMBLE = 128
OTHERS = (*SUFFIXES, ".csv", ".json", ".npy", ".npz", ".parquet")
GROUPS = ("PatientID", "StudyInstanceUID")
"""Attributes that can be the group; the first one is, where nothing is said."""
ID = "SOPInstanceUID"


def find_slices(folder: Path) -> list[Path]:
    """Find the DICOM files of a folder and all below: by `.dcm`, or by what they begin with."""
    return sorted(path for path in folder.rglob("*") if _is_slice(path))


def _is_slice(path: Path) -> bool:
    suffix = path.suffix.lower()
    # DICOMDIR is the index of a disc.
    if suffix in OTHERS or path.name == "DICOMDIR" or not path.is_file():
        return False
    if suffix == ".dcm":
        return True
    with path.open("rb") as handle:
        return handle.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


def read_dicom_folder(folder: Path, paths: list[Path], roles: Roles, labelled: bool) -> Dataset:
    """Read the slices `paths` of a folder with `labels.csv`, or the file that is named; prediction does without.

    The file is the RSNA challenge's (`ID,Label`), each ID beginning with the name of a slice, or a list with a
    column `file` and one column a label. The group is the patient, where the files name one and no list another.
    """
    listing = roles.label_file or folder / "labels.csv"
    if listing.exists() and not is_label_file(listing):
        return _read_listed(folder, listing, roles, labelled)
    if labelled and not listing.exists():
        raise DataError(f"`{folder}` must hold `labels.csv`; name another file as `label_file`.")
    names, Y = labels_of(listing, list(map(_name, paths)), roles.labels) if labelled else ((), None)
    slices = DicomFiles(paths, roles.pixels)
    groups, ids = _told(folder, slices, roles)
    return Dataset(slices, Y, names, groups, ids, pixels=roles.pixels)


def _read_listed(folder: Path, listing: Path, roles: Roles, labelled: bool) -> Dataset:
    """The list names files, labels and rows; it may leave the group to what the files say of themselves."""
    told = replace(roles, optional=roles.optional | set(GROUPS))
    data = read_listed(folder, listing, told, labelled, partial(DicomFiles, options=roles.pixels))
    groups = _told(folder, data.X, replace(roles, id=None))[0] if data.groups is None else data.groups
    return replace(data, groups=groups, pixels=roles.pixels)


def _told(folder: Path, slices: DicomFiles, roles: Roles) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Group and identifier of each slice: what it says of itself, or where it lies below the folder."""
    group = known_attribute(folder, "group", roles.within(GROUPS).group, GROUPS)
    row_id = known_attribute(folder, "id", roles.within((ID,)).id, (ID,))
    logger.info("data: reading the headers of %d slices", len(slices))
    said = [(header.names[group or GROUPS[0]], header.names[ID]) for header in slices.look_at_all()]
    groups, own = np.array(said).T
    ids = own if row_id else np.array([place_below(folder, path) for path in slices.paths])
    refuse_duplicates(ids, folder, row_id or "file")
    if group is None and not groups.astype(bool).any():
        return None, ids
    without = np.flatnonzero(groups == "")
    if len(without):
        at = slices.paths[without[0]]
        raise DataError(f"`{at}` has no {group or GROUPS[0]}, which slices are grouped by; name another group.")
    return groups, ids


def known_attribute(folder: Path, role: str, name: str | None, known: tuple[str, ...]) -> str | None:
    """Refuse a group or identifier that is no attribute of a slice."""
    if name not in (None, *known):
        raise DataError(f"`{folder}` has no {role} {name!r}; of DICOM slices it is {' or '.join(known)}.")
    return name


def _name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".dcm" else path.name


def place_below(folder: Path, path: Path) -> str:
    """Identifier of a slice: where it lies below the folder, without `.dcm`."""
    return path.relative_to(folder).with_name(_name(path)).as_posix()
