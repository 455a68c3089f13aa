"""Feature tables: columns by their roles, and rows in parts, the same in memory and streaming."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.names import Names
from cascade.data.readers.cells import Reasons, give, labels_of, names_of, no_reasons, numbers_of, refuse_invalid
from cascade.data.readers.columns import Roles, refuse_duplicates, require
from cascade.data.readers.csv import FAULT, CsvFile
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.files import files_below
from cascade.data.readers.finite import invalid_rows
from cascade.data.readers.parquet import ParquetFiles
from cascade.errors import DataError
from cascade.utils.types import Mask

logger = logging.getLogger("cascade.data")

PART_ROWS = 65_536
"""Rows that are converted at a time when a table is read whole."""
# Names that pandas and readr give to the row numbers which a saved table had in front of its columns.
ROW_NUMBERS = re.compile(r"Unnamed: 0(\.[0-9]+)*|__index_level_[0-9]+__|\.\.\.1")
TABLES = (".parquet", ".csv")
"""Endings of files that hold a table."""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are read, and their roles.

    Attributes
    ----------
    features, labels : tuple of str
    group, id : str or None
    allow_missing, missing_labels : bool
        Whether features, and labels, may be missing.
    """

    features: tuple[str, ...]
    labels: tuple[str, ...]
    group: str | None
    id: str | None
    allow_missing: bool
    missing_labels: bool = False

    @classmethod
    def choose(
        cls, table: TableFile, roles: Roles, features: tuple[str, ...] | None, labelled: bool = False
    ) -> TableColumns:
        """Choose among the columns of a table.

        Parameters
        ----------
        table : TableFile
        roles : Roles
        features : tuple of str, or None
            Those of a model; None takes all columns that have no other role and are no saved index.
        labelled : bool
            Whether the labels in `roles` are read.
        """
        names, path = table.names, table.path
        roles = roles.within(names)
        labels = roles.labels or ()
        if labelled and not labels:
            raise DataError(f"`{path}` must have at least one label column. Received none.")
        wanted = (("group", roles.group), ("id", roles.id), *(("label", name) for name in labels if labelled))
        for role, name in wanted:
            require(names, path, [] if name is None else [name], role)
        if features is None:
            features = _default_features(table, {*labels, roles.group, roles.id})
        for name in features:
            if name not in names:
                raise DataError(f"`{path}` has no feature column {name!r}, which the model was trained on.")
        read = labels if labelled else ()
        return cls(features, read, roles.group, roles.id, roles.allow_missing, roles.missing_labels)

    @property
    def numbers(self) -> list[str]:
        """Return the columns that are read as numbers, once."""
        return list(dict.fromkeys([*self.features, *self.labels]))

    @property
    def all(self) -> list[str]:
        """Return every column that is read, once."""
        return list(dict.fromkeys([*self.numbers, *(name for name in (self.group, self.id) if name is not None)]))

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row's numbers plus an estimate for its names."""
        return 8 * len(self.numbers) + 64 * (len(self.all) - len(self.numbers))


def _default_features(table: TableFile, others: set[str | None]) -> tuple[str, ...]:
    free = [name for name in table.names if name not in others]
    index = [name for name in free if name in table.index or ROW_NUMBERS.fullmatch(name)]
    if index:
        logger.warning("data: left out %s, which is a saved index and no feature", ", ".join(map(repr, index)))
    features = tuple(name for name in free if name not in index)
    if not features:
        raise DataError(f"`{table.path}` must have at least one feature column besides labels, group and id.")
    return features


@dataclass(frozen=True)
class TableRows:
    """Consecutive rows of a table.

    Attributes
    ----------
    X : ndarray of float, shape (n, F)
    Y : ndarray of 0/1, shape (n, L)
    known : ndarray of bool, shape (n, L)
    groups, ids : ndarray of str, shape (n,), or None
        "" where one is missing.
    reasons : ndarray of str or None, shape (n,)
        Why a row cannot be used.
    """

    X: NDArray[np.float64]
    Y: Labels
    known: Mask
    groups: Names | None
    ids: Names | None
    reasons: Reasons


class TableFile:
    """A CSV file, a Parquet file or a folder of Parquet files, read in parts of one size.

    Parameters
    ----------
    path : path
    files : list of str, optional
        Parquet files below `path`; without them it is one file.

    Attributes
    ----------
    names : list of str
    index : set of str
        Columns that are a saved index.
    n_rows : int or None
        None if unknown before the file is read.
    """

    def __init__(self, path: Path, files: list[str] | None = None) -> None:
        self.path = path
        self.source: CsvFile | ParquetFiles
        if files is None and path.suffix == ".csv":
            self.source, self.index = CsvFile(path), set()
        else:
            self.source = ParquetFiles(path, files) if files else ParquetFiles(path.parent, [path.name])
            self.index = self.source.index
        self.names, self.n_rows = self.source.names, self.source.n_rows

    def check(self, columns: TableColumns) -> None:
        """Refuse at once what the types of columns show, before any row is read."""
        if isinstance(self.source, ParquetFiles):
            self.source.check(columns.all, columns.numbers)

    def parts(self, columns: TableColumns, size: int, first: int = 0) -> Iterator[TableRows]:
        """Yield the rows from number `first` on, `size` at a time; the last part may have fewer."""
        if isinstance(self.source, ParquetFiles):
            tables = self.source.tables(columns.all, columns.numbers, first)
        else:
            # A line has no known offset, so a resumed job reads and drops those before.
            tables = _after(self.source.tables(columns.all), first)
        for table in _evenly(tables, size):
            yield _rows_of(table, columns)


def _rows_of(table: pa.Table, columns: TableColumns) -> TableRows:
    n = table.num_rows
    faults = no_reasons(n)
    if FAULT in table.column_names:
        faults[:] = table[FAULT].to_pylist()
    # A malformed line has empty cells only; its own fault comes before what they cause.
    reasons = faults
    X = np.empty((n, len(columns.features)))
    for place, name in enumerate(columns.features):
        X[:, place] = numbers_of(table[name], f"feature {name!r}", reasons)
    invalid = invalid_rows(X, columns.allow_missing, columns.features)
    for row in np.flatnonzero(invalid.astype(bool)).tolist():
        give(reasons, [row], invalid[row])
    Y, known = np.zeros((n, len(columns.labels)), np.uint8), np.ones((n, len(columns.labels)), bool)
    for place, name in enumerate(columns.labels):
        Y[:, place], known[:, place] = labels_of(table[name], name, columns.missing_labels, reasons)
    groups = None if columns.group is None else names_of(table[columns.group], columns.group, reasons)
    ids = None if columns.id is None else names_of(table[columns.id], columns.id, reasons)
    return TableRows(X, Y, known, groups, ids, reasons)


def find_tables(folder: Path) -> list[str]:
    """List the Parquet files below a folder, in order; none where the folder is one of images with `labels.csv`."""
    return [] if (folder / "labels.csv").exists() else files_below(folder, (".parquet",), hidden=("_", "."))


def read_feature_table(
    path: Path,
    roles: Roles,
    labelled: bool,
    features: tuple[str, ...] | None = None,
    files: list[str] | None = None,
) -> Dataset:
    """Read features, labels, groups and identifiers from one table.

    Parameters
    ----------
    path : path
        `.parquet` or `.csv`, or a folder of Parquet files.
    roles : Roles
        `labels` must be named when `labelled`.
    labelled : bool
        Whether label columns are needed.
    features : tuple of str, optional
        Columns that a model was trained on; default all without another role. An empty tuple reads none.
    files : list of str, optional
        The Parquet files below `path`, if it is a folder.
    """
    if labelled and roles.labels is None:
        raise DataError(f"`{path}` is a table: name its label columns with `data.labels` (or --labels).")
    table = TableFile(path, files)
    columns = TableColumns.choose(table, roles, features, labelled)
    table.check(columns)
    parts, start = [], 0
    for part in table.parts(columns, PART_ROWS):
        refuse_invalid(part.reasons, path, start)
        parts.append(part)
        start += len(part.reasons)
    if not start:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return _joined(parts, path, columns, start)


def _joined(parts: list[TableRows], path: Path, columns: TableColumns, n_rows: int) -> Dataset:
    known: Known = np.concatenate([part.known for part in parts])
    ids = np.arange(n_rows).astype(str)
    if columns.id is not None:
        ids = np.concatenate([part.ids for part in parts if part.ids is not None]).astype(str)
        refuse_duplicates(ids, path, columns.id)
    groups = [part.groups for part in parts if part.groups is not None]
    return Dataset(
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.Y for part in parts]) if columns.labels else None,
        columns.labels,
        np.concatenate(groups).astype(str) if groups else None,
        ids,
        feature_names=columns.features,
        known=None if known is None or known.all() else known,
        numbered=columns.id is None,
    )


def _evenly(batches: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of `size` rows; the last one may have fewer."""
    held: list[pa.Table] = []
    n_held = 0
    for batch in batches:
        rest = batch
        # One batch may complete several tables; slices and concatenation share its memory.
        while n_held + rest.num_rows >= size:
            cut = size - n_held
            yield pa.concat_tables([*held, rest.slice(0, cut)])
            held, n_held, rest = [], 0, rest.slice(cut)
        if rest.num_rows:
            held.append(rest)
            n_held += rest.num_rows
    if held:
        yield pa.concat_tables(held)


def _after(batches: Iterator[pa.Table], n_skipped: int) -> Iterator[pa.Table]:
    """Skip the first `n_skipped` rows of a stream of tables."""
    for batch in batches:
        left = batch.slice(n_skipped)
        n_skipped = max(0, n_skipped - batch.num_rows)
        if left.num_rows:
            yield left
