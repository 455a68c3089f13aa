"""Metrics of labels that are partly unknown: nothing that stands where a label is not known counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cascade.metrics import LABEL_METRICS, ROW_METRICS, Metric, Outcome, calibration_line, label_values, ledger
from cascade.metrics.summary import overall_metrics

OVERALL = overall_metrics(3, any_index=2)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    rng = np.random.default_rng(0)
    Y = (rng.random((400, 3)) < [0.1, 0.3, 0.4]).astype(np.uint8)
    proba = np.clip(rng.normal(0.3 + 0.2 * Y, 0.2), 0, 1).round(2)
    known = rng.random(Y.shape) < 0.7
    known[:20] = False
    return Outcome(Y * known, proba, (proba > 0.45).astype(np.uint8), rng.random(400) < 0.6, known)


@pytest.mark.parametrize("metric", LABEL_METRICS, ids=lambda metric: metric.name)
def test_a_label_is_judged_on_the_rows_that_know_it(outcome: Outcome, metric: Metric) -> None:
    for k in range(3):
        rows = outcome.known[:, k]
        part = Outcome(outcome.Y[rows], outcome.proba[rows], outcome.bits[rows], outcome.passed[rows])
        assert metric(outcome)[k] == pytest.approx(metric(part)[k], rel=1e-12)


def test_so_is_its_calibration_line(outcome: Outcome) -> None:
    lines = calibration_line(outcome.labels, outcome.proba)
    for k in range(3):
        rows = outcome.known[:, k]
        alone = calibration_line(outcome.Y[rows], outcome.proba[rows])
        np.testing.assert_allclose([line[k] for line in lines], [line[k] for line in alone], rtol=1e-9)


@pytest.mark.parametrize("metric", [*LABEL_METRICS, *OVERALL, *ROW_METRICS], ids=lambda metric: metric.name)
def test_what_is_predicted_where_nothing_is_known_does_not_count(outcome: Outcome, metric: Metric) -> None:
    noise = np.random.default_rng(1).random(outcome.proba.shape)
    proba = np.where(outcome.known, outcome.proba, noise)
    # The bit of a row that is known to be empty, or not, may be an alarm; so only those of other rows are moved.
    untold = ~(outcome.empty | outcome.with_label)[:, None] & ~outcome.known
    other = replace(outcome, proba=proba, bits=np.where(untold, noise > 0.5, outcome.bits).astype(np.uint8))
    np.testing.assert_array_equal(metric(other), metric(outcome))


@pytest.mark.parametrize("metric", [*LABEL_METRICS, *OVERALL, *ROW_METRICS], ids=lambda metric: metric.name)
def test_a_mask_without_a_hole_is_no_mask(outcome: Outcome, metric: Metric) -> None:
    full = replace(outcome, known=None)
    np.testing.assert_allclose(metric(replace(full, known=np.ones_like(outcome.known))), metric(full), rtol=1e-12)


@pytest.mark.parametrize("metric", [*LABEL_METRICS, *OVERALL], ids=lambda metric: metric.name)
def test_a_perfect_prediction_of_what_is_known_is_perfect(outcome: Outcome, metric: Metric) -> None:
    proba = np.where(outcome.known, outcome.Y, 0.5)
    perfect = Outcome(outcome.Y, proba, outcome.Y, outcome.with_label, outcome.known)
    np.testing.assert_allclose(metric(perfect), metric.perfect, rtol=1e-12)


def test_the_ledger_adds_up_over_known_labels(outcome: Outcome) -> None:
    book = ledger(outcome)
    np.testing.assert_array_equal(book.positives, outcome.Y.sum(axis=0))
    np.testing.assert_array_equal(book.found + book.lost_at_gate + book.lost_at_labeler, book.positives)
    wrong = (outcome.bits > 0) & outcome.known & (outcome.Y == 0)
    np.testing.assert_array_equal(book.false_alarms, wrong.sum(axis=0))
    assert book.empty_rows == (outcome.known.all(axis=1) & ~outcome.Y.any(axis=1)).sum()


def test_prevalence_is_that_among_rows_that_know_the_label(outcome: Outcome) -> None:
    values = label_values(outcome)
    np.testing.assert_array_equal(values["known"], outcome.known.sum(axis=0))
    np.testing.assert_allclose(values["prevalence"], outcome.Y.sum(axis=0) / outcome.known.sum(axis=0))
    assert "known" not in label_values(replace(outcome, known=None))
