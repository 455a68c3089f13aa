"""The verdict on cascades whose quality is known: good ones, gates and labels at chance, and exploded losses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.reports.report import evaluate
from cascade.reports.verdict import verdict, verdict_text
from tests.conftest import KnownTruth

NAMES = ["a", "b", "c", "d", "any"]


def evaluated(X: np.ndarray, Y: np.ndarray, calibrated: bool = True, **options: Any) -> dict[str, Any]:
    """Fit on the first half of the rows and evaluate on the second."""
    half = len(X) // 2
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=NAMES, **options).fit(X[:half], Y[:half])
    predictor = model.predictor_
    scores = predictor.score(X[half:])
    if not calibrated:
        # Log-odds that a diverged training would give: far from the middle, and unrelated to the labels.
        scores = replace(scores, labeler_z=np.full_like(scores.labeler_z, 20.0), gate_z=np.full(half, 20.0))
        scores = replace(scores, passed=np.ones(half, bool), labeler_z=np.full((half, 4), 20.0))
    return evaluate(predictor, scores, LabelMatrix(Y[half:]), None)


def kinds(report: dict[str, Any]) -> list[str]:
    return [finding["finding"] for finding in report["verdict"]]


@pytest.fixture(scope="module")
def good(truth: KnownTruth) -> dict[str, Any]:
    return evaluated(truth.X[:20_000], truth.Y[:20_000], gate_recall=0.7)


def test_a_good_cascade_is_better_than_a_constant_and_nothing_else_is_said(
    good: dict[str, Any], truth: KnownTruth
) -> None:
    Y = truth.Y[10_000:20_000]
    (finding,) = good["verdict"]
    assert finding["finding"] == "better_than_constant"
    assert finding["level"] == "note"
    constant = np.average([log_loss(y, np.full(len(y), y.mean())) for y in Y.T], weights=[1, 1, 1, 1, 2])
    assert finding["figures"]["constant"] == pytest.approx(constant)
    assert finding["figures"]["chance"] == pytest.approx(Y.mean(axis=0).mean())
    assert finding["figures"]["low"] < finding["figures"]["difference"] < finding["figures"]["high"] < 0
    assert f"{finding['figures']['macro_average_precision']:.3f} against" in finding["sentence"]


def test_features_without_information_leave_gate_and_labels_at_chance(truth: KnownTruth) -> None:
    noise = np.random.default_rng(7).normal(size=(8000, 6))
    report = evaluated(noise, truth.Y[:8000])
    assert kinds(report) == ["not_better_than_constant", "gate_near_chance", "labels_at_chance"]
    (found,) = [finding for finding in report["verdict"] if finding["finding"] == "labels_at_chance"]
    named = [row["label"] for row in found["figures"]["labels"]]
    assert set(named) <= set(NAMES)
    assert f"and {len(named) - 3} more" in found["sentence"]
    assert all(finding["level"] == "warning" for finding in report["verdict"])


def test_a_label_without_information_is_named_among_good_ones(truth: KnownTruth) -> None:
    X, Y = truth.X[:20_000].copy(), truth.Y[:20_000]
    X[:, 1] = np.random.default_rng(8).normal(size=len(X))
    report = evaluated(X, Y)
    assert kinds(report)[0] == "better_than_constant"
    (found,) = [finding for finding in report["verdict"] if finding["finding"] == "labels_at_chance"]
    assert [row["label"] for row in found["figures"]["labels"]] == ["b"]


def test_a_loss_that_exploded_is_named_with_its_labels(truth: KnownTruth) -> None:
    report = evaluated(truth.X[:4000], truth.Y[:4000], calibrated=False, calibration="none")
    assert kinds(report)[0] == "loss_exploded"
    assert "labels_worse_than_prevalence" in kinds(report)
    assert len(report["verdict"]) > 3
    assert verdict_text(report["verdict"]).count("verdict: ") == 3


def test_a_gate_that_passes_all_costs_more_than_it_saves(truth: KnownTruth) -> None:
    report = evaluated(truth.X[:20_000], truth.Y[:20_000], gate_recall=1.0)
    assert report["overall"]["share_past_gate"] > 0.9
    assert "gate_saves_nothing" in kinds(report)
    (found,) = [finding for finding in report["verdict"] if finding["finding"] == "gate_saves_nothing"]
    # A linear gate has a quarter of the arithmetic of a labeler of four linear models.
    over = 0.25 + report["overall"]["share_past_gate"]
    assert found["figures"]["arithmetic_over_labeler"] == pytest.approx(over)
    assert f"take {100 * (over - 1):.1f} % more arithmetic than the labeler on every row" in found["sentence"]


@pytest.mark.parametrize(
    ("share", "over", "words"),
    [
        (0.95, None, "so it saves at most 5.0 % of the labeler's work"),
        (0.95, 0.96, "so gate and labeler save 4.0 % of the arithmetic"),
        (0.54, 1.197, "passes 54.0 % of the rows, so gate and labeler take 19.7 % more arithmetic"),
    ],
)
def test_each_cost_of_a_gate_has_what_follows(
    good: dict[str, Any], share: float, over: float | None, words: str
) -> None:
    report = good | {"overall": good["overall"] | {"share_past_gate": share}, "cost": {"over_labeler": over}}
    (_, found) = verdict(report)
    assert found["finding"] == "gate_saves_nothing"
    assert words in found["sentence"]
    assert found["sentence"].endswith("use a cheaper gate, a lower gate recall, or a flat model.")


def test_a_flat_model_comes_second_and_a_failed_one_is_reported(good: dict[str, Any]) -> None:
    precision = {"cascade": 0.7, "flat": 0.8, "difference": -0.1, "low": -0.2, "high": -0.05}
    cost = {"cascade": 1.0, "flat": 1.0, "ratio": 1.0}
    flat = {"macro_average_precision": precision, "operations_per_row": cost, "seconds_per_row": cost, "sentence": "S."}
    found = verdict(good | {"flat": flat})[1]
    assert (found["finding"], found["level"], found["sentence"]) == ("worse_against_flat", "warning", "S.")
    better = flat | {"macro_average_precision": precision | {"low": 0.01, "high": 0.2}}
    cheap = better | {"seconds_per_row": cost | {"ratio": 0.5}}
    assert [verdict(good | {"flat": one})[1]["level"] for one in (better, cheap)] == ["warning", "note"]
    failed = verdict(good | {"flat": {"error": "it cannot be fitted."}})[1]
    assert failed["finding"] == "flat_not_fitted"
    assert failed["sentence"].endswith("compared with it: it cannot be fitted.")


def test_rows_without_a_label_judge_nothing(truth: KnownTruth) -> None:
    Y = truth.Y[:4000].copy()
    Y[2000:] = 0
    report = evaluated(truth.X[:4000], Y)
    assert kinds(report)[0] == "not_judged"


def test_the_text_fits_a_terminal(good: dict[str, Any]) -> None:
    text = verdict_text(good["verdict"])
    assert text.startswith("verdict: The cascade is better")
    assert max(map(len, text.splitlines())) <= 120
