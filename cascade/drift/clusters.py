"""Counts with the number of independent rows behind them: rows of a patient are alike and know less than they count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.drift.counts import Histogram, Share, cells_of
from cascade.metrics.intervals import clustered_share, few_groups
from cascade.utils.types import Floats, Rows

RARELY = 0.001
"""Level of a single quantity among many, for which few groups leave the variance unknown."""


def count_share(kind: str, name: str, found: NDArray[np.bool_], group: Rows) -> Share:
    """Count the rows (n,) that have something.

    Notes
    -----
    The effective number is p (1 - p) / var(p), var from the groups' sums; see `cascade.metrics.intervals`.
    """
    n = len(found)
    if not n:
        return Share(kind, name, 0, 0, 0.0)
    effective = clustered_share(found[:, None].astype(np.float64), np.ones(n), group, RARELY)[1]
    return Share(kind, name, int(found.sum()), n, min(float(effective[0]), float(n)))


def count_histogram(kind: str, name: str, values: Floats, edges: Floats, group: Rows) -> Histogram:
    """Count values (n,) between edges.

    Notes
    -----
    The effective number is n over the largest design effect of the shares below an edge and of the missing: rows of a
    group that are alike in the middle of a distribution agree most there, and less about single cells.
    """
    cell, n_cells = cells_of(values, edges), len(edges) + 2
    counts = np.bincount(cell, minlength=n_cells)
    effective = _effective(cell, counts, np.unique(group, return_inverse=True)[1])
    return Histogram(kind, name, tuple(map(float, edges)), tuple(map(int, counts)), effective)


def _effective(cell: Rows, counts: NDArray[np.intp], group: Rows) -> float:
    n, n_groups = len(cell), int(group.max(initial=-1)) + 1
    if n_groups < 2 or n_groups == n:
        return float(n_groups)
    by_group = np.bincount(group * len(counts) + cell, minlength=n_groups * len(counts)).reshape(n_groups, -1)
    below = by_group.cumsum(axis=1)
    # The last column counts all rows; in its place those that are not missing have been counted before it.
    below, share = below[:, :-1], below[:, :-1].sum(axis=0) / n
    varies = (share > 0) & (share < 1)
    if not varies.any():
        return float(n_groups)
    excess = below - np.bincount(group)[:, None] * share
    variance = (excess**2).sum(axis=0) * n_groups / (n_groups - 1)
    design = (variance[varies] / (n * share * (1 - share))[varies]).max()
    return float(min(n, few_groups(n, n_groups, RARELY) * n / design)) if design > 0 else float(n_groups)
