"""The metrics of a report: one list with a value per label, one with a single value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cascade.metrics.calibration import CALIBRATION_ERROR, calibration_line
from cascade.metrics.example_based import F1_NORMAL, HAMMING_LOSS, JACCARD, SAMPLES_F1, SUBSET_ACCURACY
from cascade.metrics.label_based import COUNT_RATIO, F1, F2, GATE_RECALL
from cascade.metrics.metric import Metric, macro, ratio
from cascade.metrics.outcome import Outcome
from cascade.metrics.probabilities import (
    BRIER,
    BRIER_NEGATIVES,
    BRIER_POSITIVES,
    LOG_LOSS,
    SUM_RATIO,
    any_counted_double,
)
from cascade.metrics.ranking import AUROC, AVERAGE_PRECISION, MICRO_AVERAGE_PRECISION
from cascade.utils.types import Floats

LABEL_METRICS = (
    AUROC,
    AVERAGE_PRECISION,
    F1,
    F2,
    BRIER,
    BRIER_POSITIVES,
    BRIER_NEGATIVES,
    LOG_LOSS,
    CALIBRATION_ERROR,
    GATE_RECALL,
    COUNT_RATIO,
    SUM_RATIO,
)
"""Metrics with one value per label."""

ROW_METRICS = (SUBSET_ACCURACY, HAMMING_LOSS, SAMPLES_F1, JACCARD, F1_NORMAL)
"""Metrics with one value, from the bits of whole rows."""


def label_values(outcome: Outcome) -> dict[str, Floats]:
    """Return every metric per label, shape (L,), with positives, prevalence and calibration line.

    If labels are missing, `known` is the number of rows on which the label is known.

    Examples
    --------
    >>> Y = np.array([[1], [0], [0], [0]], np.uint8)
    >>> values = label_values(Outcome(Y, Y.astype(float), Y, Y.any(axis=1)))
    >>> float(values["prevalence"][0]), float(values["auroc"][0]), float(values["brier"][0])
    (0.25, 1.0, 0.0)
    """
    true = outcome.Y.sum(axis=0, dtype=np.float64)
    slope, intercept = calibration_line(outcome.labels, outcome.proba)
    rows = outcome.labels.rows_per_label()
    # `known` is left out for complete labels, where it would repeat the number of rows for each label.
    return {
        "positives": true,
        **({} if outcome.known is None else {"known": rows}),
        "prevalence": ratio(true, rows),
        **{metric.name: metric(outcome) for metric in LABEL_METRICS},
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def overall_metrics(n_labels: int, any_index: int | None, importance: ArrayLike | None = None) -> tuple[Metric, ...]:
    """Return every metric with a single value; `importance` (L,) weighs the labels in F2_CIW.

    Examples
    --------
    >>> [metric.name for metric in overall_metrics(6, any_index=5)][:2]
    ['macro_average_precision', 'macro_average_precision_findings']
    """
    # As weights: `any` follows from the other labels, so one of the means is without it.
    findings = np.arange(n_labels) != any_index
    return (
        macro(AVERAGE_PRECISION),
        macro(AVERAGE_PRECISION, findings, "macro_average_precision_findings"),
        MICRO_AVERAGE_PRECISION,
        macro(AUROC),
        any_counted_double(any_index),
        macro(F2, importance, "f2_ciw"),
        *ROW_METRICS,
    )
