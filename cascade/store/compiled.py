"""Check trees of a file that may be forged: scikit-learn's compiled code follows their node numbers unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree

from cascade.errors import ModelRefusedError

UNCHECKED = (BaseGradientBoosting, BaseLibSVM)
"""Estimators whose compiled code takes sizes from too many places of the file to be checked here."""

NO_CHILD = -1


def check_compiled(estimator: Any, name: str) -> None:
    """Refuse trees whose nodes point backwards or outside, and estimators that cannot be checked."""
    for member in objects_inside(estimator):
        if isinstance(member, UNCHECKED):
            kind = type(member).__name__
            raise ModelRefusedError(f"`{name}` holds {kind}, which a forged file could crash; use another estimator.")
        if not _is_sound(member):
            raise ModelRefusedError(f"`{name}` holds a tree whose nodes point outside of it, or splits by category.")


def objects_inside(value: Any) -> Iterator[Any]:
    """Yield every Python object inside an estimator once, including the estimator."""
    # A stack and a set of visited objects: a forged file may nest deeper than Python recurses, or contain cycles.
    stack, seen = [value], set()
    while stack:
        member = stack.pop()
        if id(member) in seen or isinstance(member, (str, bytes, int, float, type)):
            continue
        seen.add(id(member))
        yield member
        stack.extend(_members(member))


def _members(member: Any) -> list[Any]:
    if isinstance(member, dict):
        return list(member.values())
    if isinstance(member, (list, tuple, set)):
        return list(member)
    # Some ensembles keep their trees in arrays of objects; arrays of numbers contain nothing to visit.
    if isinstance(member, np.ndarray):
        return list(member.flat) if member.dtype == object else []
    return list(vars(member).values()) if hasattr(member, "__dict__") else []


def _is_sound(member: Any) -> bool:
    if isinstance(member, BaseDecisionTree) and hasattr(member, "tree_"):
        return _is_sound_tree(member.tree_, member.n_features_in_)
    if hasattr(member, "_predictors") and hasattr(member, "n_features_in_"):
        return all(_is_sound_predictor(tree, member.n_features_in_) for trees in member._predictors for tree in trees)
    return True


def _is_sound_tree(tree: Any, n_features: int) -> bool:
    # The compiled code recognises a leaf by its left child alone, so the check must do the same.
    inner = tree.children_left != NO_CHILD
    return _points_forwards(tree.children_left, tree.children_right, inner, tree.feature, n_features)


def _is_sound_predictor(predictor: Any, n_features: int) -> bool:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    sound = _points_forwards(nodes["left"], nodes["right"], inner, nodes["feature_idx"], n_features)
    # A categorical split reads a table of bitsets at a position from the file, which is not checked here.
    return sound and not nodes["is_categorical"][inner].any()


def _points_forwards(left: Any, right: Any, inner: Any, feature: Any, n_features: int) -> bool:
    """Return whether the children of each inner node come after it, so that paths end, and its column exists."""
    numbers = np.flatnonzero(inner)
    # One signed type for both kinds of trees: histogram trees store unsigned node numbers.
    children = np.concatenate([left[numbers], right[numbers]]).astype(np.int64)
    after = (children > np.tile(numbers, 2)) & (children < len(left))
    columns = feature[numbers]
    return len(left) > 0 and bool(after.all() and ((columns >= 0) & (columns < n_features)).all())
