"""Validated training data: rows, labels, and what comes with each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.labels import Labels
from cascade.rows import Rows


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
    """

    X: Any
    Y: Labels
    names: tuple[str, ...]
    any_index: int | None
    groups: NDArray[Any] | None
    weight: NDArray[np.float64] | None

    def extra(self, rows: Rows) -> dict[str, Any]:
        """Give the fit arguments that belong to some rows."""
        given = {"groups": self.groups, "sample_weight": self.weight}
        return {name: None if values is None else values[rows] for name, values in given.items()}
