"""The rows of one shard: those that can be scored, and those that cannot with the reason why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.rows import Rows, take

Reasons = NDArray[np.object_]
"""Why a row cannot be scored, one entry a row; None where it can."""

REJECTED = pa.schema([("id", pa.string()), ("row", pa.int64()), ("reason", pa.string())])


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of an input.

    Attributes
    ----------
    X : rows that can be scored, m of them
    ids : ndarray of str, shape (m,)
    groups : ndarray, shape (m,), or None
    rejected : pyarrow.Table
        Columns `id`, `row` (number in the input, from 0) and `reason` of the others.
    """

    X: Any
    ids: NDArray[Any]
    groups: NDArray[Any] | None
    rejected: pa.Table

    @property
    def n_read(self) -> int:
        """Rows of the input: scored and rejected."""
        return len(self.ids) + int(self.rejected.num_rows)


def sift(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Part rows that begin at row `start` of the input by whether there is a reason against them."""
    good = scorable(reasons)
    return divide(X if len(good) == len(reasons) else take(X, good), ids, groups, reasons, start)


def divide(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Part what belongs to the rows, where `X` holds only those without a reason against them."""
    good = scorable(reasons)
    bad = np.setdiff1d(np.arange(len(reasons)), good)
    rejected = reject(ids[bad], start + bad, reasons[bad])
    return Chunk(X, ids[good], None if groups is None else groups[good], rejected)


def scorable(reasons: Reasons) -> Rows:
    """Numbers of the rows that nothing speaks against."""
    return np.flatnonzero([reason is None for reason in reasons])


def reject(ids: NDArray[Any], rows: NDArray[Any], reasons: Reasons) -> pa.Table:
    """Make a table of rejected rows."""
    return pa.table([list(map(str, ids)), rows, reasons.tolist()], schema=REJECTED)
