"""Tables written to one Parquet file as they come, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from cascade.publish import new_file

Answer = tuple[pa.Table, dict[str, int]]
"""Predictions of some rows, and what a summary adds up of them."""


def write_answers(path: Path, answers: Iterator[Answer]) -> dict[str, int]:
    """Write one or more tables; return their counts added up."""
    total: Counter[str] = Counter()
    write_tables(path, _counted(answers, total))
    return dict(total)


def _counted(answers: Iterator[Answer], total: Counter[str]) -> Iterator[pa.Table]:
    for table, counts in answers:
        total.update(counts)
        yield table


def write_tables(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write one or more tables of one schema."""
    first = next(tables)
    with new_file(path) as aside, pyarrow.parquet.ParquetWriter(aside, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
