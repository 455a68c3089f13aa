"""How fast jobs read tables, beside pyarrow alone: rows per second of processor time.

    python benchmarks/reading_tables.py --rows 300000

A table of 32 numbers per row, as Parquet and CSV, with and without a column of identifiers, which are in quotes in CSV.

    pyarrow   `ParquetFile.iter_batches` or `pyarrow.csv.open_csv`, to arrays of numbers and of identifiers
    reading   what a job does before the model: the same arrays in shards, each row checked, and rejected with a reason
    job       `cascade predict` by logistic regressions, of the rows beyond a tenth: the start does not count
    ratio     reading / pyarrow, and job / pyarrow

Least of several rounds, in which all take turns. One thread each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from feature_table import NAMES, draw_table, write_features
from growth_of_jobs import JOB, TRAINING_ROWS, output_of

from cascade.batch.inputs.opening import open_input
from cascade.batch.runner import SHARD_ROWS
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature

ROUNDS = 3


def write_tables(folder: Path, rows: int) -> list[str]:
    """Write all files for a number of rows and return their names."""
    write_features(folder / "plain.parquet", rows, seed=1000)
    plain = pyarrow.parquet.read_table(folder / "plain.parquet")
    named = plain.append_column("id", pa.array([f"row {number}" for number in range(rows)]))
    pyarrow.parquet.write_table(named, folder / "named.parquet", row_group_size=SHARD_ROWS)
    for name, table in (("plain", plain), ("named", named)):
        pyarrow.csv.write_csv(table, folder / f"{name}.csv")
    return ["plain.parquet", "named.parquet", "plain.csv", "named.csv"]


def write_model(folder: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier

    from cascade import CascadeClassifier

    X, Y = draw_table(TRAINING_ROWS, seed=0)
    logistic = LogisticRegression(max_iter=300)
    predictor = CascadeClassifier(logistic, MultiOutputClassifier(logistic)).fit(X, Y).predictor_
    predictor.described(NAMES, {"group": None, "id": None}).save(folder)


def by_pyarrow(path: Path) -> int:
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            return sum(map(as_arrays, file.iter_batches(SHARD_ROWS, use_threads=False)))
    with pyarrow.csv.open_csv(path, read_options=pyarrow.csv.ReadOptions(use_threads=False)) as reader:
        return sum(map(as_arrays, reader))


def as_arrays(batch: pa.RecordBatch) -> int:
    X = np.empty((batch.num_rows, len(NAMES)))
    for place, name in enumerate(NAMES):
        X[:, place] = batch.column(name).to_numpy()
    if "id" in batch.schema.names:
        batch.column("id").to_numpy(zero_copy_only=False)
    return len(X)


def by_job_reader(path: Path) -> int:
    roles = Roles(id="id" if path.stem == "named" else None)
    source = open_input(path, roles, InputSignature((len(NAMES),), "number", NAMES))
    return sum(len(chunk.X) for chunk in source.chunks(SHARD_ROWS, 0))


def timed(read: Callable[[Path], int], path: Path, rows: int) -> float:
    started = time.process_time()
    found = read(path)
    assert found == rows
    return time.process_time() - started


def job_seconds(model: Path, path: Path, output: Path) -> float:
    """Return the processor time of the command, whatever its start takes."""
    id_column: tuple[Any, ...] = ("--id", "id") if path.stem == "named" else ()
    *_, last = output_of(JOB, "predict", model, path, "--output", output, "--threads", 1, "--json", *id_column)
    return float(last.split()[0])


def compare(folder: Path, name: str, rows: int, few: int) -> str:
    large, small = folder / "large" / name, folder / "small" / name
    pyarrow_alone, reading, whole_job, start = [], [], [], []
    for number in range(ROUNDS):
        pyarrow_alone.append(timed(by_pyarrow, large, rows))
        reading.append(timed(by_job_reader, large, rows))
        for path, seconds in ((large, whole_job), (small, start)):
            output = folder / f"out-{path.parent.name}-{name.replace('.', '-')}-{number}"
            seconds.append(job_seconds(folder / "model", path, output))
    job = (min(whole_job) - min(start)) * rows / (rows - few)
    alone, ours = min(pyarrow_alone), min(reading)
    rates = f"{rows / alone:12,.0f} {rows / ours:12,.0f} {rows / job:12,.0f}"
    return f"{name:<16}{rates} {alone / ours:8.2f} {alone / job:8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, few = Path(place), options.rows // 10
        for size, rows in (("large", options.rows), ("small", few)):
            (folder / size).mkdir()
            names = write_tables(folder / size, rows)
        write_model(folder / "model")
        print(f"{'':<16}{'pyarrow':>12} {'reading':>12} {'job':>12} {'ratio':>8} {'of job':>8}")
        for name in names:
            print(compare(folder, name, options.rows, few), flush=True)


if __name__ == "__main__":
    main()
