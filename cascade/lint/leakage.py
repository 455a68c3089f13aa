"""Find features that were probably derived from the labels, by their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cascade.data.labels import Labels
from cascade.lint.feature_ranking import feature_auroc
from cascade.metrics.ranking import label_average_precision
from cascade.utils.types import Floats, Mask

FEWEST_NUMBERED = 3
"""Rows from which a feature may count as a numbering of the rows."""
FEWEST_RANKED = 10
"""Rows with and without a label from which a feature's ranking of them is judged."""
MOST_RANKED = 20_000
"""Rows whose features are ranked at most."""
NEARLY_PERFECT = 0.99, 0.9
"""AUROC and average precision from which a single feature was probably made from a label.

Of a rare label, a sensor may have the first. The second also needs that few other rows have such values."""


def label_like_features(
    X: NDArray[np.floating], feature_names: Sequence[str], Y: Labels, label_names: Sequence[str]
) -> dict[str, str]:
    """Describe 0/1 features that equal a label, or are 1 on every row with a label but on less than half of all rows.

    Returns a sentence by the name of the feature.

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]], np.uint8)
    >>> X = np.column_stack([Y.any(axis=1), [1, 1, 1, 1, 0]]).astype(float)
    >>> label_like_features(X, ["any", "there"], Y, ["a", "b"])
    {'any': 'feature `any` is 1 on every row that has a label'}
    """
    some = Y.any(axis=1)
    leaks: dict[str, str] = {}
    for name, column in zip(feature_names, X.T, strict=True):
        # A feature that is always 0 equals a label without positives, which is not a leak.
        if not np.isin(column, (0, 1)).all() or not column.any():
            continue
        same = np.flatnonzero((column[:, None] == Y).all(axis=0))
        if len(same):
            leaks[name] = f"feature `{name}` equals label `{label_names[same[0]]}`"
        # A feature that is on for most rows covers all rows with a label by chance.
        elif some.any() and column[some].all() and column.mean() < 0.5:
            leaks[name] = f"feature `{name}` is 1 on every row that has a label"
    return leaks


def nearly_label_features(
    features: Mapping[str, NDArray[Any]], Y: Labels, label_names: Sequence[str], known: Mask | None = None
) -> list[str]:
    """Describe features that alone rank a label, or the rows with a label, almost perfectly.

    Such are flags with a few errors, and numbers of findings. Copies without an error are found by
    `label_like_features`.

    Parameters
    ----------
    features : mapping of str to ndarray, shape (n,)
        Numbers, or categories as text, which are ranked by the share of their rows with the label.
    Y : ndarray of 0/1, shape (n, L)
    label_names : sequence of str, length L
    known : ndarray of bool, shape (n, L), optional

    Returns
    -------
    list of str
        One sentence per feature, about the label that it ranks best.

    Examples
    --------
    >>> Y = np.tile([[1, 0], [0, 1], [0, 0], [0, 0]], (50, 1)).astype(np.uint8)
    >>> count = Y.sum(axis=1) + np.linspace(0, 0.5, 200)
    >>> nearly_label_features({"count": count, "row": np.arange(200)}, Y, ["a", "b"])
    ['feature `count` alone ranks the rows with a label with an average precision of 1.00']
    """
    labels = np.column_stack([Y, Y.any(axis=1)]).astype(bool)
    counted = np.ones(labels.shape, bool) if known is None else np.column_stack([known, known.all(axis=1)])
    positives, negatives = (labels & counted).sum(axis=0), (~labels & counted).sum(axis=0)
    judged = np.flatnonzero((positives >= FEWEST_RANKED) & (negatives >= FEWEST_RANKED))
    labels, counted = labels[:, judged], counted[:, judged]
    named = [*(f"label `{name}`" for name in label_names), "the rows with a label"]
    found: list[str] = []
    for name, values in features.items():
        precision = _precision(values, labels, counted)
        best = int(precision.argmax()) if len(precision) else 0
        if len(precision) and precision[best] >= NEARLY_PERFECT[1]:
            average = f"an average precision of {precision[best]:.2f}"
            found.append(f"feature `{name}` alone ranks {named[judged[best]]} with {average}")
    return found


def _precision(values: NDArray[Any], labels: Mask, known: Mask) -> Floats:
    """Return a feature's average precision for each label that it ranks almost perfectly, 0 for others."""
    found = np.zeros(labels.shape[1])
    numbers = values.dtype.kind in "biuf"
    # Of numbers, one ranking serves all labels; categories have other scores for each.
    area = feature_auroc(values[:, None].astype(np.float64), labels, known)[0] if numbers else None
    for k in range(labels.shape[1]):
        if area is not None and max(area[k], 1 - area[k]) < NEARLY_PERFECT[0]:
            continue
        y = labels[known[:, k], k]
        score = _score(values[known[:, k]], y)
        place = rankdata(np.nan_to_num(score, nan=-np.inf)) / len(score)
        reached = feature_auroc(place[:, None], y[:, None])[0, 0]
        if max(reached, 1 - reached) >= NEARLY_PERFECT[0]:
            # A label may be at either end.
            ordered = place if reached > 0.5 else 1 - place
            found[k] = label_average_precision(y[:, None].astype(np.uint8), ordered[:, None])[0]
    return found


def _score(values: NDArray[Any], y: Mask) -> Floats:
    """Return numbers as they are, and of categories the share of their rows with the label."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    _, category = np.unique(values.astype(str), return_inverse=True)
    # Nearly as many categories as rows rank any label, by the rows themselves.
    if len(category) < FEWEST_RANKED * (category.max(initial=0) + 1):
        return np.zeros(len(category))
    return np.asarray((np.bincount(category, y) / np.bincount(category))[category])


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
