"""Check boosted trees that may be forged, before scikit-learn's compiled code follows their nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.estimators.boosting.trees import LEAF
from cascade.store.skops.checks import Sizes

MOST_TREES = 2**20
"""Each takes memory of its own besides its nodes, which a small file could claim much of."""
ARRAYS = {
    "start_": np.int64,
    "feature_": np.int32,
    "threshold_": np.float64,
    "missing_left_": np.uint8,
    "left_": np.int32,
    "right_": np.int32,
    "value_": np.float64,
}


def are_boosted_trees(model: Any, sizes: Sizes) -> bool:
    """Check that nodes point at later nodes of the same tree, each at its own, so that every path ends in a leaf.

    Bounds and finiteness of the numbers, and the columns of inner nodes, were checked attribute by attribute.
    """
    start, count = model.start_, sizes["nodes"]
    sound = (
        all(getattr(model, name).dtype == dtype for name, dtype in ARRAYS.items())
        and sizes["classes"] == 2
        and len(start) <= MOST_TREES
        # Each tree has a root, and the first one starts at the first node; without trees there are no nodes.
        and (start[0] == 0 if len(start) else count == 0)
        and bool((np.diff(start, append=count) > 0).all())
    )
    return sound and _end_in_leaves(model.left_, model.right_, np.append(start, count))


def _end_in_leaves(left: NDArray[Any], right: NDArray[Any], bounds: NDArray[Any]) -> bool:
    is_leaf = left == LEAF
    inner = np.flatnonzero(~is_leaf)
    ends = np.repeat(bounds[1:], np.diff(bounds))[inner]
    children = np.concatenate([left[inner], right[inner]])
    return bool(
        (right[is_leaf] == LEAF).all()
        and ((children > np.tile(inner, 2)) & (children < np.tile(ends, 2))).all()
        and len(np.unique(children)) == len(children)
    )
