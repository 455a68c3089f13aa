"""Build trees of a file that may be forged: scikit-learn's compiled code follows their sizes and nodes unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.tree._tree import NODE_DTYPE, Tree

from cascade.store.skops.checks import LARGEST, LARGEST_SIZE, Sizes

NO_CHILD = -1
MOST_OUTPUTS = 2**16
CLOSE = 1e-6
"""How far the class shares of a node may be from a sum of 1, by rounding."""


def make_tree(attributes: dict[str, Any]) -> Any:
    """Return the tree of a decision tree or forest, or None if it is not one that a fit gives.

    Its constructor takes memory for as many outputs as it is given, and reads as many numbers of classes.
    """
    n_features, n_classes, n_outputs = attributes["arguments"]
    state = attributes["state"]
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    sound = (
        all(type(each) is int for each in (n_features, n_outputs, count, state["max_depth"]))
        and isinstance(n_classes, np.ndarray)
        and n_classes.dtype.kind == "i"
        and 0 < n_features < LARGEST_SIZE
        and n_classes.shape == (n_outputs,)
        and 0 < n_outputs <= MOST_OUTPUTS
        and bool(((n_classes > 0) & (n_classes <= MOST_OUTPUTS)).all())
        # The number of nodes is also in their array, and both are used.
        and _is_records(nodes, NODE_DTYPE)
        and len(nodes) == count > 0
        and 0 <= state["max_depth"] <= count
        and _are_values(values, (count, n_outputs, int(n_classes.max())))
        and _is_sound(nodes["left_child"], nodes["right_child"], nodes["left_child"] != NO_CHILD, nodes, n_features)
    )
    if not sound:
        return None
    tree = Tree(n_features, n_classes.astype(np.intp), n_outputs)
    tree.__setstate__(state)
    return tree


def is_sound_predictor(predictor: Any, n_features: int) -> bool:
    """Return whether a tree of gradient boosting with histograms points only at its own nodes and columns."""
    nodes: Any = getattr(predictor, "nodes", None)
    if not _is_records(nodes, PREDICTOR_RECORD_DTYPE) or not len(nodes):
        return False
    inner = nodes["is_leaf"] == 0
    finite = bool((np.abs(nodes["value"]) <= LARGEST).all()) and not np.isnan(nodes["num_threshold"]).any()
    # A categorical split reads a table of bitsets at a position from the file, which is not checked here.
    return finite and not nodes["is_categorical"].any() and _is_sound_histogram(nodes, inner, n_features)


def _is_sound_histogram(nodes: Any, inner: Any, n_features: int) -> bool:
    children = [nodes[side][inner] for side in ("left", "right")]
    return _points_forwards(children, np.flatnonzero(inner), len(nodes)) and _has_column(
        nodes["feature_idx"][inner], n_features
    )


def _is_sound(left: Any, right: Any, inner: Any, nodes: Any, n_features: int) -> bool:
    # The compiled code recognises a leaf by its left child alone, so the check must do the same.
    return (
        _points_forwards([left[inner], right[inner]], np.flatnonzero(inner), len(nodes))
        and _has_column(nodes["feature"][inner], n_features)
        and not np.isnan(nodes["threshold"][inner]).any()
    )


def _is_records(nodes: Any, dtype: Any) -> bool:
    return isinstance(nodes, np.ndarray) and nodes.dtype == dtype and nodes.ndim == 1 and bool(nodes.flags.c_contiguous)


def _points_forwards(sides: list[Any], numbers: Any, count: int) -> bool:
    """Return whether the children of each inner node come after it, so that paths end."""
    # One signed type for both kinds of trees: histogram trees store unsigned node numbers.
    children = np.concatenate(sides).astype(np.int64)
    return bool(((children > np.tile(numbers, 2)) & (children < count)).all())


def _has_column(columns: Any, n_features: int) -> bool:
    return bool(((columns >= 0) & (columns < n_features)).all())


def _are_values(values: Any, shape: tuple[int, ...]) -> bool:
    return (
        isinstance(values, np.ndarray)
        and values.dtype == np.float64
        and values.shape == shape
        and bool(values.flags.c_contiguous)
        # NaN fails the comparison, and is refused.
        and bool((np.abs(values) <= LARGEST).all())
    )


def is_tree_of(tree: Any, sizes: Sizes, n_classes: list[int]) -> bool:
    """Return whether a tree has the features and the classes of its estimator, and shares of them that sum to 1."""
    return (
        _has_form(tree, sizes, n_classes)
        and bool((tree.value >= 0).all())
        and bool((np.abs(tree.value.sum(axis=2) - 1) <= CLOSE).all())
    )


def is_regression_tree_of(tree: Any, sizes: Sizes) -> bool:
    """Return whether a tree has the features of its estimator and one number per leaf."""
    return _has_form(tree, sizes, [1])


def _has_form(tree: Any, sizes: Sizes, n_classes: list[int]) -> bool:
    return (
        isinstance(tree, Tree)
        and tree.n_features == sizes["features"]
        and tree.n_outputs == len(n_classes)
        and tree.n_classes.tolist() == n_classes
    )
