"""Which curves are plotted? Their points and intervals, as plain numbers."""

from __future__ import annotations

from cascade.plots.curves.gate import GateCurve, gate_curve, threshold_grid
from cascade.plots.curves.precision_recall import PrecisionRecallCurve, precision_recall_curve
from cascade.plots.curves.reliability import ReliabilityCurve, reliability_curve

__all__ = [
    "GateCurve",
    "PrecisionRecallCurve",
    "ReliabilityCurve",
    "gate_curve",
    "precision_recall_curve",
    "reliability_curve",
    "threshold_grid",
]
