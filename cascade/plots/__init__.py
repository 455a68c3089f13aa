"""How are curves plotted? Displays with matplotlib (extra `plots`), by the conventions of scikit-learn."""

from __future__ import annotations

from cascade.plots.calibration import CalibrationDisplay
from cascade.plots.counts import plot_counts
from cascade.plots.gate_curve import GateCurveDisplay
from cascade.plots.precision_recall import PrecisionRecallDisplay

__all__ = ["CalibrationDisplay", "GateCurveDisplay", "PrecisionRecallDisplay", "plot_counts"]
