"""Several text tables or files of JSON lines, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from cascade.data.readers.table.csv import CsvFile
from cascade.data.readers.table.json_lines import JsonLinesFile, is_json_lines
from cascade.data.readers.table.table_format import TableFormat
from cascade.errors import DataError
from cascade.utils.address import Place


class TextFiles:
    """Rows of files in the order of their names; each is read in the format that its first lines show.

    Parameters
    ----------
    paths : list of path or address
    format : TableFormat
        What it does not give is found out per file, but for the decimal mark: a comma in one is that of all.

    Attributes
    ----------
    names : list of str
        Columns of the first file; of JSON lines, those of all files.
    n_rows : None
        Not known before the files are read.
    decimal : {".", ","}
    formats : list of TableFormat
        Of the text tables.
    starts : list of (int, path)
        Number of the first row of each file that was read.

    Raises
    ------
    DataError
        If a text table lacks a column of the first file.
    """

    n_rows: int | None = None

    def __init__(self, paths: Sequence[Place], format: TableFormat) -> None:
        self.paths = paths
        self.files = [JsonLinesFile(path) if is_json_lines(path) else CsvFile(path, format) for path in paths]
        self.names = list(self.files[0].names)
        for path, file in zip(paths, self.files, strict=True):
            absent = [name for name in self.names if name not in file.names]
            if isinstance(file, CsvFile) and absent:
                raise DataError(
                    f"`{path}` has no column {absent[0]!r}, unlike the first file; name the files by a pattern."
                )
            if isinstance(file, JsonLinesFile):
                self.names += [name for name in file.names if name not in self.names]
        self.formats = [file.format for file in self.files if isinstance(file, CsvFile)]
        self.decimal = "," if any(one.decimal == "," for one in self.formats) else "."
        self.starts: list[tuple[int, Place]] = []

    def tables(self, columns: list[str], numbers: Collection[str] = ()) -> Iterator[pa.Table]:
        """Yield all rows, with the given columns as text and the column `FAULT`.

        The columns `numbers` are floats in some of the tables of a CSV file.
        """
        start = 0
        self.starts = []
        for path, file in zip(self.paths, self.files, strict=True):
            self.starts.append((start, path))
            for table in file.tables(columns, numbers) if isinstance(file, CsvFile) else file.tables(columns):
                start += table.num_rows
                yield table
