"""What a cascade says of rows: both models' scores, and what the rules make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a cascade says of each row.

    Attributes
    ----------
    gate_proba : ndarray of float, shape (n,)
        Calibrated probability that the row has a label.
    passed_gate : ndarray of bool, shape (n,)
        Whether the labeler examined the row.
    proba : ndarray of float, shape (n, L)
    labels : ndarray of 0/1, shape (n, L)
    """

    gate_proba: Floats
    passed_gate: NDArray[np.bool_]
    proba: Floats
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Scores:
    """What the two models say, before any rule.

    Attributes
    ----------
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    passed : ndarray of bool, shape (n,)
    labeler_z : ndarray of float, shape (m, K)
        The labeler's log-odds of the learned labels, for the m rows that passed.
    """

    gate_z: Floats
    passed: NDArray[np.bool_]
    labeler_z: Floats
