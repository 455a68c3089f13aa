"""Cells of a table as numbers, labels and names: one rule for text and typed columns, in memory and streaming."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cascade.data.names import MISSING, Names, canonical_names
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.types import Floats, Mask

Reasons = NDArray[np.object_]
"""Why a row cannot be used, one entry per row; None if it can."""

MOST_SHOWN = 20
"""Characters of a cell in a message."""
MOST_NAME = 1024
"""Characters of a group or identifier."""
PLAIN_NAME = "^([A-Za-z]([ -~]*[!-~])?|[!-*,-~]([ -*,-~]*[!-*,-/1-~])?|[1-9][0-9]*)$"
"""Names that are canonical unless they mean that one is missing: no blanks at their ends, and no numbers or times with
a part that another spelling leaves out, which begin with a digit or a sign, and end in 0 or have a plus."""
TRUTH = {"true": 1.0, "false": 0.0}
EMPTY_FEATURE, EMPTY_LABEL, NO_NUMBER = "is empty or NaN", "is an empty label", "not a number"
NOT_UTF8 = "is not UTF-8"
LABEL = "label "
"""Begin of a reason about a label."""
LABEL_HINT = "; name such values in `data.negative` where the label is not set, in `data.uncertain` where it is unknown"
HINTS = {
    EMPTY_FEATURE: "; set `data.allow_missing` (or --allow-missing) to pass NaN on",
    EMPTY_LABEL: "; set `data.missing_labels` (or --missing-labels) where labels may be unknown",
    NO_NUMBER: "; name the column in `data.drop` or `data.categories`, or such cells in `data.csv.missing`",
    NOT_UTF8: "; set `data.csv.encoding`",
    "is -1, not 0 or 1": LABEL_HINT,
}
"""What helps where a whole file is refused, by the end of the reason."""
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "y", "t", "positive"), ("false", "no", "n", "f", "negative")
LABEL_WORDS = dict.fromkeys(TRUE_WORDS, "1") | dict.fromkeys(FALSE_WORDS, "0")
"""Spellings of a label that is set or not, in lower case."""
# Python also reads 1_000 and digits of other scripts, which other readers of CSV files do not.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class TextCells:
    """How cells of text are written.

    Attributes
    ----------
    missing : tuple of str
        Spellings of a missing cell beside the usual ones.
    decimal : {".", ","}
    """

    missing: tuple[str, ...] = ()
    decimal: str = "."

    def present(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return cells without blanks at their ends, null where they mean that a value is missing."""
        trimmed = pc.utf8_trim_whitespace(column)
        return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING.union(self.missing)))), None, trimmed)


PLAIN_CELLS = TextCells()


def no_reasons(n_rows: int) -> Reasons:
    """Return reasons for `n_rows` rows, none of which has one yet."""
    return np.full(n_rows, None, dtype=object)


def give(reasons: Reasons, rows: Any, text: str) -> None:
    """Give a reason to those of `rows` (a mask or row numbers) that have none yet."""
    chosen = np.zeros(len(reasons), dtype=bool)
    chosen[rows] = True
    reasons[chosen & (reasons == None)] = text  # noqa: E711 - compared element by element


def refuse_invalid(
    reasons: Reasons, path: Place, start: int = 0, place: Callable[[int], tuple[Place, int]] | None = None
) -> None:
    """Raise for the first row that has a reason, where every row must be valid.

    Parameters
    ----------
    reasons : ndarray of str or None, shape (n,)
    path : path
    start : int
        Number of the first of these rows in the file.
    place : callable, optional
        Returns the file of a row, and its number in this file, where there are several files.
    """
    bad = np.flatnonzero(reasons.astype(bool))
    if len(bad):
        reason = str(reasons[bad[0]])
        hint = next((text for end, text in HINTS.items() if reason.endswith(end)), "")
        if reason.startswith(LABEL) and reason.endswith(NO_NUMBER):
            hint = LABEL_HINT
        row = start + int(bad[0])
        path, row = (path, row) if place is None else place(row)
        raise DataError(f"`{path}` has an invalid row {row}: {reason}{hint}.")


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


def numbers_of(column: pa.ChunkedArray, role: str, reasons: Reasons, cells: TextCells = PLAIN_CELLS) -> Floats:
    """Return the numbers of a column, NaN where a cell is empty or not a number; the latter gets a reason.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Text or numbers.
    role : str
        What the column is, to begin a reason with: "feature 'f0'".
    reasons : ndarray of str or None, shape (n,)
        Changed in place.
    cells : TextCells
    """
    if not is_text(column.type):
        return _to_float(column)
    present = cells.present(column)
    if cells.decimal == ",":
        # A point in such a file separates thousands or is a mistake, so it must not be read as a decimal mark.
        pointed = pc.replace_substring(pc.replace_substring(present, ".", " "), ",", ".")
        present = pointed
    # The cast fails for the whole column, and reads more spellings of NaN; cell by cell, only invalid ones are lost.
    try:
        values = _to_float(present.cast(pa.float64()))
        if int(np.isnan(values).sum()) == present.null_count:
            return values
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = present.to_pylist()
    values = np.array([_number(text) for text in texts], dtype=np.float64)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        cell = texts[row]
        if cell is not None and reasons[row] is None:
            reasons[row] = f"{role} is {cell[:MOST_SHOWN]!r}, {NO_NUMBER}"
    return values


def matrix_of(table: pa.Table, names: Sequence[str], reasons: Reasons, cells: TextCells = PLAIN_CELLS) -> Floats:
    """Return columns of features as numbers, float of shape (n, len(names)); see `numbers_of`."""
    X = np.empty((table.num_rows, len(names)))
    floats = [name for name in names if pa.types.is_floating(table[name].type)]
    start = 0
    # Part by part: a part of all columns fits into the processor's cache, and is not copied in between.
    for batch in table.select(floats).to_batches():
        rows = slice(start, start + batch.num_rows)
        for name, column in zip(floats, batch.columns, strict=True):
            X[rows, names.index(name)] = column.to_numpy(zero_copy_only=False)
        start = rows.stop
    for place, name in enumerate(names):
        if name not in floats:
            X[:, place] = numbers_of(table[name], f"feature {name!r}", reasons, cells)
    return X


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


def labels_of(
    column: pa.ChunkedArray,
    name: str,
    missing: bool,
    reasons: Reasons,
    uncertain: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
) -> tuple[NDArray[np.uint8], Mask]:
    """Return a label column as 0/1, and which cells are known; other values get a reason, empty cells if not allowed.

    Cells of text may be 0 or 1, true or false, yes or no.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Text or numbers.
    name : str
    missing : bool
        Whether cells may be empty.
    reasons : ndarray of str or None, shape (n,)
        Changed in place.
    uncertain : tuple of str
        Values that mean that a label is not known, such as "-1".
    negative : tuple of str
        Further values that mean that a label is not set.
    """
    role = f"{LABEL}{name!r}"
    unsure, unset = np.zeros(len(column), dtype=bool), np.zeros(len(column), dtype=bool)
    if is_text(column.type):
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(column))
        # By text first: the values may be words.
        unsure, unset = _among(lower, uncertain), _among(lower, negative)
        lower = pc.if_else(pa.array(unsure | unset), None, lower)
        spelled = [LABEL_WORDS.get(cell, cell) for cell in lower.to_pylist()] if _has_words(lower) else lower
        column = pa.chunked_array([pa.array(spelled, pa.string())]) if isinstance(spelled, list) else spelled
    values = numbers_of(column, role, reasons)
    unsure |= np.isin(values, _numbers_among(uncertain))
    unset |= np.isin(values, _numbers_among(negative))
    values = np.where(unsure, np.nan, np.where(unset, 0.0, values))
    is_known = ~np.isnan(values)
    missing = missing or bool(unsure.any())
    for row in np.flatnonzero(is_known & ~np.isin(values, (0, 1))).tolist():
        give(reasons, [row], f"{role} is {values[row]:g}, not 0 or 1")
    if not missing:
        give(reasons, ~is_known, f"column {name!r} {EMPTY_LABEL}")
    # The value of NaN as uint8 depends on the processor, so it is replaced first.
    return np.where(is_known & (values == 1), 1, 0).astype(np.uint8), is_known


def _among(lower: pa.ChunkedArray, values: tuple[str, ...]) -> Mask:
    among = pc.is_in(lower, pa.array([value.lower() for value in values], pa.string()))
    return np.array(among.to_numpy(), dtype=bool)


def _has_words(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_in(column, pa.array([*TRUE_WORDS, *FALSE_WORDS]))).as_py())


def _numbers_among(values: tuple[str, ...]) -> list[float]:
    return [float(value) for value in values if _NUMBER.fullmatch(value)]


def texts_of(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Return the texts of a column, "" where one is missing; object array of str.

    Spellings of a missing cell stay in a text that has other words.
    """
    column = plain(column)
    texts = column if is_text(column.type) else column.cast(pa.string())
    return np.asarray(pc.fill_null(texts, "").to_numpy(zero_copy_only=False), dtype=object)


def categories_of(column: pa.ChunkedArray, cells: TextCells = PLAIN_CELLS) -> NDArray[np.object_]:
    """Return categories in one spelling each, "" where one is missing; object array of str."""
    column = plain(column)
    if is_text(column.type):
        column = cells.present(column)
        return np.asarray(pc.fill_null(column, "").to_numpy(zero_copy_only=False), dtype=object)
    named = names_of(column, "", no_reasons(len(column)))
    return np.asarray(named, dtype=object)


def dates_of(
    column: pa.ChunkedArray, role: str, reasons: Reasons, cells: TextCells = PLAIN_CELLS
) -> NDArray[np.datetime64]:
    """Return the dates of a column, NaT where a cell is empty or no date; the latter gets a reason.

    Dates with a time zone become those of UTC. Texts are dates in the form of ISO 8601, such as 2024-01-31T12:30.
    """
    column = plain(column)
    if is_text(column.type):
        texts = cells.present(column).to_pylist()
        values = np.full(len(texts), np.datetime64("NaT", "ns"))
        for row, text in enumerate(texts):
            if text is not None:
                moment = _moment(text)
                if moment is None:
                    give(reasons, [row], f"{role} is {text[:MOST_SHOWN]!r}, not a date such as 2024-01-31T12:30")
                else:
                    values[row] = moment
        return values
    if is_numeric(column.type):
        column = column.cast(pa.int64())
    moments = column.cast(pa.timestamp("ns"), safe=False) if not pa.types.is_timestamp(column.type) else column
    return np.asarray(moments.cast(pa.timestamp("ns"), safe=False).to_numpy(zero_copy_only=False), "datetime64[ns]")


def _moment(text: str) -> np.datetime64 | None:
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(moment, "ns")
    except (ValueError, OverflowError):
        return None


def names_of(column: pa.ChunkedArray, name: str, reasons: Reasons) -> Names:
    """Return the canonical text of groups or identifiers, "" where one is missing, which gets a reason."""
    named = _canonical_texts(plain(column))
    absent = named == None  # noqa: E711 - compared element by element
    give(reasons, absent, f"column {name!r} is empty")
    named[absent] = ""
    # Arrays of text take the memory of the longest one for each row.
    too_long = np.fromiter(map(len, named), np.int64, len(named)) > MOST_NAME
    give(reasons, too_long, f"column {name!r} has more than {MOST_NAME} characters")
    named[too_long] = ""
    return named


def _canonical_texts(column: pa.ChunkedArray) -> Names:
    """Return the canonical text of each value, None where it is missing."""
    kind = column.type
    if pa.types.is_floating(kind):
        return canonical_names(column.to_numpy())
    if pa.types.is_temporal(kind) or pa.types.is_integer(kind) or pa.types.is_string_view(kind):
        # Nanoseconds have no Python type, texts of integers are made faster by Arrow, and views know few functions.
        column = column.cast(pa.string())
    elif not is_text(kind):
        return canonical_names(column.to_pylist())
    named = np.array(column.to_numpy(zero_copy_only=False), dtype=object)
    # Nearly all names are plain; of the others, each is brought into its form.
    is_plain = pc.fill_null(pc.match_substring_regex(column, PLAIN_NAME), False).to_numpy()
    rest = np.flatnonzero(~np.asarray(is_plain, dtype=bool) | _are_missing(column))
    named[rest] = canonical_names(named[rest])
    return named


def _are_missing(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.is_in(column, pa.array(sorted(MISSING), column.type)).to_numpy(), dtype=bool)
