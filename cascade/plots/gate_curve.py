"""Plot of the gate's operating curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cascade.data.labels import check_labels, name_labels
from cascade.data.missing import split_missing
from cascade.errors import DataError
from cascade.plots.curves import GateCurve, gate_curve, threshold_grid
from cascade.plots.display import BAND, INK, axes_of, chosen, colour, finished


class GateCurveDisplay:
    """Recall per label and share of rows that pass, by the gate threshold.

    Parameters
    ----------
    curve : GateCurve
    threshold : float, optional
        The threshold of the model, shown as a vertical line.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per label.

    Examples
    --------
    >>> gate, Y = np.linspace(0.01, 0.99, 99), (np.arange(99) > 80)[:, None].astype(int)
    >>> display = GateCurveDisplay.from_scores(gate, Y, ["bleed"], threshold=0.5)
    >>> display.ax_.get_xlabel(), len(display.lines_)
    ('gate threshold', 1)
    """

    def __init__(self, curve: GateCurve, threshold: float | None = None) -> None:
        self.curve = curve
        self.threshold = threshold

    @classmethod
    def from_predictor(
        cls,
        predictor: Any,
        X: Any,
        Y: ArrayLike,
        groups: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> GateCurveDisplay:
        """Score rows with the gate of a fitted cascade, and plot.

        Parameters
        ----------
        predictor : CascadePredictor or fitted CascadeClassifier
        X : rows that the model has not seen, n of them
        Y : array-like of 0/1, shape (n, L)
        groups : array-like, shape (n,), optional
            Intervals are over groups. Default: each row is a group.
        labels : sequence of str, optional
            Labels to show; all if not given.
        ax : matplotlib Axes, optional
        """
        model = finished(predictor)
        return cls.from_scores(
            model.gate_proba(X), Y, model.label_names, groups, model.rules.gate_threshold, labels=labels, ax=ax
        )

    @classmethod
    def from_scores(
        cls,
        gate_proba: ArrayLike,
        Y: ArrayLike,
        names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        threshold: float | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> GateCurveDisplay:
        """Plot the curve of gate probabilities, shape (n,).

        Raises
        ------
        DataError
            If `gate_proba` has not one value per row of `Y`.
        """
        true = check_labels(split_missing(Y)[0])
        gate = np.asarray(gate_proba, dtype=np.float64)
        if gate.shape != (len(true),):
            raise DataError(f"`gate_proba` must have one value per row of `Y` ({len(true)}). Received {gate.shape}.")
        # Without a model's threshold, 0 is part of the grid: there every row passes.
        grid = threshold_grid(gate, true.any(axis=1), own=0.0 if threshold is None else threshold)
        curve = gate_curve(gate, true, name_labels(names, true.shape[1]), grid, groups)
        return cls(curve, threshold).plot(labels=labels, ax=ax)

    def plot(self, ax: Any = None, *, labels: Sequence[str] | None = None) -> GateCurveDisplay:
        """Plot on the given axes, or on new ones."""
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        columns = chosen(self.curve.labels, labels)
        self.lines_ = [self._plot_label(k, colour(place)) for place, k in enumerate(columns)]
        # Dashed and dark, as it belongs to no label; it is the cost that the recalls are traded against.
        x = self._shown_thresholds()
        self.ax_.plot(x, self.curve.share_passed, color=INK, linestyle="--", label="share of rows examined")
        if self.threshold is not None:
            self.ax_.axvline(self.threshold, color=INK, linewidth=0.8)
        self.ax_.set(xscale="log", ylim=(0, 1.01), xlabel="gate threshold", ylabel="share that passes")
        self.ax_.legend(frameon=False)
        return self

    def _plot_label(self, k: int, color: str) -> Any:
        x, curve = self._shown_thresholds(), self.curve
        (line,) = self.ax_.plot(x, curve.recall[:, k], color=color, label=curve.labels[k])
        self.ax_.fill_between(x, curve.low[:, k], curve.high[:, k], color=color, alpha=BAND, linewidth=0)
        return line

    def _shown_thresholds(self) -> Any:
        """Return the thresholds, with 0 moved to the next larger one, since a log scale cannot show it."""
        limits = self.curve.thresholds
        return np.maximum(limits, limits[limits > 0].min(initial=1.0))
