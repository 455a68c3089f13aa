"""The rows of one shard: rows that can be scored, and rejected rows with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.readers.table.cells import Reasons
from cascade.data.rows import part_of
from cascade.utils.types import Rows

REJECTED = pa.schema([("id", pa.string()), ("row", pa.int64()), ("reason", pa.string())])


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of an input.

    Attributes
    ----------
    X : rows that can be scored, m of them
    rows : ndarray of int, shape (m,)
        Row numbers in the input, from 0.
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
        """Number of input rows, scored and rejected."""
        return len(self.ids) + int(self.rejected.num_rows)

    def without(self, reasons: Reasons) -> Chunk:
        """Reject further rows; `reasons` has one entry per row that could be scored so far."""
        good = scorable(reasons)
        bad = np.setdiff1d(np.arange(len(reasons)), good)
        more = pa.table([list(map(str, self.ids[bad])), self.rows[bad], reasons[bad].tolist()], schema=REJECTED)
        # Two passes may reject rows of one shard; sorted, the file does not depend on which pass found a row.
        rejected = pa.concat_tables([self.rejected, more]).sort_by("row")
        groups = None if self.groups is None else self.groups[good]
        return Chunk(part_of(self.X, good), self.rows[good], self.ids[good], groups, rejected)


def row_numbers(start: int, stop: int) -> NDArray[np.object_]:
    """Return the numbers of rows as their identifiers.

    Examples
    --------
    >>> row_numbers(9, 11).tolist()
    ['9', '10']
    """
    # Arrow writes numbers in a third of the time that numpy needs.
    return np.asarray(pa.array(np.arange(start, stop)).cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)


def sift(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Split rows that begin at row `start` of the input into scorable and rejected ones."""
    # The usual chunk has no rejected row and is passed on without a copy.
    whole = Chunk(X, np.arange(start, start + len(ids)), ids, groups, REJECTED.empty_table())
    return whole if len(scorable(reasons)) == len(ids) else whole.without(reasons)


def divide(X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, reasons: Reasons, start: int) -> Chunk:
    """Split rows as `sift` does, where `X` already holds only the scorable rows."""
    # Row numbers take the place of the features, so that both functions share one rule of splitting.
    numbered = sift(np.arange(len(ids)), ids, groups, reasons, start)
    return replace(numbered, X=X)


def scorable(reasons: Reasons) -> Rows:
    """Return the numbers of the rows without a reason against them."""
    return np.flatnonzero(~reasons.astype(bool))
