"""Precision against recall of each label, with intervals, as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from cascade.curves import PrecisionRecallCurve, precision_recall_curve
from cascade.plots.display import BAND, axes_of, chosen, colour, finished, labelled


class PrecisionRecallDisplay:
    """Precision at each recall, one line a label, with 95 % intervals over groups.

    Parameters
    ----------
    curves : sequence of PrecisionRecallCurve

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One a label.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.linspace(0.01, 0.99, 99)[:, None]
    >>> display = PrecisionRecallDisplay.from_scores(p, (p > 0.7).astype(int), ["bleed"])
    >>> display.lines_[0].get_label()
    'bleed (AP 1.000)'
    """

    def __init__(self, curves: Sequence[PrecisionRecallCurve]) -> None:
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
    ) -> PrecisionRecallDisplay:
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
    ) -> PrecisionRecallDisplay:
        """Plot the curves of probabilities, shape (n, L).

        Raises
        ------
        DataError
            If `proba` does not fit `Y`.
        """
        outcome, named, number = labelled(proba, Y, names, groups)
        curves = [precision_recall_curve(outcome, k, named[k], number) for k in chosen(named, labels)]
        return cls(curves).plot(ax)

    def plot(self, ax: Any = None) -> PrecisionRecallDisplay:
        """Plot on the given axes, or on new ones."""
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        self.lines_ = [self._plot_curve(curve, colour(place)) for place, curve in enumerate(self.curves)]
        self.ax_.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
        self.ax_.legend(frameon=False)
        return self

    def _plot_curve(self, curve: PrecisionRecallCurve, of_label: str) -> Any:
        name = f"{curve.label} (AP {curve.average_precision:.3f})"
        (line,) = self.ax_.plot(curve.recall, curve.precision, color=of_label, label=name)
        self.ax_.fill_between(curve.recall, curve.low, curve.high, color=of_label, alpha=BAND, linewidth=0)
        return line
