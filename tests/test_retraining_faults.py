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


@pytest.fixture(scope="module")
def champion() -> Champion:
    first = judge_batch(batch(seed=0), train, policy=POLICY)
    assert first.answer == "promote"
    assert first.challenger is not None
    return first.challenger


def labels_changed(change: Callable[[Any], Any], seed: int = 1) -> Dataset:
    data = batch(seed=seed)
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


def in_one_group(Y: Any) -> Any:
    """The positives of the rarest label in the rows of one patient, so that all folds but one are without it."""
    Y[:, 0] = 0
    Y[:8, 0] = 1
    return Y


def shuffled() -> Dataset:
    data = batch()
    assert data.Y is not None
    return replace(data, Y=data.Y[np.random.default_rng(0).permutation(len(data))])


def prevalence_times(factor: int) -> Dataset:
    """Patients with a label as they are, of the rows without one only as many as leaves this factor."""
    data = batch(rows=factor * 5000)
    assert data.Y is not None
    positive = data.Y.any(axis=1)
    kept = positive | (np.random.default_rng(0).random(len(data)) < (1 / factor - positive.mean()) / (~positive).mean())
    return data.part(np.flatnonzero(kept))


def one_training_id(champion_data: Dataset) -> Dataset:
    """A row of the champion's training data stands in a new patient who is held out."""
    data = batch()
    return replace(data, ids=np.where(np.arange(ROWS) < 8, champion_data.ids, data.ids))


REFUSED = {
    "nan feature": (nan_feature, "not-finite", "row 17"),
    "label column zeroed": (lambda: labels_changed(zeroed), "label-vanished", "label_3"),
    "all rows positive": (lambda: replace(batch(), Y=np.ones((ROWS, 6), np.uint8)), "all-positive", "every row"),
    "all rows negative": (lambda: replace(batch(), Y=np.zeros((ROWS, 6), np.uint8)), "all-negative", "no row"),
    "constant among positives": (lambda: labels_changed(constant_among_positives), "agreement-found", "label_2"),
    "shuffled labels": (shuffled, "agreement-found", "champion recognises"),
    "half of the rows lost": (lambda: batch().part(np.arange(ROWS // 2)), "rows-lost", "were rows lost"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_names_its_reason_before_any_training(fault: str, champion: Champion) -> None:
    make, code, words = REFUSED[fault]

    def never(data: Dataset) -> CascadePredictor:
        raise AssertionError("nothing may be trained on refused data")

    judged = unharmed(champion, make(), never)
    assert judged.answer == "refuse"
    assert judged.challenger is None
    found = {finding.code: finding.sentence for finding in judged.findings if finding.answer == "refuse"}
    assert words in found[code], found


def test_a_training_row_in_the_hold_out_is_refused(champion: Champion) -> None:
    trained = batch(seed=0)
    seen = champion.record.training.ids
    from cascade.retraining.identity import hashes_of

    known = trained.part(np.flatnonzero(seen.holds(hashes_of(trained.ids))))
    data = batch()
    from cascade.retraining.held_out import held_out_rows

    row = int(np.flatnonzero(held_out_rows(data, champion.record, 0.2, 0))[0])
    ids = data.ids.copy()
    ids[row] = known.ids[0]
    judged = unharmed(champion, replace(data, ids=ids), train)
    assert judged.answer == "refuse"
    assert "1 held-out row stood in the champion's training data" in judged.sentence


def test_an_absurd_learning_rate_ends_without_a_challenger_or_with_one_that_is_not_promoted(
    champion: Champion, tmp_path: Path
) -> None:
    network = KerasClassifier("mlp", epochs=1, learning_rate=1e30)
    judged = unharmed(champion, batch(), lambda data: train(data, network))
    print(judged.answer, judged.sentence)
    assert judged.answer in ("refuse", "keep")


@pytest.mark.parametrize("fault", [three_rows, in_one_group])
def test_a_label_too_rare_to_learn_is_named_and_the_rest_is_judged(
    fault: Callable[[Any], Any], champion: Champion, tmp_path: Path
) -> None:
    judged = unharmed(champion, labels_changed(fault), train)
    print(judged.answer, judged.sentence, [(f.answer, f.code, f.sentence) for f in judged.findings])
    assert judged.decision is not None
    assert judged.answer != "promote"


def test_three_times_the_prevalence_is_left_to_a_person_at_most(champion: Champion) -> None:
    judged = unharmed(champion, prevalence_times(3), train)
    print(judged.answer, judged.sentence, [(f.answer, f.code, f.sentence) for f in judged.findings])
    assert judged.answer in ("ask", "keep")


def unharmed(champion: Champion, data: Dataset, way: Train) -> Judgement:
    """Judge, and hold against the champion before and after; a challenger has no number that is not finite."""
    held = draw(500, seed=9).X
    before, remembered = champion.predictor.predict_proba(held), champion.record.to_json()
    judged = judge_batch(data, way, champion, POLICY)
    assert (champion.predictor.predict_proba(held) == before).all()
    assert champion.record.to_json() == remembered
    assert judged.sentence.endswith((".", "?"))
    return judged
