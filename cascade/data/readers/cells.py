"""Cells of a table as numbers, labels and names: one rule for text and typed columns, in memory and streaming."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cascade.data.names import MISSING, Names, canonical_names
from cascade.errors import DataError
from cascade.utils.types import Floats, Mask

Reasons = NDArray[np.object_]
"""Why a row cannot be used, one entry per row; None if it can."""

MOST_SHOWN = 20
"""Characters of a cell in a message."""
MOST_NAME = 1024
"""Characters of a group or identifier."""
TRUTH = {"true": 1.0, "false": 0.0}
EMPTY_FEATURE, EMPTY_LABEL, NO_NUMBER = "is empty or NaN", "is an empty label", "not a number"
HINTS = {
    EMPTY_FEATURE: "; set `data.allow_missing` (or --allow-missing) to pass NaN on",
    EMPTY_LABEL: "; set `data.missing_labels` (or --missing-labels) where labels may be unknown",
    NO_NUMBER: "; leave the column out, or name it as group or id",
}
"""What helps where a whole file is refused, by the end of the reason."""
_MISSING = pa.array(sorted(MISSING))
# Python also reads 1_000 and digits of other scripts, which other readers of CSV files do not.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)", re.IGNORECASE)


def no_reasons(n_rows: int) -> Reasons:
    """Return reasons for `n_rows` rows, none of which has one yet."""
    return np.full(n_rows, None, dtype=object)


def give(reasons: Reasons, rows: Any, text: str) -> None:
    """Give a reason to those of `rows` (a mask or row numbers) that have none yet."""
    chosen = np.zeros(len(reasons), dtype=bool)
    chosen[rows] = True
    reasons[chosen & (reasons == None)] = text  # noqa: E711 - compared element by element


def refuse_invalid(reasons: Reasons, path: Path, start: int = 0) -> None:
    """Raise for the first row that has a reason, where every row must be valid.

    Parameters
    ----------
    reasons : ndarray of str or None, shape (n,)
    path : path
    start : int
        Number of the first of these rows in the file.
    """
    bad = np.flatnonzero(reasons.astype(bool))
    if len(bad):
        reason = str(reasons[bad[0]])
        hint = next((text for end, text in HINTS.items() if reason.endswith(end)), "")
        raise DataError(f"`{path}` has an invalid row {start + int(bad[0])}: {reason}{hint}.")


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a typed column holds numbers; one of empty cells alone has the type null."""
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without dictionary encoding; dictionaries differ between row groups."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def numbers_of(column: pa.ChunkedArray, role: str, reasons: Reasons) -> Floats:
    """Return the numbers of a column, NaN where a cell is empty or not a number; the latter gets a reason.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Text or numbers.
    role : str
        What the column is, to begin a reason with: "feature 'f0'".
    reasons : ndarray of str or None, shape (n,)
        Changed in place.
    """
    if not is_text(column.type):
        return _to_float(column)
    trimmed = pc.utf8_trim_whitespace(column)
    present = pc.if_else(pc.is_in(trimmed, _MISSING), None, trimmed)
    # The cast fails for the whole column, and reads more spellings of NaN; cell by cell, only invalid ones are lost.
    try:
        values = _to_float(present.cast(pa.float64()))
        if int(np.isnan(values).sum()) == present.null_count:
            return values
    except pa.ArrowInvalid:
        pass
    cells: list[str | None] = present.to_pylist()
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        cell = cells[row]
        if cell is not None and reasons[row] is None:
            reasons[row] = f"{role} is {cell[:MOST_SHOWN]!r}, {NO_NUMBER}"
    return values


def _to_float(column: pa.ChunkedArray) -> Floats:
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_null(kind):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _number(cell: str | None) -> float:
    if cell is None:
        return np.nan
    truth = TRUTH.get(cell.lower())
    if truth is not None:
        return truth
    return float(cell) if _NUMBER.fullmatch(cell) else np.nan


def labels_of(column: pa.ChunkedArray, name: str, missing: bool, reasons: Reasons) -> tuple[NDArray[np.uint8], Mask]:
    """Return a label column as 0/1, and which cells are known; other values get a reason, empty cells if not allowed.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Text or numbers.
    name : str
    missing : bool
        Whether cells may be empty.
    reasons : ndarray of str or None, shape (n,)
        Changed in place.
    """
    role = f"label {name!r}"
    values = numbers_of(column, role, reasons)
    is_known = ~np.isnan(values)
    for row in np.flatnonzero(is_known & ~np.isin(values, (0, 1))).tolist():
        give(reasons, [row], f"{role} is {values[row]:g}, not 0 or 1")
    if not missing:
        give(reasons, ~is_known, f"column {name!r} {EMPTY_LABEL}")
    # The value of NaN as uint8 depends on the processor, so it is replaced first.
    return np.where(is_known & (values == 1), 1, 0).astype(np.uint8), is_known


def names_of(column: pa.ChunkedArray, name: str, reasons: Reasons) -> Names:
    """Return the canonical text of groups or identifiers, "" where one is missing, which gets a reason."""
    column = plain(column)
    kind = column.type
    if pa.types.is_floating(kind):
        values: Any = column.to_numpy()
    elif pa.types.is_temporal(kind) or pa.types.is_integer(kind):
        # Nanoseconds have no Python type, and texts of integers are made faster by Arrow.
        values = column.cast(pa.string()).to_pylist()
    else:
        values = column.to_pylist()
    named = canonical_names(values)
    absent = np.array([value is None for value in named], dtype=bool)
    give(reasons, absent, f"column {name!r} is empty")
    named[absent] = ""
    # Arrays of text take the memory of the longest one for each row.
    too_long = np.array([len(value) > MOST_NAME for value in named], dtype=bool)
    give(reasons, too_long, f"column {name!r} has more than {MOST_NAME} characters")
    named[too_long] = ""
    return named
