"""Precision at each recall of a label, with an interval over groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.metrics import AVERAGE_PRECISION, Metric, Outcome
from cascade.metrics.bootstrap import metric_interval
from cascade.metrics.ranking import counts_at_places
from cascade.utils.types import Floats

RECALLS = np.linspace(0.02, 1.0, 50)
DRAWS = 200
ROUNDING = 1e-9


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision of one label at G recalls.

    Attributes
    ----------
    label : str
    recall : ndarray of float, shape (G,)
    precision, low, high : ndarray of float, shape (G,)
        Precision at the highest threshold with at least this recall, and its 95 % interval over groups; NaN for a label
        that never occurs.
    average_precision, prevalence : float
    """

    label: str
    recall: Floats
    precision: Floats
    low: Floats
    high: Floats
    average_precision: float
    prevalence: float


@dataclass(frozen=True)
class _AtRecalls(Metric):
    """A metric of a single label, with one value per recall instead of one per label."""

    def of_sums(self, sums: Iterable[Floats]) -> Floats:
        """Return values of shape (G, D)."""
        # The columns of average precision are reused: one set of sums determines the precision at every place.
        (label_sums,) = sums
        return self.formula(label_sums)


def _precision(sums: Floats) -> Floats:
    positives, _, negatives_above, _ = counts_at_places(sums)
    true_positives = np.cumsum(positives, axis=0)
    predicted = true_positives + negatives_above
    precision = np.divide(true_positives, predicted, out=np.zeros_like(true_positives), where=true_positives > 0)
    values = np.full((len(RECALLS), sums.shape[1]), np.nan)
    for draw in np.flatnonzero(positives.any(axis=0)):
        # A requested recall can be a whole number of positives, which rounding must not move to the next one.
        wanted = RECALLS * true_positives[-1, draw] * (1 - ROUNDING)
        values[:, draw] = precision[np.searchsorted(true_positives[:, draw], wanted), draw]
    return values


PRECISION_AT_RECALLS = _AtRecalls("precision_at_recalls", AVERAGE_PRECISION.columns, _precision, 1.0)


def precision_recall_curve(outcome: Outcome, k: int, label: str, group: NDArray[np.intp]) -> PrecisionRecallCurve:
    """Compute the curve of label `k`.

    Parameters
    ----------
    outcome : Outcome
        Outcome of n rows.
    k : int
    label : str
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0; a bootstrap draws them with replacement.

    Examples
    --------
    >>> Y = np.tile([[1], [0]], (20, 1)).astype(np.uint8)
    >>> perfect = Outcome(Y, Y.astype(float), Y, np.ones(40, bool))
    >>> curve = precision_recall_curve(perfect, 0, "bleed", np.arange(40))
    >>> curve.precision.min(), curve.low.min(), curve.average_precision, curve.prevalence
    (np.float64(1.0), np.float64(1.0), 1.0, 0.5)
    """
    single = outcome.label(k)
    low, high = metric_interval(PRECISION_AT_RECALLS, single, group, DRAWS)
    known = len(single) if single.known is None else int(single.known.sum())
    return PrecisionRecallCurve(
        label,
        recall=RECALLS,
        precision=PRECISION_AT_RECALLS(single),
        low=low,
        high=high,
        average_precision=float(AVERAGE_PRECISION(single)[0]),
        prevalence=float(single.Y.sum() / max(known, 1)),
    )
