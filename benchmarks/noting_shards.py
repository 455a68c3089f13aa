"""What it costs to note a shard of a job, by how many there are already, beside writing the manifest whole.

    python benchmarks/noting_shards.py

Medians of some shards at each number, in one job; each is synced to the disk that holds the temporary folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cascade.batch.job.job import Job
from cascade.batch.job.manifest import Shard
from cascade.batch.job.shard import Written

SHARDS = (100, 1_000, 15_000)
REPEATS = 15
COUNTS = {"rows_past_gate": 20_000, "rows_with_label": 9_000}


def median_ms(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return float(1e3 * np.median(taken))


def measure(folder: Path) -> list[dict[str, float]]:
    job = Job(folder, {"model": {"sha256": "0" * 64}}, fresh=False)
    written, found = Written(job.folder, Shard(65_536, 0, COUNTS, "0" * 64, None), None), []
    for n_shards in SHARDS:
        while len(job.manifest.shards) < n_shards:
            job.manifest.add(written.shard, None)
        noted = median_ms(lambda: job.commit(written))
        whole = median_ms(lambda: job.manifest.write(job.folder))
        found.append({"shards": n_shards, "noted_ms": noted, "whole_manifest_ms": whole, "ratio": whole / noted})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name))
    for one in found:
        print("{shards:6d} shards  noted {noted_ms:6.2f} ms  whole {whole_manifest_ms:7.1f} ms".format(**one))
    if options.results is not None:
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
