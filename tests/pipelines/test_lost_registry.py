"""A registry that has lost a champion: no first model takes its place, and no alias moves to files that are gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cascade.errors import CascadeError, ModelRefusedError

pytest.importorskip("mlflow")

from cascade.registry import ModelRegistry
from cascade.registry.client import DATABASE
from cascade_pipelines import retrain
from cascade_pipelines.retrain import HOME
from tests.pipelines.test_retrain import SPAWN, config_for, write_data

NAME = "lost"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lost")
    write_data(folder / "first.npz", [(1200, 0)])
    write_data(folder / "second.npz", [(1200, 0), (2000, 1)])
    return folder


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    models = home / "models"
    assert retrain.run(config_for(home / "first.npz", NAME), models)["answer"] == "promote"
    return models


@pytest.fixture
def models(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """The registry at its place, since its database has absolute paths; restored after each test."""
    shutil.copytree(trained, tmp_path / "kept")
    yield trained
    shutil.rmtree(trained)
    shutil.move(tmp_path / "kept", trained)


def client(models: Path) -> Any:
    return ModelRegistry(models)._client


def without_database(models: Path) -> None:
    (models / DATABASE).unlink()


def with_an_empty_registry(models: Path) -> None:
    (models / DATABASE).unlink()
    ModelRegistry(models, make=True)


def without_the_model(models: Path) -> None:
    client(models).delete_registered_model(NAME)


def without_the_version(models: Path) -> None:
    client(models).delete_model_version(NAME, "1")


def without_the_alias(models: Path) -> None:
    client(models).delete_registered_model_alias(NAME, "champion")


def without_database_and_steps(models: Path) -> None:
    with_an_empty_registry(models)
    shutil.rmtree(models / NAME / HOME)


def without_database_and_versions(models: Path) -> None:
    with_an_empty_registry(models)
    for version in (models / NAME).glob("[!.]*"):
        shutil.rmtree(version)


def with_a_database_of_no_bytes(models: Path) -> None:
    (models / DATABASE).write_bytes(b"")


def with_a_damaged_database(models: Path) -> None:
    (models / DATABASE).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)


def without_the_files(models: Path) -> None:
    shutil.rmtree(ModelRegistry(models).files(f"models:/{NAME}/1"))


LOST: dict[str, tuple[Callable[[Path], None], str]] = {
    "no database": (without_database, "the registry has lost a version of 'lost'"),
    "an empty registry": (with_an_empty_registry, "the registry has lost a version of 'lost'"),
    "an empty registry, steps removed": (without_database_and_steps, "the registry has lost a version of 'lost'"),
    "an empty registry, versions removed": (without_database_and_versions, "the registry has lost a version"),
    "a database of no bytes": (with_a_database_of_no_bytes, "is empty; correct its address, or restore the file"),
    "a damaged database": (with_a_damaged_database, "the registry could not"),
    "no registered model": (without_the_model, "the registry has lost a version of 'lost'"),
    "no version": (without_the_version, "has no champion, and version 1 was"),
    "no alias": (without_the_alias, "has no champion, and version 1 was"),
    "no files": (without_the_files, "must hold a registered model but does not exist"),
}


def answer(loss: str, data: Path, models: Path, answers: Any) -> None:
    """Lose something and retrain; in a process of its own, as MLflow keeps connections to a database that is gone."""
    LOST[loss][0](models)
    try:
        answers.put(retrain.run(config_for(data, NAME), models)["sentence"])
    except CascadeError as error:
        answers.put(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("loss", LOST)
def test_a_lost_champion_is_not_replaced_by_a_first_model(loss: str, models: Path, home: Path) -> None:
    answers = SPAWN.Queue()
    child = SPAWN.Process(target=answer, args=(loss, home / "second.npz", models, answers))
    child.start()
    sentence = answers.get(timeout=120)
    child.join()
    assert sentence.startswith(("ModelRefusedError: ", "RegistryError: "))
    assert LOST[loss][1] in sentence
    assert len(sentence.splitlines()) == 1
    if loss == "no database":
        assert not (models / DATABASE).exists()


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Path:
    """Another registry, for tests that change it in this process."""
    assert retrain.run(config_for(home / "first.npz", NAME), tmp_path / "models")["answer"] == "promote"
    return tmp_path / "models"


def test_no_alias_moves_to_a_version_whose_files_are_gone_or_changed(own: Path) -> None:
    registry = ModelRegistry(own)
    (version,) = (own / NAME).glob("[!.]*")
    assert registry.register(NAME, version).number == 1
    files = registry.files(f"models:/{NAME}/1")
    for name in ("gate.skops", "cascade.json"):
        path = registry.folder(f"models:/{NAME}/1") / name
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(ModelRefusedError):
            registry.promote(NAME, 1, "no file")
        path.write_bytes(content[:-1] + b"?")
        with pytest.raises(ModelRefusedError):
            registry.promote(NAME, 1, "another file")
        path.write_bytes(content)
    other = registry._created(NAME, version, "0" * 64, None)
    registry._client.set_model_version_tag(NAME, other.version, "cascade.sha256", "0" * 64)
    with pytest.raises(ModelRefusedError, match="is not the model that was registered as"):
        registry.promote(NAME, int(other.version), "another model")
    registry._client.set_registered_model_tag(NAME, "cascade.champions", f"[1, {other.version}]")
    registry._client.set_registered_model_alias(NAME, "champion", other.version)
    shutil.rmtree(files)
    with pytest.raises(ModelRefusedError, match="does not exist"):
        registry.rollback(NAME)
    assert registry.champion(NAME).number == int(other.version)


def test_a_former_champion_that_was_deleted_does_not_stop_the_next_run(own: Path, home: Path) -> None:
    registry = ModelRegistry(own)
    registry._client.set_registered_model_tag(NAME, "cascade.champions", "[9, 1]")
    assert retrain.run(config_for(home / "second.npz", NAME), own)["champion"] == 1
    registry._client.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(ModelRefusedError, match="models:/lost/9` is not in the registry"):
        registry.rollback(NAME)
