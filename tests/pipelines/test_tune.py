"""The search for the cascade that pays, as users run it: curve, choice, kills, and the config that it writes."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade.config.schema import RunConfig
from cascade.datasets.known_truth import LABEL_NAMES, draw

pytest.importorskip("optuna")

from cascade_pipelines import tune

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload([__name__, "optuna", "sklearn.linear_model", "skops.io"])
TRIALS = 12
OPTIONS = tune.Options(trials=TRIALS, folds=1)
MEASURED = {"seconds", "seconds_per_row", "time_of_flat"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = draw(4000, 0)
    path = tmp_path_factory.mktemp("data") / "truth.npz"
    np.savez(path, X=rows.X, Y=rows.Y, label_names=LABEL_NAMES, groups=rows.groups)
    return path


def config_for(data: Path, name: str, kind: str = "logistic_regression", **changes: Any) -> RunConfig:
    model = {"kind": kind}
    return RunConfig.model_validate(
        {"name": name, "data": {"path": data}, "gate": model, "labeler": {"model": model}, **changes}
    )


def run(data: Path, models: Path, name: str) -> None:
    tune.run(config_for(data, name), models, OPTIONS)


def start(*given: Any) -> Any:
    process = SPAWN.Process(target=run, args=given)
    process.start()
    return process


def results(models: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((models / name).glob("tune-*/tune.json"))]


def lasting(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what was measured, which differs from run to run."""
    trials = [{key: value for key, value in row.items() if key not in MEASURED} for row in result["trials"]]
    return {**result, "trials": trials}


def test_killed_at_ten_random_moments_it_ends_like_an_undisturbed_search(table: Path, tmp_path: Path) -> None:
    undisturbed = start(table, tmp_path, "undisturbed")
    undisturbed.join()
    assert undisturbed.exitcode == 0
    (wanted,) = results(tmp_path, "undisturbed")
    seconds = sum(row["seconds"] for row in wanted["trials"])
    rng, kills = random.Random(0), 0
    while kills < 10:
        process = start(table, tmp_path, "killed")
        # Short enough that ten kills fall within one search.
        process.join(rng.uniform(0, seconds / 4))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        if not process.exitcode:
            break
    last = start(table, tmp_path, "killed")
    last.join()
    assert last.exitcode == 0
    assert kills >= 5
    found = results(tmp_path, "killed")[-1]
    assert lasting(found) == lasting(wanted)
