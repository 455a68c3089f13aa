"""Metrics that are sensible on rows without a label: perfect predictions score 1 (or loss 0), undefined is NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from cascade.labels import Labels

Floats = NDArray[np.float64]


def label_auroc(Y: Labels, proba: Floats) -> Floats:
    """Area under the ROC curve of each label; NaN where a label has only one class."""
    return np.array(
        [roc_auc_score(y, p) if 0 < y.sum() < len(y) else np.nan for y, p in zip(Y.T, proba.T, strict=True)]
    )


def label_average_precision(Y: Labels, proba: Floats) -> Floats:
    """Average precision of each label; NaN where it never occurs."""
    return np.array([average_precision_score(y, p) if y.any() else np.nan for y, p in zip(Y.T, proba.T, strict=True)])


def label_f1(Y: Labels, bits: Labels) -> Floats:
    """F1 of each label; NaN where it neither occurs nor is predicted.

    Examples
    --------
    >>> label_f1(np.array([[1, 0], [0, 0]], np.uint8), np.array([[1, 0], [0, 0]], np.uint8))
    array([ 1., nan])
    """
    hits = (Y & bits).sum(axis=0, dtype=np.float64)
    total = Y.sum(axis=0, dtype=np.float64) + bits.sum(axis=0, dtype=np.float64)
    return ratio(2 * hits, total)


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide, with NaN where the divisor is 0."""
    quotient: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) > 0)
    return quotient


def micro_average_precision(Y: Labels, proba: Floats) -> float:
    """Average precision over all (row, label) pairs; NaN without a positive."""
    return float(average_precision_score(Y.ravel(), proba.ravel())) if Y.any() else float("nan")


def weighted_log_loss(Y: Labels, proba: Floats, any_index: int | None) -> float:
    """Mean log loss with `any` counted double, the metric of the RSNA 2019 Intracranial Hemorrhage challenge.

    Probabilities are moved into [1e-7, 1 - 1e-7].

    Examples
    --------
    >>> round(weighted_log_loss(np.array([[0, 0]], np.uint8), np.array([[0.0, 0.0]]), any_index=1), 6)
    0.0
    """
    weights = np.ones(Y.shape[1])
    if any_index is not None:
        weights[any_index] = 2.0
    inside = np.clip(proba, 1e-7, 1 - 1e-7)
    loss = -np.where(Y > 0, np.log(inside), np.log1p(-inside)).mean(axis=0)
    return float(loss @ weights / weights.sum())


def mean_defined(values: Floats) -> float:
    """Mean over the defined values; NaN if none is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
