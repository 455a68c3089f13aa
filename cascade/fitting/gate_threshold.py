"""Who is examined: the gate's threshold, chosen on held-out rows of natural prevalence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels

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


def at_threshold(value: float, gate: Floats, Y: Labels, recall: float) -> GateThreshold:
    """Describe a threshold that was found elsewhere by what it keeps on these rows."""
    return GateThreshold(value, recall, Y.sum(axis=0, dtype=np.int64), Y[gate >= value].sum(axis=0, dtype=np.int64))


def gate_threshold(gate: Floats, Y: Labels, recall: float, weight: Floats | None = None) -> GateThreshold:
    """Find the highest threshold that keeps `recall` of the positives of every label.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        Gate probabilities of held-out rows.
    Y : ndarray of 0/1, shape (n, L)
        Only positives count: a missing label is a 0 like any other.
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
    weights = np.ones(len(gate)) if weight is None else weight
    highest = [_keep(gate[Y[:, k] > 0], weights[Y[:, k] > 0], recall) for k in np.flatnonzero(Y.any(axis=0))]
    value = min([*highest, SUREST_REJECTED]) if highest else 0.0
    return at_threshold(value, gate, Y, recall)


def _keep(scores: Floats, weight: Floats, recall: float) -> float:
    order = np.argsort(-scores, kind="stable")
    kept = np.cumsum(weight[order])
    # The small number keeps 0.95 * 20 = 19.000000000000004 from asking for 20.
    last = int(np.searchsorted(kept, recall * kept[-1] - 1e-9))
    return float(scores[order][min(last, len(scores) - 1)])
