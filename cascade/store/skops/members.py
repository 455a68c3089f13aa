"""Rules of whole classifiers: their members must have the classes, columns and sizes that they are used with.

Each rule is a function of an estimator, whose attributes have passed their own checks, and of its sizes.
"""

from __future__ import annotations

from itertools import pairwise
from types import FunctionType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree

from cascade.store.skops.checks import Sizes, has_classes, has_width, inert, is_binary
from cascade.store.skops.trees import is_regression_tree_of, is_sound_predictor, is_tree_of

MOST_WEIGHT = 1e100
MADE = ("predict_proba", "decision_function", "predict")
"""Methods whose outputs a stack takes."""
CALIBRATORS = {
    "sigmoid": "_SigmoidCalibration",
    "isotonic": "IsotonicRegression",
    "temperature": "_TemperatureScaling",
}
PARTS = ("TreePredictor", "_CalibratedClassifier", "_SigmoidCalibration", "make_column_selector")
"""Listed classes that are no estimators."""


def is_estimator(value: Any, sizes: Sizes) -> bool:
    """Check an estimator of a listed class, a listed function, or a list; each was checked when it was made."""
    stack = [value]
    while stack:
        member = stack.pop()
        if isinstance(member, (list, tuple)):
            stack.extend(member)
        elif not (
            isinstance(member, (BaseEstimator, Tree, FunctionType))
            or type(member).__name__ in PARTS
            or inert(member, {})
        ):
            return False
    return True


def _n_classes(estimator: Any) -> list[int]:
    found = estimator.classes_
    return [len(each) for each in (found if isinstance(found, list) else [found])]


def is_tree(estimator: Any, sizes: Sizes) -> bool:
    """Check that a tree has the features, outputs and classes of its estimator."""
    counts = _n_classes(estimator)
    return (
        np.ravel(estimator.n_classes_).tolist() == counts
        and sizes["labels"] == len(counts)
        # One output has an array of classes, and several have a list.
        and isinstance(estimator.classes_, list) == (len(counts) > 1)
        and is_tree_of(estimator.tree_, sizes, counts)
    )


def is_forest(estimator: Any, sizes: Sizes) -> bool:
    """Check that all trees of a forest have its features, outputs and classes."""
    counts = _n_classes(estimator)
    return (
        len(estimator.estimators_) > 0
        and sizes["labels"] == len(counts)
        and isinstance(estimator.classes_, list) == (len(counts) > 1)
        and np.ravel(estimator.n_classes_).tolist() == counts
        and all(
            hasattr(tree, "tree_")
            and tree.n_features_in_ == sizes["features"]
            and _n_classes(tree) == counts
            and is_tree_of(tree.tree_, sizes, counts)
            for tree in estimator.estimators_
        )
    )


def is_regression_tree(estimator: Any, sizes: Sizes) -> bool:
    """Check that a tree of numbers has the features of its estimator."""
    return is_regression_tree_of(estimator.tree_, sizes)


def is_boosted(estimator: Any, sizes: Sizes) -> bool:
    """Check boosted trees without histograms; the loss is that of the parameter, for so many classes."""
    from sklearn._loss.loss import ExponentialLoss, HalfBinomialLoss, HalfMultinomialLoss

    count, first = sizes["classes"], estimator.init_
    if count > 2:
        estimator._loss = HalfMultinomialLoss(n_classes=count)
    else:
        estimator._loss = ExponentialLoss() if estimator.loss == "exponential" else HalfBinomialLoss()
    return (
        count >= 2
        and (count == 2 or estimator.loss == "log_loss")
        # Another estimator would be asked for scores before the first tree.
        and (first == "zero" if isinstance(first, str) else type(first).__name__ == "DummyClassifier")
        and (isinstance(first, str) or (has_classes(first, np.arange(count)) and has_width(first, sizes["features"])))
        and all(
            type(tree).__name__ == "DecisionTreeRegressor" and tree.n_features_in_ == sizes["features"]
            for tree in estimator.estimators_.flat
        )
    )


def is_boosting(estimator: Any, sizes: Sizes) -> bool:
    """Check boosted trees; what the file says of the loss is replaced by the loss of so many classes."""
    from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss

    trees = [tree for iteration in estimator._predictors for tree in iteration]
    mapper = estimator._bin_mapper
    sound = (
        getattr(mapper, "is_categorical_", np.empty(0)).shape == (sizes["features"],)
        and len(mapper.bin_thresholds_) == sizes["features"]
        and all(is_sound_predictor(tree, sizes["features"]) for tree in trees)
        and len(estimator.classes_) >= 2
    )
    estimator._loss = (
        HalfBinomialLoss() if sizes["outputs"] == 1 else HalfMultinomialLoss(n_classes=len(estimator.classes_))
    )
    return sound


def has_two_classes(estimator: Any, sizes: Sizes) -> bool:
    """Check that there are two classes or more: a linear model chooses among them by a sign."""
    return sizes["classes"] >= 2


def is_ridge(estimator: Any, sizes: Sizes) -> bool:
    """Check that there is a row of coefficients per class, or one for two classes."""
    count = len(getattr(estimator._label_binarizer, "classes_", ()))
    rows = np.atleast_2d(estimator.coef_).shape[0]
    return count >= 2 and len(estimator.classes_) == count and rows == (1 if count == 2 else count)


def is_perceptron(estimator: Any, sizes: Sizes) -> bool:
    """Check that the layers of a multi-layer perceptron follow each other, from its features to its outputs."""
    weights, offsets, binarizer = estimator.coefs_, estimator.intercepts_, estimator._label_binarizer
    several = getattr(binarizer, "y_type_", None) != "binary"
    return (
        len(weights) == len(offsets) == sizes["layers"] - 1 > 0
        and (several or sizes["classes"] == 2)
        and weights[0].shape[0] == sizes["features"]
        and all(below.shape[1] == above.shape[0] for below, above in pairwise(weights))
        and all(len(offset) == layer.shape[1] for layer, offset in zip(weights, offsets, strict=True))
        and weights[-1].shape[1] == sizes["labels"] == (sizes["classes"] if several else 1)
        and has_classes(binarizer, estimator.classes_)
    )


def is_quadratic(estimator: Any, sizes: Sizes) -> bool:
    """Check that each class has as many scalings as rotated axes."""
    pairs = zip(estimator.scalings_, estimator.rotations_, strict=True)
    return all(len(scaling) == rotation.shape[1] for scaling, rotation in pairs)


def is_dummy(estimator: Any, sizes: Sizes) -> bool:
    """Check the shares of the classes of a constant classifier."""
    counts, shares = _n_classes(estimator), estimator.class_prior_
    shares = shares if isinstance(shares, list) else [shares]
    return (
        sizes["labels"] == len(counts) == len(shares)
        and isinstance(estimator.classes_, list) == (len(counts) > 1)
        and np.ravel(estimator.n_classes_).tolist() == counts
        and all(_are_shares(share, count) for share, count in zip(shares, counts, strict=True))
    )


def _are_shares(values: Any, count: int) -> bool:
    is_array = isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.shape == (count,)
    return is_array and bool((values >= 0).all()) and abs(float(values.sum()) - 1) < 1e-6


def is_balanced_bag(estimator: Any, sizes: Sizes) -> bool:
    """Check that each member of a bag takes the columns that are drawn for it, and knows only classes of the bag."""
    members, drawn = estimator.estimators_, estimator.estimators_features_
    known = set(range(sizes["classes"]))
    return len(members) == len(drawn) > 0 and all(
        has_width(member, len(columns)) and set(np.ravel(getattr(member, "classes_", [-1])).tolist()) <= known
        for member, columns in zip(members, drawn, strict=True)
    )


def is_weighed(estimator: Any, sizes: Sizes) -> bool:
    """Check that each boosted member has a weight, the features and the classes."""
    return 0 < len(estimator.estimators_) <= sizes["slots"] and all(
        has_width(member, sizes["features"]) and has_classes(member, estimator.classes_)
        for member in estimator.estimators_
    )


def named_estimators(value: Any, sizes: Sizes) -> bool:
    """Check the members of an ensemble by their names."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and is_estimator(member, {}) for name, member in value.items()
    )


def is_voting(estimator: Any, sizes: Sizes) -> bool:
    """Check that all members of a vote have probabilities of its classes, the same columns, and a weight each."""
    members = estimator.estimators_
    return (
        estimator.voting == "soft"
        and _are_peers(members, sizes["classes"], estimator.estimators)
        and has_classes(estimator.le_, estimator.classes_)
        and all(hasattr(member, "predict_proba") for member in members)
        and _are_weights(estimator.weights, len(estimator.estimators))
    )


def _are_weights(weights: Any, count: int) -> bool:
    if weights is None:
        return True
    values = np.asarray(weights)
    sound = values.shape == (count,) and values.dtype.kind in "iuf" and bool(np.isfinite(values).all())
    return sound and bool((values >= 0).all()) and 0 < float(values.sum()) < MOST_WEIGHT


def is_stacking(estimator: Any, sizes: Sizes) -> bool:
    """Check that the last estimator of a stack takes the outputs of its members, and has its classes."""
    members, methods, count = estimator.estimators_, estimator.stack_method_, sizes["classes"]
    last, width = estimator.final_estimator_, getattr(members[0], "n_features_in_", None) if members else None
    if not _are_peers(members, count, estimator.estimators) or len(methods) != len(members):
        return False
    if not all(method in MADE and hasattr(one, method) for one, method in zip(members, methods, strict=True)):
        return False
    # Of two classes one column is enough, since the other one follows from it.
    made = sum(1 if method == "predict" or count == 2 else count for method in methods)
    taken = getattr(last, "n_features_in_", None)
    return (
        has_classes(estimator._label_encoder, estimator.classes_)
        and has_classes(last, np.arange(count))
        and (taken == made + width if estimator.passthrough and width is not None else taken == made)
    )


def _are_peers(members: list[Any], count: int, templates: Any) -> bool:
    """Return whether members have the classes 0 to `count` - 1, the same columns, and a template each."""
    used = [one for _, one in templates if not (isinstance(one, str) and one == "drop")]
    widths = {getattr(member, "n_features_in_", None) for member in members} - {None}
    return (
        len(members) == len(used) > 0
        and len(widths) <= 1
        and all(has_classes(member, np.arange(count)) for member in members)
    )


def are_members(estimator: Any, sizes: Sizes) -> bool:
    """Check that the calibrated members have the classes of the whole."""
    members = estimator.calibrated_classifiers_
    return len(members) > 0 and all(
        type(member).__name__ == "_CalibratedClassifier"
        and np.array_equal(member.classes, estimator.classes_)
        and has_width(member.estimator, sizes.get("features"))
        for member in members
    )


def is_calibrated(estimator: Any, sizes: Sizes) -> bool:
    """Check that there is a calibrator per output."""
    kind = CALIBRATORS.get(estimator.method)
    return (
        kind is not None
        and sizes["classes"] >= 2
        # One temperature is for all outputs.
        and len(estimator.calibrators) == (1 if estimator.method == "temperature" else sizes["outputs"])
        and all(type(each).__name__ == kind for each in estimator.calibrators)
        and has_classes(estimator.estimator, estimator.classes)
    )


def is_one_per_label(estimator: Any, sizes: Sizes) -> bool:
    """Check that each label has a binary estimator with its classes."""
    return len(estimator.estimators_) == len(estimator.classes_) > 0 and all(
        is_binary(member) and np.array_equal(member.classes_, known) and has_width(member, sizes.get("features"))
        for member, known in zip(estimator.estimators_, estimator.classes_, strict=True)
    )


def is_one_versus_rest(estimator: Any, sizes: Sizes) -> bool:
    """Check that each output has an estimator of its own, of the same columns."""
    labels = getattr(estimator.label_binarizer_, "y_type_", "") == "multilabel-indicator"
    count = sizes["classes"] if labels else sizes["outputs"]
    return (
        has_classes(estimator.label_binarizer_, estimator.classes_)
        and len(estimator.estimators_) == count
        and all(
            has_width(member, sizes.get("features")) and (is_binary(member) or hasattr(member, "y_"))
            for member in estimator.estimators_
        )
    )


def is_chain(estimator: Any, sizes: Sizes) -> bool:
    """Check that each member of a chain takes the features and the labels before it."""
    members, order = estimator.estimators_, np.ravel(estimator.order_).tolist()
    return len(members) == len(estimator.classes_) > 0 and (
        sorted(order) == list(range(len(members)))
        and all(
            is_binary(member) and has_width(member, sizes["features"] + before) for before, member in enumerate(members)
        )
    )
