"""Rows a second of a job on 1, 2 and 4 workers of a local Ray, as ratios to the local engine in the same run.

    python benchmarks/ray_workers.py
    python benchmarks/ray_workers.py --model models/phantom-multilabel --input data/png --shard-rows 256

Every job has one thread a worker and is compared byte for byte with the first. More workers than cores show what
turning over costs, not what more machines would bring. Without a model, a forest of 200 trees scores drawn rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import ray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade_pipelines import predict

WORKERS = (1, 2, 4)
N_FEATURES = 16


def prepare(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, N_FEATURES))
    Y = (X[:, :2] + rng.normal(size=(4000, 2)) > 2).astype(int)
    gate = RandomForestClassifier(200, max_depth=10, random_state=0)
    model = CascadeClassifier(gate, MultiOutputClassifier(LogisticRegression())).fit(X, Y)
    names = tuple(f"f{number}" for number in range(N_FEATURES))
    model.predictor_.described(names, {"group": None, "id": None}).save(folder / "model")
    table = pa.table(dict(zip(names, rng.normal(size=(N_FEATURES, rows)), strict=True)))
    pyarrow.parquet.write_table(table, folder / "rows.parquet", row_group_size=8192)


def job(model: Path, source: Path, output: Path, shard_rows: int, workers: int) -> dict[str, Any]:
    """One job; 0 workers are the local engine."""
    engine = ("ray", workers) if workers else ("local", None)
    settings = Settings(shard_rows, 1.0, False, *engine)
    return predict.run(model, source, output, Roles(), settings=settings, threads=1)


def digest(output: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(output.glob("*.*")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def measure(model: Path, source: Path, folder: Path, given: argparse.Namespace) -> dict[int, list[float]]:
    rates: dict[int, list[float]] = {workers: [] for workers in (0, *WORKERS)}
    written = set()
    for number in range(given.rounds):
        for workers, told in rates.items():
            output = folder / f"out-{number}-{workers}"
            told.append(job(model, source, output, given.shard_rows, workers)["rows_per_second"])
            written.add(digest(output))
    assert len(written) == 1, "the engines must write the same bytes"
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder; with --input")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--shard-rows", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, help="JSON file to write")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.model is None:
            prepare(folder, given.rows)
        model, source = given.model or folder / "model", given.input or folder / "rows.parquet"
        began = time.monotonic()
        ray.init(num_cpus=max(WORKERS), include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
        # The first job brings up the workers, which is told apart.
        job(model, source, folder / "first", given.shard_rows, max(WORKERS))
        first = time.monotonic() - began
        rates = measure(model, source, folder, given)
        ray.shutdown()
    middle = {workers: float(np.median(told)) for workers, told in rates.items()}
    told = {
        "cores": len(os.sched_getaffinity(0)),
        "local_rows_per_second": round(middle[0]),
        "seconds_of_the_first_job": round(first, 1),
        **{f"workers_{workers}_over_local": round(middle[workers] / middle[0], 2) for workers in WORKERS},
    }
    print(json.dumps(told, indent=1))
    if given.results is not None:
        given.results.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
