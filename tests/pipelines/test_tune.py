"""The search for the cascade that pays, as users run it: rows, figures, choice, kills and the written config."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from cascade.config.build import build_cascade, with_defaults
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade.data.splits import grouped_holdout
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.errors import BusyError, ConfigError, MissingExtraError
from cascade.predictor import CascadePredictor
from cascade.tuning.problem import JUDGED
from cascade.tuning.trial import Setting
from cascade.utils.locking import claimed

pytest.importorskip("optuna")

from cascade_pipelines import train, tune
from cascade_pipelines.cli.app import app
from cascade_pipelines.steps.run_data import load, split
from cascade_pipelines.steps.tuning_space import config_of
from tests.reports.pages import Page

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload([__name__, "optuna", "sklearn.linear_model", "skops.io"])
OPTIONS = tune.Options(trials=12, folds=1)
# Instead of folds, which the default chooses for so few rows and which would take several times as long.
HELD_OUT = {"negative_pool": "gated", "calibration_folds": None}
MEASURED = {"seconds", "seconds_per_row", "time_of_flat"}


def write(path: Path, X: Any, Y: Any, names: Any, groups: Any) -> Path:
    np.savez(path, X=X, Y=Y, label_names=names, groups=groups)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = draw(8000, 0)
    return write(tmp_path_factory.mktemp("data") / "truth.npz", rows.X, rows.Y, LABEL_NAMES, rows.groups)


def config_for(data: Path, name: str = "tuned", kind: str = "logistic_regression") -> RunConfig:
    model = {"kind": kind}
    body = {"name": name, "data": {"path": data}, "gate": model, "labeler": {"model": model}, "cascade": HELD_OUT}
    return RunConfig.model_validate(body)


@pytest.fixture(scope="module")
def tuned(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    return tune.run(config_for(table), tmp_path_factory.mktemp("models"), OPTIONS)


def lasting(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what was measured, which differs from run to run."""
    trials = [{key: value for key, value in row.items() if key not in MEASURED} for row in result["trials"]]
    return {**result, "trials": trials}


def test_on_known_truth_a_cascade_pays(tuned: tuple[Path, dict[str, Any]]) -> None:
    _, result = tuned
    chosen, flat = (result["trials"][result[key]] for key in ("chosen", "flat"))
    assert result["pays"]
    assert chosen["kind"] == "cascade"
    # Two thirds is what `compare` calls cheaper.
    assert chosen["share_of_flat"] < 1 / 1.5
    assert chosen["difference_low"] >= -result["margin"]
    assert flat["kind"] == "flat"
    assert result["verdict"].startswith("A cascade pays")


def test_the_figures_are_those_of_an_independent_computation(tuned: tuple[Path, dict[str, Any]], table: Path) -> None:
    _, result = tuned
    config = config_for(table)
    data = read_data(table)
    assert data.Y is not None
    training, _ = split(config, data)
    known = data.part(training)
    assert known.Y is not None
    judged = grouped_holdout(known.Y, known.groups, JUDGED, config.seed + 2)
    develop, judge = known.part(np.flatnonzero(~judged)), known.part(np.flatnonzero(judged))
    assert judge.Y is not None
    for number in {result["chosen"], result["flat"], *result["curve"]}:
        row = result["trials"][number]
        model = build_cascade(config_of(config, Setting(row["kind"], row["values"])), data)
        prediction = model.fit(develop.X, develop.Y, groups=develop.groups).examine(judge.X)
        assert row["quality"] == pytest.approx(average_precision_score(judge.Y, prediction.proba), abs=1e-12)
        passed = prediction.passed_gate
        recall = [passed[judge.Y[:, k] > 0].mean() for k in range(len(LABEL_NAMES)) if judge.Y[:, k].any()]
        assert row["lowest_recall"] == pytest.approx(min(recall), abs=1e-12)
        # A weight is a multiplication and an addition: six features, one output of the gate, five of the labeler.
        operations = 12 + passed.mean() * 60 if row["kind"] == "cascade" else 72
        assert row["operations_per_row"] == pytest.approx(operations, abs=1e-9)


def test_the_test_rows_are_not_used(tuned: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path) -> None:
    _, result = tuned
    rows = draw(8000, 0)
    _, testing = split(config_for(table), read_data(table))
    X = rows.X.copy()
    X[testing] = np.random.default_rng(0).normal(scale=100, size=X[testing].shape)
    other = write(tmp_path / "other.npz", X, rows.Y, LABEL_NAMES, rows.groups)
    _, again = tune.run(config_for(other), tmp_path, OPTIONS)
    assert lasting(again) == lasting(result)


def test_the_written_config_trains_the_chosen_model(tuned: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, result = tuned
    written = load_config(folder / "config.yaml")
    setting = Setting(result["trials"][result["chosen"]]["kind"], result["trials"][result["chosen"]]["values"])
    # The search begins at what "auto" means for these rows, and the written config says it.
    config = config_for(written.data.path)
    assert written == config_of(with_defaults(config, load(config).with_dense_labels()), setting)
    version, _ = train.run(written, tmp_path)
    assert CascadePredictor.load(version / "model").label_names == LABEL_NAMES


def test_the_result_is_on_the_page_and_in_the_files(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    assert json.loads((folder / "tune.json").read_text()) == result
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    words = page.words()
    assert result["verdict"] in words
    assert result["verdict"] in (folder / "tune.txt").read_text()
    for number in result["curve"]:
        assert f"{result['trials'][number]['quality']:.4f}" in words
    judged = [row for row in result["trials"] if "quality" in row]
    # One point per trial in the first chart, one per measured model in the second, and a ring around both choices.
    timed = [row for row in judged if row["seconds_per_row"] is not None]
    kinds = [attributes["class"] for attributes in page.of("circle")]
    assert len(kinds) == len(judged) + len(timed) + 2
    assert kinds.count("chosen") == 2
    sections = [attributes["id"] for attributes in page.of("section")]
    assert sections == ["verdict", "curve", "models", "trials", "space", "data", "lint"]


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels that features hardly predict, so that a gate passes nearly every row."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 6))
    Y = (rng.random((4000, 3)) < 1 / (1 + np.exp(1.6 - 0.25 * X[:, :3]))).astype(np.uint8)
    return write(tmp_path_factory.mktemp("data") / "weak.npz", X, Y, ("a", "b", "c"), np.arange(4000) // 2)


def test_where_no_cascade_pays_the_flat_config_is_written_and_trains(weak: Path, tmp_path: Path) -> None:
    folder, result = tune.run(config_for(weak), tmp_path, tune.Options(trials=8, folds=2))
    assert not result["pays"]
    assert result["trials"][result["chosen"]]["kind"] == "flat"
    assert result["verdict"].startswith("No cascade pays")
    written = load_config(folder / "config.yaml")
    assert written.gate.kind == "none"
    version, report = train.run(written, tmp_path)
    assert report["overall"]["share_past_gate"] == 1
    assert CascadePredictor.load(version / "model").predict(np.zeros((3, 6))).shape == (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random_forest", "hist_gradient_boosting"])
def test_trees_are_tuned_too(kind: str, table: Path, tmp_path: Path) -> None:
    config = config_for(table, kind=kind)
    options = {"random_forest": {"n_estimators": 8, "max_depth": 6}, "hist_gradient_boosting": {"max_iter": 10}}[kind]
    for part in (config.gate, config.labeler.model):
        part.options = options
    _, result = tune.run(config, tmp_path, tune.Options(trials=7, folds=1))
    sizes = [row["operations_per_row"] for row in result["trials"][:3]]
    assert len(set(sizes)) == 3
    assert {row["kind"] for row in result["trials"]} == {"flat", "cascade"}


def run(data: Path, models: Path, name: str) -> None:
    tune.run(config_for(data, name), models, OPTIONS)


def start(*given: Any) -> Any:
    process = SPAWN.Process(target=run, args=given)
    process.start()
    return process


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_like_an_undisturbed_search(
    tuned: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path
) -> None:
    _, wanted = tuned
    rng, kills = random.Random(0), 0
    # Ten kills within one search: each comes after a tenth of its time at most.
    most = sum(row["seconds"] for row in wanted["trials"]) / 10
    while kills < 10:
        process = start(table, tmp_path, "killed")
        process.join(rng.uniform(0, most))
        # A search that ends before its kill is begun again, to the same end.
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
    last = start(table, tmp_path, "killed")
    last.join()
    assert last.exitcode == 0
    found = json.loads(max((tmp_path / "killed").glob("tune-*/tune.json")).read_text())
    assert lasting(found) == lasting(wanted)


@pytest.mark.slow
def test_a_killed_search_of_networks_ends_like_an_undisturbed_one(phantom_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    network = {"network_options": {"width": 9}, "epochs": 1, "learning_rate": 0.004}
    content = {
        "data": {"path": str(phantom_folder)},
        "gate": network,
        "labeler": {"model": network, "pretrain": "all"},
        "cascade": HELD_OUT,
        "runtimes": [],
    }

    def search(name: str) -> subprocess.Popen[bytes]:
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({"name": name, **content}))
        options = ["--models", str(tmp_path), "--trials", "6", "--folds", "1"]
        command = [sys.executable, "-m", "cascade_pipelines.cli", "tune", str(path), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def result(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(max((tmp_path / name).glob("tune-*/tune.json")).read_text())
        return lasting(found)

    assert search("undisturbed").wait() == 0
    # Trials 0 to 3 are flat, and trial 4 is an exit, of two parts. The first cascade is trial 5: when its gate is kept,
    # it has yet to fit gates of folds, and to fine-tune.
    killed = search("killed")
    while killed.poll() is None and len(list((tmp_path / "killed" / tune.HOME).glob("parts/*/0/[!.]*"))) < 7:
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert search("killed").wait() == 0
    assert result("killed") == result("undisturbed")
    assert [trial["kind"] for trial in result("killed")["trials"]] == [*["flat"] * 4, "exit", "cascade"]


@pytest.mark.slow
def test_more_trials_continue_a_search(tuned: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path) -> None:
    _, wanted = tuned
    fewer = tune.Options(trials=5, folds=1)
    _, first = tune.run(config_for(table), tmp_path, fewer)
    _, again = tune.run(config_for(table), tmp_path, fewer)
    assert [row["seconds"] for row in again["trials"]] == [row["seconds"] for row in first["trials"]]
    _, longer = tune.run(config_for(table), tmp_path, OPTIONS)
    assert lasting(longer) == lasting(wanted)
    _, fresh = tune.run(config_for(table), tmp_path, tune.Options(trials=5, folds=1, fresh=True))
    assert lasting(fresh) == lasting(first)
    assert fresh["trials"][0]["seconds"] != first["trials"][0]["seconds"]


def test_the_command_prints_the_choice(tuned: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path) -> None:
    _, wanted = tuned
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config_for(table).model_dump(mode="json")))
    given = ["tune", str(path), "--models", str(tmp_path), "--trials", "4", "--folds", "1"]
    done = CliRunner().invoke(app, [*given, "--json"])
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert lasting({"trials": facts["trials"]})["trials"][0]["quality"] == wanted["trials"][0]["quality"]
    assert Path(facts["config"]).exists()
    assert Path(facts["page"]).exists()
    text = CliRunner().invoke(app, given).stdout
    assert facts["verdict"] in text
    assert "config: " in text


def test_without_optuna_the_missing_extra_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="tuning needs Optuna; install the extra `tune`"):
        tune.run(config_for(table), tmp_path, OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_it_refuses_what_it_cannot_tune(table: Path, tmp_path: Path) -> None:
    flat = RunConfig.model_validate({"name": "flat", "data": {"path": table}, "flat": {}})
    with pytest.raises(ConfigError, match="`flat` has no gate and no labeler to tune"):
        tune.run(flat, tmp_path, OPTIONS)
    with pytest.raises(ConfigError, match="`--metric` must be one of macro_average_precision"):
        tune.run(config_for(table), tmp_path, tune.Options(metric="speed"))
    with claimed(tmp_path / "tuned" / tune.HOME), pytest.raises(BusyError):
        tune.run(config_for(table), tmp_path, OPTIONS)
