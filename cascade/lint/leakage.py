"""Find features that were probably derived from the labels, by their values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels

FEWEST_NUMBERED = 3
"""Rows from which a feature may count as a numbering of the rows."""


def label_like_features(
    X: NDArray[np.floating], feature_names: Sequence[str], Y: Labels, label_names: Sequence[str]
) -> list[str]:
    """Describe 0/1 features that equal a label, or are 1 on every row with a label but on less than half of all rows.

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]], np.uint8)
    >>> X = np.column_stack([Y.any(axis=1), [1, 1, 1, 1, 0]]).astype(float)
    >>> label_like_features(X, ["any", "there"], Y, ["a", "b"])
    ['feature `any` is 1 on every row that has a label']
    """
    some = Y.any(axis=1)
    leaks: list[str] = []
    for name, column in zip(feature_names, X.T, strict=True):
        # A feature that is always 0 equals a label without positives, which is not a leak.
        if not np.isin(column, (0, 1)).all() or not column.any():
            continue
        same = np.flatnonzero((column[:, None] == Y).all(axis=0))
        if len(same):
            leaks.append(f"feature `{name}` equals label `{label_names[same[0]]}`")
        # A feature that is on for most rows covers all rows with a label by chance.
        elif some.any() and column[some].all() and column.mean() < 0.5:
            leaks.append(f"feature `{name}` is 1 on every row that has a label")
    return leaks


def numbering_features(X: NDArray[np.floating], feature_names: Sequence[str]) -> list[str]:
    """Return the features that number the rows from 0 or 1, in any order: probably an index that was saved.

    Examples
    --------
    >>> numbering_features(np.array([[2, 0.5], [0, 0.1], [1, 0.3]]), ["index", "size"])
    ['index']
    """
    numbers = np.arange(len(X))
    # A few rows may have such values by chance.
    if len(X) < FEWEST_NUMBERED:
        return []
    # Minimum and maximum rule out nearly all features before one is sorted.
    return [
        name
        for name, column in zip(feature_names, X.T, strict=True)
        if column.min() in (0, 1)
        and column.max() - column.min() == len(X) - 1
        and np.array_equal(np.sort(column) - column.min(), numbers)
    ]
