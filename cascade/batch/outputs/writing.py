"""Tables written to one Parquet file as they come, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from cascade.batch.outputs.tally import Tally
from cascade.utils.atomic import new_file


class PredictionTable(NamedTuple):
    """Predictions of some rows, what a summary adds up of them, and what a monitor does, where there is one."""

    table: pa.Table
    counts: dict[str, int]
    tally: Tally | None = None


class Added(NamedTuple):
    """Counts and tally of all answers that were written."""

    counts: dict[str, int]
    tally: Tally | None


def write_predictions(path: Path, answers: Iterator[PredictionTable]) -> Added:
    """Write one or more tables; return what is added up of them."""
    total: Counter[str] = Counter()
    tallies: list[Tally] = []
    write_tables(path, _counted(answers, total, tallies))
    return Added(dict(total), reduce(add, tallies) if tallies else None)


def _counted(answers: Iterator[PredictionTable], total: Counter[str], tallies: list[Tally]) -> Iterator[pa.Table]:
    for answer in answers:
        total.update(answer.counts)
        if answer.tally is not None:
            tallies.append(answer.tally)
        yield answer.table


def write_tables(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write one or more tables of one schema."""
    first = next(tables)
    with new_file(path) as temporary, pyarrow.parquet.ParquetWriter(temporary, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
