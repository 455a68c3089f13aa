"""Observed against predicted shares of each label, with intervals, as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cascade.curves import ReliabilityCurve, reliability_curve
from cascade.plots.display import INK, axes_of, chosen, colour, finished, labelled

LEAST = 1e-4


class CalibrationDisplay:
    """What share of the rows has a label where about so much was predicted, with 95 % intervals over groups.

    Parameters
    ----------
    curves : sequence of ReliabilityCurve

    Attributes
    ----------
    ax_ : matplotlib Axes
        Both scales are those of log-odds; shares of 0 and 1 lie on their ends.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One a label.

    Examples
    --------
    >>> p = np.tile([0.1, 0.2, 0.7], 100)[:, None]
    >>> display = CalibrationDisplay.from_scores(p, np.arange(300)[:, None] % 3 == 2, ["bleed"])
    >>> display.lines_[0].get_xdata().round(1).tolist()
    [0.1, 0.2, 0.7]
    """

    def __init__(self, curves: Sequence[ReliabilityCurve]) -> None:
        self.curves = curves

    @classmethod
    def from_predictor(
        cls,
        predictor: Any,
        X: Any,
        Y: ArrayLike,
        groups: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> CalibrationDisplay:
        """Predict with a fitted cascade, and plot.

        Parameters
        ----------
        predictor : CascadePredictor or fitted CascadeClassifier
        X : rows that it has not seen, n of them
        Y : array-like of 0/1, shape (n, L)
        groups : array-like, shape (n,), optional
            Intervals are those of groups; without, each row is one.
        labels : sequence of str, optional
            Those to show; all if not given.
        ax : matplotlib Axes, optional
        """
        model = finished(predictor)
        return cls.from_scores(model.predict_proba(X), Y, model.labels, groups, labels, ax)

    @classmethod
    def from_scores(
        cls,
        proba: ArrayLike,
        Y: ArrayLike,
        names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> CalibrationDisplay:
        """Plot the curves of probabilities, shape (n, L).

        Raises
        ------
        DataError
            If `proba` does not fit `Y`.
        """
        outcome, named, number = labelled(proba, Y, names, groups)
        curves = [reliability_curve(outcome, k, named[k], number) for k in chosen(named, labels)]
        return cls(curves).plot(ax)

    def plot(self, ax: Any = None) -> CalibrationDisplay:
        """Plot on the given axes, or on new ones."""
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        limits = (LEAST, 1 - LEAST)
        self.ax_.plot(limits, limits, color=INK, linewidth=0.8, linestyle="--")
        self.lines_ = [self._plot_curve(curve, colour(place)) for place, curve in enumerate(self.curves)]
        self.ax_.set(xscale="logit", yscale="logit", xlim=limits, ylim=limits, xlabel="predicted", ylabel="observed")
        self.ax_.legend(frameon=False)
        return self

    def _plot_curve(self, curve: ReliabilityCurve, of_label: str) -> Any:
        low, observed, high = (np.clip(each, LEAST, 1 - LEAST) for each in (curve.low, curve.observed, curve.high))
        (line,) = self.ax_.plot(curve.predicted, observed, "o-", color=of_label, label=curve.label)
        self.ax_.vlines(curve.predicted, low, high, color=of_label)
        return line
