"""How many rows an estimator gets per call."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cascade.data.rows import BLOCK
from cascade.estimators.forking import bags_of

LARGE = 4096
"""Rows per call of estimators whose validation costs more than their arithmetic on `BLOCK` rows."""
WIDEST = 2**22
"""Values per call; wider rows come in blocks of `BLOCK`, so that memory stays bounded."""
MATRICES = ("LogisticRegression", "MLPClassifier")
"""Kinds that are cheap on `LARGE` rows even where one is requested. Products depend on the number of rows."""
BY_ROW = ("DecisionTree", "ExtraTree", "RandomForest", "HistGradientBoosting")
"""Beginnings of the names of kinds that compute every row alone, so that their blocks need no padding."""
ELEMENTWISE = ("StandardScaler", "MaxAbsScaler", "MinMaxScaler", "RobustScaler", "SimpleImputer")
"""Steps in front that compute every value alone."""


class BlockSize(NamedTuple):
    """Rows per call, and whether the last block is padded to them."""

    rows: int
    pad: bool


def block_size(estimator: Any, X: Any) -> BlockSize:
    """Return the size of the blocks of `X` that an estimator gets.

    It depends on the kind of the estimator and on the shape of a row alone, so that equal rows get equal bits however
    many are predicted at a time.
    """
    # Texts have no shape.
    values = math.prod(getattr(X, "shape", (0, WIDEST))[1:])
    kinds = _kinds(estimator)
    if values * LARGE > WIDEST or not kinds:
        return BlockSize(BLOCK, True)
    if all(kind.startswith(BY_ROW) for kind in kinds):
        return BlockSize(LARGE, False)
    return BlockSize(LARGE if kinds <= set(MATRICES) else BLOCK, True)


def _kinds(estimator: Any) -> set[str]:
    """Return the names of the models inside of an estimator; empty where something in front mixes values."""
    if hasattr(estimator, "steps"):
        *steps, (_, last) = estimator.steps
        return _kinds(last) if all(type(step).__name__ in ELEMENTWISE for _, step in steps) else set()
    inner = bags_of(estimator)
    if type(estimator).__name__ == "MultiOutputClassifier":
        inner = estimator.estimators_
    return set().union(*map(_kinds, inner)) if inner else {type(estimator).__name__}
