"""The trees of a fitted classifier of XGBoost, read from its JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ModelRefusedError
from cascade.estimators.boosting.trees import LEAF, BoostedTrees, Tree


def trees_of_xgboost(classifier: Any) -> list[BoostedTrees]:
    """Return the trees of a fitted `XGBClassifier` by label, up to its best iteration; one item for a vector of labels.

    Raises
    ------
    ModelRefusedError
        If it has another objective, no trees, splits by category, or another missing value than NaN.
    """
    learner = json.loads(classifier.get_booster().save_raw("json"))["learner"]
    _check(classifier, learner)
    booster = learner["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    # Trees that were dropped out weigh less.
    weights = booster.get("weight_drop", [1.0] * len(model["trees"]))
    end = _n_trees(classifier, model)
    trees = [_tree(*pair) for pair in zip(model["trees"][:end], weights, strict=False)]
    label_of = model["tree_info"][:end]
    shares = np.array(learner["learner_model_param"]["base_score"].strip("[]").split(","), dtype=np.float32)
    n_labels = max(1, int(learner["learner_model_param"].get("num_target", 1)))
    offsets = np.broadcast_to(_log_odds(shares), n_labels)
    classes = classifier.classes_ if n_labels == 1 else [0, 1]
    return [
        BoostedTrees.of(
            "xgboost",
            classes,
            classifier.n_features_in_,
            [tree for tree, label in zip(trees, label_of, strict=True) if label == k],
            offset=offsets[k],
            has_decision=hasattr(classifier, "decision_function"),
        )
        for k in range(n_labels)
    ]


def _check(classifier: Any, learner: dict[str, Any]) -> None:
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]["name"]
    if objective != "binary:logistic":
        raise ModelRefusedError(f"the objective of XGBClassifier must be `binary:logistic`. Received {objective!r}.")
    if booster not in ("gbtree", "dart"):
        raise ModelRefusedError(f"the `booster` of XGBClassifier must be `gbtree` or `dart`. Received {booster!r}.")
    if not np.isnan(classifier.missing):
        raise ModelRefusedError(f"`missing` of XGBClassifier must be NaN. Received {classifier.missing!r}.")


def _n_trees(classifier: Any, model: dict[str, Any]) -> int:
    try:
        best = classifier.best_iteration
    # The property raises where no training was stopped early.
    except AttributeError:
        return len(model["trees"])
    return int(model["iteration_indptr"][best + 1])


def _log_odds(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    return -np.log(1 / shares - 1)


def _tree(body: dict[str, Any], weight: float) -> Tree:
    if int(body["tree_param"]["size_leaf_vector"]) > 1:
        raise ModelRefusedError("`multi_strategy` of XGBClassifier must be `one_output_per_tree`, its default.")
    if any(body["split_type"]):
        raise ModelRefusedError(
            "trees of XGBClassifier must not split by category; encode categories as numbers, and leave "
            "`enable_categorical` and `feature_types` out."
        )
    left, right = np.array(body["left_children"]), np.array(body["right_children"])
    nodes = _by_level(left, right)
    number = np.full(len(left), LEAF)
    number[nodes] = np.arange(len(nodes))
    is_leaf = left[nodes] == LEAF
    condition = np.array(body["split_conditions"], dtype=np.float32)[nodes]
    # XGBoost sends rows below the condition to the left, so the threshold is the next smaller number of 32 bits.
    threshold = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
    return Tree(
        feature=np.where(is_leaf, 0, np.array(body["split_indices"])[nodes]),
        threshold=np.where(is_leaf, 0.0, threshold),
        missing_left=np.array(body["default_left"], dtype=bool)[nodes] & ~is_leaf,
        left=np.where(is_leaf, LEAF, number[left[nodes]]),
        right=np.where(is_leaf, LEAF, number[right[nodes]]),
        value=np.where(is_leaf, condition * np.float32(weight), 0.0),
    )


def _by_level(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.intp]:
    """Return the nodes below the root, level by level: pruning leaves others behind, in any order."""
    level, levels = np.zeros(1, dtype=np.intp), []
    while len(level):
        levels.append(level)
        inner = level[left[level] != LEAF]
        level = np.column_stack([left[inner], right[inner]]).ravel()
    return np.concatenate(levels)
