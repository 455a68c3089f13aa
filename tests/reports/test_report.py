"""The report of a cascade: plain data, the same values as the metrics, and a text of at most 120 columns."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from cascade import CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.metrics import Outcome, label_values
from cascade.reports.report import evaluate, report_table
from tests.conftest import KnownTruth


@pytest.fixture(scope="module")
def evaluated(truth: KnownTruth) -> tuple[Outcome, dict[str, Any]]:
    """Return the outcome and report of a cascade on rows among which the first label never occurs."""
    names = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "any"]
    labeler = OneVsRestClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=names)
    predictor = model.fit(truth.X[:20_000], truth.Y[:20_000]).predictor_
    rows = 20_000 + np.flatnonzero(truth.Y[20_000:22_000, 0] == 0)
    scores, Y = predictor.score(truth.X[rows]), truth.Y[rows]
    prediction = predictor.decide(scores)
    report = evaluate(predictor, scores, LabelMatrix(Y), np.arange(len(Y)) // 3, importance=[1, 2, 3, 4, 5])
    return Outcome(Y, prediction.proba, prediction.labels, prediction.passed_gate), report


def test_the_report_is_plain_data_with_none_for_the_undefined(evaluated: tuple[Outcome, dict[str, Any]]) -> None:
    outcome, report = evaluated
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    absent = report["labels"][0]
    for key in ("auroc", "average_precision", "average_precision_low", "gate_recall", "calibration_slope"):
        assert absent[key] is None
    assert report["undefined"]["auroc"] == report["overall"]["undefined_labels"] == 1
    assert report["undefined"]["brier"] == 0
    # Averages over labels leave out the label without a value, also in the sum of weights.
    defined = [row["average_precision"] for row in report["labels"][1:]]
    assert report["overall"]["macro_average_precision"] == pytest.approx(np.mean(defined))
    f2 = [row["f2"] or 0 for row in report["labels"]]
    counts = [w for w, row in zip([1, 2, 3, 4, 5], report["labels"], strict=True) if row["f2"] is not None]
    assert report["overall"]["f2_ciw"] == pytest.approx(np.dot(f2, [1, 2, 3, 4, 5]) / sum(counts))
    assert report["all_empty"]["samples_f1"] == pytest.approx(outcome.empty.mean())


def test_the_report_has_every_metric_on_every_slice_where_it_is_informative(
    evaluated: tuple[Outcome, dict[str, Any]],
) -> None:
    outcome, report = evaluated
    parts = {"with_label": ~outcome.empty, "past_gate": outcome.passed}
    for name, rows in parts.items():
        part, expected = report["slices"][name], label_values(outcome.part(rows))
        assert part["overall"]["rows"] == rows.sum()
        # Recall at the gate is the same as on all rows, or 1 on rows past the gate.
        assert set(expected) - set(part["labels"][0]) == {"gate_recall"}
        for key in set(expected) - {"gate_recall"}:
            values = [np.nan if row[key] is None else row[key] for row in part["labels"]]
            assert values == pytest.approx(expected[key], nan_ok=True)
    assert report["slices"]["with_label"]["undefined"]["auroc"] == 2, "the absent label, and `any`"
    for row in report["labels"][1:]:
        for key in ("auroc", "average_precision", "f1", "f2", "brier", "log_loss", "count_ratio", "sum_ratio"):
            assert row[f"{key}_low"] <= row[key] <= row[f"{key}_high"]


def test_the_text_fits_a_terminal_and_has_losses_and_baseline(evaluated: tuple[Outcome, dict[str, Any]]) -> None:
    text = report_table(evaluated[1])
    assert max(map(len, text.splitlines())) <= 120
    for word in ("95 % of AP", "lost at gate", "false alarms", "predicted all empty", "with a label", "past the gate"):
        assert word in text


def test_the_text_of_a_training_shows_what_each_label_costs(
    evaluated: tuple[Outcome, dict[str, Any]], truth: KnownTruth
) -> None:
    names = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "any"]
    model = CascadeClassifier(LogisticRegression(), OneVsRestClassifier(LogisticRegression()), label_names=names)
    model.fit(truth.X[:4000], truth.Y[:4000])
    costs = model.predictor_.provenance["gate_costs"]
    text = report_table(evaluated[1] | {"gate_costs": costs})
    assert max(map(len, text.splitlines())) <= 120
    text = " ".join(text.split())
    assert f"{costs['deciding']!r} determines the threshold, and without it" in text
    # A fifth of 4,000 rows has too few positives of the first label.
    (few,) = re.findall(r"lower bound below the wanted recall: (.*?)\)\.", text)
    assert f"'epidural' ({costs['labels'][0]['bound']:.3f}" in few
    assert report_table(evaluated[1] | {"gate_costs": None}) == report_table(evaluated[1])
