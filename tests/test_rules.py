"""Calibration, thresholds and metrics against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cascade.bootstrap import ratio_interval
from cascade.calibration import fit_calibration
from cascade.gate_threshold import gate_threshold
from cascade.metrics import label_auroc, label_average_precision, label_f1, weighted_log_loss


def test_calibration_agrees_with_logistic_regression_where_data_is_plenty() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200_000, 1))
    y = (rng.random(z.shape) < expit(0.7 * z - 2)).astype(np.uint8)
    fitted = fit_calibration(z, y)
    plain = LogisticRegression(C=np.inf).fit(z, y[:, 0])
    assert fitted.low[0] == pytest.approx(plain.coef_[0, 0], abs=0.005)
    assert fitted.intercept[0] == pytest.approx(plain.intercept_[0], abs=0.005)


def test_a_weight_of_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(300, 1)), rng.integers(0, 2, (300, 1)).astype(np.uint8)
    weight = rng.integers(1, 4, 300).astype(float)
    repeated = fit_calibration(np.repeat(z, weight.astype(int), axis=0), np.repeat(y, weight.astype(int), axis=0))
    weighted = fit_calibration(z, y, weight)
    assert weighted.low[0] == pytest.approx(repeated.low[0], abs=1e-3)
    assert weighted.intercept[0] == pytest.approx(repeated.intercept[0], abs=1e-3)


def test_few_positives_leave_the_slope_near_one_and_never_negative() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(5000, 1))
    y = np.zeros((5000, 1), np.uint8)
    y[np.argsort(z[:, 0])[:3]] = 1
    fitted = fit_calibration(z, y)
    assert 0.0 <= fitted.low[0] <= 1.0
    assert expit(fitted(z)).sum() == pytest.approx(3, abs=1.5)
    untouched = fit_calibration(z, np.zeros_like(y))
    assert (untouched.low[0], untouched.intercept[0]) == (1.0, 0.0)


@given(seed=st.integers(0, 5000), recall=st.floats(0.05, 1.0))
def test_the_gate_threshold_is_the_highest_that_keeps_every_label(seed: int, recall: float) -> None:
    rng = np.random.default_rng(seed)
    gate, Y = rng.random(60).round(2), (rng.random((60, 3)) < 0.2).astype(np.uint8)
    found = gate_threshold(gate, Y, recall).value

    def keeps(value: float) -> bool:
        return all(np.mean(gate[Y[:, k] > 0] >= value) >= recall - 1e-9 for k in range(3) if Y[:, k].any())

    assert keeps(found)
    assert found <= 0.5
    higher = np.unique(gate[(gate > found) & (gate <= 0.5)])
    if Y.any() and len(higher):
        assert not keeps(higher[0])


@given(seed=st.integers(0, 5000))
def test_a_perfect_prediction_scores_one_on_what_is_defined(seed: int) -> None:
    Y = (np.random.default_rng(seed).random((30, 4)) < [0.0, 0.05, 0.3, 1.0]).astype(np.uint8)
    for values in (label_auroc(Y, Y.astype(float)), label_average_precision(Y, Y.astype(float)), label_f1(Y, Y)):
        assert np.isnan(values[0])
        assert (values[np.isfinite(values)] == 1.0).all()
    assert weighted_log_loss(Y, Y.astype(float), 3) < 1e-6


def test_weighted_log_loss_counts_any_double() -> None:
    rng = np.random.default_rng(0)
    Y, proba = rng.integers(0, 2, (50, 3)).astype(np.uint8), rng.random((50, 3))
    single = [log_loss(Y[:, k], proba[:, k]) for k in range(3)]
    assert weighted_log_loss(Y, proba, 2) == pytest.approx((single[0] + single[1] + 2 * single[2]) / 4)


def test_bootstrap_over_groups_is_wider_than_over_rows() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 10)
    y = np.repeat(rng.random(100) < 0.2, 10).astype(float)[:, None]
    p = np.full_like(y, 0.2)
    low, high = ratio_interval(p, y, group)
    row_low, row_high = ratio_interval(p, y, np.arange(1000))
    assert high - low > 2 * (row_high - row_low)


def test_bootstrap_without_any_positive_is_undefined_not_an_error() -> None:
    low, high = ratio_interval(np.ones((5, 2)), np.zeros((5, 2)), np.arange(5))
    assert np.isnan([*low, *high]).all()


def test_bootstrap_covers_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        y = (rng.random((400, 1)) < 0.2).astype(float)
        low, high = ratio_interval(np.full_like(y, 0.2), y, np.arange(400), seed=int(rng.integers(1e9)))
        hits += bool(low[0] <= 1 <= high[0])
    # Binomial(100, .95): 88 or fewer has a probability below .005.
    assert hits >= 89
