"""A cascade beside a flat model: paired quality, alternating times, and a sentence that says what follows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from cascade.comparison.against_flat import CONSEQUENCES, flat_sentence, paired_cost, paired_quality
from cascade.comparison.paired_time import paired_seconds
from cascade.metrics import Outcome
from tests.conftest import KnownTruth


def outcome(Y: np.ndarray, proba: np.ndarray) -> Outcome:
    return Outcome(Y, proba, np.zeros_like(Y), np.ones(len(Y), dtype=bool))


def test_the_figures_are_those_of_scikit_learn_and_the_truth_is_better_than_noisy_scores(truth: KnownTruth) -> None:
    Y, p = truth.Y[:4000], truth.p_and_any()[:4000]
    noisy = np.clip(p * np.random.default_rng(0).uniform(0.2, 1.8, p.shape), 1e-6, 1 - 1e-6)
    found = paired_quality(outcome(Y, p), outcome(Y, noisy), np.arange(4000) // 4, any_index=4)
    precision, loss = found["macro_average_precision"], found["weighted_log_loss"]
    assert precision["cascade"] == pytest.approx(average_precision_score(Y, p))
    assert precision["flat"] == pytest.approx(average_precision_score(Y, noisy))
    weights = np.array([1, 1, 1, 1, 2])
    losses = [log_loss(Y[:, k], noisy[:, k]) for k in range(5)]
    assert loss["flat"] == pytest.approx(np.average(losses, weights=weights))
    assert 0 < precision["low"] < precision["difference"] < precision["high"]
    assert loss["low"] < loss["difference"] < loss["high"] < 0


def test_a_prediction_against_itself_differs_by_nothing_and_without_positives_nothing_is_defined() -> None:
    Y = np.tile([[1, 0], [0, 0]], (50, 1)).astype(np.uint8)
    proba = np.random.default_rng(1).random(Y.shape)
    same = paired_quality(outcome(Y, proba), outcome(Y, proba), np.arange(100), None)["macro_average_precision"]
    assert same["difference"] == same["low"] == same["high"] == 0
    none = np.zeros_like(Y)
    undefined = paired_quality(outcome(none, proba), outcome(none, proba), np.arange(100), None)
    assert undefined["macro_average_precision"]["low"] is None
    costs = {key: paired_cost(1, 2) for key in ("operations_per_row", "seconds_per_row")}
    assert "cannot be compared" in flat_sentence({**undefined, **costs})


def figures(low: float, high: float, operations: float, seconds: float) -> dict[str, Any]:
    precision = {"cascade": 0.8, "flat": 0.79, "difference": 0.01, "low": low, "high": high}
    return {
        "macro_average_precision": precision,
        "operations_per_row": paired_cost(operations, 100.0),
        "seconds_per_row": paired_cost(seconds, 1.0),
    }


def test_every_sentence_says_what_follows() -> None:
    quality = {"better": (0.001, 0.02), "level": (-0.01, 0.02), "worse": (-0.02, -0.001)}
    unknown = float("nan")
    costs = {True: (49.0, 0.6), False: (119.7, 1.3), None: (unknown, unknown)}
    for (kind, ends), (saved, (operations, seconds)) in product(quality.items(), costs.items()):
        sentence = flat_sentence(figures(*ends, operations, seconds))
        assert sentence.endswith(f": {CONSEQUENCES[kind, saved]}.")
        assert ("% of its arithmetic" in sentence) == (saved is not None)
    # Where they disagree, the time that was measured counts.
    assert flat_sentence(figures(0.001, 0.02, 49, 1.2)).endswith("is better, but saves nothing.")
    assert "at 49.0 % of its arithmetic and 120.0 % of its time per row" in flat_sentence(figures(0, 1, 49, 1.2))
    assert flat_sentence(figures(-0.02, -0.001, 49, unknown)).endswith("costs less, but is worse.")


def test_times_are_medians_of_measurements_in_alternating_order() -> None:
    now, calls = [0.0], []

    def run(name: str, seconds: list[float]) -> None:
        calls.append(name)
        now[0] += seconds.pop(0)

    # The first entry of each is the run that warms up; one measurement of each was disturbed.
    first, second = [50.0, 1.0, 1.0, 9.0], [70.0, 2.0, 8.0, 2.0]
    found = paired_seconds(lambda: run("a", first), lambda: run("b", second), pairs=3, clock=lambda: now[0])
    assert found == (1.0, 2.0)
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]
