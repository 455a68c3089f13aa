"""What a cascade said of some rows, counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.rows import Rows
from cascade.drift.clusters import count_histogram, count_share
from cascade.drift.counts import Share
from cascade.drift.histogram import Histogram, quantile_edges
from cascade.drift.kinds import (
    GATE,
    GATE_WITH,
    GATE_WITHOUT,
    PAST_GATE,
    PAST_GATE_WITH,
    PAST_GATE_WITHOUT,
    PREDICTED,
)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """What a cascade said of n rows.

    Attributes
    ----------
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds, before any calibration.
    passed : ndarray of bool, shape (n,)
    bits : ndarray of 0/1, shape (n, L)
    group : ndarray of int, shape (n,)
    names : tuple of str, length L
    with_label, without_label : ndarray of bool, shape (n,), or None
        Rows known to have a label, and to have none; None where labels are not given.
    """

    gate_z: Floats
    passed: Mask
    bits: Labels
    group: Rows
    names: tuple[str, ...]
    with_label: Mask | None = None
    without_label: Mask | None = None

    def shares(self) -> Iterator[Share]:
        """Share past the gate, in all and of each class, and predicted as each label."""
        for kind, rows in self._parts(PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT):
            yield count_share(kind, "", self.passed[rows], self.group[rows])
        for k, name in enumerate(self.names):
            yield count_share(PREDICTED, name, self.bits[:, k] > 0, self.group)

    def histograms(self, edges: Floats | None) -> Iterator[Histogram]:
        """Count the gate's scores, in all and of each class, in one set of bins."""
        bins = self._edges() if edges is None else edges
        for kind, rows in self._parts(GATE, GATE_WITH, GATE_WITHOUT):
            yield count_histogram(kind, "", self.gate_z[rows], bins, self.group[rows])

    def _parts(self, both: str, with_label: str, without_label: str) -> Iterator[tuple[str, Mask]]:
        yield both, np.ones(len(self.gate_z), dtype=bool)
        if self.with_label is not None and self.without_label is not None:
            yield with_label, self.with_label
            yield without_label, self.without_label

    def _edges(self) -> Floats:
        """Quantiles of each class, so that the few rows with a label are not all in one bin."""
        parts = [quantile_edges(self.gate_z[rows]) for _, rows in self._parts(GATE, GATE_WITH, GATE_WITHOUT)]
        inner = np.unique(np.concatenate([part[1:-1] for part in parts]))
        return np.unique(np.concatenate([parts[0][:1], inner, parts[0][-1:]]))
