"""Replace classifiers of LightGBM and XGBoost by their trees as plain arrays, wherever they are in an estimator."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from cascade.estimators.boosting.lightgbm import trees_of_lightgbm
from cascade.estimators.boosting.trees import BoostedTrees
from cascade.estimators.boosting.xgboost import trees_of_xgboost

CLASSIFIERS = {"lightgbm": ("LGBMClassifier",), "xgboost": ("XGBClassifier", "XGBRFClassifier")}
"""By the packages that define them. Subclasses of users may predict otherwise."""
WALKED = ("sklearn.", "cascade.")
"""Packages whose estimators are searched for classifiers inside them."""


def with_plain_trees(estimator: Any) -> Any:
    """Return a fitted estimator with `BoostedTrees` in the place of classifiers of LightGBM and XGBoost.

    The estimator itself is not changed. One without such classifiers is returned as it is.

    Raises
    ------
    ModelRefusedError
        If a classifier has no such form: see `trees_of_lightgbm` and `trees_of_xgboost`.
    """
    if is_booster(estimator):
        return _plain(estimator)
    if isinstance(estimator, (list, tuple)):
        items = [with_plain_trees(item) for item in estimator]
        return estimator if all(map(_same, items, estimator)) else type(estimator)(items)
    if not type(estimator).__module__.startswith(WALKED) or not hasattr(estimator, "__dict__"):
        return estimator
    replaced = {name: with_plain_trees(value) for name, value in vars(estimator).items()}
    if all(map(_same, replaced.values(), vars(estimator).values())):
        return estimator
    result = copy.copy(estimator)
    vars(result).update(replaced)
    # A wrapper has taken these names from the classifier, which may have invented or changed them.
    if getattr(replaced.get("feature_names_in_"), "dtype", np.dtype(object)).kind == "U":
        del result.feature_names_in_
    return result


def is_booster(value: Any) -> bool:
    """Return whether an object is a classifier of LightGBM or XGBoost, without an import of either."""
    kind = type(value)
    return kind.__name__ in CLASSIFIERS.get(kind.__module__.partition(".")[0], ())


def _same(one: Any, other: Any) -> bool:
    return one is other


def _plain(classifier: Any) -> Any:
    # A template that was only cloned.
    if not classifier.__sklearn_is_fitted__():
        return BoostedTrees()
    if type(classifier).__module__.startswith("lightgbm"):
        return trees_of_lightgbm(classifier)
    trees = trees_of_xgboost(classifier)
    return trees[0] if len(trees) == 1 else _per_label(trees)


def _per_label(trees: list[BoostedTrees]) -> Any:
    """Return one model per label, as which XGBoost has fitted several labels."""
    from sklearn.multioutput import MultiOutputClassifier

    model = MultiOutputClassifier(BoostedTrees())
    model.estimators_, model.classes_ = trees, [each.classes_ for each in trees]
    model.n_features_in_ = trees[0].n_features_in_
    return model
