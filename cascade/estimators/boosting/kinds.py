"""Classifiers of LightGBM and XGBoost by their names in configs, with options that are tried before training."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from cascade.errors import MissingExtraError, ModelRefusedError

BOOSTERS = {"lightgbm": "LGBMClassifier", "xgboost": "XGBClassifier"}
"""Classes by the names of kinds, which are also those of the packages and of the extras."""
QUIET: dict[str, dict[str, Any]] = {
    # Without the last two, LightGBM times two ways of counting, and the faster one decides the last digits.
    "lightgbm": {"verbosity": -1, "deterministic": True, "force_row_wise": True},
    "xgboost": {},
}
OF_COLUMNS = ("feature_types", "feature_weights", "interaction_constraints", "monotone_constraints")
"""Options that name columns, which the made-up rows do not have."""
PLACE = re.compile(r"^\[[\d:]+\] \S+: ")
"""Time and line of code in front of an error of XGBoost."""


def boosting_classifier(kind: str, options: Mapping[str, Any]) -> Any:
    """Return an unfitted classifier of LightGBM or XGBoost.

    The options are tried in a training of one round on made-up rows, since the libraries check them only there.

    Parameters
    ----------
    kind : {"lightgbm", "xgboost"}
    options : mapping
        Options of the constructor that the class documents by name.

    Raises
    ------
    MissingExtraError
        If the library is not installed.
    ValueError
        If there is no such option, it has an invalid value, or the trees could not be saved.
    """
    made = _class_of(kind)
    unknown = sorted(set(options) - set(made().get_params()))
    if unknown:
        raise ValueError(f"{made.__name__} has no option `{unknown[0]}`")
    rounds = options.get("n_estimators", 1)
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"`n_estimators` must be a whole number of 1 or more. Received {rounds!r}.")
    given = {**QUIET[kind], **options}
    _try(made(**{name: value for name, value in given.items() if name not in OF_COLUMNS} | {"n_estimators": 1}))
    return made(**given)


def _class_of(kind: str) -> Any:
    try:
        return getattr(importlib.import_module(kind), BOOSTERS[kind])
    except ImportError as error:
        raise MissingExtraError(
            f"`kind: {kind}` needs a package that is not installed; install the extra `{kind}`."
        ) from error


def _try(classifier: Any) -> None:
    # Imported late, since scikit-learn takes a second, which a config without trees does not need.
    from cascade.estimators.boosting.convert import with_plain_trees

    X = np.random.default_rng(0).normal(size=(64, 2))
    try:
        with_plain_trees(classifier.fit(X, (X[:, 0] > 0).astype(np.int64)))
    except ModelRefusedError:
        raise
    # LightGBM's errors are of a type of its own.
    except Exception as error:
        raise ValueError(PLACE.sub("", str(error).strip().splitlines()[0])) from error
