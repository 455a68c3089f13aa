"""The rows of one shard: those that can be scored, and those that cannot with the reason why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.rows import part_of
from cascade.utils.types import Rows

Reasons = NDArray[np.object_]
"""Why a row cannot be scored, one entry a row; None where it can."""

REJECTED = pa.schema([("id", pa.string()), ("row", pa.int64()), ("reason", pa.string())])


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of an input.

    Attributes
    ----------
    X : rows that can be scored, m of them
    rows : ndarray of int, shape (m,)
        Their numbers in the input, from 0.
    ids : ndarray of str, shape (m,)
    groups : ndarray, shape (m,), or None
    rejected : pyarrow.Table
        Columns `id`, `row` and `reason` of the others.
    """

    X: Any
    rows: Rows
    ids: NDArray[Any]
    groups: NDArray[Any] | None
    rejected: pa.Table

    @property
    def n_read(self) -> int:
        """Rows of the input: scored and rejected."""
        return len(self.ids) + int(self.rejected.num_rows)

    def without(self, reasons: Reasons) -> Chunk:
        """Reject more of the rows: those with a reason against them, one entry for each that could be scored."""
        good = scorable(reasons)
        bad = np.setdiff1d(np.arange(len(reasons)), good)
        more = pa.table([list(map(str, self.ids[bad])), self.rows[bad], reasons[bad].tolist()], schema=REJECTED)
        rejected = pa.concat_tables([self.rejected, more]).sort_by("row")
        groups = None if self.groups is None else self.groups[good]
        return Chunk(part_of(self.X, good), self.rows[good], self.ids[good], groups, rejected)


def sift(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Part rows that begin at row `start` of the input by whether there is a reason against them."""
    whole = Chunk(X, np.arange(start, start + len(ids)), ids, groups, REJECTED.empty_table())
    return whole if len(scorable(reasons)) == len(ids) else whole.without(reasons)


def divide(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Like `sift`, where `X` holds only the rows that nothing speaks against."""
    apart = sift(np.arange(len(ids)), ids, groups, reasons, start)
    return replace(apart, X=X)


def scorable(reasons: Reasons) -> Rows:
    """Numbers of the rows that nothing speaks against."""
    return np.flatnonzero([reason is None for reason in reasons])
