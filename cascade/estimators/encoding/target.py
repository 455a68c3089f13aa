"""Categories as the smoothed share of positives that each has: one number per label, from other rows in training."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import KFold
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder
from sklearn.utils.validation import check_is_fitted

from cascade.errors import ConfigError
from cascade.utils.types import Floats, Rows

FOLDS = 5
MOST_LABELS = 100
"""Labels that categories are encoded by: each adds a dense column per column of categories."""


class LabelTargetEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns of categories as numbers: per label, the share of positives of each category, shrunk to that of all rows.

    It has one `TargetEncoder` of scikit-learn per label. Rows on which a label is missing do not count for it.
    `fit_transform` encodes each row by the rows of other folds, so that a category of one row says nothing of its own
    label. `transform` uses all training rows, and a category that training did not have has the share of all rows.

    Parameters
    ----------
    random_state : int, optional
        Of the folds.

    Attributes
    ----------
    ordinal_ : OrdinalEncoder
        Numbers of the categories.
    encoders_ : list of TargetEncoder, length L
        Of these numbers.

    Raises
    ------
    ConfigError
        If there are no labels, or more than 100.

    References
    ----------
    Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations 3.

    Examples
    --------
    >>> X = np.array([["a"], ["b"]] * 500, dtype=object)
    >>> Y = np.array([[1, 0], [0, 0]] * 500)
    >>> encoder = LabelTargetEncoder(random_state=0).fit(X, Y)
    >>> encoder.transform(np.array([["a"], ["b"], ["new"]], dtype=object)).round(2).tolist()
    [[1.0, 0.0], [0.0, 0.0], [0.5, 0.0]]
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the shares from all rows.

        Parameters
        ----------
        X : data frame or array of categories, shape (n, d)
        y : array-like of 0/1, shape (n,) or (n, L)
            Missing labels are NaN or masked.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any, **fit_params: Any) -> Floats:
        """Learn the shares from all rows, and encode each row by the rows of other folds; float of shape (n, d L)."""
        numbers, targets = self._fit(X, y)
        encoded = self._encode(numbers)
        # One assignment of rows to folds for all labels.
        fold = np.empty(len(numbers), dtype=np.intp)
        splitter = KFold(min(FOLDS, max(len(numbers), 2)), shuffle=True, random_state=self.random_state)
        for k, (_, test) in enumerate(splitter.split(numbers) if len(numbers) > 1 else []):
            fold[test] = k
        width = numbers.shape[1]
        for label, target in enumerate(targets.T):
            columns = slice(label * width, (label + 1) * width)
            for k in range(splitter.n_splits):
                held = np.flatnonzero((fold == k) & ~np.isnan(target))
                others = np.flatnonzero((fold != k) & ~np.isnan(target))
                if len(held) and len(others):
                    encoded[held, columns] = _fitted(numbers, target, others).transform(numbers[held])
        return encoded

    def transform(self, X: Any) -> Floats:
        """Encode rows by all training rows; float of shape (n, d L), the columns of a label next to each other."""
        check_is_fitted(self)
        return self._encode(self.ordinal_.transform(X))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns, such as "site, label 0"."""
        names = self.ordinal_.get_feature_names_out(input_features)
        return np.array([f"{name}, label {k}" for k in range(len(self.encoders_)) for name in names], dtype=object)

    def _fit(self, X: Any, y: Any) -> tuple[Floats, Floats]:
        targets = _targets(y)
        # A missing category is a category too, with the number NaN.
        self.ordinal_ = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        numbers = self.ordinal_.fit_transform(X)
        self.n_features_in_ = numbers.shape[1]
        self.encoders_ = [_fitted(numbers, target, np.flatnonzero(~np.isnan(target))) for target in targets.T]
        return numbers, targets

    def _encode(self, numbers: Floats) -> Floats:
        return np.hstack([encoder.transform(numbers) for encoder in self.encoders_])


def _targets(y: Any) -> Floats:
    """Return labels as floats (n, L), NaN where they are missing."""
    if y is None:
        raise ConfigError("`y` must be given to encode categories by labels. Received None.")
    values = np.ma.filled(np.ma.asarray(y.toarray() if sparse.issparse(y) else y).astype(np.float64), np.nan)
    targets = values.reshape(len(values), -1)
    if targets.shape[1] > MOST_LABELS:
        raise ConfigError(
            f"`encoder.categories` must be onehot or ordinal with more than {MOST_LABELS} labels. "
            f"Received target with {targets.shape[1]}."
        )
    return np.asarray(targets)


def _fitted(numbers: Floats, target: Floats, rows: Rows) -> TargetEncoder:
    # A number of 0 or 1 has the same mean and variance as a class, and may be constant in a part of the rows.
    return TargetEncoder(target_type="continuous").fit(numbers[rows], target[rows])
