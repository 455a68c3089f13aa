"""Trees of a file that may be forged: scikit-learn's compiled code follows their numbers without a look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree

from cascade.errors import ModelRefusedError

UNCHECKED = (BaseGradientBoosting, BaseLibSVM)
"""Their compiled code takes sizes from several places of the file, more than can be checked here."""

NO_CHILD = -1


def check_compiled(estimator: Any, name: str) -> None:
    """Refuse trees whose nodes point anywhere but forwards and inside, and kinds that cannot be checked."""
    for held in objects_inside(estimator):
        if isinstance(held, UNCHECKED):
            kind = type(held).__name__
            raise ModelRefusedError(f"`{name}` holds {kind}, which a forged file could crash; use another estimator.")
        if not _is_sound(held):
            raise ModelRefusedError(f"`{name}` holds a tree whose nodes point outside of it, or splits by category.")


def objects_inside(value: Any) -> Iterator[Any]:
    """Every Python object inside an estimator, itself included, once."""
    stack, seen = [value], set()
    while stack:
        held = stack.pop()
        if id(held) in seen or isinstance(held, (str, bytes, int, float, type)):
            continue
        seen.add(id(held))
        yield held
        stack.extend(_members(held))


def _members(held: Any) -> list[Any]:
    if isinstance(held, dict):
        return list(held.values())
    if isinstance(held, (list, tuple, set)):
        return list(held)
    if isinstance(held, np.ndarray):
        return list(held.flat) if held.dtype == object else []
    return list(vars(held).values()) if hasattr(held, "__dict__") else []


def _is_sound(held: Any) -> bool:
    if isinstance(held, BaseDecisionTree) and hasattr(held, "tree_"):
        return _is_sound_tree(held.tree_, held.n_features_in_)
    if hasattr(held, "_predictors") and hasattr(held, "n_features_in_"):
        return all(_is_sound_predictor(tree, held.n_features_in_) for trees in held._predictors for tree in trees)
    return True


def _is_sound_tree(tree: Any, n_features: int) -> bool:
    inner = tree.children_left != NO_CHILD
    return _points_forwards(tree.children_left, tree.children_right, inner, tree.feature, n_features)


def _is_sound_predictor(predictor: Any, n_features: int) -> bool:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    sound = _points_forwards(nodes["left"], nodes["right"], inner, nodes["feature_idx"], n_features)
    return sound and not nodes["is_categorical"][inner].any()


def _points_forwards(left: Any, right: Any, inner: Any, feature: Any, n_features: int) -> bool:
    """Whether each inner node's children come after it, so that every path ends, and its column exists."""
    numbers = np.flatnonzero(inner)
    children = np.concatenate([left[numbers], right[numbers]]).astype(np.int64)
    after = (children > np.tile(numbers, 2)) & (children < len(left))
    columns = feature[numbers]
    return len(left) > 0 and bool(after.all() and ((columns >= 0) & (columns < n_features)).all())
