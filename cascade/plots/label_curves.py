"""A display of one curve a label: made from a predictor or from scores, drawn on one pair of axes."""

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
    """One curve a label; a subclass tells which, and how it is drawn.

    Parameters
    ----------
    curves : sequence of curves

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One a label.
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
        X : rows that it has not seen, n of them
        Y : array-like of 0/1, shape (n, L)
            A label may be missing.
        groups : array-like, shape (n,), optional
            Intervals are those of groups; without, each row is one.
        labels : sequence of str, optional
            Those to show; all if not given.
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
            If `proba` does not fit `Y`.
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

    def _plot_curve(self, curve: Any, of_label: str) -> Any:
        raise NotImplementedError


def _outcome(proba: ArrayLike, Y: ArrayLike) -> Outcome:
    """Labels beside their probabilities; what was decided plays no role."""
    values, known = split_missing(Y)
    true = check_labels(values)
    scores = np.asarray(proba, dtype=np.float64)
    if scores.shape != true.shape:
        raise DataError(f"`proba` must have one value per label of each row {true.shape}. Received {scores.shape}.")
    return Outcome(true, scores, np.zeros_like(true), np.ones(len(true), dtype=bool), known)
