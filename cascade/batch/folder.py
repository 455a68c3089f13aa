"""The folder of a job: names of its files, and removal of temporary ones."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from cascade.utils.address import Place

# Readers of a folder of Parquet files skip names that begin with _ or a dot.
MANIFEST = "_manifest.json"
JOURNAL = "_shards.jsonl"
REJECTED = "_rejected.parquet"
MONITOR = "_monitor.json"
# In a store: a folder of one object per shard in place of the journal, and the objects of leases.
NOTES = "_shards"
LEASE = "_lock."
OF_A_SHARD = re.compile(r"(part|_rejected)-\d{5,}\.parquet")
# Matches exactly the names that `new_file` gives to temporary files, so that no file of a user is ever removed.
TEMPORARY = re.compile(
    r"\.(part-\d{5,}\.parquet|_rejected(-\d{5,})?\.parquet|_manifest\.json|_shards\.jsonl|_monitor\.json)\.\d+"
)
WORKER = ".worker-"
"""Prefix of the folders in which workers write their shards."""
# `mkdtemp` appends eight characters to the prefix.
WORKER_FOLDER = re.compile(re.escape(WORKER) + r"\w{8}")


def part_name(number: int) -> str:
    """Return the file name of a shard's predictions."""
    return f"part-{number:05d}.parquet"


def rejected_name(number: int) -> str:
    """Return the file name of a shard's rejected rows, which exists until the job is finished."""
    return f"_rejected-{number:05d}.parquet"


def names_of_shard(number: int) -> tuple[str, str]:
    """Return the file names of a shard, of which the second exists where rows were rejected."""
    return part_name(number), rejected_name(number)


def clear_temporary(folder: Place) -> None:
    """Remove the temporary files of a killed job."""
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name):
            path.unlink()


def clear_workers(folder: Path) -> None:
    """Remove the folders of the workers of a job that has ended."""
    for path in folder.iterdir():
        if WORKER_FOLDER.fullmatch(path.name):
            # A worker whose driver has been killed may still write there for a moment.
            shutil.rmtree(path, ignore_errors=True)
