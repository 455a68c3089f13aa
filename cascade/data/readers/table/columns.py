"""Columns of a table: which are labels, group and identifier, and what their names must be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.column_kinds import Kind
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.readers.table.table_format import TableFormat
from cascade.errors import DataError
from cascade.utils.address import Place

MOST_LISTED = 12
"""Column names that an error lists."""


@dataclass(frozen=True)
class Roles:
    """Which columns of the data play which role.

    Attributes
    ----------
    labels : tuple of str, or None
        Label columns; None takes those that the file defines.
    group, id : str or None
        Column of the group (patient, document) and of the identifier.
    label_file : path or None
        Labels of an array file that holds only X.
    allow_missing : bool
        Whether NaN features are passed on to estimators that take them.
    missing_labels : bool
        Whether empty cells in label columns of a table are labels that are not known.
    optional : frozenset of str
        Columns that may be absent, such as those saved with a model.
    file : str or None
        Column of a list of images that names the files.
    label_list : LabelList, or None
        Column that lists the labels of each row, instead of a column per label.
    uncertain, negative : tuple of str
        Values of label columns that mean that a label is not known, and further ones that mean that it is not set.
    unlisted_are_empty : bool
        Whether images that a list leaves out are rows without a label.
    kinds : dict from column name to kind
        What feature columns hold, where it is declared.
    drop : frozenset of str
        Columns that play no role.
    features : tuple of str, or None
        The only feature columns.
    format : TableFormat
        How text tables are written.
    pixels : PixelOptions
        How images and DICOM slices become pixels.
    leave_out_bad_files : bool
        Whether image files that cannot be used are left out and counted, instead of refused.
    """

    labels: tuple[str, ...] | None = None
    group: str | None = None
    id: str | None = None
    label_file: Path | None = None
    allow_missing: bool = False
    missing_labels: bool = False
    optional: frozenset[str] = frozenset()
    file: str | None = None
    label_list: LabelList | None = None
    uncertain: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    unlisted_are_empty: bool = False
    # Left out of the hash, by which a worker process finds the model that it has loaded.
    kinds: Mapping[str, Kind] = field(default_factory=dict, hash=False)
    drop: frozenset[str] = frozenset()
    features: tuple[str, ...] | None = None
    format: TableFormat = field(default_factory=TableFormat)
    pixels: PixelOptions = field(default_factory=PixelOptions)
    leave_out_bad_files: bool = False

    def within(self, columns: Sequence[str]) -> Roles:
        """Drop the group and the identifier if they are optional and not among `columns`."""
        absent = self.optional - set(columns)
        group, row_id = (None if name in absent else name for name in (self.group, self.id))
        return replace(self, group=group, id=row_id)


def check_names(columns: Sequence[str], path: Place) -> None:
    """Raise for columns without a name and for duplicate names."""
    names, times = np.unique(columns, return_counts=True)
    if "" in names:
        place = list(columns).index("")
        raise DataError(
            f"`{path}` has a column without a name (number {place}), perhaps a saved index; name or remove it."
        )
    if (times > 1).any():
        raise DataError(f"`{path}` has {times.max()} columns {str(names[times.argmax()])!r}; each must occur once.")


def require(columns: Sequence[str], path: Place, names: Sequence[str], role: str) -> None:
    """Raise if one of the names is not among `columns`."""
    for name in names:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; its columns are {listed(columns)}."
            raise DataError(f"`{path}` has no {role} column {name!r}{hint}")


def listed(names: Sequence[str]) -> str:
    """List the first names and the number of the others."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def refuse_duplicates(values: NDArray[Any], path: Place, name: str) -> None:
    """Raise if a value occurs twice in a column."""
    kept, first = np.unique(values, return_index=True)
    if len(kept) < len(values):
        row = int(np.setdiff1d(np.arange(len(values)), first)[0])
        raise DataError(
            f"`{path}` must name each row once in column {name!r}. Received {str(values[row])!r} again at row {row}."
        )
