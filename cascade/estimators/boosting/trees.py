"""Boosted trees as plain arrays, computed by the compiled trees of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE, X_BITSET_INNER_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.utils import Tags
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from cascade.errors import ConfigError
from cascade.utils.types import Floats

Library = Literal["lightgbm", "xgboost"]
LIBRARIES = get_args(Library)
LEAF = -1
"""Left and right child of a leaf."""
LARGEST = float(np.finfo(np.float64).max)
"""In the place of an infinite threshold, by which LightGBM separates all numbers from missing ones."""
ROWS = 4096
"""Rows that go through all trees before the next ones, so that they stay in the processor's cache."""
BITSETS = np.empty((0, 8), dtype=X_BITSET_INNER_DTYPE)
"""The categories of splits by category, of which there are none."""


@dataclass(frozen=True)
class Tree:
    """One tree, its root first and the children of a node after it.

    Attributes
    ----------
    feature : ndarray of int, shape (nodes,)
    threshold : ndarray of float, shape (nodes,)
        Rows whose feature is at most this go to the left.
    missing_left : ndarray of bool, shape (nodes,)
        Whether rows without a value go to the left.
    left, right : ndarray of int, shape (nodes,)
        Numbers of the children; `LEAF` for both in a leaf.
    value : ndarray of float, shape (nodes,)
        What a leaf adds to the score.
    """

    feature: NDArray[Any]
    threshold: Floats
    missing_left: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    value: Floats


class BoostedTrees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Boosted trees of two classes that LightGBM or XGBoost has fitted, as plain arrays.

    `cascade.estimators.boosting.convert.with_plain_trees` makes them of a fitted classifier. Neither library is needed
    to predict. The probabilities are those of the library up to rounding: to 64 bits for LightGBM, and to 32 for
    XGBoost, which rounds features and probabilities to 32 bits. Numbers that sparse rows leave out are 0 for LightGBM
    and missing for XGBoost.

    Attributes
    ----------
    library_ : {"lightgbm", "xgboost"}
    classes_ : ndarray of int, shape (2,)
    n_features_in_ : int
    offset_ : float
        Score before the first tree.
    slope_ : float
        Log-odds per unit of the score.
    has_decision_ : bool
        Whether the fitted classifier had a `decision_function`, which wrappers such as `CalibratedClassifierCV` prefer.
    start_ : ndarray of int, shape (trees,)
        First node of each tree, which is its root.
    feature_, threshold_, missing_left_, left_, right_, value_ : ndarray, shape (nodes,)
        See `Tree`; the numbers of children count from the first node of all trees.

    Examples
    --------
    >>> stump = Tree(
    ...     feature=np.array([1, 0, 0]),
    ...     threshold=np.array([0.5, 0, 0]),
    ...     missing_left=np.array([True, False, False]),
    ...     left=np.array([1, -1, -1]),
    ...     right=np.array([2, -1, -1]),
    ...     value=np.array([0, -1.0, 1.0]),
    ... )
    >>> model = BoostedTrees.of("lightgbm", [0, 1], n_features=2, trees=[stump, stump])
    >>> model.predict_proba([[0, 0.5], [0, 0.6], [0, np.nan]])[:, 1].round(3).tolist()
    [0.119, 0.881, 0.119]
    """

    library_: Library
    classes_: NDArray[np.int64]
    n_features_in_: int
    offset_: float
    slope_: float
    has_decision_: bool
    start_: NDArray[np.int64]
    feature_: NDArray[np.int32]
    threshold_: Floats
    missing_left_: NDArray[np.uint8]
    left_: NDArray[np.int32]
    right_: NDArray[np.int32]
    value_: Floats

    @classmethod
    def of(
        cls,
        library: Library,
        classes: Any,
        n_features: int,
        trees: Sequence[Tree],
        *,
        offset: float = 0.0,
        slope: float = 1.0,
        has_decision: bool = False,
    ) -> BoostedTrees:
        """Return the estimator of some trees.

        Parameters
        ----------
        library : {"lightgbm", "xgboost"}
        classes : array-like of int, shape (2,)
        n_features : int
        trees : sequence of Tree
        offset, slope : float, default=0 and 1
        has_decision : bool, default=False
            See the attributes.
        """
        model = cls()
        model.library_, model.classes_ = library, np.asarray(classes, dtype=np.int64)
        model.n_features_in_, model.offset_, model.slope_ = int(n_features), float(offset), float(slope)
        model.has_decision_ = has_decision
        sizes = np.array([len(tree.feature) for tree in trees], dtype=np.int64)
        model.start_ = np.cumsum(sizes) - sizes
        joined = {name: [getattr(tree, name) for tree in trees] for name in Tree.__dataclass_fields__}
        shift = np.repeat(model.start_, sizes)
        for name in ("left", "right"):
            own = _joined(joined[name], np.int64)
            setattr(model, f"{name}_", np.where(own == LEAF, LEAF, own + shift).astype(np.int32))
        model.feature_ = _joined(joined["feature"], np.int32)
        model.missing_left_ = _joined(joined["missing_left"], np.uint8)
        model.threshold_ = np.minimum(_joined(joined["threshold"], np.float64), LARGEST)
        model.value_ = _joined(joined["value"], np.float64)
        return model

    def fit(self, X: Any, y: Any) -> Self:
        """Raise an error: the libraries fit trees.

        Raises
        ------
        ConfigError
        """
        raise ConfigError("BoostedTrees cannot be fitted; fit LGBMClassifier or XGBClassifier instead.")

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return the probability of both classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, d)
            NaN where a value is missing.

        Returns
        -------
        ndarray, shape (n, 2)
            Of 64 bits for LightGBM and 32 for XGBoost.

        Raises
        ------
        ValueError
            If `X` has another number of features, or holds no numbers.
        """
        scores = self._scores(X)
        positive = expit(scores.dtype.type(self.slope_) * scores)
        return np.column_stack([1 - positive, positive])

    @available_if(lambda model: getattr(model, "has_decision_", False))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return the score of each row, float of shape (n,); see `predict_proba` for the rows and errors."""
        return self._scores(X)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the class of the larger probability; int of shape (n,)."""
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(np.intp)]

    def longest_paths(self) -> NDArray[np.int64]:
        """Return how many splits the longest path of each tree has; int of shape (trees,)."""
        depth = np.zeros(len(self.left_), dtype=np.int64)
        level = self.start_
        while len(inner := level[self.left_[level] != LEAF]):
            level = np.concatenate([self.left_[inner], self.right_[inner]])
            depth[level] = depth[inner[0]] + 1
        return np.maximum.reduceat(depth, self.start_) if len(depth) else depth

    def _scores(self, X: Any) -> NDArray[np.floating[Any]]:
        check_is_fitted(self)
        X = check_array(X, accept_sparse="csr", ensure_all_finite=False)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X must have {self.n_features_in_} features, as in training. Received {X.shape[1]}.")
        columns, trees = self._compiled()
        order, threads = np.arange(len(columns), dtype=np.uint32), _openmp_effective_n_threads()
        # XGBoost adds in 32 bits, tree by tree.
        scores = np.full(X.shape[0], self.offset_, dtype=np.float32 if self.library_ == "xgboost" else np.float64)
        for start in range(0, len(scores), ROWS):
            part = slice(start, start + ROWS)
            numbers = self._numbers(X[part], columns)
            for tree in trees:
                scores[part] += tree.predict(numbers, BITSETS, order, threads)
        return scores

    def _numbers(self, X: Any, columns: NDArray[np.intp]) -> Floats:
        """Return some columns of rows as the library reads them; float of shape (n, len(columns))."""
        chosen = X[:, columns]
        # LightGBM reads whole numbers as floats of 32 bits, too.
        rounded = self.library_ == "xgboost" or chosen.dtype.kind != "f"
        if sparse.issparse(chosen):
            chosen = self._filled(chosen)
        with np.errstate(over="ignore"):
            numbers = np.ascontiguousarray(chosen.astype(np.float32) if rounded else chosen, dtype=np.float64)
        # Infinite numbers are numbers too; NaN stays.
        return np.minimum(numbers, LARGEST)

    def _filled(self, rows: Any) -> Floats:
        rows.sum_duplicates()
        entries = rows.tocoo()
        dense = np.full(rows.shape, np.nan if self.library_ == "xgboost" else 0.0)
        dense[entries.row, entries.col] = entries.data
        return dense

    def _compiled(self) -> tuple[NDArray[np.intp], list[Any]]:
        """Return the columns that are split on, and the trees of scikit-learn on these columns."""
        if not hasattr(self, "_trees"):
            self._trees = self._compile()
        return self._trees

    def _compile(self) -> tuple[NDArray[np.intp], list[Any]]:
        is_leaf = self.left_ == LEAF
        columns = np.unique(self.feature_[~is_leaf])
        ends = np.append(self.start_, len(is_leaf))[1:]
        first = np.repeat(self.start_, ends - self.start_)
        nodes = np.zeros(len(is_leaf), dtype=PREDICTOR_RECORD_DTYPE)
        nodes["is_leaf"], nodes["value"], nodes["num_threshold"] = is_leaf, self.value_, self.threshold_
        nodes["missing_go_to_left"] = self.missing_left_
        nodes["feature_idx"] = np.where(is_leaf, 0, np.searchsorted(columns, self.feature_))
        for ours, theirs in ((self.left_, "left"), (self.right_, "right")):
            # They count from the root of their tree.
            nodes[theirs] = np.where(is_leaf, 0, ours - first)
        pairs = zip(self.start_.tolist(), ends.tolist(), strict=True)
        return columns.astype(np.intp), [TreePredictor(nodes[start:end], BITSETS, BITSETS) for start, end in pairs]

    def __getstate__(self) -> dict[str, Any]:
        # The trees of scikit-learn are made of the arrays again.
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_trees"}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags


def _joined(parts: list[Any], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)
