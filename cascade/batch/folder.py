"""The folder of a job: names of its files, and one process at a time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

# Readers of a folder of Parquet files pass over names that begin with _ or a dot.
MANIFEST = "_manifest.json"
JOURNAL = "_shards.jsonl"
REJECTED = "_rejected.parquet"
MONITOR = "_monitor.json"
TEMPORARY = re.compile(
    r"\.(part-\d{5,}\.parquet|_rejected(-\d{5,})?\.parquet|_manifest\.json|_shards\.jsonl|_monitor\.json)\.\d+"
)
WORKER = ".worker-"
"""Beginning of the folders in which workers write their shards."""
WORKER_FOLDER = re.compile(re.escape(WORKER) + r"\w{8}")


def part_name(number: int) -> str:
    """Name of a shard's predictions."""
    return f"part-{number:05d}.parquet"


def rejected_name(number: int) -> str:
    """Name of a shard's rejected rows, as long as the job is not finished."""
    return f"_rejected-{number:05d}.parquet"


def clear_temporary(folder: Path) -> None:
    """Remove what a killed job, or its workers, were about to write."""
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name):
            path.unlink()
        elif WORKER_FOLDER.fullmatch(path.name):
            # A worker that has not noticed yet that it is alone may still write.
            shutil.rmtree(path, ignore_errors=True)
