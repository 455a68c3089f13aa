"""A training that is killed again and again publishes the model of an undisturbed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("keras")

from cascade.config.yaml_file import load_config
from cascade.datasets.phantom import write_phantom
from cascade.estimators.neural.training.stored_training import StoredTraining
from cascade.predictor import CascadePredictor
from cascade_pipelines import train
from cascade_pipelines.steps.resuming import HOME


class Killed(BaseException):
    """A kill within the process: nothing of the package catches it."""


@pytest.fixture
def config(tmp_path: Path) -> Any:
    write_phantom(tmp_path / "phantom", rows=300, size=16, seed=0)
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 2}, "epochs": 2, "batch_size": 128}
    content = {
        "name": "bleeds",
        "data": {"path": str(tmp_path / "phantom"), "group": "patient"},
        "gate": network,
        "labeler": {"model": network, "pretrain": "none"},
        "cascade": {"negative_pool": "positives", "calibration_folds": None},
        "runtimes": [],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    return load_config(tmp_path / "run.yaml")


def trained(config: Any, models: Path, kill_after: int = 0, fresh: bool = False) -> tuple[Path | None, list[int]]:
    """Train, and kill after so many states were written; return the version, and the epochs of the states."""
    write, epochs = StoredTraining._write, []

    def killing(self: StoredTraining, facts: dict[str, Any], *given: Any) -> None:
        write(self, facts, *given)
        epochs.append(facts.get("epoch", 0))
        if len(epochs) == kill_after:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoredTraining, "_write", killing)
        try:
            return train.run(config, models, fresh)[0], epochs
        except Killed:
            return None, epochs


def test_killed_trainings_publish_what_an_undisturbed_one_does(config: Any, tmp_path: Path) -> None:
    undisturbed, _ = trained(config, tmp_path / "undisturbed")
    models = tmp_path / "killed"
    for _ in range(2):
        assert trained(config, models, kill_after=2)[0] is None
    assert {path.name[0] for path in (models / "bleeds").iterdir()} == {"."}
    version, epochs = trained(config, models)
    # Gate and labeler have two epochs and final weights each, of which two starts have written four.
    assert epochs == [2, 0]
    assert not list((models / "bleeds" / HOME).iterdir())
    X = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), dtype=np.uint8)
    first, second = (CascadePredictor.load(place / "model").predict_proba(X) for place in (undisturbed, version))
    np.testing.assert_array_equal(first, second)


def test_a_fresh_training_begins_again(config: Any, tmp_path: Path) -> None:
    for fresh, begun in ((False, [1]), (False, [2]), (True, [1])):
        assert trained(config, tmp_path, kill_after=1, fresh=fresh)[1] == begun
