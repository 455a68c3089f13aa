"""Validated training data: rows, labels, and what comes with each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known, settled_rows
from cascade.utils.types import Mask, Rows


@dataclass(frozen=True)
class Examples:
    """What a cascade is fitted on.

    Attributes
    ----------
    X : rows, n of them
    Y : ndarray of 0/1, shape (n, L)
    names : tuple of str, length L
    any_index : int or None
        Column that equals the OR of the others.
    groups : ndarray, shape (n,), or None
    weight : ndarray of float, shape (n,), or None
    known : ndarray of bool, shape (n, L), or None
        Which labels are known; `Y` is 0 elsewhere. None where all are.
    """

    X: Any
    Y: Labels
    names: tuple[str, ...]
    any_index: int | None
    groups: NDArray[Any] | None
    weight: NDArray[np.float64] | None
    known: Known = None

    def extra(self, rows: Rows) -> dict[str, Any]:
        """Give the fit arguments that belong to some rows."""
        given = {"groups": self.groups, "sample_weight": self.weight}
        return {name: None if values is None else values[rows] for name, values in given.items()}

    def settled(self, rows: Rows) -> Mask | None:
        """Mark those of some rows of which it is known, whatever the answer, whether they have a label; or None."""
        return None if self.known is None else settled_rows(self.known, self.any_index)[rows]

    def with_gate_target(self, rows: Rows) -> Rows:
        """Keep those of some rows that the gate can learn from: with a label, or known to have none."""
        settled = self.settled(rows)
        return rows if settled is None else rows[settled | self.Y[rows].any(axis=1)]

    def telling(self) -> Rows:
        """Numbers of the rows of which something is known; the others say nothing and are left out of all."""
        return np.arange(len(self.Y)) if self.known is None else np.flatnonzero(self.known.any(axis=1))
