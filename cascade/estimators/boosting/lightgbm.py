"""The trees of a fitted classifier of LightGBM, read from its text."""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade.errors import ModelRefusedError
from cascade.estimators.boosting.trees import LEAF, BoostedTrees, Tree

CATEGORICAL, DEFAULT_LEFT = 1, 2
"""Bits of `decision_type`."""
MISSING_SHIFT, NONE, ZERO = 2, 0, 1
"""The bits above those say what is missing: nothing, zeros or NaN."""
TINY = float(np.float32(1e-35))
"""LightGBM reads numbers up to this size as 0."""
NOT_LINEAR = "trees of LGBMClassifier must not be linear in their leaves; leave `linear_tree` out."
NOT_ZERO = "LGBMClassifier must not take zeros for missing; leave `zero_as_missing` out."


def trees_of_lightgbm(classifier: Any) -> BoostedTrees:
    """Return the trees of a fitted `LGBMClassifier` of two classes, up to its best iteration.

    Raises
    ------
    ModelRefusedError
        If it has another objective, linear leaves, splits by category, or takes zeros for missing.
    """
    text = classifier.booster_.model_to_string()
    # Also where a rehearsal on few rows has given no split to see it by.
    for option, refusal in (("linear_tree", NOT_LINEAR), ("zero_as_missing", NOT_ZERO)):
        if f"[{option}: 1]" in text:
            raise ModelRefusedError(refusal)
    header, *bodies = _sections(text)
    name, *options = header.get("objective", "").split()
    if name != "binary":
        raise ModelRefusedError(f"the objective of LGBMClassifier must be `binary`. Received {name or 'none'!r}.")
    slope = next((float(option.partition(":")[2]) for option in options if option.startswith("sigmoid:")), 1.0)
    # A forest of LightGBM is the mean of its trees.
    factor = 1 / len(bodies) if "average_output" in header else 1.0
    return BoostedTrees.of(
        "lightgbm",
        classifier.classes_,
        classifier.n_features_in_,
        [_tree(body, factor) for body in bodies],
        slope=slope,
        # Wrappers prefer it, and releases before 4.7 have none.
        has_decision=hasattr(classifier, "decision_function"),
    )


def _sections(text: str) -> list[dict[str, str]]:
    """Return the keys of the header and of each tree."""
    sections: list[dict[str, str]] = [{}]
    for line in text.partition("end of trees")[0].splitlines():
        key, _, value = line.partition("=")
        if key == "Tree":
            sections.append({})
        sections[-1][key] = value
    return sections


def _tree(body: dict[str, str], factor: float) -> Tree:
    if body.get("is_linear", "0") != "0":
        raise ModelRefusedError(NOT_LINEAR)
    n_leaves = int(body["num_leaves"])
    inner = n_leaves - 1
    kinds = _numbers(body, "decision_type", inner, np.int64)
    threshold = _numbers(body, "threshold", inner, np.float64)
    _check_splits(kinds)
    children = (_numbers(body, f"{side}_child", inner, np.int64) for side in ("left", "right"))
    # Leaves follow the inner nodes here, and are negative numbers there.
    left, right = (np.where(side < 0, inner + ~side, side) for side in children)
    # Where training had no missing value, one is read as 0.
    missing_left = np.where(kinds >> MISSING_SHIFT == NONE, threshold >= 0, kinds & DEFAULT_LEFT != 0)
    leaves = np.full(n_leaves, LEAF)
    return Tree(
        feature=_padded(_numbers(body, "split_feature", inner, np.int64), n_leaves),
        threshold=_padded(_around_zero(threshold), n_leaves),
        missing_left=_padded(missing_left, n_leaves),
        left=np.concatenate([left, leaves]),
        right=np.concatenate([right, leaves]),
        value=np.concatenate([np.zeros(inner), factor * _numbers(body, "leaf_value", n_leaves, np.float64)]),
    )


def _around_zero(threshold: Any) -> Any:
    """Return thresholds that send tiny numbers to the side of 0."""
    below = np.where(threshold < 0, np.nextafter(-TINY, -np.inf), TINY)
    return np.where(np.abs(threshold) <= TINY, below, threshold)


def _check_splits(kinds: Any) -> None:
    if (kinds & CATEGORICAL).any():
        raise ModelRefusedError(
            "trees of LGBMClassifier must not split by category; encode categories as numbers, and leave "
            "`categorical_feature` out."
        )
    if (kinds >> MISSING_SHIFT == ZERO).any():
        raise ModelRefusedError(NOT_ZERO)


def _numbers(body: dict[str, str], key: str, count: int, dtype: Any) -> Any:
    # A tree without a split has one leaf, and no other key.
    return np.array(body[key].split() if count else [], dtype=dtype)


def _padded(values: Any, count: int) -> Any:
    return np.concatenate([values, np.zeros(count, dtype=values.dtype)])
