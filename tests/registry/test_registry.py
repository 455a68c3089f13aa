"""The registry: whoever asks for the champion gets a whole model, whatever happens to those who change it."""

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
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cascade import CascadePredictor
from cascade.config.yaml_file import load_config
from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError, RegistryError
from cascade.registry import ModelRegistry, client
from cascade.registry.champions import previous, promoted, until_now
from cascade.registry.packaging import package, requirements
from cascade.registry.reference import Reference
from cascade_pipelines import registry as commands
from cascade_pipelines import train
from cascade_pipelines.cli.app import app
from cascade_pipelines.steps.locate import find_model

pytest.importorskip("mlflow")

# All is imported once, in a server process from which the others are split off.
SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload([__name__, "mlflow.pyfunc", "sklearn.linear_model", "skops.io"])
NAME = "bleeds"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three trained versions, in a folder whose name has a space."""
    home = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3))
    Y = (X[:, :2] + rng.normal(size=(1500, 2)) > 1.8).astype(np.uint8)
    np.savez(home / "rows.npz", X=X, Y=Y, label_names=["crack", "dent"], groups=np.arange(1500) // 3)
    model = {"kind": "logistic_regression"}
    content = {"name": NAME, "data": {"path": str(home / "rows.npz")}, "gate": model, "labeler": {"model": model}}
    (home / "run.yaml").write_text(yaml.safe_dump(content))
    configs = [load_config(home / "run.yaml", [f"seed={seed}"]) for seed in range(3)]
    return [train.run(config, home / "all models")[0] for config in configs]


@pytest.fixture(scope="module")
def filled(versions: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry of two versions, the first one champion; made by three processes at the same time."""
    models = tmp_path_factory.mktemp("registry of all") / "models of all"
    at_the_same_time(models, NAME, [versions[0]] * 3)
    registry = ModelRegistry(models)
    assert [version.number for version in registry.versions(NAME)] == [1]
    registry.register(NAME, versions[1])
    registry.promote(NAME, 1, "the first")
    return models


@pytest.fixture
def registry(filled: Path) -> ModelRegistry:
    return ModelRegistry(filled)


def gate_of(folder: Path) -> float:
    return CascadePredictor.load(folder).rules.gate_threshold


def test_a_version_registers_once_becomes_challenger_and_then_champion(
    registry: ModelRegistry, versions: list[Path]
) -> None:
    assert "steps" not in registry.names()
    first = registry.register("steps", versions[0])
    assert registry.register("steps", versions[0]) == first
    assert (first.number, first.aliases) == (1, ("challenger",))
    assert registry.champion("steps") is None
    promoted = registry.promote("steps", 1, "no champion yet")
    assert (promoted.aliases, promoted.reason) == (("champion",), "no champion yet")
    assert registry.challenger("steps") is None
    second = registry.register("steps", versions[1])
    assert (second.number, registry.challenger("steps")) == (2, second)
    registry.promote("steps", 2, "better")
    registry.promote("steps", 2, "again: nothing moves")
    assert [version.aliases for version in registry.versions("steps")] == [(), ("champion",)]
    assert registry.champions("steps") == [1, 2]
    assert registry.champion("steps").reason == "better"
    assert "steps" in registry.names()


def test_rolling_back_walks_through_the_champions_before(registry: ModelRegistry, versions: list[Path]) -> None:
    for version in versions:
        registry.promote("back", registry.register("back", version).number, "next")
    assert [registry.rollback("back").number for _ in range(2)] == [2, 1]
    with pytest.raises(ModelRefusedError, match="had no champion before version 1"):
        registry.rollback("back")
    registry.promote("back", 3, "after all")
    assert registry.rollback("back", "worse at night").reason == "worse at night"
    assert registry.champion("back").number == 1


def test_the_same_predictions_by_alias_by_number_and_by_folder(
    filled: Path, versions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(1).normal(size=(200, 3))
    expected = CascadePredictor.load(versions[0] / "model").predict_proba(X)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{filled / 'mlflow.db'}")
    for reference in (f"models:/{NAME}@champion", f"models:/{NAME}/1", Path(f"models:/{NAME}@champion")):
        np.testing.assert_array_equal(CascadePredictor.load(reference).predict_proba(X), expected)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    # Without a server it is the registry of the folder `models`.
    monkeypatch.chdir(filled.parent)
    (filled.parent / "models").symlink_to(filled)
    np.testing.assert_array_equal(CascadePredictor.load(f"models:/{NAME}@champion").predict_proba(X), expected)
    assert find_model(Path(f"models:/{NAME}/2")).name == "model"


def test_mlflow_loads_a_registered_model_without_a_pickle(filled: Path, versions: list[Path]) -> None:
    import mlflow.pyfunc

    files = ModelRegistry(filled).files(f"models:/{NAME}@champion")
    told = yaml.safe_load((files / "model" / "MLmodel").read_text())["flavors"]["python_function"]
    assert (told["loader_module"], told["data"]) == ("cascade.registry.pyfunc", "data/model")
    assert not [path for path in files.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]
    X = np.random.default_rng(1).normal(size=(200, 3))
    answer, expected = (
        mlflow.pyfunc.load_model(str(files / "model")).predict(X),
        CascadePredictor.load(versions[0] / "model").examine(X),
    )
    assert list(answer.columns) == [
        "gate_probability",
        "passed_gate",
        "crack_probability",
        "crack",
        "dent_probability",
        "dent",
    ]
    np.testing.assert_array_equal(answer["gate_probability"], expected.gate_proba)
    np.testing.assert_array_equal(answer["passed_gate"], expected.passed_gate)
    np.testing.assert_array_equal(answer[["crack_probability", "dent_probability"]], expected.proba)
    np.testing.assert_array_equal(answer[["crack", "dent"]], expected.labels)


def test_named_columns_may_stand_in_any_order(versions: list[Path], tmp_path: Path) -> None:
    import mlflow.pyfunc
    import pandas as pd

    plain = CascadePredictor.load(versions[0] / "model")
    plain.described(("low", "mid", "high"), {"group": None, "id": None}).save(tmp_path / "model")
    package(tmp_path / "model", tmp_path / "packaged")
    needed = (tmp_path / "packaged" / "requirements.txt").read_text()
    assert "scikit-learn==" in needed
    assert "tensorflow" not in needed
    X = np.random.default_rng(1).normal(size=(200, 3))
    rows = pd.DataFrame(X, columns=["low", "mid", "high"])[["high", "low", "mid"]]
    answer = mlflow.pyfunc.load_model(str(tmp_path / "packaged")).predict(rows)
    np.testing.assert_array_equal(answer[["crack_probability", "dent_probability"]], plain.predict_proba(X))


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        (("gate.keras", "gate.tflite", "labeler.keras"), {"ai-edge-litert", "keras", "tensorflow"}),
        (("gate.keras", "gate.tflite", "labeler.keras", "labeler_int8.onnx"), {"ai-edge-litert", "onnxruntime"}),
        (("gate.keras",), {"keras", "tensorflow"}),
        (("gate.skops",), set()),
    ],
)
def test_a_packaged_model_asks_for_what_computes_each_of_its_networks(
    files: tuple[str, ...], needed: set[str], tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    asked = {line.partition("==")[0] for line in requirements(tmp_path)}
    assert asked & {"ai-edge-litert", "onnxruntime", "keras", "tensorflow"} == needed


def test_a_run_keeps_config_data_commit_environment_figures_and_files(filled: Path, versions: list[Path]) -> None:
    from mlflow import MlflowClient

    version = ModelRegistry(filled).champion(NAME)
    run = MlflowClient(f"sqlite:///{filled / 'mlflow.db'}").get_run(version.run_id)
    report = json.loads((versions[0] / "report.json").read_text())
    crack = report["labels"][0]
    for key in ("average_precision", "average_precision_low", "average_precision_high"):
        assert run.data.metrics[f"{key}/crack"] == crack[key]
    assert run.data.metrics["macro_average_precision"] == report["overall"]["macro_average_precision"]
    assert run.data.params["config.gate.kind"] == "logistic_regression"
    assert run.data.params["data.rows"] == "1200"
    told = json.loads((versions[0] / "environment.json").read_text())
    assert run.data.tags["mlflow.source.git.commit"] == (told["git_commit"] or "unknown")
    assert run.info.status == "FINISHED"
    files = ModelRegistry(filled).files(str(version))
    for name in ("config.yaml", "report.json", "report.txt", "environment.json"):
        assert (files / name).read_bytes() == (versions[0] / name).read_bytes()
    assert {"certificate.json", "data.json", "model"} <= {path.name for path in files.iterdir()}


def test_the_difference_of_two_versions(filled: Path, versions: list[Path]) -> None:
    found = {(one.part, one.key): (one.a, one.b) for one in ModelRegistry(filled).diff(NAME, 1, 2)}
    assert found["config", "seed"] == (0, 1)
    assert found["rules", "gate_threshold"] == (gate_of(versions[0] / "model"), gate_of(versions[1] / "model"))
    assert commands.diff(filled, versions[0], Path(f"models:/{NAME}/1")) == []
    assert {part for part, _ in found} == {"config", "data", "rules", "metrics"}


def test_what_is_not_there_is_told_in_a_sentence(filled: Path, versions: list[Path], tmp_path: Path) -> None:
    registry = ModelRegistry(filled)
    for reference in ("models:/other@champion", f"models:/{NAME}@shadow", f"models:/{NAME}/99"):
        with pytest.raises(ModelRefusedError, match="is not in the registry; `cascade models list`"):
            registry.folder(reference)
    assert registry.champion("other") is None
    with pytest.raises(ModelRefusedError, match="'other' is not in the registry"):
        registry.versions("other")
    with pytest.raises(ConfigError, match="models:/NAME@ALIAS or models:/NAME/VERSION"):
        CascadePredictor.load("models:/bleeds")
    with pytest.raises(ConfigError, match="models:/NAME"):
        registry.register("a name", versions[0])
    with pytest.raises(ModelRefusedError, match="is not a model folder"):
        registry.register(NAME, tmp_path)
    with pytest.raises(RegistryError, match="has no registry; register a model first"):
        ModelRegistry(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_mlflow_training_works_and_the_registry_says_what_is_missing(
    versions: list[Path], tmp_path: Path
) -> None:
    program = f"""
import sys
sys.modules["mlflow"] = None
from pathlib import Path
from cascade import CascadePredictor
from cascade.errors import MissingExtraError
from cascade_pipelines import registry
CascadePredictor.load({str(versions[0] / "model")!r})
assert len(registry.list_versions(Path({str(versions[0].parent.parent)!r}), None)["not_registered"]) == 3
try:
    CascadePredictor.load("models:/bleeds@champion")
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "the registry needs mlflow, which is not installed; run `pip install cascade-multilabel[registry]`."
    )
    assert issubclass(MissingExtraError, ConfigError)


@given(st.lists(st.integers(1, 5), unique=False, max_size=12))
def test_whatever_a_killed_process_wrote_the_champions_before_are_known(steps: list[int]) -> None:
    """Each step promotes a version, dies before the alias moves, or rolls back; a plain list tells the truth."""
    held: list[int] = []
    alias: int | None = None
    truth: list[int] = []
    for step in steps:
        if step == 5:
            before = previous(held, alias)
            assert before == (truth[-2] if len(truth) > 1 else None)
            if before is not None:
                held, alias, truth = until_now(held, alias), before, truth[:-1]
        elif step != alias:
            held = promoted(held, alias, step)
            # A version of even number is written down and never becomes champion.
            if step % 2:
                alias, truth = step, [*truth, step]
    assert until_now(held, alias) == truth


def _read_champion(models: Path, begun: Any, until: Any, seen: Any) -> None:
    """Load the champion again and again; whatever is wrong with it ends this process."""
    registry = ModelRegistry(models)
    X = np.random.default_rng(1).normal(size=(5, 3))
    thresholds = set()
    while not until.is_set():
        predictor = CascadePredictor.load(registry.folder("models:/read@champion"))
        assert np.isfinite(predictor.predict_proba(X)).all()
        thresholds.add(predictor.rules.gate_threshold)
        begun.set()
    seen.put(thresholds)


@pytest.mark.slow
def test_a_reader_sees_one_of_both_through_fifty_promotions_and_rollbacks(filled: Path, versions: list[Path]) -> None:
    registry = ModelRegistry(filled)
    for version in versions[:2]:
        registry.register("read", version)
    registry.promote("read", 1, "the first")
    begun, until, seen = SPAWN.Event(), SPAWN.Event(), SPAWN.Queue()
    reader = SPAWN.Process(target=_read_champion, args=(filled, begun, until, seen))
    reader.start()
    while reader.is_alive() and not begun.is_set():
        time.sleep(0.01)
    for number in range(25):
        registry.promote("read", 2, f"promotion {number}")
        registry.rollback("read")
    until.set()
    reader.join()
    assert reader.exitcode == 0
    assert seen.get() == {gate_of(version / "model") for version in versions[:2]}
    assert registry.champion("read").number == 1


def _register(models: Path, name: str, version: Path) -> None:
    registry = ModelRegistry(models)
    registry.promote(name, registry.register(name, version).number, "better")


def content_of(models: Path, name: str) -> Any:
    """What a registry says of a model, without names of runs and times."""
    registry = ModelRegistry(models)
    runs = len(list((models / "mlflow-artifacts" / name).iterdir()))
    told = [(version.number, version.aliases, version.sha256, version.reason) for version in registry.versions(name)]
    return told, registry.champions(name), runs


@pytest.mark.slow
def test_killed_while_registering_the_champion_loads_and_a_second_start_completes_it(
    filled: Path, versions: list[Path]
) -> None:
    registry = ModelRegistry(filled)
    names = ["undisturbed", *(f"killed-{attempt}" for attempt in range(6))]
    seconds, chance = None, random.Random(0)
    for name in names:
        registry.promote(name, registry.register(name, versions[0]).number, "the first")
        started = time.monotonic()
        child = SPAWN.Process(target=_register, args=(filled, name, versions[1]))
        child.start()
        child.join(None if seconds is None else chance.random() * seconds)
        seconds = seconds or time.monotonic() - started
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        champion = registry.champion(name)
        assert gate_of(registry.folder(str(champion))) == gate_of(versions[champion.number - 1] / "model")
        _register(filled, name, versions[1])
        assert content_of(filled, name) == content_of(filled, "undisturbed")


class Cut:
    """A client of the registry that dies before one of its changes."""

    def __init__(self, client: Any, changes: int) -> None:
        self.client, self.left = client, changes

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("set_", "delete_")):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return getattr(self.client, name)


def test_a_promotion_that_was_cut_anywhere_is_completed_by_doing_it_again(filled: Path, versions: list[Path]) -> None:
    whole, cuts = ModelRegistry(filled), 0
    for version in versions[:2]:
        whole.register("cut", version)
    for changes in range(10):
        whole.promote("cut", 1, "before")
        whole.register("cut", versions[1])
        registry = ModelRegistry(filled)
        registry._client = Cut(registry._client, changes)
        try:
            registry.promote("cut", 2, "better")
        except KeyboardInterrupt:
            cuts += 1
        assert whole.champion("cut").number in (1, 2)
        _register(filled, "cut", versions[1])
        told = [(version.number, version.aliases, version.reason) for version in whole.versions("cut")]
        assert told == [(1, (), "before"), (2, ("champion",), "better")]
    assert 3 <= cuts < 10


def test_versions_that_are_registered_at_the_same_time_each_get_a_number(filled: Path, versions: list[Path]) -> None:
    at_the_same_time(filled, "crowd", versions)
    told, _, runs = content_of(filled, "crowd")
    assert ([number for number, *_ in told], runs) == ([1, 2, 3], 3)
    assert len({digest for _, _, digest, _ in told}) == 3


def at_the_same_time(models: Path, name: str, versions: list[Path]) -> None:
    """Register versions by a process each."""
    children = [SPAWN.Process(target=_make_and_register, args=(models, name, version)) for version in versions]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * len(versions)


def _make_and_register(models: Path, name: str, version: Path) -> None:
    ModelRegistry(models, make=True).register(name, version)


def test_listing_tells_what_is_champion_and_what_nobody_registered(filled: Path, versions: list[Path]) -> None:
    facts = commands.list_versions(filled, NAME)
    assert [row["aliases"] for row in facts["registered"]] == [["champion"], ["challenger"]]
    assert facts["not_registered"] == []
    text = commands.list_text(facts)
    assert f"models:/{NAME}/1" in text
    assert "champion since" in text
    alone = commands.list_versions(versions[0].parent.parent, NAME)
    assert alone["not_registered"] == [str(version) for version in sorted(versions)]
    with pytest.raises(ModelRefusedError, match="holds no model 'other'"):
        commands.list_versions(filled, "other")


def test_the_commands_promote_roll_back_show_and_compare(filled: Path, versions: list[Path]) -> None:
    def told(*command: str) -> Any:
        done = CliRunner().invoke(app, ["models", *command, "--models", str(filled), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    for number, version in enumerate(versions[:2], start=1):
        assert told("register", str(version), "--name", "by-hand")["number"] == number
        assert told("promote", "by-hand", str(number), "--reason", "tried")["aliases"] == ["champion"]
    assert told("rollback", "by-hand")["number"] == 1
    assert [row["number"] for row in told("list", "by-hand")["registered"]] == [1, 2]
    shown = told("show", "models:/by-hand@champion")
    assert shown["gate_threshold"] == gate_of(versions[0] / "model")
    differences = told("diff", "models:/by-hand/1", "models:/by-hand/2")["differences"]
    assert {"part": "config", "key": "seed", "a": 0, "b": 1} in differences


def test_references_are_read_as_they_are_written() -> None:
    for text in ("models:/a@champion", "models:/a.b-c/12"):
        assert str(Reference.parse(text)) == text
    for text in ("models:/a", "models:/../b/1", "models:/a/0", "models:/a@", "models:/a/b/1"):
        with pytest.raises(ConfigError, match="must be given as"):
            Reference.parse(text)


def test_passwords_of_addresses_are_never_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in (
        "postgresql://me:se/cr@et@127.0.0.1:1/runs",
        "mysql+pymysql://me:secret@127.0.0.1:1/runs?ssl=1&password=secret",
        "http://me:secret@127.0.0.1:1",
        "mssql://127.0.0.1:1/runs?PWD=secret",
        "nosuch://me:secret@host/runs",
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        done = CliRunner().invoke(app, ["models", "list"])
        assert isinstance(done.exception, RegistryError), (address, done.exception)
        sentence = str(done.exception)
        assert "secret" not in sentence + done.output
        assert "se/cr" not in sentence + done.output
        assert len(sentence.splitlines()) == 1


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("sqlite:///{}/mistyped.db", "mistyped.db` does not exist"),
        ("sqlite:///{}/empty.db", "empty.db` is empty"),
        ("sqlite://", "must name a database file"),
        ("sqlite:///:memory:", "must name a database file"),
        ("file://{}/mistyped", "mistyped` does not exist"),
        ("{}/mistyped", "mistyped` does not exist"),
        ("sqlite:///{}/text.db", "the registry could not"),
    ],
)
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_a_mistyped_address_creates_nothing(
    variable: str, uri: str, words: str, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("no database " * 500)
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{filled / 'mlflow.db'}")
    monkeypatch.setenv(variable, uri.format(tmp_path))
    for make in (False, True):
        with pytest.raises(RegistryError) as caught:
            ModelRegistry(tmp_path / "models", make=make).names()
        assert words in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_locked_database_is_one_sentence(versions: list[Path], tmp_path: Path) -> None:
    import sqlite3

    registry = ModelRegistry(tmp_path, make=True)
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match="database is locked"):
            registry.names()
        other.execute("ROLLBACK")
    assert registry.names() == []


def test_all_pages_of_models_and_versions_are_read(versions: list[Path], tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path, make=True)
    registry.register("zinc", versions[0])
    client = registry._client

    class Paged:
        """The same registry, which returns one model or version per page, as a server may."""

        def __getattr__(self, name: str) -> Any:
            original = getattr(client, name)
            if not name.startswith("search_registered_models") and name != "search_model_versions":
                return original
            return lambda *given, **options: original(*given, **(options | {"max_results": 1}))

    for number in range(3):
        client.create_registered_model(f"aa{number}")
        client.create_model_version("zinc", "file:///nowhere")
    registry._client = Paged()
    assert registry.names() == ["aa0", "aa1", "aa2", "zinc"]
    assert [version.number for version in registry.versions("zinc")] == [1, 2, 3, 4]
    assert commands.list_versions(tmp_path, "zinc")["registered"][0]["sha256"]


@pytest.mark.parametrize("name", ["the baker's", 'a "quoted" one', "50 % _", "schön"])
def test_models_of_other_tools_are_listed_and_refused_and_stop_nothing(
    name: str, versions: list[Path], tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path, make=True)
    registry.promote("zinc", registry.register("zinc", versions[0]).number, "first")
    registry._client.create_registered_model(name)
    registry._client.create_model_version(name, "file:///nowhere")
    registry._client.create_registered_model("other")
    registry._client.create_model_version("other", "file:///nowhere")
    facts = commands.list_versions(tmp_path, None)
    assert [(one["name"], bool(one["sha256"])) for one in facts["registered"]] == [("other", False), ("zinc", True)]
    assert facts["passed_over"] == [name]
    text = commands.list_text(facts)
    assert "registered by another tool" in text
    assert f"{name!r}  passed over" in text
    for refused in (lambda: registry.folder("models:/other/1"), lambda: registry.promote("other", 1, "unseen")):
        with pytest.raises(ModelRefusedError, match="`models:/other/1` is no cascade"):
            refused()
    assert registry.champion("other") is None


def test_a_table_of_whole_numbers_and_booleans_passes_its_own_signature(versions: list[Path], tmp_path: Path) -> None:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.exceptions import MlflowException

    plain = CascadePredictor.load(versions[0] / "model")
    plain.described(("count", "flag", "size"), {"group": None, "id": None}).save(tmp_path / "model")
    package(tmp_path / "model", tmp_path / "packaged")
    served = mlflow.pyfunc.load_model(str(tmp_path / "packaged"))
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.integers(0, 9, 50), rng.random(50) < 0.5, rng.normal(size=50)])
    rows = pd.DataFrame({"count": X[:, 0].astype("int64"), "flag": X[:, 1] > 0, "size": X[:, 2]})
    expected = plain.predict_proba(X)
    for frame in (rows, rows.astype(float), rows.assign(count=rows["count"].astype("int32")), rows.astype("float32")):
        answer = served.predict(frame)[["crack_probability", "dent_probability"]]
        np.testing.assert_allclose(answer, expected, atol=1e-6)
    with pytest.raises(MlflowException, match="missing inputs"):
        served.predict(rows.drop(columns="flag"))


def test_of_two_downloads_at_once_one_is_kept_and_an_empty_one_never(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    registry = ModelRegistry(filled)
    run_id = registry.champion(NAME).run_id
    kept = tmp_path / "cascade" / run_id

    class Raced:
        """The same client; another process completes its download while this one downloads."""

        def download_artifacts(self, *given: str) -> None:
            registry._client.download_artifacts(*given)
            client._fetched(registry._client, run_id)

    assert client._fetched(Raced(), run_id) == kept
    assert gate_of(kept / "model" / "data" / "model") == gate_of(registry.folder(f"models:/{NAME}@champion"))
    assert [path.name for path in kept.parent.iterdir()] == [run_id]
    empty = registry._client.create_run("0").info.run_id
    with pytest.raises(ModelRefusedError, match=f"has no files of run {empty}"):
        client._fetched(registry._client, empty)
    assert [path.name for path in kept.parent.iterdir()] == [run_id]


def test_a_model_folder_stands_for_its_newest_version(versions: list[Path], tmp_path: Path) -> None:
    newest = sorted(versions)[-1]
    registered = commands.register(tmp_path, versions[0].parent, None)
    assert registered["sha256"] == commands.register(tmp_path, newest, None)["sha256"]
    assert commands.diff(tmp_path, versions[0].parent, newest) == []
    with pytest.raises(ModelRefusedError, match="is registered already"):
        commands.register(tmp_path, Path(f"models:/{NAME}/1"), None)
    with pytest.raises(ModelRefusedError, match="is not a version"):
        commands.diff(tmp_path, tmp_path, newest)
