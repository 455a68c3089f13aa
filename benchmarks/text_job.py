"""Predict a million comments as a batch job: rows per second, peak memory, and the same bytes after kills.

    python benchmarks/text_job.py --rows 1000000 --kills 10

The model is that of configs/moderation.yaml, trained on the sample that it names. The rows are 20,000 other comments,
repeated under further identifiers. Jobs are runs of the command `cascade predict` with all cores. The first one is
undisturbed. Another one is killed at random moments and started again until it ends; all files are compared. The peak
memory of jobs of a tenth and of all of the rows shows whether it grows with them.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_batch import digests

from cascade.config.yaml_file import load_config
from cascade_pipelines import train

CONFIG = Path(__file__).parents[1] / "configs/moderation.yaml"
DRAWN = 20_000
CASCADE = [sys.executable, "-m", "cascade_pipelines.cli"]


def prepare(folder: Path, rows: int) -> None:
    """Train a model, and write comments that it has not seen."""
    for name, seed in (("training", "0"), ("drawn", "1")):
        command = [*CASCADE, "sample", "moderation", str(folder / f"{name}.csv"), "--rows", str(DRAWN), "--seed", seed]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    train.run(load_config(CONFIG, [f"data.path={folder / 'training.csv'}", "flat_baseline=false"]), folder / "models")
    with (folder / "drawn.csv").open(newline="", encoding="utf-8") as file:
        texts = [(row["thread"], row["comment_text"]) for row in csv.DictReader(file)]
    for name, count in (("tenth", rows // 10), ("all", rows)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "thread", "comment_text"])
            writer.writerows((f"c{row}", *texts[row % DRAWN]) for row in range(count))


def start(folder: Path, rows: str, output: str) -> subprocess.Popen[bytes]:
    command = [*CASCADE, "predict", str(folder / "models/moderation"), str(folder / f"{rows}.csv")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, "--output", str(folder / output)], **quiet)  # type: ignore[call-overload]


def undisturbed(folder: Path, rows: str) -> tuple[float, float]:
    """Run a job to its end; return its seconds and its peak memory in MB."""
    began = time.monotonic()
    process = start(folder, rows, rows)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the job failed with status {status}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def killed(folder: Path, kills: int, seconds: float, rng: random.Random) -> int:
    """Kill a job several times on its way; return how often."""
    done = 0
    while True:
        process = start(folder, "all", "killed")
        try:
            # Within the time of a tenth of the rows, so that each start leaves work for the next.
            limit = rng.uniform(0.5, 1) * seconds if done < kills else None
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            continue
        if status:
            raise SystemExit(f"the job failed with status {status}")
        return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.rows)
        seconds, memory = {}, {}
        for rows in ("tenth", "all"):
            seconds[rows], memory[rows] = undisturbed(folder, rows)
        # The difference, so that the start of a process does not count.
        rate = (options.rows - options.rows // 10) / (seconds["all"] - seconds["tenth"])
        print(f"{options.rows:,} rows in {seconds['all']:.0f} s, {rate:,.0f} rows/s")
        print(f"peak memory {memory['tenth']:.0f} MB for a tenth of the rows, {memory['all']:.0f} MB for all")
        kills = killed(folder, options.kills, seconds["tenth"], random.Random(options.seed))
        wanted, found = digests(folder / "all"), digests(folder / "killed")
        different = sum(wanted.get(file) != found.get(file) for file in wanted | found)
        print(f"{kills} kills, {len(wanted)} files, {different} different")
    if different:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
