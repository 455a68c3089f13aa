"""Write a stream of tables to one Parquet file, atomically."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from cascade.batch.outputs.tally import Tally
from cascade.utils.address import Place
from cascade.utils.atomic import new_file


class PredictionTable(NamedTuple):
    """Predictions of some rows, their counts for the summary, and their tally if there is a monitor."""

    table: pa.Table
    counts: dict[str, int]
    tally: Tally | None = None


class Added(NamedTuple):
    """Sums of the counts and tallies of all tables that were written."""

    counts: dict[str, int]
    tally: Tally | None


def write_predictions(path: Place, predictions: Iterator[PredictionTable], make_folder: bool = True) -> Added:
    """Write one or more tables of predictions; return the sums of their counts and tallies."""
    total: Counter[str] = Counter()
    tallies: list[Tally] = []
    write_tables(path, _counted(predictions, total, tallies), make_folder)
    return Added(dict(total), reduce(add, tallies) if tallies else None)


def _counted(predictions: Iterator[PredictionTable], total: Counter[str], tallies: list[Tally]) -> Iterator[pa.Table]:
    # Counted while the tables pass through to the writer, so that only one of them is in memory.
    for prediction in predictions:
        total.update(prediction.counts)
        if prediction.tally is not None:
            tallies.append(prediction.tally)
        yield prediction.table


def write_tables(path: Place, tables: Iterator[pa.Table], make_folder: bool = True) -> None:
    """Write one or more tables of one schema to a Parquet file; make its folder unless it must be there."""
    first = next(tables)
    with new_file(path, make_folder) as temporary, pyarrow.parquet.ParquetWriter(temporary, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def read_rows(path: Place) -> pa.Table:
    """Read a Parquet file that a job wrote."""
    with path.open("rb") as handle:
        return pyarrow.parquet.read_table(handle)
