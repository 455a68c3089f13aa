"""Rows of a sparse ARFF file: each line lists the attributes that are not 0, as `{3 1, 7 0.5}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from cascade.data.readers.arff.header import ArffHeader, Attribute, rows_of
from cascade.data.readers.sparse.rows import SparseRow, SparseRows, rows_or_reasons
from cascade.data.readers.table.cells import LABEL_WORDS
from cascade.errors import DataError

STORED_BYTES = 4
"""Bytes in memory per byte of text."""
ZERO = ("0", "0.0")
_PAIR = re.compile(rb"\s*([0-9]{1,9})\s+(?:'([^']*)'|\"([^\"]*)\"|([^\s,'\"]+))\s*")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
MISSING = "?"


class SparseArff:
    """Rows of a sparse ARFF file.

    Parameters
    ----------
    path : path
    header : ArffHeader
    labels : tuple of str
        Attributes that are labels.
    drop : frozenset of str
        Attributes without a role.

    Attributes
    ----------
    n_features : int
        Number of the other attributes.
    label_names : tuple of str, or None
    n_rows : None
        Not known before the file is read.
    row_bytes : int

    Raises
    ------
    DataError
        If a feature is text, or an attribute that a row leaves out is not 0.
    """

    n_rows: int | None = None

    def __init__(self, path: Path, header: ArffHeader, labels: tuple[str, ...], drop: frozenset[str]) -> None:
        self.path, self.header = path, header
        self.label_names = labels or None
        self.row_bytes = STORED_BYTES * header.row_bytes
        used = [attribute for attribute in header.attributes if attribute.name not in drop]
        for attribute in used:
            self._check(attribute, attribute.name in labels)
        features = [attribute.name for attribute in used if attribute.name not in labels]
        self.n_features: int | None = len(features)
        column = {name: k for k, name in enumerate(features)}
        # By the place of an attribute: its name, whether it is a label, and the column of a feature.
        self.roles = [(name, name in labels, column.get(name)) for name in header.names]

    def _check(self, attribute: Attribute, is_label: bool) -> None:
        if attribute.values is None:
            if not attribute.is_number:
                raise DataError(f"`{self.path}` has an attribute {attribute.name!r} of text; name it in `data.drop`.")
            return
        first = LABEL_WORDS.get(attribute.values[0].lower(), attribute.values[0])
        if first not in ZERO:
            kind = "label" if is_label else "feature"
            raise DataError(
                f"`{self.path}` must have 0 as the first value of {kind} {attribute.name!r}, which rows leave out. "
                f"Received {first!r}; name it in `data.drop`."
            )

    def parts(self, size: int, first: int = 0) -> Iterator[SparseRows]:
        """Yield the rows from number `first` on, `size` at a time; the last part may have fewer."""
        with rows_of(self.path) as all_lines:
            lines = islice(all_lines, first, None)
            while block := list(islice(lines, size)):
                yield rows_or_reasons([self._row(line) for line in block], self.n_features)

    def _row(self, line: bytes) -> SparseRow | str:
        """Return the labels of a line, and its columns with their values; or why it is malformed."""
        if not (line.startswith(b"{") and line.endswith(b"}")):
            return "its line is not in braces, unlike the first one"
        names: list[str] = []
        columns: dict[int, float] = {}
        seen = set()
        inner = line[1:-1].strip()
        for token in inner.split(b",") if inner else ():
            found = _PAIR.fullmatch(token)
            if found is None:
                return f"{token[:20].decode('utf-8', 'backslashreplace')!r} is no attribute number and value"
            place, value = int(found[1]), (found[2] or found[3] or found[4] or b"").decode("utf-8", "replace")
            if place >= len(self.roles):
                return f"its attribute {place} is not below {len(self.roles)}, the number of attributes"
            if place in seen:
                return f"its attribute {place} occurs twice"
            seen.add(place)
            why = self._add(place, value, names, columns)
            if why is not None:
                return why
        return tuple(names), (list(columns), list(columns.values()))

    def _add(self, place: int, value: str, names: list[str], columns: dict[int, float]) -> str | None:
        """Add a cell to the labels or features of a row; return why it is invalid."""
        name, is_label, column = self.roles[place]
        value = LABEL_WORDS.get(value.lower(), value)
        number = np.nan if value == MISSING else float(value) if _NUMBER.fullmatch(value) else None
        if is_label:
            if number not in (0, 1):
                return f"label {name!r} is {value!r}, not 0 or 1"
            names += [name] if number else []
        elif column is not None:
            if number is None:
                return f"feature {name!r} is {value!r}, not a number"
            columns[column] = number
        return None
