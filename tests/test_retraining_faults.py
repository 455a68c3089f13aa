"""Twelve faults on purpose: each ends with its named reason or its stated degrade, the champion untouched."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.data.dataset import Dataset
from cascade.generator import LABEL_NAMES, draw
from cascade.retraining.held_out import held_out_rows
from cascade.retraining.identity import hashes_of
from cascade.retraining.judge import Champion, Judgement, Train, judge_batch
from cascade.retraining.policy import Policy

ROWS = 8000
POLICY = Policy(fewest_positives=50, draws=100, speed=None)


def batch(rows: int = ROWS, seed: int = 1) -> Dataset:
    drawn = draw(rows, seed)
    patients = np.array([f"{seed}-{number}" for number in drawn.groups])
    ids = np.array([f"{seed}-{row}" for row in range(rows)])
    return Dataset(drawn.X, drawn.Y.copy(), LABEL_NAMES, patients, ids)


def train(data: Dataset, gate: Any = None) -> CascadePredictor:
    labeler = OneVsRestClassifier(LogisticRegression())
    model = CascadeClassifier(gate or LogisticRegression(), labeler, label_names=data.label_names)
    with warnings.catch_warnings():
        # That a label has nothing to learn from is said by a warning; what is judged here is the answer.
        warnings.simplefilter("ignore")
        predictor: CascadePredictor = model.fit(data.X, data.Y, groups=data.groups).predictor_
    return predictor


def never(data: Dataset) -> CascadePredictor:
    raise AssertionError("nothing may be trained on refused data")


@pytest.fixture(scope="module")
def champion() -> Champion:
    first = judge_batch(batch(seed=0), train, policy=POLICY)
    assert first.answer == "promote"
    assert first.challenger is not None
    return first.challenger


def unharmed(champion: Champion, data: Dataset, way: Train) -> Judgement:
    """Judge, and hold against the champion as it was before."""
    held = draw(500, seed=9).X
    before, remembered = champion.predictor.predict_proba(held), champion.record.to_json()
    judged = judge_batch(data, way, champion, POLICY)
    assert (champion.predictor.predict_proba(held) == before).all()
    assert champion.record.to_json() == remembered
    assert judged.sentence
    return judged


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


REFUSED: dict[str, tuple[Callable[[], Dataset], str, str]] = {
    "nan feature": (nan_feature, "not-finite", "row 17 holds a number that is NaN"),
    "label column zeroed": (lambda: with_findings(zeroed), "label-vanished", "'label_3' vanished"),
    "all rows positive": (lambda: replace(batch(), Y=np.ones((ROWS, 6), np.uint8)), "all-positive", "on in every row"),
    "all rows negative": (lambda: replace(batch(), Y=np.zeros((ROWS, 6), np.uint8)), "all-negative", "no row has"),
    "constant among positives": (lambda: with_findings(constant_among_positives), "agreement-found", "'label_2'"),
    "shuffled labels": (shuffled, "agreement-found", "mixed up"),
    "half of the rows lost": (lambda: batch().part(np.arange(ROWS // 2)), "rows-lost", "were rows lost"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_names_its_reason_before_any_training(fault: str, champion: Champion) -> None:
    make, code, words = REFUSED[fault]
    judged = unharmed(champion, make(), never)
    assert (judged.answer, judged.challenger) == ("refuse", None)
    assert any(words in found.sentence for found in judged.findings if (found.answer, found.code) == ("refuse", code))


def test_one_training_id_in_the_hold_out_is_refused(champion: Champion) -> None:
    former, data = batch(seed=0), batch()
    trained = former.ids[champion.record.training.ids.holds(hashes_of(former.ids))]
    ids = data.ids.copy()
    ids[np.flatnonzero(held_out_rows(data, champion.record, 0.2, 0))[0]] = trained[0]
    judged = unharmed(champion, replace(data, ids=ids), never)
    assert judged.answer == "refuse"
    assert judged.sentence == "1 held-out row stood in the champion's training data; it would be favoured."


def test_an_absurd_learning_rate_ends_in_a_refusal(champion: Champion) -> None:
    judged = unharmed(champion, batch(), lambda data: train(data, KerasClassifier("mlp", epochs=1, learning_rate=1e30)))
    assert (judged.answer, judged.challenger) == ("refuse", None)
    assert "no challenger could be trained" in judged.sentence
    assert "lower `learning_rate`" in judged.sentence


DEGRADED = {
    "a label with three rows": (lambda: with_findings(three_rows), "'label_1' is 0.", "'label_1' occurs in 3 groups"),
    "a class missing from folds": (lambda: with_findings(in_one_patient), "'label_1' occurs in 1 groups", "too few"),
    "three times the prevalence": (three_times_the_prevalence, "'any' is 2.", "times as frequent"),
}


@pytest.mark.parametrize("fault", DEGRADED)
def test_what_is_trained_nevertheless_is_told_and_not_promoted(fault: str, champion: Champion, tmp_path: Path) -> None:
    make, *told = DEGRADED[fault]
    judged = unharmed(champion, make(), train)
    assert judged.answer in ("keep", "ask")
    assert all(any(words in finding.sentence for finding in judged.findings) for words in told)
    assert judged.decision is not None
    assert judged.challenger is not None
    asked = [finding.sentence for finding in judged.findings if finding.answer == "ask"]
    assert [reason.sentence for reason in judged.decision.reasons if reason.guard == "data"] == asked
    unjudged = [reason.label for reason in judged.decision.reasons if reason.verdict == "not judged"]
    assert unjudged == ["label_1"]
    judged.challenger.predictor.save(tmp_path / "model")
    stored = CascadePredictor.load(tmp_path / "model")
    assert all(np.isfinite(part).all() for part in _weights(stored))


def _weights(predictor: CascadePredictor) -> list[Any]:
    fitted = [predictor.gate, *predictor.labeler.estimators_]
    return [part for model in fitted if hasattr(model, "coef_") for part in (model.coef_, model.intercept_)]


def test_a_first_model_of_shuffled_labels_serves_nobody() -> None:
    judged = judge_batch(shuffled(), train, policy=POLICY)
    assert judged.answer == "keep"
    assert "not shown to be better than chance" in judged.sentence
