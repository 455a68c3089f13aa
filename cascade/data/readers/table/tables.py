"""Feature tables: columns by their roles, and rows in parts, the same in memory and streaming."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cascade.data.column_kinds import Kind
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.names import Names
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.table.cells import (
    Reasons,
    TextCells,
    categories_of,
    dates_of,
    give,
    labels_of,
    matrix_of,
    names_of,
    no_reasons,
    plain,
    refuse_invalid,
    texts_of,
)
from cascade.data.readers.table.columns import Roles, refuse_duplicates, require
from cascade.data.readers.table.csv import FAULT, PLAIN, with_numbers
from cascade.data.readers.table.feature_kinds import infer_kinds
from cascade.data.readers.table.finite import invalid_rows
from cascade.data.readers.table.json_lines import is_json_lines
from cascade.data.readers.table.label_lists import LabelList, bits_of, names_in
from cascade.data.readers.table.lists import chosen_names
from cascade.data.readers.table.parquet import TypedFiles, class_names
from cascade.data.readers.table.table_format import TableFormat, is_text_table
from cascade.data.readers.table.text_files import TextFiles
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.types import Mask

logger = logging.getLogger("cascade.data")

PART_ROWS = 65_536
"""Rows that are converted at a time when a table is read whole."""
# Names that pandas and readr give to the row numbers which a saved table had in front of its columns.
ROW_NUMBERS = re.compile(r"Unnamed: 0(\.[0-9]+)*|__index_level_[0-9]+__|\.\.\.1")
USUAL = TableFormat(",", "utf-8", ".")
TEXTUAL = ("text", "category")
"""Kinds of columns that are texts in a data frame."""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are read, and their roles.

    Attributes
    ----------
    features, labels : tuple of str
    group, id : str or None
    allow_missing, missing_labels : bool
        Whether features, and labels, may be missing.
    kinds : dict from column name to kind, or None
        Of the features; None where all are numbers, which then are one array.
    label_list : LabelList, or None
        Column that lists the labels of a row.
    uncertain, negative : tuple of str
        Values of label columns that mean that a label is not known, and further ones that mean that it is not set.
    """

    features: tuple[str, ...]
    labels: tuple[str, ...]
    group: str | None
    id: str | None
    allow_missing: bool
    missing_labels: bool = False
    kinds: dict[str, Kind] | None = None
    label_list: LabelList | None = None
    uncertain: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

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
        listed = roles.label_list if labelled else None
        if listed is not None and isinstance(table.source, TypedFiles):
            listed = replace(listed, numbered=class_names(table.source.schema, listed.column))
        if labelled and not labels and listed is None:
            raise DataError(f"`{path}` must have at least one label column. Received none.")
        read = labels if labelled and listed is None else ()
        for role, name in (("group", roles.group), ("id", roles.id), *(("label", name) for name in read)):
            require(names, path, [] if name is None else [name], role)
        if listed is not None:
            require(names, path, [listed.column, *([] if listed.id is None else [listed.id])], "label")
        kinds: dict[str, Kind]
        of_model = features is not None
        if features is None:
            features = _features(table, roles)
        for name in features:
            if name not in names:
                raise DataError(f"`{path}` has no feature column {name!r}, which the model was trained on.")
        chosen = cls(
            features,
            read,
            roles.group,
            roles.id,
            roles.allow_missing,
            roles.missing_labels,
            label_list=listed,
            uncertain=roles.uncertain,
            negative=roles.negative,
        )
        # Columns of a model without kinds are numbers, whatever the file has.
        if of_model:
            kinds = {name: roles.kinds.get(name, "number") for name in features}
        else:
            kinds = table.kinds_of(features, roles.kinds)
        return chosen if set(kinds.values()) <= {"number"} else replace(chosen, kinds=kinds)

    @property
    def numbers(self) -> list[str]:
        """Return the columns that are read as numbers, once."""
        kinds = self.kinds or {}
        return [name for name in dict.fromkeys(self.features) if kinds.get(name, "number") == "number"]

    @property
    def numbers_at_once(self) -> list[str]:
        """Return the columns of numbers that need no text; none where one plays a second role, in which it counts."""
        listed = () if self.label_list is None else (self.label_list.column, self.label_list.id)
        return [] if {*self.numbers} & {*self.labels, self.group, self.id, *listed} else self.numbers

    @property
    def others(self) -> list[str]:
        """Return the columns that are neither numbers nor names."""
        listed = [] if self.label_list is None else [self.label_list.column]
        return [*(name for name in self.features if name not in self.numbers), *self.labels, *listed]

    @property
    def all(self) -> list[str]:
        """Return every column that is read, once."""
        long_form = None if self.label_list is None else self.label_list.id
        names = [*self.features, *self.others, self.group, self.id, long_form]
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row's numbers plus an estimate for its names."""
        return 8 * len(self.numbers) + 64 * (len(self.all) - len(self.numbers))


def _features(table: TableFile, roles: Roles) -> tuple[str, ...]:
    """Return the feature columns that are named, or all that have no other role and are no saved index."""
    names, path = table.names, table.path
    for name in roles.drop:
        require(names, path, [name], "dropped")
    for name in roles.kinds:
        require(names, path, [name], "feature")
    if roles.features is not None:
        require(names, path, roles.features, "feature")
        return roles.features
    listed = roles.label_list
    others = {*(roles.labels or ()), roles.group, roles.id, *roles.drop}
    others |= set() if listed is None else {listed.column, listed.id}
    free = [name for name in names if name not in others]
    index = [name for name in free if name in table.index or ROW_NUMBERS.fullmatch(name)]
    if index:
        logger.warning("data: left out %s, which is a saved index and no feature", ", ".join(map(repr, index)))
    features = tuple(name for name in free if name not in index)
    if not features:
        raise DataError(f"`{path}` must have at least one feature column besides labels, group and id.")
    return features


@dataclass(frozen=True)
class TableRows:
    """Consecutive rows of a table.

    Attributes
    ----------
    X : ndarray of float, shape (n, F), or data frame of n rows
    Y : ndarray of 0/1, shape (n, L)
    known : ndarray of bool, shape (n, L)
    groups, ids : ndarray of str, shape (n,), or None
        "" where one is missing.
    reasons : ndarray of str or None, shape (n,)
        Why a row cannot be used.
    listed : list of tuple of str, or None
        Labels of each row, from a column of lists.
    long_ids : ndarray of str, shape (n,), or None
        Identifiers of rows of which there is one per label.
    """

    X: Any
    Y: Labels
    known: Mask
    groups: Names | None
    ids: Names | None
    reasons: Reasons
    listed: list[tuple[str, ...]] | None = None
    long_ids: Names | None = None


class TextSource(Protocol):
    """Rows of text, with a column `FAULT` for what is wrong with a row.

    Attributes
    ----------
    names : list of str
    n_rows : int or None
        None if unknown before the file is read.
    """

    names: list[str]
    n_rows: int | None

    def tables(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield all rows, with the given columns as text and the column `FAULT`."""
        ...


class TableFile:
    """A text table, a file of JSON lines, a Parquet or Arrow file, or several of them, read in parts of one size.

    Parameters
    ----------
    path : path or address
    files : list of str, optional
        Files below `path`, all text or all typed; without them it is one file.
    format : TableFormat
        How a text table is written.
    source : TextSource, optional
        Rows in another form.

    Attributes
    ----------
    files : list of str, or None
        As given.
    names : list of str
    index : set of str
        Columns that are a saved index.
    n_rows : int or None
        None if unknown before the file is read.
    """

    def __init__(
        self,
        path: Place,
        files: list[str] | None = None,
        format: TableFormat = PLAIN,
        source: TextSource | None = None,
    ) -> None:
        self.path, self.files = path, files
        self.source: TextSource | TypedFiles
        self.index: set[str] = set()
        self.cells = TextCells(format.missing, format.decimal or ".")
        paths: list[Place] = [path] if files is None else [path / name for name in files]
        if source is not None:
            self.source = source
        elif is_text_table(paths[0]) or is_json_lines(paths[0]):
            texts = self.source = TextFiles(paths, format)
            self.cells = TextCells(format.missing, texts.decimal)
            for place, one in zip(paths, texts.formats, strict=False):
                if replace(one, missing=()) != USUAL:
                    logger.info("data: %s has %s", place, one.described())
        else:
            typed = TypedFiles(path.parent, [path.name]) if files is None else TypedFiles(path, files)
            self.source, self.index = typed, typed.index
        self.names, self.n_rows = self.source.names, self.source.n_rows

    def place(self, row: int) -> tuple[Place, int]:
        """Return the file of a row that was read, and its number in this file."""
        starts = getattr(self.source, "starts", None) or [(0, self.path)]
        start, path = max((one for one in starts if one[0] <= row), key=lambda one: one[0])
        return path, row - start

    def kinds_of(self, features: tuple[str, ...], declared: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the kind of each feature column: declared, or by its first rows."""
        if all(name in declared for name in features):
            return {name: declared[name] for name in features}
        if isinstance(self.source, TypedFiles):
            # Typed columns need no rows, but for texts, which may be categories.
            tables = self.source.typed(list(features))
        else:
            tables = self.source.tables(list(features))
        sample = next(_evenly(tables, PART_ROWS), None)
        if sample is None:
            return dict.fromkeys(features, "number")
        if FAULT in sample.column_names:
            sample = sample.filter(pc.is_null(sample[FAULT]))
        return infer_kinds(sample, features, declared, self.cells, self.path)

    def check(self, columns: TableColumns) -> None:
        """Refuse at once what the types of columns show, before any row is read."""
        if isinstance(self.source, TypedFiles):
            self.source.check(columns.all, columns.numbers)

    def parts(self, columns: TableColumns, size: int, first: int = 0) -> Iterator[TableRows]:
        """Yield the rows from number `first` on, `size` at a time; the last part may have fewer."""
        if isinstance(self.source, TypedFiles):
            tables = self.source.tables(columns.all, columns.numbers, columns.others, first)
        else:
            # A line has no known offset, so a resumed job reads and drops those before.
            numbers = columns.numbers_at_once
            texts = _after(self._texts(columns.all, numbers), first)
            tables = (with_numbers(table, numbers, self.cells) for table in texts)
        for table in _evenly(tables, size):
            yield _rows_of(table, columns, self.cells)

    def _texts(self, columns: list[str], numbers: list[str]) -> Iterator[pa.Table]:
        # A comma as decimal mark is read by the rule for cells of text alone.
        if isinstance(self.source, TextFiles) and self.cells.decimal == ".":
            return self.source.tables(columns, numbers)
        return cast(TextSource, self.source).tables(columns)


def _rows_of(table: pa.Table, columns: TableColumns, cells: TextCells) -> TableRows:
    n = table.num_rows
    reasons = no_reasons(n)
    if FAULT in table.column_names:
        # A malformed line has empty cells only; its own fault comes before what they cause.
        reasons[:] = table[FAULT].to_pylist()
    X = _features_of(table, columns, reasons, cells)
    Y, known = np.zeros((n, len(columns.labels)), np.uint8), np.ones((n, len(columns.labels)), bool)
    for place, name in enumerate(columns.labels):
        column, values = plain(table[name]), (columns.uncertain, columns.negative)
        Y[:, place], known[:, place] = labels_of(column, name, columns.missing_labels, reasons, *values)
    groups = None if columns.group is None else names_of(table[columns.group], columns.group, reasons)
    ids = None if columns.id is None else names_of(table[columns.id], columns.id, reasons)
    spec = columns.label_list
    if spec is None:
        return TableRows(X, Y, known, groups, ids, reasons)
    long_ids = None if spec.id is None else names_of(table[spec.id], spec.id, reasons)
    return TableRows(X, Y, known, groups, ids, reasons, names_in(plain(table[spec.column]), spec), long_ids)


def _features_of(table: pa.Table, columns: TableColumns, reasons: Reasons, cells: TextCells) -> Any:
    """Return the features of a part: an array where all are numbers, else a data frame."""
    numbers = columns.numbers
    X = matrix_of(table, numbers, reasons, cells)
    # The encoder of a data frame fills in missing numbers; infinity is valid nowhere.
    invalid = invalid_rows(X, columns.allow_missing or columns.kinds is not None, tuple(numbers))
    for row in np.flatnonzero(invalid.astype(bool)).tolist():
        give(reasons, [row], invalid[row])
    if columns.kinds is None:
        return X
    # Imported late: tables of numbers do not need it.
    import pandas as pd

    held: dict[str, Any] = dict(zip(numbers, X.T, strict=True))
    for name, kind in columns.kinds.items():
        if kind == "date":
            held[name] = dates_of(table[name], f"feature {name!r}", reasons, cells)
        elif kind == "category":
            held[name] = categories_of(table[name], cells)
        elif kind == "text":
            held[name] = texts_of(table[name])
    frame = {
        name: pd.Series(held[name], dtype=object if kind in TEXTUAL else None) for name, kind in columns.kinds.items()
    }
    return pd.DataFrame(frame)


def read_feature_table(
    path: Place,
    roles: Roles,
    labelled: bool,
    features: tuple[str, ...] | None = None,
    table: TableFile | None = None,
) -> Dataset:
    """Read features, labels, groups and identifiers from one table.

    Parameters
    ----------
    path : path
        A table, or a folder of some.
    roles : Roles
        `labels` must be named when `labelled`.
    labelled : bool
        Whether label columns are needed.
    features : tuple of str, optional
        Columns that a model was trained on; default all without another role. An empty tuple reads none.
    table : TableFile, optional
        The opened table, where it is not a single file.
    """
    if labelled and roles.labels is None and roles.label_list is None:
        raise DataError(f"`{path}` is a table: name its label columns with `data.labels` (or --labels).")
    table = table or TableFile(path, format=roles.format)
    columns = TableColumns.choose(table, roles, features, labelled)
    table.check(columns)
    parts, start = [], 0
    for part in table.parts(columns, PART_ROWS):
        refuse_invalid(part.reasons, path, start, table.place)
        parts.append(part)
        start += len(part.reasons)
    if not start:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return _joined(parts, path, columns, start, roles.labels)


def _joined(
    parts: list[TableRows], path: Place, columns: TableColumns, n_rows: int, names: tuple[str, ...] | None
) -> Dataset:
    ids = np.arange(n_rows).astype(str)
    if columns.id is not None:
        ids = np.concatenate([part.ids for part in parts if part.ids is not None]).astype(str)
        refuse_duplicates(ids, path, columns.id)
    groups = [part.groups for part in parts if part.groups is not None]
    known: Known = np.concatenate([part.known for part in parts])
    data = Dataset(
        _stacked([part.X for part in parts]),
        np.concatenate([part.Y for part in parts]) if columns.labels else None,
        columns.labels,
        np.concatenate(groups).astype(str) if groups else None,
        ids,
        feature_names=columns.features,
        known=None if known is None or known.all() else known,
        kinds=columns.kinds,
        numbered=columns.id is None,
    )
    if columns.label_list is None:
        return data
    listed = [row for part in parts for row in part.listed or ()]
    if columns.label_list.id is not None:
        long_ids = np.concatenate([part.long_ids for part in parts if part.long_ids is not None]).astype(str)
        data, listed = _one_row_each(data, listed, long_ids)
    return _with_listed(data, listed, names, path)


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def _one_row_each(
    data: Dataset, listed: list[tuple[str, ...]], ids: NDArray[Any]
) -> tuple[Dataset, list[tuple[str, ...]]]:
    """Join rows with the same identifier, of which there is one per label; features are those of the first one."""
    _, first, number = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    together: list[dict[str, None]] = [{} for _ in order]
    for row, names in zip(rank[number].tolist(), listed, strict=True):
        together[row].update(dict.fromkeys(names))
    kept = data.part(first[order])
    return replace(kept, ids=ids[first[order]], numbered=False), [tuple(names) for names in together]


def _with_listed(data: Dataset, listed: list[tuple[str, ...]], names: tuple[str, ...] | None, path: Place) -> Dataset:
    """Return the data with labels from lists: those that are named, or all that occur, in alphabetical order."""
    chosen = chosen_names(listed, names, path)
    return replace(data, Y=bits_of(listed, chosen), label_names=chosen)


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
