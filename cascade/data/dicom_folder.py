"""A folder of DICOM slices, with their labels from the RSNA challenge's file or from a list, and their patients."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.columns import Roles, refuse_duplicates
from cascade.data.dataset import Dataset
from cascade.data.dicom import DicomFiles
from cascade.data.dicom_header import Header
from cascade.data.images import SUFFIXES, read_listed
from cascade.data.rsna import is_label_file, labels_of
from cascade.errors import DataError

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
    slices = DicomFiles(paths, roles.slices)
    headers = slices.look_at_all()
    names, Y = labels_of(listing, list(map(_name, paths)), roles.labels) if labelled else ((), None)
    groups, ids = _groups(paths, headers, roles), _ids(folder, paths, headers, roles)
    return Dataset(slices, Y, names, groups, ids, slices=roles.slices)


def _read_listed(folder: Path, listing: Path, roles: Roles, labelled: bool) -> Dataset:
    """What the list says of group and identifier goes before what the files say of themselves."""
    told = replace(roles, group=None if roles.group in GROUPS else roles.group, id=None if roles.id == ID else roles.id)
    data = read_listed(folder, listing, told, labelled, partial(DicomFiles, options=roles.slices))
    paths = data.X.paths
    headers = data.X.look_at_all() if roles.id == ID or data.groups is None else []
    groups = _groups(paths, headers, roles) if data.groups is None else data.groups
    ids = _ids(folder, paths, headers, roles) if roles.id == ID else data.ids
    return replace(data, groups=groups, ids=ids, slices=roles.slices)


def _name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".dcm" else path.name


def _ids(folder: Path, paths: list[Path], headers: list[Header], roles: Roles) -> NDArray[Any]:
    """Where a file lies below its folder, without `.dcm`, or its own identifier."""
    wanted = roles.within((ID,)).id
    if wanted not in (None, ID):
        raise DataError(f"`{folder}` has no id {wanted!r}; slices are named by their files, or by {ID!r}.")
    below = [path.relative_to(folder).with_name(_name(path)).as_posix() for path in paths]
    ids = np.array(below if wanted is None else [header.names[ID] for header in headers])
    refuse_duplicates(ids, folder, wanted or "file")
    return ids


def _groups(paths: list[Path], headers: list[Header], roles: Roles) -> NDArray[Any] | None:
    """Group of each slice; None where nothing is asked for and no file names its patient."""
    wanted = roles.within(GROUPS).group
    if wanted not in (None, *GROUPS):
        raise DataError(f"`{paths[0].parent}` has no group {wanted!r}; it must be one of {' and '.join(GROUPS)}.")
    groups = np.array([header.names[wanted or GROUPS[0]] for header in headers])
    if wanted is None and not groups.astype(bool).any():
        return None
    without = np.flatnonzero(groups == "")
    if len(without):
        raise DataError(f"`{paths[without[0]]}` has no {wanted or GROUPS[0]}, which others have; name another group.")
    return groups
