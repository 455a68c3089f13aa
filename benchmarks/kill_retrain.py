"""Kill retrainings at random moments, go on each time, and compare what the registry says with undisturbed ones.

    python benchmarks/kill_retrain.py --kills 20

Champion and challenger are logistic regressions on rows of known truth. A retraining is a process of its own, split
off from one that has imported everything. After each kill the champion is loaded and predicts; a retraining that is
through is compared with the undisturbed one, and another begun.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cascade import CascadePredictor
from cascade.config.schema import RunConfig
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.registry import ModelRegistry
from cascade_pipelines import retrain

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["cascade_pipelines.retrain", "mlflow.pyfunc", "sklearn.linear_model", "skops.io"])
MONTHS = {"first": [(1200, 0)], "second": [(1200, 0), (9000, 1)]}
PART = 2
"""A kill comes within this part of the work, so that a retraining is killed several times on its way."""


def write_months(folder: Path) -> None:
    for name, months in MONTHS.items():
        drawn = [(seed, draw(rows, seed)) for rows, seed in months]
        groups = [f"{seed}-{group}" for seed, month in drawn for group in month.groups]
        X, Y = (np.concatenate([getattr(month, part) for _, month in drawn]) for part in ("X", "Y"))
        np.savez(folder / f"{name}.npz", X=X, Y=Y, label_names=LABEL_NAMES, groups=groups)


def run(folder: Path, month: str, name: str) -> None:
    model = {"kind": "logistic_regression"}
    promotion = {"fewest_positives": 50, "draws": 100, "speed": None}
    content = {
        "name": name,
        "data": {"path": folder / f"{month}.npz"},
        "gate": model,
        "labeler": {"model": model},
        "retrain": {"promotion": promotion},
    }
    retrain.run(RunConfig.model_validate(content), folder / "models")


def begun(folder: Path, name: str) -> str:
    """Give a new name its first champion, undisturbed."""
    process = start(folder, "first", name)
    if not finish(process):
        raise SystemExit("the first retraining was killed")
    return name


def start(folder: Path, month: str, name: str) -> Any:
    process = SPAWN.Process(target=run, args=(folder, month, name))
    process.start()
    return process


def finish(process: Any) -> bool:
    """Wait for a retraining; tell whether it was through, and not killed."""
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise SystemExit(f"a retraining failed with status {process.exitcode}")
    return process.exitcode == 0


def content(folder: Path, name: str) -> Any:
    """What is the same whenever and by whom it was done."""
    registry = ModelRegistry(folder / "models")
    versions = registry.versions(name)
    thresholds = [CascadePredictor.load(registry.folder(str(one))).rules.thresholds.tolist() for one in versions]
    told = [(one.number, one.aliases, one.reason) for one in versions]
    runs = len(list((folder / "models" / "mlflow-artifacts" / name).iterdir()))
    return told, thresholds, registry.champions(name), runs, len(list((folder / "models" / name).glob("[!.]*")))


def champion_predicts(folder: Path, name: str) -> bool:
    model = ModelRegistry(folder / "models").folder(f"models:/{name}@champion")
    return bool(np.isfinite(CascadePredictor.load(model).predict_proba(draw(50, 7).X)).all())


def kill_often(folder: Path, kills: int, rng: random.Random) -> dict[str, int]:
    undisturbed = begun(folder, "undisturbed")
    began = time.monotonic()
    finish(start(folder, "second", undisturbed))
    seconds, wanted = time.monotonic() - began, content(folder, undisturbed)
    told = {"kills": 0, "retrainings": 0, "different": 0, "champions that did not predict": 0}
    while told["kills"] < kills:
        name, through = begun(folder, f"job-{told['retrainings']}"), False
        while not through:
            process = start(folder, "second", name)
            if told["kills"] < kills:
                process.join(rng.uniform(0, seconds / PART))
                if process.is_alive():
                    os.kill(process.pid, signal.SIGKILL)
            through = finish(process)
            told["kills"] += not through
            told["champions that did not predict"] += not champion_predicts(folder, name)
        told["retrainings"] += 1
        told["different"] += content(folder, name) != wanted
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_months(Path(name))
        told = kill_often(Path(name), given.kills, random.Random(given.seed))
    print(", ".join(f"{count} {what}" for what, count in told.items()))
    if told["different"] or told["champions that did not predict"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
