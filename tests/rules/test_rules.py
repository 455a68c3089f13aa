"""Calibration, thresholds and metrics against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cascade.data.label_matrix import LabelMatrix
from cascade.rules.probability.calibration import fit_calibration


def test_calibration_agrees_with_logistic_regression_where_data_is_plenty() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200_000, 1))
    y = (rng.random(z.shape) < expit(0.7 * z - 2)).astype(np.uint8)
    fitted = fit_calibration(z, LabelMatrix(y))
    plain = LogisticRegression(C=np.inf).fit(z, y[:, 0])
    assert fitted.low[0] == pytest.approx(plain.coef_[0, 0], abs=0.005)
    assert fitted.intercept[0] == pytest.approx(plain.intercept_[0], abs=0.005)


def test_a_weight_of_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(300, 1)), rng.integers(0, 2, (300, 1)).astype(np.uint8)
    weight = rng.integers(1, 4, 300).astype(float)
    times = weight.astype(int)
    repeated = fit_calibration(np.repeat(z, times, axis=0), LabelMatrix(np.repeat(y, times, axis=0)))
    weighted = fit_calibration(z, LabelMatrix(y), weight)
    assert weighted.low[0] == pytest.approx(repeated.low[0], abs=1e-3)
    assert weighted.intercept[0] == pytest.approx(repeated.intercept[0], abs=1e-3)


def test_few_positives_leave_the_slope_near_one_and_never_negative() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(5000, 1))
    y = np.zeros((5000, 1), np.uint8)
    y[np.argsort(z[:, 0])[:3]] = 1
    fitted = fit_calibration(z, LabelMatrix(y))
    assert 0.0 <= fitted.low[0] <= 1.0
    assert expit(fitted(z)).sum() == pytest.approx(3, abs=1.5)
    untouched = fit_calibration(z, LabelMatrix(np.zeros_like(y)))
    assert (untouched.low[0], untouched.intercept[0]) == (1.0, 0.0)
