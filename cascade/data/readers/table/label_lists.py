"""Labels in one column: lists of names per row, as text with a separator, JSON, Python literals or Parquet lists."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.errors import ConfigError, DataError

SEPARATORS = ("|", ";", ",", "\t")
"""Tried in this order where no separator is given."""
NONE_WORDS = frozenset({"", "none", "null", "nan", "[]", "{}"})
"""Cells that mean an empty list, in lower case."""
LONGEST_LITERAL = 2**16
"""Characters of a cell that is parsed as a list; a longer one is no list of label names."""
_ANGLES = re.compile(r"(?:<[^<>]+>)+")
_ANGLE = re.compile(r"<([^<>]+)>")


@dataclass(frozen=True)
class LabelList:
    """A column that lists the labels of each row.

    Attributes
    ----------
    column : str
    separator : str, or None
        Between the names in a text; None finds it out: of "|", ";", "," and tab, the first that occurs.
    none : tuple of str
        Names that mean that a row has no label.
    id : str, or None
        In long form, with one row per label: the column of the row's identifier.
    numbered : tuple of str
        Names of the numbers 0, 1, ... in the column, where the file declares them.
    """

    column: str
    separator: str | None = None
    none: tuple[str, ...] = ()
    id: str | None = None
    numbered: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.separator == "":
            raise ConfigError("`labels.separator` must have at least one character. Received an empty text.")


def names_in(column: pa.ChunkedArray, spec: LabelList) -> list[tuple[str, ...]]:
    """Return the label names of each row, without those that mean none.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of n cells
        Text, or lists of text or numbers.
    spec : LabelList

    Returns
    -------
    list of tuple of str, length n
        Each name once, in the order of its cell, without blanks at its ends.

    Raises
    ------
    DataError
        If a cell holds a name within a name, such as a list of lists.

    Examples
    --------
    >>> cells = pa.chunked_array([["Mass|Edema", "No Finding", None]])
    >>> names_in(cells, LabelList("findings", "|", none=("No Finding",)))
    [('Mass', 'Edema'), (), ()]
    """
    cells = column.to_pylist()
    separator = spec.separator or separator_of(cells)
    left_out = set(spec.none)
    rows = []
    for cell in cells:
        names = (_numbered(str(name).strip(), spec) for name in _listed(cell, separator))
        rows.append(tuple(dict.fromkeys(name for name in names if name and name not in left_out)))
    return rows


def _numbered(name: str, spec: LabelList) -> str:
    """Return the name of a number, where the file declares names."""
    if not spec.numbered or not name:
        return name
    if not (name.isdecimal() and len(name) < 10 and int(name) < len(spec.numbered)):
        raise DataError(f"column {spec.column!r} must hold numbers below {len(spec.numbered)}. Received {name!r}.")
    return spec.numbered[int(name)]


def separator_of(cells: Iterable[Any]) -> str | None:
    """Return the first of "|", ";", "," and tab that occurs in a cell; None where each has a single name.

    Examples
    --------
    >>> separator_of(["a", "b;c, d"]), separator_of(["a", None])
    (';', None)
    """
    seen = {mark for cell in cells if isinstance(cell, str) for mark in SEPARATORS if mark in cell}
    return next((mark for mark in SEPARATORS if mark in seen), None)


def _listed(cell: Any, separator: str | None) -> Sequence[Any]:
    """Return the names in a cell of any form."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ()
    if isinstance(cell, (list, tuple, np.ndarray)):
        return [_single(name) for name in cell]
    if not isinstance(cell, str):
        return (_single(cell),)
    text = cell.strip()
    if text.lower() in NONE_WORDS:
        return ()
    if text[0] in "[{(" and len(text) <= LONGEST_LITERAL:
        parsed = _literal(text)
        if parsed is not None:
            return [_single(name) for name in parsed]
    if _ANGLES.fullmatch(text):
        return _ANGLE.findall(text)
    # A separator of blanks also takes several of them.
    return (
        text.split()
        if separator is not None and separator.isspace()
        else text.split(separator)
        if separator
        else [text]
    )


def _literal(text: str) -> list[Any] | None:
    """Parse a JSON or Python list, tuple, set or mapping of names; None if it is none."""
    value: Any
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # `literal_eval` accepts literals only, so no code of a file runs.
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return list(value) if isinstance(value, (list, tuple, set, dict)) else None


def _single(name: Any) -> str:
    if isinstance(name, float) and name.is_integer():
        return str(int(name))
    if isinstance(name, (list, dict, tuple, set)):
        raise DataError(f"a label name must be text or a number. Received {str(name)[:40]!r}.")
    return str(name)


def bits_of(rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> Labels:
    """Return 0/1 labels of shape (n, L) for lists of names; other names than `names` are left out.

    Examples
    --------
    >>> bits_of([("a", "b"), (), ("b",)], ["a", "b"]).tolist()
    [[1, 1], [0, 0], [0, 1]]
    """
    place = {name: k for k, name in enumerate(names)}
    Y: NDArray[np.uint8] = np.zeros((len(rows), len(names)), np.uint8)
    for row, listed in enumerate(rows):
        for name in listed:
            if name in place:
                Y[row, place[name]] = 1
    return Y
