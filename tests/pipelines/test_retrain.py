"""Retraining as a scheduled job meets it: first, again, with better data, with bad data, killed, twice at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from cascade import CascadePredictor
from cascade.config.schema import ManyLabelsConfig, RunConfig
from cascade.config.yaml_file import load_config
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.errors import BusyError, ConfigError, DataError, ModelRefusedError
from cascade.retraining.steps import StoredSteps
from cascade.utils.keys import key_of
from cascade.utils.locking import claimed

pytest.importorskip("mlflow")

from cascade.registry import ModelRegistry
from cascade_pipelines import retrain
from cascade_pipelines.cli.app import app
from cascade_pipelines.steps import retrain as retrain_steps
from cascade_pipelines.steps.version import RECORD

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload([__name__, "mlflow.pyfunc", "sklearn.linear_model", "skops.io"])
NAME = "bleeds"


def write_data(path: Path, months: list[tuple[int, int]], zeroed: tuple[int, int] | None = None) -> Path:
    """Write the rows of some months, each given by its rows and seed; a month, by its seed, may have lost a label."""
    drawn = [draw(rows, seed) for rows, seed in months]
    Y = np.concatenate([month.Y for month in drawn])
    if zeroed is not None:
        lost, label = zeroed
        Y[np.repeat([seed == lost for _, seed in months], [rows for rows, _ in months]), label] = 0
        Y[:, -1] = Y[:, :-1].any(axis=1)
    groups = [f"{seed}-{group}" for (_, seed), month in zip(months, drawn, strict=True) for group in month.groups]
    ids = [f"{seed}-{row}" for rows, seed in months for row in range(rows)]
    X = np.concatenate([month.X for month in drawn])
    np.savez(path, X=X, Y=Y, label_names=LABEL_NAMES, groups=groups, ids=ids)
    return path


def config_for(data: Path, name: str = NAME, **changes: Any) -> RunConfig:
    model = {"kind": "logistic_regression"}
    content = {
        "name": name,
        "data": {"path": str(data)},
        "gate": model,
        "labeler": {"model": model},
        # Each guard has figures that the simple recipe is known to give on these months.
        "cascade": {"negative_pool": "positives", "calibration_folds": None, "merge": "pool"},
        "retrain": {"promotion": {"fewest_positives": 50, "draws": 100, "speed": None}},
        **changes,
    }
    path = data.with_name(f"{name}-{data.stem}.yaml")
    path.write_text(yaml.safe_dump(content))
    return load_config(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("months")
    write_data(folder / "first.npz", [(1200, 0)])
    write_data(folder / "second.npz", [(1200, 0), (9000, 1)])
    write_data(folder / "zeroed.npz", [(1200, 0), (9000, 1)], zeroed=(1, 4))
    return folder


@pytest.fixture(scope="module")
def begun(home: Path) -> Path:
    """A registry whose champion was trained on the first month."""
    models = home / "models"
    result = retrain.run(config_for(home / "first.npz"), models)
    assert (result["answer"], result["champion"], result["challenger"]) == ("promote", None, 1)
    return models


def with_champion(models: Path, home: Path, name: str) -> str:
    """Begin another model in the same registry."""
    assert retrain.run(config_for(home / "first.npz", name), models)["answer"] == "promote"
    return name


def content_of(models: Path, name: str) -> Any:
    """What registry and versions say, without names of runs and times."""
    registry = ModelRegistry(models)
    versions = registry.versions(name)
    thresholds = [CascadePredictor.load(registry.folder(str(v))).rules.gate_threshold for v in versions]
    told = [(version.number, version.aliases, version.reason) for version in versions]
    runs = len(list((models / "mlflow-artifacts" / name).iterdir()))
    folders = len(list((models / name).glob("[!.]*")))
    return told, thresholds, registry.champions(name), runs, folders


def test_the_first_run_promotes_and_the_same_again_does_nothing(begun: Path, home: Path) -> None:
    before = content_of(begun, NAME)
    again = retrain.run(config_for(home / "first.npz"), begun)
    assert (again["was_finished"], again["answer"], again["challenger"]) == (True, "promote", 1)
    assert content_of(begun, NAME) == before
    version = Path(again["version"])
    decision = json.loads((version / "decision.json").read_text())
    assert decision == again["decision"] == json.loads((version / "report.json").read_text())["decision"]
    assert ModelRegistry(begun).champion(NAME).reason == again["sentence"]
    assert "it was finished before" in retrain.text(again)


def test_better_data_promotes_and_rolled_back_it_is_not_promoted_again(begun: Path, home: Path) -> None:
    name = with_champion(begun, home, "better")
    config = config_for(home / "second.npz", name)
    result = retrain.run(config, begun)
    assert (result["answer"], result["champion"], result["challenger"]) == ("promote", 1, 2), result["sentence"]
    registry = ModelRegistry(begun)
    assert registry.champion(name).number == 2
    rows = result["decision"]["reasons"]
    assert rows[0]["label"] is None
    assert rows[0]["challenger"] > rows[0]["champion"]
    # Features of the new rows come from where those of the old ones did.
    assert result["drift"]["compared"] > 6
    assert not [one for one in result["drift"]["drifted"] if one["what"].startswith("feature")]
    assert retrain.run(config, begun)["was_finished"]
    registry.rollback(name)
    again = retrain.run(config, begun)
    assert (again["was_finished"], again["answer"], again["serves"]) == (True, "promote", False)
    assert "another version serves now" in retrain.text(again)
    assert registry.champion(name).number == 1
    fresh = retrain.run(config, begun, fresh=True)
    assert not fresh["was_finished"]
    assert registry.champion(name).number == fresh["challenger"]


def test_the_same_data_with_another_seed_keeps_the_champion(begun: Path, home: Path) -> None:
    name = with_champion(begun, home, "same")
    config_for(home / "first.npz", name, seed=1)
    command = ["retrain", str(home / f"{name}-first.yaml"), "--models", str(begun), "--json"]
    done = CliRunner().invoke(app, command)
    result = json.loads(done.stdout)
    assert done.exit_code == 5
    assert result["answer"] in ("keep", "ask")
    registry = ModelRegistry(begun)
    champion, challenger = registry.champion(name), registry.challenger(name)
    assert (champion.number, challenger.number) == (1, 2)
    listed = CliRunner().invoke(app, ["models", "list", name, "--models", str(begun)]).stdout.splitlines()
    assert any(line.startswith(f"models:/{name}/2") and line.endswith(result["sentence"]) for line in listed)
    assert "Keep the champion" in retrain.text(result) or "Ask" in retrain.text(result)
    # Of a version from before there were records, nobody knows which rows it has seen.
    (registry.files(str(champion)) / RECORD).unlink()
    with pytest.raises(ModelRefusedError, match=r"has no training-record\.json"):
        retrain.run(config_for(home / "second.npz", name), begun)


def test_refused_data_leaves_everything_as_it_was(begun: Path, home: Path) -> None:
    before = content_of(begun, NAME)
    with pytest.raises(DataError, match="label_5"):
        retrain.run(config_for(home / "zeroed.npz"), begun)
    assert content_of(begun, NAME) == before


def test_refused_rows_do_not_hide_among_later_ones(home: Path, tmp_path: Path) -> None:
    name = with_champion(tmp_path, home, "later")
    months = [(1200, 0), (4000, 1), (6000, 2)]
    data = write_data(home / "later.npz", months[:2], zeroed=(1, 4))
    with pytest.raises(DataError, match="vanished"):
        retrain.run(config_for(data, name), tmp_path)
    write_data(data, months, zeroed=(1, 4))
    with pytest.raises(DataError, match=r"vanished.* concerns 4000 of 10000 new rows, the first of them '1-0'"):
        retrain.run(config_for(data, name), tmp_path)
    write_data(data, months)
    assert retrain.run(config_for(data, name), tmp_path)["answer"] in ("promote", "keep")


def test_what_cannot_be_retrained_says_so(begun: Path, home: Path) -> None:
    with (
        claimed(begun / NAME / ".retrain"),
        pytest.raises(BusyError, match="being written by another job"),
    ):
        retrain.run(config_for(home / "second.npz"), begun)
    flat = config_for(home / "first.npz").model_copy(update={"flat": ManyLabelsConfig()})
    with pytest.raises(ConfigError, match="`flat` cannot be retrained"):
        retrain.run(flat, begun)


def _retrain(data: Path, name: str, models: Path) -> None:
    retrain.run(config_for(data, name), models)


@pytest.mark.slow
def test_killed_at_any_moment_the_champion_predicts_and_the_next_start_ends_the_same(begun: Path, home: Path) -> None:
    rows, registry = draw(50, 7).X, ModelRegistry(begun)
    undisturbed, killed = (with_champion(begun, home, name) for name in ("undisturbed", "killed"))
    started = time.monotonic()
    child = SPAWN.Process(target=_retrain, args=(home / "second.npz", undisturbed, begun))
    child.start()
    child.join()
    assert child.exitcode == 0
    seconds, chance = time.monotonic() - started, random.Random(0)
    for _ in range(4):
        child = SPAWN.Process(target=_retrain, args=(home / "second.npz", killed, begun))
        child.start()
        child.join(chance.random() * seconds)
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        champion = CascadePredictor.load(registry.folder(f"models:/{killed}@champion"))
        assert np.isfinite(champion.predict_proba(rows)).all()
    _retrain(home / "second.npz", killed, begun)
    assert content_of(begun, killed) == content_of(begun, undisturbed)


def test_a_champion_that_came_meanwhile_is_not_replaced_unseen(begun: Path, home: Path) -> None:
    name, registry = with_champion(begun, home, "meanwhile"), ModelRegistry(begun)
    config, original = config_for(home / "second.npz", name), retrain_steps.evaluate_step

    def evaluate(job: Any, model: Path, folder: Path) -> None:
        other = registry.register(name, next((begun / NAME).glob("[!.]*")))
        registry.promote(name, other.number, "by hand")
        original(job, model, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrain_steps, "evaluate_step", evaluate)
        with pytest.raises(BusyError, match=f"models:/{name}/2` became champion meanwhile"):
            retrain.run(config, begun)
    assert registry.champion(name).reason == "by hand"


def test_steps_are_done_once_and_never_half(tmp_path: Path) -> None:
    steps, done = StoredSteps(tmp_path / "run"), []

    def failing(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise DataError("stopped")

    with pytest.raises(DataError):
        steps.files("trained", failing)
    assert not (tmp_path / "run" / "trained").exists()
    for _ in range(2):
        found = steps.facts("decided", lambda: done.append(1) or {"answer": 0.1})
        folder = steps.files("trained", lambda folder: done.append(2) or (folder / "model").touch())
    assert (found, done, [path.name for path in folder.iterdir()]) == ({"answer": 0.1}, [1, 2], ["model"])
    assert (steps.known("decided"), steps.known("other")) == (found, None)
    assert key_of({"a": 1, "b": None}) == key_of({"b": None, "a": 1})
