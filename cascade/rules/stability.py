"""How many rows pass the gate or get a bit differently where scores differ a little, as in another runtime?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cascade.data.rows import spaced_rows
from cascade.errors import DataError
from cascade.rules.rules import Rules, Scores
from cascade.utils.types import Floats, Mask

DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Differences of log-odds for which rows are counted."""

MOST_CHANGED = 1e-3
"""Largest share of the rows that an export may change."""

MOST_ROWS = 100_000


@dataclass(frozen=True)
class Stability:
    """Calibration rows that change where all scores differ in one direction: groups of equal rows change together.

    Attributes
    ----------
    rows : int
        Rows counted.
    changed : tuple of int
        Rows that change sides at the gate, or a bit, at each of `DIFFERENCES`.
    """

    rows: int
    changed: tuple[int, ...]

    @classmethod
    def of(cls, rules: Rules, scores: Scores, labeler_z: Floats) -> Stability:
        """Count the rows that the rules were fitted on.

        Parameters
        ----------
        rules : Rules
        scores : Scores
            Of n rows.
        labeler_z : ndarray of float, shape (n, K)
            The labeler's log-odds; only those of rows that pass are used.
        """
        rows = spaced_rows(len(scores.gate_z), MOST_ROWS)
        parts = scores.gate_z[rows], scores.passed[rows], labeler_z[rows], scores.gate_label_z[rows]
        changed = [
            max(int(_changed(rules, parts, sign * difference).sum()) for sign in (-1, 1)) for difference in DIFFERENCES
        ]
        return cls(len(rows), tuple(changed))

    def share(self, difference: float) -> float:
        """Return the share of rows that change at a difference, from the next larger one that was counted."""
        number = min(int(np.searchsorted(DIFFERENCES, difference)), len(DIFFERENCES) - 1)
        return self.changed[number] / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Stability:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If it is not what `to_json` writes.
        """
        known = isinstance(body, Mapping) and set(body) == {"rows", "changed"}
        counts = [body["rows"], *body["changed"]] if known and isinstance(body["changed"], (list, tuple)) else []
        if len(counts) != 1 + len(DIFFERENCES) or not all(
            type(each) is int and 0 <= each <= counts[0] for each in counts
        ):
            raise DataError("`stability` must hold counts of rows; it was not written by `to_json`.")
        return cls(counts[0], tuple(counts[1:]))


def _changed(rules: Rules, parts: tuple[Floats, Mask, Floats, Floats], difference: float) -> Mask:
    """Mark the rows that change where all log-odds have a difference."""
    gate_z, passed, labeler_z, gate_label_z = parts
    changed = (rules.gate_proba(gate_z + difference) >= rules.gate_threshold) != passed
    # Bits of rows that pass both times; the others have changed already, or have no bits.
    rows = np.flatnonzero(passed & ~changed)
    all_pass = np.ones(len(rows), dtype=bool)
    before, after = (
        rules.predict(Scores(gate_z[rows] + d, all_pass, labeler_z[rows] + d, gate_label_z[rows] + d)).labels
        for d in (0.0, difference)
    )
    changed[rows] = (before != after).any(axis=1)
    return np.asarray(changed)
