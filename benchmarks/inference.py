"""How much of a cascade's saving is made real: against the flat model of the labeler's size, in one run, as ratios.

    cascade phantom data/phantom-128 --rows 24000 --size 128
    python benchmarks/inference.py data/phantom-128 --results benchmarks/results/inference.json

The model is trained once and kept in --model: a small convolutional gate that sees the image at half its size, and
MobileNetV3Small behind it; the flat model is the same network for all labels. Times are the best of several rounds in
which all contenders take turns, so that what else the machine does meets all of them.

    passed      share p of the rows past the gate; the threshold that keeps 95 % of each label is among them
    least       recall at the gate of the label that loses most, on all rows held out
    against     times as many rows a second as the flat model in its fastest runtime
    limit       1 / (c1/c2 + p), from the two networks' own times a row; `share` is what of it was reached
    keras       times as many as Keras' `predict` of the flat model
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.data import read_data
from cascade.data.rows import take
from cascade.data.splits import grouped_holdout
from cascade.estimators.runtime.runtimes import RUNTIMES, check_threads
from cascade.metrics.operations import operations_per_row
from cascade.store.exporting import Exporter
from cascade.store.network_spec import network_spec
from cascade.store.opening import open_export
from cascade.store.plain_file import ModelFiles

SHARES = (0.02, 0.05, 0.1, 0.144, 0.2, 0.3, 0.5)
ROUNDS = 4
HELD_OUT = 0.3
RECALL = 0.95
ONE_ROW = {"auto": 400, "keras": 50}

COLD_START = """
import sys, time
started = time.perf_counter()
from cascade import CascadePredictor
import numpy as np
predictor = CascadePredictor.load(sys.argv[1], sys.argv[2])
predictor.predict(np.zeros((1, *predictor.signature.row_shape), np.uint8))
print(time.perf_counter() - started)
"""


def trained(data: Any, folder: Path) -> Path:
    """The cascade and, beside it, the flat model of the labeler's size; trained if they are not there."""
    if not (folder / "cascade").exists():
        gate = KerasClassifier("cnn", {"flip": True}, epochs=10, batch_size=64, learning_rate=4e-3, image_size=64)
        labeler = KerasClassifier("mobilenet_v3_small", epochs=12, batch_size=64)
        model = CascadeClassifier(gate, labeler, label_names=data.label_names).fit(data.X, data.Y, groups=data.groups)
        model.predictor_.save(folder / "cascade", tuple(RUNTIMES))
    return folder / "cascade"


def flat_network(data: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The flat model, which only has to be of the right size, and where its exported networks are."""
    few = data.part(np.arange(0, len(data), max(1, len(data) // 256)))
    flat = KerasClassifier("mobilenet_v3_small", epochs=1, batch_size=64).fit(few.X, few.Y)
    spec = {**network_spec(flat), "exports": Exporter(tuple(RUNTIMES)).export(flat, folder, "flat")}
    return flat, spec


def best_of(contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, the best of several rounds in which they take turns."""
    seconds = dict.fromkeys(contenders, np.inf)
    for run in contenders.values():
        run()
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    return {name: float(value) for name, value in seconds.items()}


def measured(path: Path, data: Any, rows: int, threads: int, flat: tuple[Any, Any], work: Path) -> dict[str, Any]:
    """All figures with so many threads."""
    X = np.ascontiguousarray(take(data.X, np.arange(rows)))
    predictor = CascadePredictor.load(path, threads=threads)
    network, fastest = flat[0].network_, open_export(flat[1], ModelFiles(work), "auto", threads)
    held_out = predictor.gate_proba(data.X)
    gate_proba = held_out[:rows]
    own, kept = predictor.rules.gate_threshold, keeping(held_out, data.Y, RECALL)
    thresholds = sorted([*(float(np.quantile(gate_proba, 1 - share)) for share in SHARES), own, kept], reverse=True)
    seconds = best_of(
        {
            "flat, Keras predict": lambda: network.predict(X, verbose=0),
            "flat, fastest": lambda: fastest.predict_proba(X),
            "gate": lambda: predictor.gate.predict_proba(X),
            "labeler": lambda: predictor.labeler.predict_proba(X),
            **{f"cascade {one}": lambda t=one: predictor.examine(X, t) for one in thresholds},
        }
    )
    names = {own: "its own threshold", kept: f"{RECALL:.0%} of each label"}
    curve = [
        {
            "name": names.get(one, ""),
            "least_recall": min(recalls(data.Y, held_out >= one)),
            "rows_per_second": rows / seconds[f"cascade {one}"],
            **point(float((gate_proba >= one).mean()), seconds[f"cascade {one}"], seconds),
        }
        for one in thresholds
    ]
    peak = matrix_peak()
    done = operations_per_row(flat[0]) * rows / seconds["flat, fastest"]
    return {
        "threads": threads,
        "rows": rows,
        "runtimes": {"gate": predictor.gate.runtime, "labeler": predictor.labeler.runtime, "flat": fastest.runtime},
        "rows_per_second": {name: rows / value for name, value in seconds.items() if "cascade" not in name},
        "relative_cost_of_gate": seconds["gate"] / seconds["labeler"],
        "curve": curve,
        "flat_share_of_matrix_peak": done / peak,
        "matrix_peak_gflops": peak / 1e9,
        "one_row_ms": {runtime: one_row(path, X, runtime, threads) for runtime in ("auto", "keras")},
    }


def point(passed: float, own_seconds: float, seconds: dict[str, float]) -> dict[str, float]:
    """One threshold: what was reached, and what could be."""
    against = seconds["flat, fastest"] / own_seconds
    limit = 1 / (seconds["gate"] / seconds["labeler"] + passed)
    keras = seconds["flat, Keras predict"] / own_seconds
    return {"passed": passed, "against": against, "limit": limit, "share": against / limit, "keras": keras}


def profiled(path: Path, data: Any, rows: int) -> None:
    """Print where the time goes at the threshold that keeps enough of each label, on one thread."""
    X = np.ascontiguousarray(take(data.X, np.arange(rows)))
    predictor = CascadePredictor.load(path, threads=1)
    threshold = keeping(predictor.gate_proba(data.X), data.Y, RECALL)
    predictor.examine(X, threshold)
    with cProfile.Profile() as profile:
        predictor.examine(X, threshold)
    pstats.Stats(profile).sort_stats("tottime").print_stats(8)


def recalls(Y: np.ndarray, passed: np.ndarray) -> list[float]:
    """Recall of each label at the gate."""
    return [float(passed[y > 0].mean()) for y in Y.T if y.any()]


def keeping(gate_proba: np.ndarray, Y: np.ndarray, recall: float) -> float:
    """The highest threshold that keeps so much of each label."""
    positives = [np.sort(gate_proba[y > 0])[::-1] for y in Y.T if y.any()]
    return float(min(each[int(np.ceil(recall * len(each) - 1e-9)) - 1] for each in positives))


def matrix_peak() -> float:
    """Operations a second of a large float32 matrix product, on the threads that numpy takes."""
    a = np.ones((1536, 1536), np.float32)
    seconds = best_of({"product": lambda: a @ a})["product"]
    return 2 * 1536**3 / seconds


def one_row(path: Path, X: np.ndarray, runtime: str, threads: int) -> dict[str, float]:
    """Milliseconds of single rows: median and 99th percentile."""
    predictor, taken = CascadePredictor.load(path, runtime, threads), []
    for row in range(ONE_ROW[runtime] + 20):
        one = X[row % len(X)][None]
        started = time.perf_counter()
        predictor.examine(one)
        taken.append(time.perf_counter() - started)
    p50, p99 = np.percentile(1e3 * np.array(taken[20:]), [50, 99])
    return {"p50": float(p50), "p99": float(p99)}


def cold_start(path: Path, runtime: str) -> float:
    """Seconds of a new process to import, load and answer a row, without starting Python; the best of five."""
    command = [sys.executable, "-c", COLD_START, str(path), runtime]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def text(found: dict[str, Any]) -> str:
    """The figures as lines."""
    lines = []
    for one in found["threads"]:
        rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in one["rows_per_second"].items())
        lines += [f"{one['threads']} thread(s), {one['rows']} rows; {one['runtimes']}", f"  rows/s: {rates}"]
        lines.append(f"  cost of the gate: {one['relative_cost_of_gate']:.3f} of the labeler's")
        lines.append(f"  flat: {one['flat_share_of_matrix_peak']:.0%} of {one['matrix_peak_gflops']:.0f} GFLOP/s")
        lines += [
            f"  one row, {name}: {ms['p50']:.2f} ms, p99 {ms['p99']:.2f}" for name, ms in one["one_row_ms"].items()
        ]
        lines.append("  passed  least recall   rows/s  against  limit  share  keras")
        for point in one["curve"]:
            lines.append(
                "  {passed:6.3f}  {least_recall:12.3f} {rows_per_second:8,.0f}  {against:7.2f}  {limit:5.2f}  "
                "{share:5.2f}  {keras:5.1f}".format(**point)
                + (f"  <- {point['name']}" if point["name"] else "")
            )
    starts = ", ".join(f"{runtime} {seconds:.2f} s" for runtime, seconds in found["cold_start_s"].items())
    return "\n".join([*lines, f"cold start: {starts}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of `cascade phantom --size 128`")
    parser.add_argument("--model", type=Path, default=Path("models/inference"))
    parser.add_argument("--rows", type=int, default=2048, help="held-out rows to measure on")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, check_threads(None)}))
    parser.add_argument("--profile", action="store_true", help="only show where the time goes")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    data = read_data(options.data)
    held = grouped_holdout(data.Y, data.groups, HELD_OUT, 0)
    path = trained(data.part(np.flatnonzero(~held)), options.model)
    data = data.part(np.flatnonzero(held))
    if options.profile:
        profiled(path, data, options.rows)
        return
    found = {
        "cold_start_s": {runtime: cold_start(path, runtime) for runtime in ("auto", "keras")},
        "threads": [],
    }
    flat = flat_network(data, options.model)
    for threads in options.threads:
        found["threads"].append(measured(path, data, options.rows, threads, flat, options.model))
        print(text({**found, "threads": found["threads"][-1:]}), flush=True)
    if options.results is not None:
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
