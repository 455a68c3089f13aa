"""After the projection onto coherent rows each column has the sum of its positives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cascade.data.label_matrix import LabelMatrix
from cascade.fitting.match_sums import match_sums
from cascade.rules.probability.calibration import Calibration, fit_calibration
from cascade.rules.probability.coherence import coherent


def rows(seed: int, n: int = 3000, n_labels: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of labels and of `any`, in noisy versions that often contradict each other; labels; weights."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 2, size=(n, n_labels))
    Y = (rng.random(true.shape) < expit(true)).astype(np.uint8)
    some = Y.any(axis=1, keepdims=True)
    z = np.hstack([true, true.max(axis=1, keepdims=True)]) + rng.normal(0, [1.0] * n_labels + [4.0], (n, n_labels + 1))
    return z, np.hstack([Y, some]).astype(np.uint8), rng.uniform(0.5, 2, n)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans())
def test_sums_are_right_after_the_projection(seed: int, are_missing: bool) -> None:
    z, Y, weight = rows(seed)
    known = np.random.default_rng(seed).random(Y.shape) < 0.8 if are_missing else None
    labels = LabelMatrix(Y if known is None else Y * known, known)
    counts = weight[:, None] * (np.ones(Y.shape) if known is None else known)
    wanted = (counts * labels.values).sum(axis=0)
    fitted = fit_calibration(z, labels, weight, "platt")
    off = np.abs((counts * coherent(expit(fitted(z)), 3)).sum(axis=0) / wanted - 1)
    matched = match_sums(fitted, z, labels, weight)
    left = np.abs((counts * coherent(expit(matched(z)), 3)).sum(axis=0) / wanted - 1)
    # The projection moves sums by a hundredth and more here, so that the law is not empty.
    assert off.max() > 0.01
    assert left.max() < 1e-5


def test_a_column_of_one_class_is_left_alone() -> None:
    z, Y, weight = rows(0)
    Y[:, 1] = 0
    start = Calibration.identity(4)
    matched = match_sums(start, z, LabelMatrix(Y), weight)
    assert matched(z)[:, 1].tolist() == z[:, 1].tolist()
