"""Kill retrainings, go on each time, and compare what the registry says with undisturbed ones.

    python benchmarks/kill_retrain.py --places 100
    python benchmarks/kill_retrain.py --kills 20

With `--places`, a retraining is killed before one of the changes that it makes to files or to the registry's database:
at as many of these places, evenly spaced from the first to the last. Each time it begins from the same registry and is
then started again. With `--kills`, the moments are random.

Champion and challenger are logistic regressions on rows of known truth. A retraining is a process of its own, split
off from one that has imported everything. After each kill the champion is loaded and predicts; a retraining that is
through is compared with the undisturbed one, and another begun.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
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


def run(folder: Path, month: str, name: str) -> dict[str, Any]:
    model = {"kind": "logistic_regression"}
    # With the guard on speed: a timing after a kill must not decide otherwise.
    promotion = {"fewest_positives": 50, "draws": 100, "count_ratio": None}
    content = {
        "name": name,
        "data": {"path": folder / f"{month}.npz"},
        "gate": model,
        "labeler": {"model": model},
        "retrain": {"promotion": promotion},
    }
    return retrain.run(RunConfig.model_validate(content), folder / "models")


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


CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
"""Audit events of changes to files; `open` is one if it can write."""
STATEMENTS = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER")


class Places:
    """Count the changes that this process makes below a folder and to databases, and kill it before one of them.

    Parameters
    ----------
    folder : path
    at : int or None
        Number of the change, from 1; None kills nothing.
    """

    def __init__(self, folder: Path, at: int | None) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self.folder, self.at, self.passed = str(folder), at, 0
        event.listen(Engine, "before_cursor_execute", self._before_statement)
        event.listen(Engine, "commit", lambda connection: self._pass())
        # Raised by the interpreter itself for each file that any library opens, renames or removes.
        sys.addaudithook(self._audit)

    def _before_statement(self, connection: Any, cursor: Any, statement: str, *given: Any) -> None:
        if statement.lstrip().upper().startswith(STATEMENTS):
            self._pass()

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            # Path, mode and flags; reading changes nothing.
            path, _, flags = given
            changes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            path, changes = (given[0] if given else None), event in CHANGES
        if changes and isinstance(path, (str, os.PathLike)) and str(path).startswith(self.folder):
            self._pass()

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def run_to_place(folder: Path, name: str, at: int | None, told: Path) -> None:
    """Retrain on the second month, killed at a place; write the number of places that were passed."""
    places = Places(folder / "models", at)
    run(folder, "second", name)
    told.write_text(str(places.passed))


def run_and_tell(folder: Path, name: str, told: Path) -> None:
    """Check that the champion predicts, retrain, and write answer and content of the registry."""
    predicts = champion_predicts(folder, name)
    result = run(folder, "second", name)
    answer = [result["answer"], result["sentence"], result["champion"], result["challenger"], result["serves"]]
    told.write_text(json.dumps([predicts, answer, content(folder, name)]))


def in_process(target: Any, *given: Any) -> int | None:
    """Run in a process of its own, since MLflow keeps connections to a database that is replaced here."""
    process = SPAWN.Process(target=target, args=given)
    process.start()
    process.join()
    code: int | None = process.exitcode
    return code


def kill_at_places(folder: Path, places: int) -> dict[str, int]:
    """Kill retrainings at evenly spaced places; return how many ended otherwise than an undisturbed one."""
    name, told, models, kept = "placed", folder / "told", folder / "models", folder / "kept"
    begun(folder, name)
    shutil.copytree(models, kept)
    if in_process(run_to_place, folder, name, None, told):
        raise SystemExit("the undisturbed retraining failed")
    count = int(told.read_text())
    in_process(run_and_tell, folder, name, told)
    wanted = json.loads(told.read_text())
    different = survived = 0
    for at in np.unique(np.linspace(1, count, places).astype(int)).tolist():
        shutil.rmtree(models)
        shutil.copytree(kept, models)
        killed = in_process(run_to_place, folder, name, at, told) == -signal.SIGKILL
        told.unlink(missing_ok=True)
        failed = in_process(run_and_tell, folder, name, told)
        same = not failed and json.loads(told.read_text()) == wanted
        different, survived = different + (not same), survived + (not killed)
        if not same:
            print(f"place {at} of {count}:", told.read_text() if told.exists() else f"status {failed}", flush=True)
    return {"places": places, "places in all": count, "not killed": survived, "different": different}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--kills", type=int, default=20, help="at random moments")
    how.add_argument("--places", type=int, help="at injected places")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_months(Path(name))
        if given.places is None:
            told = kill_often(Path(name), given.kills, random.Random(given.seed))
        else:
            told = kill_at_places(Path(name), given.places)
    print(", ".join(f"{count} {what}" for what, count in told.items()))
    if told["different"] or told.get("champions that did not predict") or told.get("not killed"):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
