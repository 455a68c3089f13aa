"""Splits by group that spread every label: the rows of a group are always on the same side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cascade.data.names import canonical_names
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats, Rows


def grouped_folds(Y: Any, groups: ArrayLike | None, n_splits: int, seed: int) -> Rows:
    """Assign each row a fold, whole groups at a time, so that every label is spread evenly.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
        None takes every row as a separate group.
    n_splits : int
        2 or more.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
        Fold of each row, 0 to n_splits - 1.

    Examples
    --------
    >>> Y = np.array([[1], [0], [0], [1]])
    >>> folds = grouped_folds(Y, ["p", "p", "q", "r"], n_splits=2, seed=0)
    >>> bool(folds[0] == folds[1])
    True
    """
    if n_splits < 2:
        raise ConfigError(f"`n_splits` must be 2 or more. Received {n_splits}.")
    rng = np.random.default_rng([seed, n_splits])
    group = group_numbers(groups, Y.shape[0])
    folds = _deal(group_counts(Y, group), np.full(n_splits, 1 / n_splits), rng)
    # Ties in `_deal` go to the lowest number, so the folds are renumbered at random.
    return rng.permutation(n_splits)[folds][group]


def grouped_holdout(Y: Any, groups: ArrayLike | None, size: float, seed: int) -> NDArray[np.bool_]:
    """Mark about `size` of the rows as held out, whole groups at a time, and that share of every label.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
    size : float
        Share held out, in (0, 1).
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> int(grouped_holdout(np.zeros((10, 1), np.uint8), None, 0.2, seed=0).sum())
    2
    """
    if not (isinstance(size, (int, float, np.number)) and 0 < size < 1):
        raise ConfigError(f"a held-out share must be between 0 and 1, both excluded. Received {size!r}.")
    group = group_numbers(groups, Y.shape[0])
    counts = group_counts(Y, group)
    sides = _deal(counts, np.array([1 - size, size]), np.random.default_rng([seed, 1]))
    held: NDArray[np.bool_] = sides == 1
    # With very few groups, none or all of them may fit best. The smallest group then changes sides.
    if len(held) > 1 and held.all() == held.any():
        held[np.argmin(counts[:, -2].toarray())] ^= True
    return np.asarray(held[group])


def random_groups(groups: ArrayLike | None, n_rows: int, size: float, seed: int) -> NDArray[np.bool_]:
    """Mark the rows of a share `size` of the groups, drawn uniformly at random.

    Statistical bounds assume such a draw, which a split that balances labels or sizes is not.
    """
    group = group_numbers(groups, n_rows)
    n_groups = int(group.max(initial=-1)) + 1
    drawn = np.random.default_rng([seed, 2]).permutation(n_groups)[: max(1, round(size * n_groups))]
    return np.isin(group, drawn)


def fold_shares(Y: Any, folds: Rows, n_splits: int) -> Floats:
    """Return the share of each label's positives per fold, float of shape (n_splits, L); NaN without positives."""
    counts = group_counts(Y, folds)[:, :-2].toarray()
    held = np.zeros((n_splits, counts.shape[1]))
    # Folds after the last one in use have no counts.
    held[: len(counts)] = counts
    total = held.sum(axis=0)
    share: Floats = np.divide(held, total, out=np.full(held.shape, np.nan), where=total > 0)
    return share


def group_counts(Y: Any, group: Rows) -> sparse.csr_array:
    """Count the positives of each label per group; the last two columns are the group's rows and a 1."""
    n_groups = int(group.max(initial=-1)) + 1
    rows = np.ones(len(group))
    member = sparse.csr_array((rows, (group, np.arange(len(group)))), shape=(n_groups, len(group)))
    counts = member @ sparse.csr_array(Y, dtype=np.float64)
    # Balanced like labels, these columns spread the rows and the groups evenly over the sides.
    size = np.bincount(group, minlength=n_groups).astype(np.float64)
    return sparse.csr_array(sparse.hstack([counts, size[:, None], np.ones((n_groups, 1))], format="csr"))


def _deal(counts: sparse.csr_array, share: Floats, rng: np.random.Generator) -> Rows:
    """Assign each group to a side: greedily, the rarest labels first, then move groups that fit better elsewhere.

    The objective is the sum, over sides and columns, of ((held - wanted) / total of the column)^2 / share of the side.
    A label on 200 rows thus weighs as much as one on 20,000, and a small side gets its share of the large groups too.
    Time and memory grow with the number of entries.
    """
    # A label without positives must not divide by 0.
    total = np.maximum(np.asarray(counts.sum(axis=0)).ravel(), 1.0)
    # Held minus wanted, per column and side; no side holds anything yet.
    excess = (-np.outer(total, share)).tolist()
    side = np.full(counts.shape[0], -1, dtype=np.intp)
    # The second pass corrects early choices, which were made while the sides were nearly empty.
    for order in (_rarest_first(counts, rng), rng.permutation(counts.shape[0])):
        _deal_once(counts, order, total**-2, share, excess, side)
    return side


def _deal_once(
    counts: sparse.csr_array, order: Rows, weight: Floats, share: Floats, excess: list[list[float]], side: Rows
) -> None:
    # Plain numbers: a group has few entries, and arrays take twice as long for them.
    start, indices, data = counts.indptr.tolist(), counts.indices.tolist(), counts.data.tolist()
    weights, shares = weight.tolist(), share.tolist()
    for group in order.tolist():
        entries = range(start[group], start[group + 1])
        current = int(side[group])
        if current >= 0:
            # The excess as it would be without this group.
            for entry in entries:
                excess[indices[entry]][current] -= data[entry]
        cost = [0.0] * len(shares)
        for entry in entries:
            held, others = data[entry], excess[indices[entry]]
            weighed = held * weights[indices[entry]]
            # The objective rises by (others + held)^2 - others^2 on the side that takes the group.
            cost = [so_far + weighed * (2 * other + held) for so_far, other in zip(cost, others, strict=True)]
        relative = [one / part for one, part in zip(cost, shares, strict=True)]
        best = relative.index(min(relative))
        for entry in entries:
            excess[indices[entry]][best] += data[entry]
        side[group] = best


def _rarest_first(counts: sparse.csr_array, rng: np.random.Generator) -> Rows:
    """Order groups by the rarest column that they have, largest counts first, ties at random."""
    in_groups = np.bincount(counts.indices, minlength=counts.shape[1])
    rank = np.empty(counts.shape[1], dtype=np.int64)
    rank[np.argsort(in_groups, kind="stable")] = np.arange(counts.shape[1])
    entry_rank = rank[counts.indices]
    # `reduceat` needs segments that are not empty: every group has entries for its rows and the 1.
    rarest = np.minimum.reduceat(entry_rank, counts.indptr[:-1])
    group_of_entry = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    # Ranks are distinct, so exactly one entry per group is marked, in the order of the groups.
    is_rarest = entry_rank == rarest[group_of_entry]
    return np.lexsort((rng.permutation(counts.shape[0]), -counts.data[is_rarest], rarest))


def group_numbers(groups: ArrayLike | Any | None, n_rows: int) -> Rows:
    """Return the number of each row's group, from 0; without groups each row is a separate group."""
    if groups is None:
        return np.arange(n_rows)
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise DataError(f"`groups` must have one value per row ({n_rows}). Received shape {values.shape}.")
    if values.dtype.kind in "iub":
        return np.unique(values, return_inverse=True)[1].astype(np.intp)
    # Texts and dates have several spellings of one value, and of a missing one; only distinct values are compared.
    if values.dtype.kind == "O":
        values = np.array(["" if name is None else name for name in canonical_names(values)])
    distinct, number = np.unique(values, return_inverse=True)
    names = canonical_names(distinct)
    absent = np.array([name is None for name in names], dtype=bool)
    if absent.any():
        row = int(np.flatnonzero(absent[number])[0])
        raise DataError(f"`groups` must hold a group on every row. Received none at row {row}.")
    if values.dtype.kind == "f":
        return np.asarray(number, dtype=np.intp)
    return np.unique(names.astype(str), return_inverse=True)[1][number].astype(np.intp)
