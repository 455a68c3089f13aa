"""Kill a batch job at random moments, go on each time, and compare every byte with an undisturbed job.

    python benchmarks/kill_batch.py --kills 200

A job is a process of its own, forked from one that has imported everything and read nothing, so that a kill hits the
work and not the imports. A job that is through without being killed is compared, and a new one begun.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import skops.io  # noqa: F401, or every job would import it first
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade_pipelines import predict

FEATURES = ("f0", "f1", "f2", "f3")
PART = 4
"""A kill comes within this part of the work, so that a job is killed several times on its way."""


def prepare(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4))
    Y = (X[:, :2] + rng.normal(size=(4000, 2)) > 2).astype(int)
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression())).fit(X, Y)
    model.predictor_.described(FEATURES, {"group": None, "id": "key"}).save(folder / "model")
    new = rng.normal(size=(rows, 4))
    new[rng.random(rows) < 0.01, 1] = np.nan
    columns = {"key": [f"k{row}" for row in range(rows)], **dict(zip(FEATURES, new.T, strict=True))}
    pyarrow.parquet.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=1000)


def job(folder: Path, output: Path, shard_rows: int) -> None:
    predict.run(folder / "model", folder / "rows.parquet", output, Roles(), settings=Settings(shard_rows=shard_rows))


def start(folder: Path, output: Path, shard_rows: int) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
            job(folder, output, shard_rows)
        status = 0
    finally:
        os._exit(status)


def finish(process: int) -> bool:
    """Wait for a job; tell whether it was through, and not killed."""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a job failed with status {status}")
    return status == 0


def digests(output: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(output.iterdir())}


def wait_for_work(process: int, output: Path) -> None:
    """Wait until a job has written something, or has come to its end."""
    before = changed(output)
    while changed(output) == before and not os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.001)


def changed(output: Path) -> int:
    return output.stat().st_mtime_ns if output.exists() else 0


def kill_often(folder: Path, kills: int, shard_rows: int, rng: random.Random) -> dict[str, int]:
    process, undisturbed = start(folder, folder / "undisturbed", shard_rows), folder / "undisturbed"
    wait_for_work(process, undisturbed)
    began = time.monotonic()
    finish(process)
    seconds, wanted = time.monotonic() - began, digests(undisturbed)
    told = {"kills": 0, "jobs": 0, "files": len(wanted), "different": 0}
    while told["kills"] < kills:
        output, through = folder / f"job-{told['jobs']}", False
        while not through:
            process = start(folder, output, shard_rows)
            if told["kills"] < kills:
                wait_for_work(process, output)
                time.sleep(rng.uniform(0, seconds / PART))
                os.kill(process, signal.SIGKILL)
            through = finish(process)
            told["kills"] += not through
        told["jobs"] += 1
        told["different"] += digests(output) != wanted
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        # The jobs compute in processes of their own: threads do not survive a fork.
        process = os.fork()
        if not process:
            prepare(Path(name), given.rows)
            os._exit(0)
        finish(process)
        told = kill_often(Path(name), given.kills, given.shard_rows, random.Random(given.seed))
    print(", ".join(f"{count} {what}" for what, count in told.items()))
    if told["different"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
