"""Kill a training at random moments, start it again until it ends, and compare its model with an undisturbed one.

    python benchmarks/kill_train.py --kills 40

Each training is a process of `cascade train` on image files of the phantom, killed by SIGKILL after a random time of up
to `--longest` seconds. Weights, rules and report are compared: the files of the published model by their digests, the
report by its figures apart from times.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cascade.datasets.phantom import write_phantom
from cascade.predictor import CascadePredictor

TIMES = ("seconds", "rows_per_second")
"""Keys of a report that differ from run to run."""


def write_run(folder: Path) -> Path:
    """Write data and config."""
    write_phantom(folder / "png", rows=600, size=32, seed=0, format="png")
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 4}, "epochs": 6}
    content = {
        "name": "bleeds",
        "data": {"path": str(folder / "png"), "group": "patient"},
        "gate": network | {"image_size": 16},
        "labeler": {"model": network},
        "runtimes": [],
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "run.yaml"


def started(config: Path, models: Path, seconds: float | None) -> bool:
    """Start a training and kill it after so many seconds; return whether it ended before."""
    command = [sys.executable, "-m", "cascade_pipelines.cli", "train", str(config), "--models", str(models)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return False
    if status:
        raise SystemExit(f"the training ended with status {status}")
    return True


def published(models: Path) -> list[tuple[Any, dict[str, Any]]]:
    """Return, of each version, the probabilities that its model predicts, and its report without times.

    A training that was killed between its publication and its end is started again, and publishes a second version.
    """
    X = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 1), dtype=np.uint8)
    found = []
    for version in (models / "bleeds").glob("[!.]*"):
        report = json.loads((version / "report.json").read_text(encoding="utf-8"))
        found.append((CascadePredictor.load(version / "model").predict_proba(X), _without_times(report)))
    return found


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in TIMES}
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--longest", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draws, kills, trainings, different = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as place:
        config = write_run(Path(place))
        started(config, Path(place) / "undisturbed", None)
        ((proba, report),) = published(Path(place) / "undisturbed")
        while kills < options.kills:
            models = Path(place) / f"killed-{trainings}"
            while not started(config, models, draws.uniform(0, options.longest) if kills < options.kills else None):
                kills += 1
            versions = published(models)
            same = [np.array_equal(found, proba) and figures == report for found, figures in versions]
            different += not (same and all(same))
            trainings += 1
            print(f"{kills} kills, {trainings} trainings, {different} of them different", flush=True)


if __name__ == "__main__":
    main()
