"""Metrics against theory, against scikit-learn with row weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import entr, expit, logit
from sklearn import metrics as sk

from cascade.errors import ConfigError, DataError
from cascade.metrics import (
    AUROC,
    AVERAGE_PRECISION,
    BRIER,
    BRIER_NEGATIVES,
    BRIER_POSITIVES,
    CALIBRATION_ERROR,
    F1,
    F1_NORMAL,
    F2,
    HAMMING_LOSS,
    JACCARD,
    LABEL_METRICS,
    LOG_LOSS,
    MICRO_AVERAGE_PRECISION,
    ROW_METRICS,
    SAMPLES_F1,
    SUBSET_ACCURACY,
    SUM_RATIO,
    Outcome,
    calibration_line,
    label_values,
    ledger,
    macro,
    overall_metrics,
    weighted_log_loss,
)

EVERY_METRIC = (*LABEL_METRICS, *overall_metrics(4, any_index=3))
seeds = st.integers(0, 100_000)


def mostly_empty(seed: int, n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    findings = rng.random((n, 3)) < rng.choice([0.0, 0.02, 0.1, 0.3], 3)
    return np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8)


def some_outcome(seed: int, n: int = 60) -> Outcome:
    """Scores with many ties, bits that are often wrong, a gate that loses some."""
    rng = np.random.default_rng(seed)
    Y = mostly_empty(seed, n)
    proba = expit(2 * Y - 1.5 + rng.normal(size=Y.shape)).round(1)
    passed = rng.random(n) < 0.7
    return Outcome(Y, proba, ((proba > 0.5) & passed[:, None]).astype(np.uint8), passed)


@given(seed=seeds)
def test_a_perfect_prediction_scores_one_or_has_no_loss(seed: int) -> None:
    Y = mostly_empty(seed)
    perfect = Outcome(Y, Y.astype(float), Y, Y.any(axis=1))
    importance = np.random.default_rng(seed).random(4)
    for metric in (*EVERY_METRIC, macro(F2, importance)):
        values = metric(perfect)
        assert (values[np.isfinite(values)] == metric.perfect).all(), metric.name
        if metric in LABEL_METRICS:
            both = (Y.sum(axis=0) > 0) & (Y.sum(axis=0) < len(Y))
            assert np.isfinite(values[both]).all(), metric.name
    slope, intercept = calibration_line(Y, Y.astype(float))
    varies = Y.any(axis=0) & ~Y.all(axis=0)
    assert (slope[varies] == 1).all()
    assert (intercept[varies] == 0).all()
    assert np.isnan(slope[~varies]).all()


@given(seed=seeds)
def test_a_perfect_prediction_of_whole_rows_is_defined_however_empty_they_are(seed: int) -> None:
    Y = mostly_empty(seed)
    for metric in ROW_METRICS:
        if metric is not F1_NORMAL or not Y.any(axis=1).all():
            assert metric(Outcome(Y, Y.astype(float), Y, Y.any(axis=1))) == metric.perfect


@given(seed=seeds)
def test_predicting_the_prevalence_scores_what_theory_says(seed: int) -> None:
    Y = mostly_empty(seed)
    q = Y.mean(axis=0)
    values = label_values(Outcome(Y, np.tile(q, (len(Y), 1)), np.zeros_like(Y), np.ones(len(Y), bool)))
    occurs, varies = q > 0, (q > 0) & (q < 1)
    assert (values["auroc"][varies] == 0.5).all()
    assert values["average_precision"][occurs] == pytest.approx(q[occurs])
    assert values["brier"] == pytest.approx(q * (1 - q))
    assert values["log_loss"] == pytest.approx(entr(q) + entr(1 - q), abs=1e-6)
    assert values["calibration_error"][occurs] == pytest.approx(0)
    assert values["sum_ratio"][occurs] == pytest.approx(1)
    assert np.isnan(values["calibration_slope"]).all()
    for name in ("auroc", "average_precision", "calibration_error", "gate_recall", "brier_positives", "sum_ratio"):
        assert np.isnan(values[name][~occurs]).all()


@given(seed=seeds)
def test_predicting_nothing_has_the_baselines_of_empty_rows(seed: int) -> None:
    Y = mostly_empty(seed)
    nothing = Outcome(Y, np.zeros(Y.shape), np.zeros_like(Y), np.zeros(len(Y), bool))
    empty = 1 - Y[:, 3].mean()
    for metric in (SUBSET_ACCURACY, SAMPLES_F1, JACCARD):
        assert metric(nothing) == pytest.approx(empty)
    assert HAMMING_LOSS(nothing) == pytest.approx(Y.mean())
    assert F1_NORMAL(nothing) == pytest.approx(2 * empty / (1 + empty))
    occurs = Y.any(axis=0)
    assert (CALIBRATION_ERROR(nothing)[occurs] == 1).all()
    assert (F2(nothing)[occurs] == 0).all()
    assert np.isnan(F2(nothing)[~occurs]).all()


def test_random_scores_have_the_auroc_and_average_precision_of_theory() -> None:
    rng = np.random.default_rng(0)
    Y = (rng.random((50_000, 2)) < [0.01, 0.2]).astype(np.uint8)
    chance = Outcome(Y, rng.random(Y.shape), Y, np.ones(len(Y), bool))
    positives = Y.sum(axis=0)
    # Mann-Whitney: variance (n + 1) / (12 n1 n0) without ties.
    spread = np.sqrt((len(Y) + 1) / (12.0 * positives * (len(Y) - positives)))
    assert (np.abs(AUROC(chance) - 0.5) < 4 * spread).all()
    assert AVERAGE_PRECISION(chance) == pytest.approx(Y.mean(axis=0), rel=0.2)


def weighted_truth(outcome: Outcome, w: np.ndarray) -> dict[Any, Any]:
    """What scikit-learn says of label 3 and of whole rows."""
    Y, proba, bits = outcome.Y, outcome.proba, outcome.bits
    y, p, b = Y[:, 3], proba[:, 3], bits[:, 3]
    empty, none = ~Y.any(axis=1), ~bits.any(axis=1)
    options = {"sample_weight": w}
    return {
        AUROC: sk.roc_auc_score(y, p, **options),
        AVERAGE_PRECISION: sk.average_precision_score(y, p, **options),
        MICRO_AVERAGE_PRECISION: sk.average_precision_score(Y, proba, average="micro", **options),
        F1: sk.f1_score(y, b, **options),
        F2: sk.fbeta_score(y, b, beta=2, **options),
        BRIER: sk.brier_score_loss(y, p, **options),
        BRIER_POSITIVES: sk.mean_squared_error(y[y > 0], p[y > 0], sample_weight=w[y > 0]),
        BRIER_NEGATIVES: sk.mean_squared_error(y[y == 0], p[y == 0], sample_weight=w[y == 0]),
        LOG_LOSS: sk.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), **options),
        SUBSET_ACCURACY: sk.accuracy_score(Y, bits, **options),
        HAMMING_LOSS: sk.hamming_loss(Y, bits, **options),
        SAMPLES_F1: sk.f1_score(Y, bits, average="samples", zero_division=1, **options),
        JACCARD: sk.jaccard_score(Y, bits, average="samples", zero_division=1, **options),
        F1_NORMAL: sk.f1_score(empty, none, **options),
    }


@settings(max_examples=50)
@given(seed=seeds)
def test_every_metric_that_scikit_learn_has_agrees_with_it_under_row_weights(seed: int) -> None:
    outcome = some_outcome(seed)
    w = np.random.default_rng(seed).integers(0, 4, len(outcome)).astype(float)
    y = outcome.Y[:, 3]
    assume(w @ y and w @ (1 - y))
    for metric, expected in weighted_truth(outcome, w).items():
        assert metric(outcome, w)[-1] == pytest.approx(expected, rel=1e-6), metric.name


@given(seed=seeds)
def test_a_weight_is_so_many_copies_of_the_row(seed: int) -> None:
    outcome = some_outcome(seed)
    times = np.random.default_rng(seed).integers(0, 3, len(outcome))
    copied = outcome.part(np.repeat(np.arange(len(outcome)), times))
    for metric in EVERY_METRIC:
        # The bins of the calibration error are cut on the rows themselves, and stay where they are.
        if metric is not CALIBRATION_ERROR:
            assert metric(outcome, times) == pytest.approx(metric(copied), nan_ok=True), metric.name


@given(seed=seeds)
def test_stratified_brier_adds_up_and_calibration_error_bounds_the_sum(seed: int) -> None:
    values = label_values(some_outcome(seed))
    q = values["prevalence"]
    parts = q * np.nan_to_num(values["brier_positives"]) + (1 - q) * np.nan_to_num(values["brier_negatives"])
    assert values["brier"] == pytest.approx(parts)
    occurs = q > 0
    assert (values["calibration_error"] >= np.abs(values["sum_ratio"] - 1) - 1e-12)[occurs].all()


def test_calibration_error_is_the_textbook_sum_over_prevalence() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(1, 9, size=(15 * 40, 1))
    Y = (rng.random(p.shape) < p**1.2).astype(np.uint8)
    order = np.argsort(p[:, 0])
    bins = np.split(order, 15)
    expected = sum(len(b) / len(p) * abs(p[b].mean() - Y[b].mean()) for b in bins) / Y.mean()
    assert CALIBRATION_ERROR(Outcome(Y, p, Y, np.ones(len(p), bool)))[0] == pytest.approx(expected)


@given(seed=seeds)
def test_the_calibration_line_is_the_maximum_of_the_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-2, 1.5, size=(400, 1)))
    Y = (rng.random(p.shape) < expit(0.7 * logit(p) - 0.5)).astype(np.uint8)
    z, y = logit(p[:, 0]), Y[:, 0]

    def loss(line: np.ndarray) -> float:
        score = line[0] * z + line[1]
        return float((np.logaddexp(0, score) - y * score).sum())

    slope, intercept = calibration_line(Y, p)
    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10})
    assert [slope[0], intercept[0]] == pytest.approx(best.x, abs=1e-4)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3]),
        ([1, 1, 1], [0.1, 0.2, 0.3]),
        ([0, 1, 1], [0.5, 0.5, 0.5]),
        ([0, 0, 1], [0.1, 0.2, 0.3]),
        ([0, 1, 1], [0.2, 0.2, 0.3]),
        ([1, 0, 0], [0.1, 0.2, 0.3]),
    ],
)
def test_without_overlap_of_the_classes_there_is_no_calibration_line(y: list[int], p: list[float]) -> None:
    line = calibration_line(np.array([y], np.uint8).T, np.array([p]).T)
    assert np.isnan(line).all()


def test_importance_weighs_labels_and_leaves_the_undefined_out() -> None:
    Y = np.array([[1, 0, 1], [1, 0, 0]], np.uint8)
    bits = np.array([[1, 0, 0], [1, 0, 0]], np.uint8)
    outcome = Outcome(Y, bits.astype(float), bits, np.ones(2, bool))
    # F2 is 1, undefined and 0.
    assert macro(F2, [3, 100, 1])(outcome) == 0.75
    assert macro(F2)(outcome) == 0.5
    assert np.isnan(macro(F2, [0, 1, 0])(outcome)).all()


@given(seed=seeds)
def test_the_ledger_adds_up(seed: int) -> None:
    outcome = some_outcome(seed)
    book = ledger(outcome)
    Y, bits = outcome.Y, outcome.bits
    np.testing.assert_array_equal(book.positives, Y.sum(axis=0))
    np.testing.assert_array_equal(book.found + book.lost_at_gate + book.lost_at_labeler, book.positives)
    np.testing.assert_array_equal(book.lost_at_gate, Y[~outcome.passed].sum(axis=0))
    np.testing.assert_array_equal(book.found + book.false_alarms, bits.sum(axis=0))
    assert book.empty_rows == (Y[:, 3] == 0).sum()
    assert book.empty_with_alarm == ((Y[:, 3] == 0) & bits.any(axis=1)).sum() <= book.empty_past_gate


def test_weighted_log_loss_counts_any_double() -> None:
    rng = np.random.default_rng(0)
    Y, proba = rng.integers(0, 2, (50, 3)).astype(np.uint8), rng.random((50, 3))
    single = [sk.log_loss(Y[:, k], proba[:, k]) for k in range(3)]
    assert weighted_log_loss(Y, proba, 2) == pytest.approx((single[0] + single[1] + 2 * single[2]) / 4)


def test_wrong_use_is_said_in_a_sentence() -> None:
    Y = np.array([[1, 0], [0, 0]], np.uint8)
    right = Outcome(Y, Y.astype(float), Y, Y.any(axis=1))
    with pytest.raises(DataError, match="`proba` must have shape"):
        Outcome(Y, np.zeros((2, 3)), Y, Y.any(axis=1))
    with pytest.raises(DataError, match=r"`proba` must be in \[0, 1\]. Received nan at row 1, label 0"):
        Outcome(Y, np.array([[0.0, 1.0], [np.nan, 0.0]]), Y, Y.any(axis=1))
    with pytest.raises(ConfigError, match="`importance` must be one number of 0 or more"):
        macro(F2, [-1, 1])
    with pytest.raises(ConfigError, match=r"`importance` must have one value per label \(2\). Received 3"):
        macro(F2, [1, 1, 1])(right)


def test_slices_without_a_row_are_undefined_not_an_error() -> None:
    Y = np.zeros((0, 2), np.uint8)
    nobody = Outcome(Y, Y.astype(float), Y, np.zeros(0, bool))
    for metric in (*LABEL_METRICS, *overall_metrics(2, None)):
        assert np.isnan(metric(nobody)).all(), metric.name
    assert np.isnan(label_values(nobody)["prevalence"]).all()
    assert SUM_RATIO(nobody).shape == (2,)
