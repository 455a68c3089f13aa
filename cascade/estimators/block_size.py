"""How many rows an estimator gets per call."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, NamedTuple

from scipy import sparse

from cascade.data.rows import BLOCK
from cascade.estimators.forking import bags_of

LARGE = 4096
"""Rows per call of estimators whose validation costs more than their arithmetic on `BLOCK` rows."""
WIDEST = 2**22
"""Values per call; wider rows come in blocks of `BLOCK`, so that memory stays bounded."""
PRODUCTS = ("LogisticRegression", "MLPClassifier")
"""Kinds that are cheap on `LARGE` rows even where one is requested. A product depends on the number of rows, unless
they are sparse: these add up row by row."""
BY_ROW = ("DecisionTree", "ExtraTree", "RandomForest", "HistGradientBoosting")
"""Beginnings of the names of kinds that compute every row alone, so that their blocks need no padding."""
WORDS = ("TfidfVectorizer", "CountVectorizer", "HashingVectorizer", "TfidfTransformer")
"""Steps that compute every text alone and give sparse rows."""
STEPS = (
    *("StandardScaler", "MaxAbsScaler", "MinMaxScaler", "RobustScaler", "SimpleImputer"),
    *("OneHotEncoder", "OrdinalEncoder", "DateParts", *WORDS),
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
    # Texts have no shape.
    values = math.prod(getattr(X, "shape", (0, WIDEST))[1:])
    dependence = _dependence(estimator, sparse.issparse(X))
    rows = BLOCK if values * LARGE > WIDEST or dependence == Dependence.UNKNOWN else LARGE
    return BlockSize(rows, pad=dependence != Dependence.NOTHING)


def _dependence(estimator: Any, is_sparse: bool) -> Dependence:
    """Return that of a fitted estimator on rows that are sparse or not."""
    if getattr(estimator, "passes_rows_on", False):
        return _dependence(estimator.estimator_, is_sparse)
    if hasattr(estimator, "steps"):
        *steps, (_, last) = estimator.steps
        for _, step in steps:
            if not _is_row_by_row(step):
                return Dependence.UNKNOWN
            is_sparse = _gives_sparse(step, is_sparse)
        return _dependence(last, is_sparse)
    inner = bags_of(estimator)
    kind = type(estimator).__name__
    if kind == "MultiOutputClassifier" or getattr(estimator, "multilabel_", False):
        inner = estimator.estimators_
    if inner:
        return max(_dependence(one, is_sparse) for one in inner)
    if kind.startswith(BY_ROW) or (is_sparse and kind == "LogisticRegression"):
        return Dependence.NOTHING
    return Dependence.NUMBER_OF_ROWS if kind in PRODUCTS else Dependence.UNKNOWN


def _is_row_by_row(step: Any) -> bool:
    """Return whether a step in front computes every row alone."""
    if hasattr(step, "steps"):
        return all(_is_row_by_row(inner) for _, inner in step.steps)
    if hasattr(step, "transformers_"):
        return all(isinstance(inner, str) or _is_row_by_row(inner) for _, inner, _ in step.transformers_)
    # "passthrough" becomes a function without a function.
    return type(step).__name__ in STEPS or getattr(step, "func", step) is None


def _gives_sparse(step: Any, is_sparse: bool) -> bool:
    """Return whether a step gives sparse rows."""
    if hasattr(step, "transformers_"):
        return bool(step.sparse_output_)
    return is_sparse or type(step).__name__ in WORDS
