"""A file of JSON objects, one per line, as a stream of tables of text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from cascade.data.readers.regular import opened
from cascade.data.readers.table.columns import check_names
from cascade.data.readers.table.csv import FAULT
from cascade.data.readers.table.csv_records import lines_of
from cascade.data.readers.table.table_format import ending, unpacked
from cascade.errors import DataError
from cascade.utils.address import Place

SAMPLED_LINES = 1000
"""Lines whose keys are the columns of the file."""
BATCH = 2**13
ENDINGS = (".jsonl", ".ndjson")


def is_json_lines(path: Place) -> bool:
    """Return whether the name of a file is that of JSON lines, compressed or not."""
    return ending(path) in ENDINGS


class JsonLinesFile:
    """Rows of a file with a JSON object per line.

    Values become text as a CSV file would have them; lists and objects stay JSON. A key that a line lacks is an empty
    cell. A line that is no object has only a fault.

    Parameters
    ----------
    path : path or address

    Attributes
    ----------
    names : list of str
        Keys of the first lines, in their order.
    n_rows : None
        Not known before the file is read.
    """

    n_rows: int | None = None

    def __init__(self, path: Place) -> None:
        self.path = path
        names: dict[str, None] = {}
        for line in islice(self._lines(), SAMPLED_LINES):
            row = _object(line)
            names.update(dict.fromkeys(map(str, row or {})))
        self.names = list(names)
        if not self.names:
            raise DataError(f"`{path}` must hold a JSON object per line. Received none in the first lines.")
        check_names(self.names, path)

    def tables(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield all rows, with the given columns as text and the column `FAULT`."""
        lines = self._lines()
        while batch := list(islice(lines, BATCH)):
            rows = [_object(line) for line in batch]
            faults = [None if row is not None else "its line is no JSON object" for row in rows]
            cells = [[None if row is None else text_of(row.get(name)) for row in rows] for name in columns]
            texts = [pa.array(column, pa.string()) for column in cells]
            yield pa.table([*texts, pa.array(faults, pa.string())], names=[*columns, FAULT])

    def _lines(self) -> Iterator[bytes]:
        with opened(self.path) as handle, unpacked(handle, self.path) as stream:
            for block in lines_of(stream):
                yield from (line for line in block if line.strip())


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(value: Any) -> str | None:
    """Return the text of a value, as JSON has it but for strings; lone surrogates become question marks."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")
