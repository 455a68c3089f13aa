"""Write a table part by part, as Parquet or CSV by the file's ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cascade.errors import ConfigError

FORMATS: dict[str, Callable[..., Any]] = {".parquet": pyarrow.parquet.ParquetWriter, ".csv": pyarrow.csv.CSVWriter}


def check_format(path: Path) -> Path:
    """Refuse an output whose ending names no format."""
    if path.suffix not in FORMATS:
        raise ConfigError(f"an output must end in {' or '.join(FORMATS)}. Received `{path}`.")
    return path


@contextmanager
def open_writer(path: Path, suffix: str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table; the first one gives the schema."""
    writers: list[Any] = []

    def write(part: pa.Table) -> None:
        if not writers:
            writers.append(FORMATS[suffix](path, part.schema))
        writers[0].write_table(part)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()
