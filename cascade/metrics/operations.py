"""Arithmetic per row: what a fitted model costs whatever the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def operations_per_row(model: Any) -> float:
    """Multiplications and additions (or comparisons, for trees) that one row costs; NaN for a model not known here.

    Two for each weight of a linear layer, times the places that a convolution visits; one for each node on a
    tree's longest path. What is counted is the arithmetic of the model: not memory traffic, not
    decoding, and not the steps that come before it in a pipeline, such as scaling.

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
    if hasattr(model, "_predictors"):
        return float(sum(tree.get_max_depth() for stage in model._predictors for tree in stage))
    if hasattr(model, "tree_"):
        return float(model.tree_.max_depth)
    if hasattr(model, "steps"):
        return operations_per_row(model.steps[-1][1])
    for name in ("calibrated_classifiers_", "estimators_"):
        if hasattr(model, name):
            return float(sum(operations_per_row(part) for part in _flattened(getattr(model, name))))
    for name in ("estimator_", "estimator"):
        if hasattr(model, name):
            return operations_per_row(getattr(model, name))
    return float("nan")


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
        elif layer.weights and len(layer.weights[0].shape) >= 2:
            kernel = float(np.prod(layer.weights[0].shape))
            places = np.prod(layer.output.shape[1:-1], initial=1) if len(layer.output.shape) == 4 else 1
            total += 2.0 * kernel * float(places)
    return total
