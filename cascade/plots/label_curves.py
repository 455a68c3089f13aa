"""Base of displays with one curve per label, made from a predictor or from scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.labels import check_labels, name_labels
from cascade.data.missing import split_missing
from cascade.data.splits import group_numbers
from cascade.errors import DataError
from cascade.metrics import Outcome
from cascade.plots.display import axes_of, chosen, colour, finished


class LabelCurvesDisplay:
    """One curve per label; a subclass computes and draws it.

    Parameters
    ----------
    curves : sequence of curves

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per label.
    """

    def __init__(self, curves: Sequence[Any]) -> None:
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
    ) -> Self:
        """Predict with a fitted cascade, and plot.

        Parameters
        ----------
        predictor : CascadePredictor or fitted CascadeClassifier
        X : rows that the model has not seen, n of them
        Y : array-like of 0/1, shape (n, L)
            Labels may be missing.
        groups : array-like, shape (n,), optional
            Intervals are over groups. Default: each row is a group.
        labels : sequence of str, optional
            Labels to show; all if not given.
        ax : matplotlib Axes, optional
        """
        model = finished(predictor)
        return cls.from_scores(model.predict_proba(X), Y, model.label_names, groups, labels, ax)

    @classmethod
    def from_scores(
        cls,
        proba: ArrayLike,
        Y: ArrayLike,
        names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Plot the curves of probabilities, shape (n, L).

        Raises
        ------
        DataError
            If the shapes of `proba` and `Y` differ.
        """
        outcome = _outcome(proba, Y)
        named, group = name_labels(names, outcome.Y.shape[1]), group_numbers(groups, len(outcome))
        return cls([cls._curve(outcome, k, named[k], group) for k in chosen(named, labels)]).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot on the given axes, or on new ones."""
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        self._frame()
        self.lines_ = [self._plot_curve(curve, colour(place)) for place, curve in enumerate(self.curves)]
        self.ax_.legend(frameon=False)
        return self

    @staticmethod
    def _curve(outcome: Outcome, k: int, label: str, group: NDArray[np.intp]) -> Any:
        raise NotImplementedError

    def _frame(self) -> None:
        raise NotImplementedError

    def _plot_curve(self, curve: Any, color: str) -> Any:
        raise NotImplementedError


def _outcome(proba: ArrayLike, Y: ArrayLike) -> Outcome:
    """Make an outcome of labels and probabilities."""
    values, known = split_missing(Y)
    true = check_labels(values)
    scores = np.asarray(proba, dtype=np.float64)
    if scores.shape != true.shape:
        raise DataError(f"`proba` must have one value per label of each row {true.shape}. Received {scores.shape}.")
    # These curves do not depend on decisions or on a gate, so bits and `passed` are placeholders.
    return Outcome(true, scores, np.zeros_like(true), np.ones(len(true), dtype=bool), known)
