"""Splits by group that spread rare labels: rows of one patient never stand on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import ConfigError, DataError
from cascade.labels import Labels

Rows = NDArray[np.intp]


def grouped_folds(Y: Labels, groups: ArrayLike | None, n_splits: int, seed: int) -> Rows:
    """Assign each row a fold, whole groups at a time, rare labels first.

    Groups are sorted by the rarest label that they contain, in random order within a label, and dealt out in
    turn; so each fold has its share of each label's groups, to within one group.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
        None takes every row as a group of its own.
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
    inverse, order = _dealing_order(Y, groups, np.random.default_rng([seed, n_splits]))
    fold_of_group = np.empty(len(order), dtype=np.intp)
    fold_of_group[order] = np.arange(len(order)) % n_splits
    return fold_of_group[inverse]


def grouped_holdout(Y: Labels, groups: ArrayLike | None, size: float, seed: int) -> NDArray[np.bool_]:
    """Mark about `size` of the groups as held out, in the order of `grouped_folds`.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
    size : float
        Share of the groups, in (0, 1).
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> int(grouped_holdout(np.zeros((10, 1), np.uint8), None, 0.2, seed=0).sum())
    2
    """
    if not 0 < size < 1:
        raise ConfigError(f"a held-out share must lie between 0 and 1. Received {size}.")
    rng = np.random.default_rng([seed, 1])
    inverse, order = _dealing_order(Y, groups, rng)
    # Systematic sampling down the sorted list: every stretch of it gives its share.
    steps = np.floor(np.arange(len(order) + 1) * size + rng.uniform())
    chosen = np.diff(steps) > 0
    # With very few groups the steps may take none, or all.
    if len(order) > 1 and chosen.all() == chosen.any():
        chosen[0] = not chosen[0]
    held = np.zeros(len(order), dtype=bool)
    held[order] = chosen
    return held[inverse]


def _dealing_order(Y: Labels, groups: ArrayLike | None, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Number the groups, and order them by the rarest label that each contains."""
    inverse = group_numbers(groups, len(Y))
    count = Y.sum(axis=0, dtype=np.int64)
    # With the columns sorted by rarity, a row's first label is its rarest; bytes only, for thousands of labels.
    rarest = Y[:, np.argsort(count, kind="stable")].argmax(axis=1)
    row_key = np.where(Y.any(axis=1), rarest, len(count))
    n_groups = int(inverse.max(initial=-1)) + 1
    group_key = np.full(n_groups, len(count))
    np.minimum.at(group_key, inverse, row_key)
    return inverse, np.lexsort((rng.permutation(n_groups), group_key))


def group_numbers(groups: ArrayLike | Any | None, n_rows: int) -> Rows:
    """Number the groups 0, 1, ... row by row; without groups each row is its own."""
    if groups is None:
        return np.arange(n_rows)
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise DataError(f"`groups` must have one value per row ({n_rows}). Received shape {values.shape}.")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError(
            f"`groups` must hold a group on every row. Received NaN at row {np.flatnonzero(values != values)[0]}."
        )
    return np.unique(values, return_inverse=True)[1].astype(np.intp)
