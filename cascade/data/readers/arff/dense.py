"""Rows of a dense ARFF file as a stream of tables of text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from cascade.data.readers.arff.header import ArffHeader, cells_in, rows_of
from cascade.data.readers.table.csv import FAULT

BATCH = 2**13


class ArffTable:
    """Rows of a dense ARFF file.

    Parameters
    ----------
    path : path
    header : ArffHeader

    Attributes
    ----------
    names : list of str
    n_rows : None
        Not known before the file is read.
    """

    n_rows: int | None = None

    def __init__(self, path: Path, header: ArffHeader) -> None:
        self.path, self.names = path, header.names

    def tables(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield all rows, with the given columns as text and the column `FAULT`; a malformed row has only a fault."""
        places = [self.names.index(name) for name in columns]
        with rows_of(self.path) as lines:
            while batch := list(islice(lines, BATCH)):
                rows = [cells_in(line) for line in batch]
                faults = [self._fault(row, line) for row, line in zip(rows, batch, strict=True)]
                good = [row if row is not None and why is None else None for row, why in zip(rows, faults, strict=True)]
                texts = [pa.array([None if row is None else row[k] for row in good], pa.string()) for k in places]
                yield pa.table([*texts, pa.array(faults, pa.string())], names=[*columns, FAULT])

    def _fault(self, row: list[str | None] | None, line: bytes) -> str | None:
        if line.startswith(b"{"):
            return "its line is sparse, unlike the first one"
        if row is None:
            return "its quotes do not enclose whole cells"
        return None if len(row) == len(self.names) else f"its line has {len(row)} cells, not {len(self.names)}"
