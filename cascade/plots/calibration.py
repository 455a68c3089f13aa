"""Plot of observed against predicted shares per label, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade.plots.curves import ReliabilityCurve, reliability_curve
from cascade.plots.display import INK
from cascade.plots.label_curves import LabelCurvesDisplay

LIMITS = (1e-4, 1 - 1e-4)
TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


class CalibrationDisplay(LabelCurvesDisplay):
    """Observed share of a label against its predicted probability, with 95 % intervals over groups.

    Parameters
    ----------
    curves : sequence of ReliabilityCurve

    Attributes
    ----------
    ax_ : matplotlib Axes
        Both scales are log-odds; shares of 0 and 1 are drawn at their ends.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per label.

    Examples
    --------
    >>> p = np.tile([0.1, 0.2, 0.7], 100)[:, None]
    >>> display = CalibrationDisplay.from_scores(p, np.arange(300)[:, None] % 3 == 2, ["bleed"])
    >>> display.lines_[0].get_xdata().round(1).tolist()
    [0.1, 0.2, 0.7]
    """

    _curve = staticmethod(reliability_curve)

    def _frame(self) -> None:
        self.ax_.plot(LIMITS, LIMITS, color=INK, linewidth=0.8, linestyle="--")
        self.ax_.set(xscale="logit", yscale="logit", xlim=LIMITS, ylim=LIMITS, xlabel="predicted", ylabel="observed")
        names = [f"{tick:g}" for tick in TICKS]
        self.ax_.set_xticks(TICKS, names)
        self.ax_.set_yticks(TICKS, names)
        self.ax_.minorticks_off()

    def _plot_curve(self, curve: ReliabilityCurve, color: str) -> Any:
        # Log-odds of 0 and 1 are infinite, and matplotlib would silently leave such points out.
        low, observed, high = (np.clip(each, *LIMITS) for each in (curve.low, curve.observed, curve.high))
        (line,) = self.ax_.plot(curve.predicted, observed, "o-", markersize=4, color=color, label=curve.label)
        self.ax_.vlines(curve.predicted, low, high, color=color)
        return line
