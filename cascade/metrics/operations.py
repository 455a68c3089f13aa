"""Arithmetic per row: the cost of a fitted model, independent of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def operations_per_row(model: Any) -> float:
    """Count multiplications and additions (or comparisons, for trees) per row; NaN for an unsupported model.

    Each weight of a linear layer counts as two, times the positions of a convolution. A tree counts one for each node
    on its longest path. Memory traffic, decoding and earlier steps of a pipeline, such as scaling, are not counted; of
    a model behind a frozen encoder the number is not known.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> operations_per_row(LogisticRegression().fit(X, X[:, 0] > 0))
    8.0
    """
    if hasattr(model, "network_"):
        return _network(model.network_)
    if hasattr(model, "coef_"):
        return 2.0 * np.asarray(model.coef_).size
    if hasattr(model, "coefs_"):
        return 2.0 * float(sum(np.size(weights) for weights in model.coefs_))
    # Histogram gradient boosting has no public attribute for its trees.
    if hasattr(model, "_predictors"):
        return float(sum(tree.get_max_depth() for stage in model._predictors for tree in stage))
    if hasattr(model, "tree_"):
        return float(model.tree_.max_depth)
    if hasattr(model, "longest_paths"):
        return float(model.longest_paths().sum())
    if hasattr(model, "booster_"):  # LightGBM
        depths = model.booster_.trees_to_dataframe().groupby("tree_index")["node_depth"].max()
        return float((depths - 1).sum())
    if hasattr(model, "get_booster"):  # XGBoost indents each node by its depth.
        trees = [tree.splitlines() for tree in model.get_booster().get_dump()]
        return float(sum(max(line.count("\t") for line in tree) for tree in trees))
    if hasattr(model, "steps"):
        *earlier, (_, last) = model.steps
        return float("nan") if any(_is_unknown(step) for _, step in earlier) else operations_per_row(last)
    # Fitted members before `estimator`: in a fitted ensemble that attribute is the unfitted template.
    for name in ("calibrated_classifiers_", "estimators_"):
        if hasattr(model, name):
            return float(sum(operations_per_row(part) for part in _flattened(getattr(model, name))))
    for name in ("estimator_", "estimator"):
        if hasattr(model, name):
            return operations_per_row(getattr(model, name))
    return float("nan")


def cascade_operations(gate: Any, labeler: Any, share_past_gate: float) -> float:
    """Return the expected operations per row: the gate's, and the labeler's on the share of rows that passes.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> model = LogisticRegression().fit(X, X[:, 0] > 0)
    >>> cascade_operations(model, model, 0.5)
    12.0
    """
    # Where no label had anything to learn there is no labeler, and nothing behind the gate costs anything.
    behind = 0.0 if labeler is None else operations_per_row(labeler)
    return operations_per_row(gate) + share_past_gate * behind


def _is_unknown(step: Any) -> bool:
    """Return whether a transformer has a frozen encoder, which computes much more than the model behind it."""
    inner = [*getattr(step, "steps", ()), *getattr(step, "transformers_", ())]
    return getattr(step, "operations_are_unknown", False) or any(_is_unknown(each[1]) for each in inner)


def _flattened(parts: Iterable[Any]) -> Iterable[Any]:
    for part in parts:
        if isinstance(part, (list, tuple, np.ndarray)):
            yield from _flattened(part)
        else:
            yield part


def _network(network: Any) -> float:
    total = 0.0
    for layer in network.layers:
        if hasattr(layer, "layers"):
            total += _network(layer)
        # Weights with fewer than two dimensions are biases or normalisation: little arithmetic next to the kernels.
        elif layer.weights and len(layer.weights[0].shape) >= 2:
            kernel = float(np.prod(layer.weights[0].shape))
            # An image output is (batch, height, width, channels); the kernel is applied at each position.
            positions = np.prod(layer.output.shape[1:-1], initial=1) if len(layer.output.shape) == 4 else 1
            total += 2.0 * kernel * float(positions)
    return total
