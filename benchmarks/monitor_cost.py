"""What the monitor of a batch job costs: processor time of counting, beside that of all else a job does.

    python benchmarks/monitor_cost.py

The dearest case: rows of four numbers through two logistic regressions, so that all else is as cheap as it gets.
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
import pyarrow.parquet
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.batch.outputs.tally import Tally, Tallying
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade_pipelines import predict

FEATURES = ("f0", "f1", "f2", "f3")


def prepare(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8000, 4))
    Y = (X[:, :2] + rng.normal(size=(8000, 2)) > 2).astype(int)
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression())).fit(X, Y)
    model.predictor_.described(FEATURES, {"group": None, "id": None}).save(folder / "model")
    table = pa.table({name: rng.normal(size=rows) for name in FEATURES})
    pyarrow.parquet.write_table(table, folder / "rows.parquet")


def timed_count(spent: list[float]) -> Callable[..., Tally]:
    """`Tallying.count`, noting the processor time of each call."""
    count = Tallying.count

    def counted(*given: Any) -> Tally:
        began = time.process_time()
        tally = count(*given)
        spent.append(time.process_time() - began)
        return tally

    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    spent: list[float] = []
    Tallying.count = timed_count(spent)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, given.rows)
        began = time.process_time()
        told = predict.run(folder / "model", folder / "rows.parquet", folder / "out", Roles(), settings=Settings())
        total = time.process_time() - began
    share = 100 * sum(spent) / (total - sum(spent))
    print(f"{told['rows']} rows, {told['shards']} shards, {total:.2f} s of processor time")
    print(f"to count: {sum(spent):.3f} s, {share:.2f} % more than without")


if __name__ == "__main__":
    main()
