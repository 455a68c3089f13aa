"""Files of SVMlight and LIBSVM with several labels per row, and those of the extreme classification repository.

Each line is `label,label index:value index:value`; a row without a label begins with its first index. Files of the
repository have a first line with the numbers of rows, features and labels (http://manikvarma.org/downloads/XC).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cascade.data.labels import MOST_LABELS
from cascade.data.readers.regular import opened
from cascade.data.readers.sparse.rows import MOST_FEATURES, Pairs, SparseRow, SparseRows, rows_or_reasons
from cascade.data.readers.table.cells import MOST_SHOWN
from cascade.data.readers.table.table_format import ending, unpacked
from cascade.errors import DataError

ENDINGS = (".svm", ".libsvm", ".svmlight")
LONGEST_LINE = 2**24
SAMPLED_BYTES = 2**16
STORED_BYTES = 4
"""Bytes in memory per byte of text: an index and a value take 16, where `7:1` and a space are the shortest text."""
_SIZES = re.compile(rb"\s*([0-9]{1,18})\s+([0-9]{1,18})\s+([0-9]{1,18})\s*")
_NUMBER = rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PAIR = re.compile(rb"([0-9]+):(" + _NUMBER + rb"|[+-]?(?:nan|inf))", re.IGNORECASE)
_LABELS = re.compile(_NUMBER + rb"(?:," + _NUMBER + rb")*")
_LINE = re.compile(rb"(?:" + _LABELS.pattern + rb")?(?:\s+qid:[0-9]+)?(?:(?:\A|\s+)[0-9]+:[^\s:]++)+\s*")


def is_svmlight(path: Path) -> bool:
    """Return whether a file is one of sparse rows: by its ending, or a `.txt` file by its first line."""
    if ending(path) in ENDINGS:
        return True
    if ending(path) != ".txt" or not path.is_file():
        return False
    with opened(path) as handle, unpacked(handle, path) as stream:
        head = stream.read(SAMPLED_BYTES)
    lines = [line for line in head.splitlines() if line.strip()]
    # The sample may cut its only line.
    return bool(lines) and any(form.fullmatch(lines[0]) for form in (_SIZES, _LINE))


class SvmlightFile:
    """Rows of a file in one of these forms.

    Indices are columns as they are: of a file that counts from 1, column 0 is empty. A shift by what occurs in a file
    would differ between the files of training and prediction.

    Parameters
    ----------
    path : path
    n_features : int, optional
        Those of a model; an index beyond them is refused.

    Attributes
    ----------
    n_features, n_rows : int or None
        From the first line, if it has them.
    label_names : tuple of str, or None
        "0", "1", ... as many as the first line says.
    row_bytes : int
    """

    def __init__(self, path: Path, n_features: int | None = None) -> None:
        self.path = path
        self.n_features = n_features
        self.n_rows: int | None = None
        self.label_names: tuple[str, ...] | None = None
        with opened(path) as handle, unpacked(handle, path) as stream:
            head = stream.read(SAMPLED_BYTES)
        self.row_bytes = STORED_BYTES * len(head) // max(1, head.count(b"\n")) + 1
        sizes = _SIZES.fullmatch(head.split(b"\n")[0])
        self.has_sizes = sizes is not None
        if sizes is not None:
            self._declare(*map(int, sizes.groups()))

    def _declare(self, n_rows: int, n_features: int, n_labels: int) -> None:
        if not (0 < n_features <= MOST_FEATURES and 0 < n_labels <= MOST_LABELS):
            raise DataError(
                f"`{self.path}` must have 1 to {MOST_FEATURES} features and 1 to {MOST_LABELS} labels. Its first line "
                f"declares {n_features} and {n_labels}."
            )
        if self.n_features not in (None, n_features):
            raise DataError(
                f"`{self.path}` must have {self.n_features} features. Its first line declares {n_features}."
            )
        self.n_rows, self.n_features = n_rows, n_features
        self.label_names = tuple(map(str, range(n_labels)))

    def parts(self, size: int, first: int = 0) -> Iterator[SparseRows]:
        """Yield the rows from number `first` on, `size` at a time; the last part may have fewer."""
        count = first
        with opened(self.path) as handle, unpacked(handle, self.path) as stream:
            lines = islice(self._lines(stream), first, None)
            while block := list(islice(lines, size)):
                count += len(block)
                yield rows_or_reasons([self._row(line) for line in block], self.n_features)
        if self.n_rows not in (None, count):
            raise DataError(
                f"`{self.path}` declares {self.n_rows} rows in its first line. Received {count}; is it cut?"
            )

    def _lines(self, stream: BinaryIO) -> Iterator[bytes]:
        if self.has_sizes:
            stream.readline()
        while line := stream.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise DataError(
                    f"`{self.path}` must have lines of less than {LONGEST_LINE} bytes. Received a longer one."
                )
            text = line.rstrip(b"\r\n").partition(b"#")[0]
            # A line of blanks is a row without labels and values, and so is an empty one among a declared number.
            if text or (self.has_sizes and not line.startswith(b"#")):
                yield text

    def _row(self, line: bytes) -> SparseRow | str:
        """Return the labels of a line, and its columns with their values; or why it is malformed."""
        first, *rest = line.split() or [b""]
        labels, tokens = (b"", [first, *rest]) if b":" in first or not first else (first, rest)
        if labels and _LABELS.fullmatch(labels) is None:
            return f"its labels are {_shown(labels)}, not numbers with commas between them"
        names = tuple(dict.fromkeys(_name(label) for label in labels.split(b",") if label))
        if self.label_names is not None:
            for name in names:
                if not (name.isdigit() and int(name) < len(self.label_names)):
                    return f"its label {name} is not one of the {len(self.label_names)} that the first line declares"
        pairs = self._pairs([token for token in tokens if token and not token.startswith(b"qid:")])
        return pairs if isinstance(pairs, str) else (names, pairs)

    def _pairs(self, tokens: list[bytes]) -> Pairs | str:
        columns: dict[int, float] = {}
        limit = MOST_FEATURES if self.n_features is None else self.n_features
        for token in tokens:
            found = _PAIR.fullmatch(token)
            if found is None:
                return f"{_shown(token)} is no index and value such as 12:0.5"
            index = int(found[1][:18])
            if index >= limit:
                return f"its index {index} is not below {limit}, the number of features"
            if index in columns:
                return f"its index {index} occurs twice"
            columns[index] = float(found[2])
        return list(columns), list(columns.values())


def _name(label: bytes) -> str:
    value = float(label)
    return str(int(value)) if np.isfinite(value) and value.is_integer() else str(value)


def _shown(token: bytes) -> str:
    return repr(token[:MOST_SHOWN].decode("utf-8", "backslashreplace"))
