"""Rows that change where scores differ a little are counted as they change in fact."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.errors import DataError
from cascade.rules.rules import Rules, Scores
from cascade.rules.stability import DIFFERENCES, MOST_CHANGED, Stability


def tied(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of four kinds."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[0.05, 0.15, 0.3, 0.5])
    shares = np.array([[0.5, 0.4, 0.3], [0.1, 0.1, 0.05], [0.004, 0.01, 0.0], [0.0005, 0.0, 0.0]])
    return np.eye(4)[kind], (rng.random((n, 3)) < shares[kind]).astype(int)


@pytest.fixture(scope="module", params=["gated", "positives", "isotonic"])
def fitted(request: pytest.FixtureRequest) -> tuple[Rules, Scores, Stability]:
    X, Y = tied(1)
    options = {"calibration": "isotonic"} if request.param == "isotonic" else {"negative_pool": request.param}
    labeler = MultiOutputClassifier(LogisticRegression())
    predictor = CascadeClassifier(LogisticRegression(), labeler, decision=0.2, **options).fit(X, Y).predictor_
    assert predictor.stability is not None
    return predictor.rules, predictor.score(X, gate_threshold=1.0), predictor.stability


def test_thresholds_between_scores_change_no_row(fitted: tuple[Rules, Scores, Stability]) -> None:
    _, _, stability = fitted
    assert stability.rows == 3000
    assert stability.changed[:4] == (0, 0, 0, 0)
    assert Stability.from_json(json.loads(json.dumps(stability.to_json()))) == stability


def test_thresholds_on_a_score_change_all_rows_that_share_it() -> None:
    X, Y = tied(1)
    labeler = MultiOutputClassifier(LogisticRegression())
    predictor = CascadeClassifier(LogisticRegression(), labeler, negative_pool="all").fit(X, Y).predictor_
    scores = predictor.score(X)
    gate = predictor.rules.gate_proba(scores.gate_z)
    score = gate[scores.passed].min()
    on_it = replace(predictor.rules, gate_threshold=float(score))
    labeler_z = np.zeros((len(X), scores.labeler_z.shape[1]))
    labeler_z[scores.passed] = scores.labeler_z
    found = Stability.of(on_it, scores, labeler_z)
    assert found.changed[0] == (gate == score).sum() > 100
    assert found.share(DIFFERENCES[0] / 10) > MOST_CHANGED
    # A bit too: all rows of a kind change theirs where a threshold is on their probability.
    proba = predictor.rules.proba(scores)[:, 0]
    kind = proba[scores.passed].max()
    on_it = replace(predictor.rules, thresholds=np.array([kind, 2.0, 2.0]))
    assert Stability.of(on_it, scores, labeler_z).changed[0] == (proba[scores.passed] == kind).sum() > 0


def test_a_difference_takes_the_next_larger_one() -> None:
    stability = Stability(100, (0, 1, 2, 3, 50))
    assert [stability.share(each) for each in (0.0, 1e-6, 2e-6, 1e-5, 5e-3, 1.0)] == [0, 0, 0.01, 0.01, 0.5, 0.5]


@pytest.mark.parametrize(
    "body",
    [None, {}, {"rows": 5, "changed": [0] * 4}, {"rows": 5, "changed": [6] * 5}, {"rows": True, "changed": [0] * 5}],
)
def test_counts_of_another_program_are_refused(body: object) -> None:
    with pytest.raises(DataError, match="`stability` must hold counts"):
        Stability.from_json(body)
