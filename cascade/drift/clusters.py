"""Counts with an effective number of independent rows, which is smaller where rows of a group are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.drift.counts import Histogram, Share, cells_of
from cascade.metrics.intervals import clustered_share, few_groups
from cascade.utils.types import Floats, Rows

RARELY = 0.001
"""Level of a single quantity among many, at which the variance from few groups is corrected."""


def count_share(kind: str, name: str, marked: NDArray[np.bool_], group: Rows) -> Share:
    """Count the marked rows (n,).

    Notes
    -----
    The effective number is p (1 - p) / var(p), with the variance from sums of groups; see
    `cascade.metrics.intervals`.
    """
    n = len(marked)
    if not n:
        return Share(kind, name, 0, 0, 0.0)
    effective = clustered_share(marked[:, None].astype(np.float64), np.ones(n), group, RARELY)[1]
    # Rounding can exceed n slightly, which reading a profile refuses.
    return Share(kind, name, int(marked.sum()), n, min(float(effective[0]), float(n)))


def count_histogram(kind: str, name: str, values: Floats, edges: Floats, group: Rows) -> Histogram:
    """Count values (n,) between edges.

    Notes
    -----
    The effective number is n over the largest design effect among the shares below each edge and the share that is
    not missing. Cumulative shares show the dependence within groups best; shares of single cells underestimate it.
    """
    cell, n_cells = cells_of(values, edges), len(edges) + 2
    counts = np.bincount(cell, minlength=n_cells)
    effective = _effective(cell, counts, np.unique(group, return_inverse=True)[1])
    return Histogram(kind, name, tuple(map(float, edges)), tuple(map(int, counts)), effective)


def _effective(cell: Rows, counts: NDArray[np.intp], group: Rows) -> float:
    n, n_groups = len(cell), int(group.max(initial=-1)) + 1
    # One group has no variance to estimate, so it counts as one row. If every row is a group, rows are independent.
    if n_groups < 2 or n_groups == n:
        return float(n_groups)
    by_group = np.bincount(group * len(counts) + cell, minlength=n_groups * len(counts)).reshape(n_groups, -1)
    below = by_group.cumsum(axis=1)
    # The last column counts all rows and does not vary. The one before it counts the rows that are not missing.
    below, share = below[:, :-1], below[:, :-1].sum(axis=0) / n
    varies = (share > 0) & (share < 1)
    if not varies.any():
        return float(n_groups)
    # Linearised variance of a share under sampling of groups, as in `clustered_share`.
    excess = below - np.bincount(group)[:, None] * share
    variance = (excess**2).sum(axis=0) * n_groups / (n_groups - 1)
    # Design effect: variance with groups over the variance of n independent rows.
    design = (variance[varies] / (n * share * (1 - share))[varies]).max()
    return float(min(n, few_groups(n, n_groups, RARELY) * n / design)) if design > 0 else float(n_groups)
