"""Twelve faults on purpose: each ends with its named reason or its stated degrade, the champion untouched."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade import CascadePredictor
from cascade.config.schema import RunConfig
from cascade.data.readers.dataset import Dataset
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.errors import CascadeError, DataError
from cascade.retraining.memory.held_out import held_out_rows
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import hashes_of

pytest.importorskip("mlflow")

from cascade.registry import ModelRegistry
from cascade_pipelines import retrain, train
from cascade_pipelines.steps.version import RECORD

ROWS = 8000
NAME = "bleeds"
ASKED = draw(500, seed=9).X
REGRESSION = {"kind": "logistic_regression"}


def batch(rows: int = ROWS, seed: int = 1) -> Dataset:
    drawn = draw(rows, seed)
    patients = np.array([f"{seed}-{number}" for number in drawn.groups])
    ids = np.array([f"{seed}-{row}" for row in range(rows)])
    return Dataset(drawn.X, drawn.Y.copy(), LABEL_NAMES, patients, ids)


def run(data: Dataset, models: Path, name: str = NAME, gate: Any = REGRESSION) -> dict[str, Any]:
    """Retrain on a batch, as the scheduled job does."""
    path = models.with_name("batch.npz")
    np.savez(path, X=data.X, Y=data.Y, label_names=data.label_names, groups=data.groups, ids=data.ids)
    promotion = {"fewest_positives": 50, "draws": 100, "speed": None}
    content = {"name": name, "data": {"path": path}, "gate": gate, "labeler": {"model": REGRESSION}}
    config = RunConfig.model_validate(content | {"runtimes": [], "retrain": {"promotion": promotion}})
    with warnings.catch_warnings():
        # That a label has nothing to learn from is said by a warning; what is judged here is the answer.
        warnings.simplefilter("ignore")
        return retrain.run(config, models)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a champion."""
    folder = tmp_path_factory.mktemp("faults") / "models"
    assert run(batch(seed=0), folder)["answer"] == "promote"
    return folder


def champion_in(models: Path) -> tuple[str, str, bytes]:
    """Who serves, what is remembered of its rows, and what it answers."""
    registry = ModelRegistry(models)
    champion = registry.champion(NAME)
    record = (registry.files(str(champion)) / RECORD).read_text()
    return str(champion), record, CascadePredictor.load(registry.folder(str(champion))).predict_proba(ASKED).tobytes()


def kept_in(models: Path) -> tuple[Any, ...]:
    """The champion, all versions, and all folders that were published."""
    versions = [str(version) for version in ModelRegistry(models).versions(NAME)]
    return champion_in(models), versions, sorted((models / NAME).glob("[!.]*"))


def refused(data: Dataset, models: Path, error: type[CascadeError] = DataError, **options: Any) -> str:
    """Sentence with which a batch is refused; nothing was published, registered or promoted."""
    before = kept_in(models)
    with pytest.raises(error) as caught:
        run(data, models, **options)
    assert kept_in(models) == before
    return str(caught.value)


def with_findings(change: Callable[[Any], Any]) -> Dataset:
    data = batch()
    assert data.Y is not None
    findings = change(data.Y[:, :5].copy())
    return replace(data, Y=np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8))


def nan_feature() -> Dataset:
    data = batch()
    data.X[17, 3] = np.nan
    return data


def zeroed(Y: Any) -> Any:
    Y[:, 2] = 0
    return Y


def constant_among_positives(Y: Any) -> Any:
    Y[:, 1] = Y.any(axis=1)
    return Y


def three_rows(Y: Any) -> Any:
    Y[np.flatnonzero(Y[:, 0])[3:], 0] = 0
    return Y


def in_one_patient(Y: Any) -> Any:
    """All positives of a label in one patient, so that all folds but one are without it."""
    Y[:, 0] = 0
    Y[:8, 0] = 1
    return Y


def shuffled() -> Dataset:
    data = batch()
    assert data.Y is not None
    return replace(data, Y=data.Y[np.random.default_rng(0).permutation(len(data))])


def three_times_the_prevalence() -> Dataset:
    """All patients with a label, and of the rows without one only as many as leaves a third of the rows."""
    data = batch(rows=3 * 5000)
    assert data.Y is not None
    positive = data.Y.any(axis=1)
    kept = np.random.default_rng(0).random(len(data)) < (1 / 3 - positive.mean()) / (~positive).mean()
    return data.part(np.flatnonzero(positive | kept))


REFUSED: dict[str, tuple[Callable[[], Dataset], str]] = {
    "nan feature": (nan_feature, "an invalid row 17: feature 3 is empty or NaN"),
    "label column zeroed": (lambda: with_findings(zeroed), "'label_3' vanished"),
    "all rows positive": (lambda: replace(batch(), Y=np.ones((ROWS, 6), np.uint8)), "on in every row"),
    "all rows negative": (lambda: replace(batch(), Y=np.zeros((ROWS, 6), np.uint8)), "no row has"),
    "constant among positives": (lambda: with_findings(constant_among_positives), "'label_2'"),
    "shuffled labels": (shuffled, "mixed up"),
    "half of the rows lost": (lambda: batch().part(np.arange(ROWS // 2)), "were rows lost"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_names_its_reason_before_any_training(
    fault: str, models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make, words = REFUSED[fault]
    monkeypatch.setattr(train, "fit", None)
    sentence = refused(make(), models)
    assert words in sentence or any(words in told for told in caplog.messages if told.startswith("refuse: "))


def test_one_training_id_in_the_hold_out_is_refused(models: Path) -> None:
    former, data = batch(seed=0), batch()
    record = TrainingRecord.from_json(json.loads(champion_in(models)[1]))
    trained = former.ids[record.training.ids.holds(hashes_of(former.ids))]
    ids = data.ids.copy()
    ids[np.flatnonzero(held_out_rows(data, record, 0.2, 0))[0]] = trained[0]
    sentence = refused(replace(data, ids=ids), models)
    assert sentence == "the champion was trained on 1 held-out row, which would favour it."


def test_an_absurd_learning_rate_ends_before_anything_is_stored(models: Path) -> None:
    gate = {"kind": "keras", "network": "mlp", "epochs": 1, "learning_rate": 1e30}
    assert "lower `learning_rate`" in refused(batch(), models, CascadeError, gate=gate)


DEGRADED = {
    "a label with three rows": (lambda: with_findings(three_rows), "'label_1' is 0.", "'label_1' occurs in 3 groups"),
    "a class missing from folds": (lambda: with_findings(in_one_patient), "'label_1' occurs in 1 groups", "too few"),
    "three times the prevalence": (three_times_the_prevalence, "'any' is 2.", "times as frequent"),
}


@pytest.mark.parametrize("fault", DEGRADED)
def test_what_is_trained_nevertheless_is_told_and_not_promoted(fault: str, models: Path) -> None:
    make, *told = DEGRADED[fault]
    before = champion_in(models)
    result = run(make(), models)
    assert champion_in(models) == before
    assert result["answer"] in ("keep", "ask")
    assert all(any(words in finding["sentence"] for finding in result["findings"]) for words in told)
    asked = [finding["sentence"] for finding in result["findings"] if finding["answer"] == "ask"]
    reasons = result["decision"]["reasons"]
    assert [reason["sentence"] for reason in reasons if reason["guard"] == "data"] == asked
    assert [reason["label"] for reason in reasons if reason["verdict"] == "not judged"] == ["label_1"]
    stored = CascadePredictor.load(Path(result["version"]) / "model")
    assert all(np.isfinite(part).all() for part in _weights(stored))


def _weights(predictor: CascadePredictor) -> list[Any]:
    fitted = [predictor.gate, *predictor.labeler.estimators_]
    return [part for model in fitted if hasattr(model, "coef_") for part in (model.coef_, model.intercept_)]


def test_a_first_model_of_shuffled_labels_serves_nobody(models: Path) -> None:
    result = run(shuffled(), models, name="shuffled")
    assert result["answer"] == "keep"
    assert "not shown to be better than chance" in result["sentence"]
    assert ModelRegistry(models).champion("shuffled") is None
