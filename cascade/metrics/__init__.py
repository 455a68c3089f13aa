"""How good is a prediction, and how certain is that figure? Metrics that are defined on empty rows, with intervals."""

from __future__ import annotations

from cascade.metrics.calibration import CALIBRATION_ERROR, calibration_line
from cascade.metrics.example_based import F1_NORMAL, HAMMING_LOSS, JACCARD, SAMPLES_F1, SUBSET_ACCURACY
from cascade.metrics.label_based import COUNT_RATIO, F1, F2, GATE_RECALL, label_f1
from cascade.metrics.ledger import Ledger, ledger
from cascade.metrics.metric import Metric, macro, mean_defined, ratio
from cascade.metrics.outcome import Outcome
from cascade.metrics.probabilities import (
    BRIER,
    BRIER_NEGATIVES,
    BRIER_POSITIVES,
    LOG_LOSS,
    SUM_RATIO,
    any_counted_double,
    weighted_log_loss,
)
from cascade.metrics.ranking import (
    AUROC,
    AVERAGE_PRECISION,
    MICRO_AVERAGE_PRECISION,
    label_auroc,
    label_average_precision,
    micro_average_precision,
)
from cascade.metrics.summary import LABEL_METRICS, ROW_METRICS, label_values, overall_metrics

__all__ = [
    "AUROC",
    "AVERAGE_PRECISION",
    "BRIER",
    "BRIER_NEGATIVES",
    "BRIER_POSITIVES",
    "CALIBRATION_ERROR",
    "COUNT_RATIO",
    "F1",
    "F1_NORMAL",
    "F2",
    "GATE_RECALL",
    "HAMMING_LOSS",
    "JACCARD",
    "LABEL_METRICS",
    "LOG_LOSS",
    "MICRO_AVERAGE_PRECISION",
    "ROW_METRICS",
    "SAMPLES_F1",
    "SUBSET_ACCURACY",
    "SUM_RATIO",
    "Ledger",
    "Metric",
    "Outcome",
    "any_counted_double",
    "calibration_line",
    "label_auroc",
    "label_average_precision",
    "label_f1",
    "label_values",
    "ledger",
    "macro",
    "mean_defined",
    "micro_average_precision",
    "overall_metrics",
    "ratio",
    "weighted_log_loss",
]
