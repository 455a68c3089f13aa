"""Who is examined, and which bits are set: thresholds chosen on held-out rows of natural prevalence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from cascade.errors import ConfigError
from cascade.labels import Labels

Floats = NDArray[np.float64]

SUREST_REJECTED = 0.5


@dataclass(frozen=True)
class GateThreshold:
    """The gate's threshold and what it keeps of each label on the rows that chose it.

    Attributes
    ----------
    value : float
        Rows with a gate probability of at least this are examined.
    wanted : float
        Recall that was asked for.
    positives, kept : ndarray of int, shape (L,)
        Positives of each label among the choosing rows, and those past the gate.
    """

    value: float
    wanted: float
    positives: NDArray[np.int64]
    kept: NDArray[np.int64]


def gate_threshold(gate: Floats, Y: Labels, recall: float, weight: Floats | None = None) -> GateThreshold:
    """Find the highest threshold that keeps `recall` of the positives of every label.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        Gate probabilities of held-out rows.
    Y : ndarray of 0/1, shape (n, L)
    recall : float in (0, 1]
    weight : ndarray of float, shape (n,), optional
        How many rows of the population each row stands for.

    Returns
    -------
    GateThreshold
        With no positive at all the threshold is 0: every row is examined. It is at most 0.5: a row more likely
        than not to have a label is always examined.

    Examples
    --------
    >>> gate_threshold(np.array([0.9, 0.4, 0.1]), np.array([[1, 0], [0, 1], [0, 0]]), recall=1.0).value
    0.4
    """
    positives = Y.sum(axis=0, dtype=np.int64)
    weights = np.ones(len(gate)) if weight is None else weight
    highest = [_keep(gate[Y[:, k] > 0], weights[Y[:, k] > 0], recall) for k in np.flatnonzero(positives)]
    value = min([*highest, SUREST_REJECTED]) if highest else 0.0
    return GateThreshold(value, recall, positives, Y[gate >= value].sum(axis=0, dtype=np.int64))


def _keep(scores: Floats, weight: Floats, recall: float) -> float:
    order = np.argsort(-scores, kind="stable")
    kept = np.cumsum(weight[order])
    # The small number keeps 0.95 * 20 = 19.000000000000004 from asking for 20.
    last = int(np.searchsorted(kept, recall * kept[-1] - 1e-9))
    return float(scores[order][min(last, len(scores) - 1)])


def check_decision(decision: str | float) -> None:
    """Refuse a way of setting bits that is none."""
    if decision != "f1" and not (isinstance(decision, (int, float)) and 0 < decision < 1):
        raise ConfigError(f"`decision` must be 'f1' or a threshold between 0 and 1. Received {decision!r}.")


def decision_thresholds(
    decision: str | float, proba: Floats, passed: NDArray[np.bool_], Y: Labels, weight: Floats | None = None
) -> Floats:
    """Threshold of each label, shape (L,): that of the largest F1, or one number for all."""
    if isinstance(decision, str):
        return f1_thresholds(proba, passed, Y, weight)
    return np.full(Y.shape[1], float(decision))


def f1_thresholds(proba: Floats, passed: NDArray[np.bool_], Y: Labels, weight: Floats | None = None) -> Floats:
    """Choose each label's threshold for the largest F1, where only rows past the gate can get a bit.

    Parameters
    ----------
    proba : ndarray of float, shape (n, L)
        Merged probabilities.
    passed : ndarray of bool, shape (n,)
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,), optional

    Returns
    -------
    ndarray of float, shape (L,)
        0.5 for a label without a positive that passed.
    """
    scores = np.where(passed[:, None], proba, 0.0)
    return np.array([_best_f1(score, y, weight) for score, y in zip(scores.T, Y.T, strict=True)])


def _best_f1(score: Floats, y: NDArray[np.uint8], weight: Floats | None) -> float:
    if not np.any(score[y > 0] > 0):
        return 0.5
    precision, recall, threshold = precision_recall_curve(y, score, sample_weight=weight)
    total = precision[:-1] + recall[:-1]
    f1 = 2 * precision[:-1] * recall[:-1] / np.where(total > 0, total, 1.0)
    return float(threshold[int(np.argmax(np.where(threshold > 0, f1, -1.0)))])
