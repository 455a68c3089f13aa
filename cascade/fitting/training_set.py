"""Validated training data: rows, labels, groups and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.utils.types import Mask, Rows


@dataclass(frozen=True)
class TrainingSet:
    """The data that a cascade is fitted on.

    Attributes
    ----------
    X : rows, n of them
    labels : LabelMatrix
        Dense, n rows and L labels.
    names : tuple of str, length L
        Names of the labels.
    any_index : int or None
        Column that equals the OR of the others.
    groups : ndarray, shape (n,), or None
    weight : ndarray of float, shape (n,), or None
    """

    X: Any
    labels: LabelMatrix
    names: tuple[str, ...]
    any_index: int | None
    groups: NDArray[Any] | None
    weight: NDArray[np.float64] | None

    @property
    def Y(self) -> Labels:
        """Labels as 0/1, shape (n, L); 0 where not known."""
        return self.labels.values

    @property
    def known(self) -> Known:
        """Which labels are known, bool of shape (n, L); None where all are."""
        return self.labels.known

    def part(self, X: Any, rows: Rows) -> TrainingSet:
        """Return the rows `rows`, whose features are `X`."""
        groups, weight = (None if values is None else values[rows] for values in (self.groups, self.weight))
        return replace(self, X=X, labels=self.labels.part(rows), groups=groups, weight=weight)

    def extra(self, rows: Rows) -> dict[str, Any]:
        """Return groups and weights of `rows` as arguments of `fit`; None where there are none."""
        given = {"groups": self.groups, "sample_weight": self.weight}
        return {name: None if values is None else values[rows] for name, values in given.items()}

    def any_known(self, rows: Rows) -> Mask | None:
        """Mark those of `rows` whose gate target would be known whatever its value; None where all are."""
        any_known = self.labels.any_known(self.any_index)
        return None if any_known is None else any_known[rows]

    def with_gate_target(self, rows: Rows) -> Rows:
        """Select those of `rows` that the gate can learn from: with a label, or known to have none."""
        has_target = self._has_gate_target(rows)
        return rows if has_target is None else rows[has_target]

    def gate_target(self, rows: Rows, columns: Rows) -> LabelMatrix:
        """Return what a gate learns on `rows`: `any`, which may be missing, then the labels `columns`."""
        part, has_target = self.labels.part(rows, columns), self._has_gate_target(rows)
        values = np.column_stack([self.Y[rows].any(axis=1), part.values])
        if part.known is None or has_target is None:
            return LabelMatrix(values)
        return LabelMatrix(values, np.column_stack([has_target, part.known]))

    def _has_gate_target(self, rows: Rows) -> Mask | None:
        # More rows than `any_known` marks: one known positive is a target, though it is no use for a prevalence.
        any_known = self.any_known(rows)
        return None if any_known is None else any_known | self.Y[rows].any(axis=1)
