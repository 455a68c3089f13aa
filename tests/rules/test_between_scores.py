"""Thresholds between scores: half-way, kept by float32, and never inside a group of equal rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from cascade.data.label_matrix import LabelMatrix
from cascade.rules.thresholds.between_scores import NEAR, Cuts
from cascade.rules.thresholds.certify import certify
from cascade.rules.thresholds.decisions import decision_thresholds
from cascade.rules.thresholds.gate_threshold import gate_threshold

KINDS = np.array([0.62, 0.31, 0.012, 0.0007])
"""Scores that many rows share."""


def tied(seed: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers of kinds, and labels that are more frequent in the first ones."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[0.05, 0.15, 0.3, 0.5])
    Y = (rng.random((n, 2)) < np.array([[0.6, 0.4], [0.1, 0.2], [0.01, 0.0], [0.001, 0.0]])[kind]).astype(np.uint8)
    return kind, Y, KINDS[kind]


def moved(scores: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the scores as other runtimes compute them: rounded to float32, and each row a little off."""
    noise = 1e-6 * np.random.default_rng(seed).uniform(-1, 1, scores.shape)
    return [scores.astype(np.float32), expit(logit(scores) + noise), expit(logit(scores) - 1e-6)]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), recall=st.floats(0.3, 0.99))
def test_no_row_changes_sides_where_many_share_a_score(seed: int, recall: float) -> None:
    _, Y, gate = tied(seed)
    choice = gate_threshold(gate, Y, recall)
    certificate = certify(gate, Y, ["a", "b"], recall=recall, accept_bound=True)
    decisions = decision_thresholds(
        ["f1", {"recall": 0.5}], ["a", "b"], np.column_stack([gate, gate]), np.ones(len(gate), bool), LabelMatrix(Y)
    )
    for threshold in (choice.value, certificate.threshold, *decisions):
        for other in moved(gate, seed):
            assert np.array_equal(other >= np.float32(threshold), gate >= threshold)


@given(seed=st.integers(0, 1000))
def test_rows_that_differ_by_rounding_are_one_group(seed: int) -> None:
    kind, Y, gate = tied(seed)
    noisy = moved(gate, seed)[1]
    threshold = gate_threshold(noisy, Y, 0.9).value
    for scores in (gate, noisy):
        assert all(len(np.unique(scores[kind == one] >= threshold)) == 1 for one in range(4))


@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=60), st.integers(0, 59))
def test_a_threshold_is_half_way_to_the_next_lower_score(values: list[float], number: int) -> None:
    scores = np.unique(np.array(values))
    chosen = scores[number % len(scores)]
    threshold = Cuts.of(scores).at_or_below(chosen)
    passing = scores[scores >= threshold]
    assert passing.min() <= chosen
    # At most rounding lower than the chosen score.
    assert logit(chosen) - logit(passing.min()) <= NEAR
    below = scores[scores < passing.min()]
    gap = logit(passing.min()) - logit(below[-1]) if len(below) else 0.0
    if gap > 1e-3:
        assert logit(threshold) == pytest.approx((logit(passing.min()) + logit(below[-1])) / 2, abs=1e-3)
        assert threshold == np.float32(threshold)
        assert np.array_equal(scores.astype(np.float32) >= np.float32(threshold), scores >= threshold)


@given(seed=st.integers(0, 1000))
def test_many_different_scores_move_a_threshold_by_rounding_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = expit(rng.normal(-3, 2, 20_000))
    cuts = Cuts.of(scores)
    wanted = rng.choice(scores, 20)
    found = np.array([cuts.at_or_below(one) for one in wanted])
    assert (found <= wanted).all()
    assert max((scores >= low).sum() - (scores >= high).sum() for low, high in zip(found, wanted, strict=True)) <= 5


def test_the_highest_threshold_is_kept_where_no_row_is_near_it() -> None:
    assert Cuts.of(np.array([0.3, 0.6])).capped(0.5) == 0.5
    near = Cuts.of(np.array([0.3, 0.5, 0.5 + 1e-8])).capped(0.5)
    assert logit(near) == pytest.approx(logit(0.3) / 2, abs=1e-6)
