"""What `cascade predict` takes as its input grows: peak memory and rows a second of real jobs, beside rows in memory.

    python benchmarks/growth_of_jobs.py --results benchmarks/results/growth_of_jobs.json

A feature table of 32 columns of 10^4, 10^5 and 10^6 rows as Parquet, by exported networks and by logistic
regressions, and grey JPEG files of 128 pixels, 10^3, 10^4 and 10^5 of them in folders of a thousand, by exported
networks, whose gate looks at 32 pixels. Images are 2,000 distinct ones, hard-linked under so many names. Shards have as
many rows as the smallest input, so that nothing grows but what depends on the number of rows; the largest input is also
read in shards of the default size. Each job is a process of its own with one thread. All files lie in a temporary
folder, which is removed.

    peak        most memory that the process ever had
    rows/s      of the job's own clock, which stands still for nothing: other work on the machine slows it
    further     rows a second of processor time, of the rows by which a job is larger than the smallest one, so without
                imports and the model's loading; `in memory` is measured in processor time, too
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from feature_table import NAMES, draw_table, write_features

DISTINCT = 2000
IMAGE_SIZE = 128
A_FOLDER = 1000
TRAINING_ROWS = 8000
RUNTIMES = ("litert", "onnx")

JOB = """
import time
from pathlib import Path
from cascade_pipelines.cli.app import main
try:
    main()
finally:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(time.process_time(), status["VmHWM"].split()[0])
"""
"""The command, its processor time and its peak of memory: of resource.getrusage it would be its parent's, too."""

IN_MEMORY = """
import sys, time
from pathlib import Path
from cascade import CascadePredictor
from cascade.batch.inputs.opening import open_input
from cascade.data.readers.table.columns import Roles
predictor = CascadePredictor.load(sys.argv[1], threads=1)
X = next(open_input(Path(sys.argv[2]), Roles(), predictor.signature).chunks(int(sys.argv[3]), 0)).X
taken = []
for _ in range(3):
    started = time.process_time()
    predictor.examine(X)
    taken.append(time.process_time() - started)
print(len(X) / min(taken))
"""


@dataclass(frozen=True)
class Case:
    """A model, and its inputs by their numbers of rows."""

    name: str
    model: Path
    sources: dict[int, Path]
    rounds: int

    @property
    def shard_rows(self) -> int:
        """Rows of a shard that the smallest input fills."""
        return min(self.sources)


def prepare_table(folder: Path, sizes: list[int]) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier

    from cascade import CascadeClassifier, KerasClassifier

    X, Y = draw_table(TRAINING_ROWS, seed=0)
    logistic = LogisticRegression(max_iter=300)
    network = KerasClassifier("mlp", epochs=5)
    pairs = {"networks": (network, network), "regressions": (logistic, MultiOutputClassifier(logistic))}
    for name, (gate, labeler) in pairs.items():
        predictor = CascadeClassifier(gate, labeler).fit(X, Y).predictor_
        described = predictor.described(NAMES, {"group": None, "id": None})
        described.save(folder / name, RUNTIMES if name == "networks" else ())
    for size in sizes:
        write_features(folder / f"{size}.parquet", size, seed=1000)


def prepare_images(folder: Path, sizes: list[int]) -> None:
    from PIL import Image

    from cascade import CascadeClassifier, KerasClassifier
    from cascade.data import read_data
    from cascade.datasets.phantom import write_phantom

    write_phantom(folder / "phantom", rows=DISTINCT, size=IMAGE_SIZE, n_jobs=-1)
    data = read_data(folder / "phantom")
    gate = KerasClassifier(
        "cnn", {"width": 12}, epochs=6, batch_size=32, learning_rate=4e-3, image_size=IMAGE_SIZE // 4
    )
    model = CascadeClassifier(gate, KerasClassifier("cnn", {"width": 16, "reduce": 2}, epochs=2, batch_size=32))
    model.fit(data.X, data.Y, groups=data.groups).predictor_.save(folder / "images", RUNTIMES)
    (folder / "distinct").mkdir()
    for number in range(DISTINCT):
        image = np.asarray(data.X[number])[:, :, 0]
        Image.fromarray(image).save(folder / "distinct" / f"{number}.jpg", quality=90)
    for size in sizes:
        link_images(folder / "distinct", folder / f"{size}", size)


def link_images(distinct: Path, folder: Path, size: int) -> None:
    for number in range(size):
        place = folder / f"{number // A_FOLDER:04d}"
        if number % A_FOLDER == 0:
            place.mkdir(parents=True)
        os.link(distinct / f"{number % DISTINCT}.jpg", place / f"{number:07d}.jpg")


def output_of(code: str, *arguments: object) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()


def job(case: Case, rows: int, output: Path, *options: object) -> dict[str, float]:
    """Run one job: its peak in MB, its seconds by the clock and of the processor, the share of rows past the gate."""
    given = ("predict", case.model, case.sources[rows], "--output", output, "--threads", 1, "--json", *options)
    *told, last = output_of(JOB, *given)
    summary = json.loads("".join(told))
    assert summary["rows"] == rows
    processor, peak = map(float, last.split())
    return {
        "rows": rows,
        "peak_mb": peak / 1024,
        "seconds": summary["seconds"],
        "processor_seconds": processor,
        "rows_per_second": summary["rows_per_second"],
        "passed": summary["rows_past_gate"] / rows,
    }


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """All sizes in turns, round by round: the highest peak and the least time of each."""
    runs = {f"{rows}": (rows, ("--shard-rows", case.shard_rows)) for rows in sorted(case.sources)}
    largest, middle = max(case.sources), sorted(case.sources)[-2]
    runs[f"{largest}, default shards"] = (largest, ())
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for number in range(case.rounds):
        for place, (name, (rows, options)) in enumerate(runs.items()):
            found[name].append(job(case, rows, folder / f"{case.model.name}-out-{number}-{place}", *options))
    jobs = {name: best_of(told) for name, told in found.items()}
    first = jobs[f"{case.shard_rows}"]
    for told in jobs.values():
        if told["rows"] > first["rows"]:
            told["further_rows_per_second"] = further(first, told)
    in_memory = float(output_of(IN_MEMORY, case.model, case.sources[middle], middle)[0])
    return {
        "case": case.name,
        "shard_rows": case.shard_rows,
        "jobs": jobs,
        "in_memory_rows_per_second": in_memory,
        "files_over_memory": jobs[f"{largest}"]["further_rows_per_second"] / in_memory,
    }


def best_of(told: list[dict[str, float]]) -> dict[str, float]:
    best = {name: min(one[name] for one in told) for name in ("rows", "seconds", "processor_seconds", "passed")}
    return best | {name: max(one[name] for one in told) for name in ("peak_mb", "rows_per_second")}


def further(first: dict[str, float], told: dict[str, float]) -> float:
    """Rows a second of processor time, of what a job has more than the first."""
    return (told["rows"] - first["rows"]) / (told["processor_seconds"] - first["processor_seconds"])


def text(found: list[dict[str, Any]]) -> str:
    lines = []
    for one in found:
        first, *_, last = one["jobs"].values()
        lines.append(f"{one['case']}: shards of {one['shard_rows']} rows, {last['passed']:.1%} past the gate")
        for name, told in one["jobs"].items():
            rate = told.get("further_rows_per_second")
            lines.append(
                f"  {name:>24} rows  peak {told['peak_mb']:6.0f} MB ({told['peak_mb'] / first['peak_mb']:4.2f} of the "
                f"smallest)  {told['rows_per_second']:9,.0f} rows/s" + (f"  further {rate:9,.0f}" if rate else "")
            )
        memory = f"{one['in_memory_rows_per_second']:,.0f} rows/s"
        lines.append(f"  in memory {memory}; further rows from files {one['files_over_memory']:.2f} of it")
    return "\n".join(lines)


def prepare(folder: Path, rows: list[int], images: list[int]) -> None:
    """In processes of their own, whose memory and threads are gone before anything is measured."""
    for task, sizes in ((prepare_table, rows), (prepare_images, images)):
        if not sizes:
            continue
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(task, folder, sizes).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10**4, 10**5, 10**6], help="two sizes or more, or none")
    parser.add_argument(
        "--images", type=int, nargs="*", default=[10**3, 10**4, 10**5], help="two sizes or more, or none"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the table; images are read once")
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder; it takes 2 GB")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        prepare(folder, options.rows, options.images)
        tables = {rows: folder / f"{rows}.parquet" for rows in options.rows}
        cases = [
            Case("table, networks", folder / "networks", tables, options.rounds),
            Case("table, regressions", folder / "regressions", tables, options.rounds),
            Case("images, networks", folder / "images", {n: folder / f"{n}" for n in options.images}, 1),
        ]
        found = []
        for case in cases:
            if not case.sources:
                continue
            found.append(measure(case, folder))
            print(text(found[-1:]), flush=True)
            if options.results is not None:
                options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
