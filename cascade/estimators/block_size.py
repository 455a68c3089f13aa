"""How many rows an estimator gets per call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from scipy import sparse

from cascade.data.rows import BLOCK
from cascade.estimators.forking import bags_of
from cascade.estimators.linear import kind_of, models_per_label, unwrapped

LARGE = 4096
"""Rows per call of estimators whose validation costs more than their arithmetic on `BLOCK` rows."""
WIDEST = 64
"""Values of a row from which on validation costs little of a call, and more rows than `BLOCK` are not worth it."""
PRODUCTS = ("LogisticRegression", "MLPClassifier")
"""Kinds that are cheap on `LARGE` rows even where one is requested. A product depends on the number of rows, unless
they are sparse: these add up row by row."""
BY_ROW = ("DecisionTree", "ExtraTree", "RandomForest", "HistGradientBoosting", "BoostedTrees")
"""Beginnings of the names of kinds that compute every row alone, so that their blocks need no padding."""
WORDS = ("WordCounts", "TfidfVectorizer", "CountVectorizer", "HashingVectorizer", "TfidfTransformer")
"""Steps that compute every text alone and give sparse rows."""
STEPS = (
    *("StandardScaler", "MaxAbsScaler", "MinMaxScaler", "RobustScaler", "SimpleImputer"),
    *("OneHotEncoder", "OrdinalEncoder", "TargetEncoder", "LabelTargetEncoder", "DateParts", *WORDS),
)
"""Steps in front of a model that compute every row alone."""


class BlockSize(NamedTuple):
    """Rows per call, and whether the last block is padded to them."""

    rows: int
    pad: bool


class Dependence(IntEnum):
    """On what the scores of a row depend besides the row."""

    NOTHING = 0
    NUMBER_OF_ROWS = 1
    UNKNOWN = 2


def block_size(estimator: Any, X: Any) -> BlockSize:
    """Return the size of the blocks of `X` that an estimator gets.

    It depends on the kind of the estimator and of the rows, and never on their number: equal rows get equal bits
    however many are predicted at a time.
    """
    shape = getattr(X, "shape", ())
    dependence = _dependence(estimator, sparse.issparse(X))
    # Texts have no second axis.
    is_narrow = len(shape) > 1 and math.prod(shape[1:]) <= WIDEST
    rows = LARGE if is_narrow and dependence != Dependence.UNKNOWN else BLOCK
    return BlockSize(rows, pad=dependence != Dependence.NOTHING)


def _dependence(estimator: Any, is_sparse: bool) -> Dependence:
    """Return that of a fitted estimator on rows that are sparse or not."""
    estimator = unwrapped(estimator)
    kind = kind_of(estimator)
    if kind == "Pipeline":
        *steps, (_, last) = estimator.steps
        if not all(_is_row_by_row(step) for _, step in steps):
            return Dependence.UNKNOWN
        return _dependence(last, _gives_sparse(estimator.steps[:-1], is_sparse))
    inner = bags_of(estimator) if kind == "BalancedBinaryRelevance" else models_per_label(estimator)
    if inner:
        return max(_dependence(one, is_sparse) for one in inner)
    if kind.startswith(BY_ROW) or (is_sparse and kind == "LogisticRegression"):
        return Dependence.NOTHING
    return Dependence.NUMBER_OF_ROWS if kind in PRODUCTS else Dependence.UNKNOWN


def _is_row_by_row(step: Any) -> bool:
    """Return whether a step in front computes every row alone."""
    kind = kind_of(step)
    if kind == "Pipeline":
        return all(_is_row_by_row(inner) for _, inner in step.steps)
    if kind == "ColumnTransformer":
        return all(isinstance(inner, str) or _is_row_by_row(inner) for _, inner, _ in step.transformers_)
    # "passthrough" becomes a function without a function.
    return kind in STEPS or (kind == "FunctionTransformer" and step.func is None)


def _gives_sparse(steps: Sequence[tuple[str, Any]], is_sparse: bool) -> bool:
    """Return whether steps give sparse rows."""
    for _, step in steps:
        kind = kind_of(step)
        if kind == "Pipeline":
            is_sparse = _gives_sparse(step.steps, is_sparse)
        elif kind == "ColumnTransformer":
            is_sparse = bool(step.sparse_output_)
        else:
            is_sparse = is_sparse or kind in WORDS
    return is_sparse
