"""Plot of precision against recall per label, with intervals."""

from __future__ import annotations

from typing import Any

from cascade.plots.curves import PrecisionRecallCurve, precision_recall_curve
from cascade.plots.display import BAND
from cascade.plots.label_curves import LabelCurvesDisplay


class PrecisionRecallDisplay(LabelCurvesDisplay):
    """Precision at each recall, one line per label, with 95 % intervals over groups.

    Parameters
    ----------
    curves : sequence of PrecisionRecallCurve

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per label.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.linspace(0.01, 0.99, 99)[:, None]
    >>> display = PrecisionRecallDisplay.from_scores(p, (p > 0.7).astype(int), ["bleed"])
    >>> display.lines_[0].get_label()
    'bleed (AP 1.000)'
    """

    _curve = staticmethod(precision_recall_curve)

    def _frame(self) -> None:
        self.ax_.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")

    def _plot_curve(self, curve: PrecisionRecallCurve, color: str) -> Any:
        name = f"{curve.label} (AP {curve.average_precision:.3f})"
        (line,) = self.ax_.plot(curve.recall, curve.precision, color=color, label=name)
        self.ax_.fill_between(curve.recall, curve.low, curve.high, color=color, alpha=BAND, linewidth=0)
        return line
