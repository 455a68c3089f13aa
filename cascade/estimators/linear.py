"""Linear models as one matrix product for all labels and bags of a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from cascade.utils.log_odds import SMALLEST, log_odds
from cascade.utils.types import Floats

MOST_COEFFICIENTS = 2**18
"""Models with more are called one by one: their coefficients would be collected anew for every call."""
MOST_AT_ONCE = 2**23
"""Coefficients of sparse columns that are collected for one call, of 64 MB."""
FEATURES_PER_ROW = 16
"""Features per row from which on to collect the coefficients takes longer than to call the models one by one."""
LARGEST = float(log_odds(1 - SMALLEST))
"""Log-odds of the largest probability that `log_odds` keeps."""
SCALERS = ("StandardScaler", "MaxAbsScaler")


@dataclass(frozen=True)
class LinearForm:
    """Log-odds of K outputs from linear models of F features; those of the bags of an output are averaged.

    Attributes
    ----------
    weights : ndarray of float, shape (F, C)
        One column per model.
    intercept : ndarray of float, shape (C,)
    bags : tuple of slice, length K, or None
        The columns of each output, no column where it is constant; None for one column per output.
    shift : ndarray of float, shape (K,)
        Added to the average.
    """

    weights: Floats
    intercept: Floats
    bags: tuple[slice, ...] | None = None
    shift: Floats | None = None

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.intercept) if self.bags is None else len(self.bags)

    def numbers(self, X: Any) -> Any:
        """Return rows (n, F) as a matrix of float64; None where they are no numbers."""
        # Data frames of several types become objects.
        values = X if hasattr(X, "dtype") or not hasattr(X, "to_numpy") else X.to_numpy()
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        if kind not in "biuf" or values.shape[1:] != (len(self.weights),):
            return None
        # A product of columns in another order would be rounded otherwise.
        return values if sparse.issparse(values) else np.asarray(values, dtype=np.float64, order="C")

    def __call__(self, numbers: Any) -> Floats:
        """Return log-odds (n, K), clipped like those of probabilities; NaN where a feature is not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            z = np.asarray(numbers @ self.weights)
            z += self.intercept
        z[~np.isfinite(z)] = np.nan
        np.clip(z, -LARGEST, LARGEST, out=z)
        return z if self.bags is None else self._averaged(z, self.bags)

    def _averaged(self, z: Floats, bags: Sequence[slice]) -> Floats:
        """Return the mean log-odds of each output's bags, shifted."""
        result = np.tile(np.asarray(self.shift, dtype=np.float64), (len(z), 1))
        for output, columns in enumerate(bags):
            if columns.stop > columns.start:
                result[:, output] += mean_of([z[:, column] for column in range(columns.start, columns.stop)])
        # A constant output depends on no feature, and is no reason to accept a row that is not finite.
        result[np.isnan(z).any(axis=1)] = np.nan
        return np.clip(result, -LARGEST, LARGEST, out=result)


def mean_of(bags: Sequence[Floats]) -> Floats:
    """Return the mean of arrays (n,), added in their order: `np.mean` adds those of one row in another one."""
    total = bags[0].copy()
    for bag in bags[1:]:
        total += bag
    return np.asarray(total / len(bags), dtype=np.float64)


def linear_form(estimator: Any) -> LinearForm | None:
    """Return the linear form of a fitted estimator; None where it has none.

    Logistic regression has one, also behind scalers, for each label of a `MultiOutputClassifier` or
    `OneVsRestClassifier`, and in the bags of balanced binary relevance, whose log-odds are averaged.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> model = LogisticRegression().fit(X, y)
    >>> bool(np.allclose(linear_form(model)(X)[:, 0], model.decision_function(X)))
    True
    """
    estimator = unwrapped(estimator)
    if kind_of(estimator) == "BalancedBinaryRelevance":
        return _balanced_form(estimator)
    return _form(_columns(estimator))


def product_of_labels(estimator: Any, n_rows: int) -> Callable[[Any], Any] | None:
    """Return a faster `predict_proba` of shape (n, K) for many sparse rows, equal to the last bit; None without one.

    Logistic regressions of all labels are one product, also behind the encoder of a pipeline. A product of sparse rows
    adds up row by row and column by column, in the order in which it does so for a single model.

    Parameters
    ----------
    estimator : fitted estimator
    n_rows : int
        Rows that will be predicted.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multioutput import MultiOutputClassifier
    >>> X, Y = sparse.csr_matrix([[0.0, 3.0], [1.0, 0.0], [2.0, 1.0]]), np.array([[0, 1], [1, 0], [1, 1]])
    >>> model = MultiOutputClassifier(LogisticRegression()).fit(X, Y)
    >>> bool((product_of_labels(model, 3)(X)[:, 1] == model.predict_proba(X)[1][:, 1]).all())
    True
    """
    whole = unwrapped(estimator)
    in_pipeline = kind_of(whole) == "Pipeline"
    last = whole.steps[-1][1] if in_pipeline else whole
    models = models_per_label(last)
    columns = _all_or_none([_logistic_column(one) if kind_of(one) == "LogisticRegression" else None for one in models])
    if not columns or len(columns) == 1:
        return None
    n_features = len(columns[0][0])
    if n_features > FEATURES_PER_ROW * n_rows or n_features * len(columns) > MOST_AT_ONCE:
        return None
    weights, intercept = np.column_stack([column for column, _ in columns]), np.array([b for _, b in columns])

    def proba(X: Any) -> Any:
        encoded = whole[:-1].transform(X) if in_pipeline else X
        if not _fits(encoded, n_features):
            # Other rows are rounded otherwise, or refused with a reason of their own.
            return last.predict_proba(encoded)
        z = encoded @ weights
        z += intercept
        return expit(z, out=z)

    return proba


def _fits(X: Any, n_features: int) -> bool:
    """Return whether rows are sparse finite numbers of the right width."""
    if not sparse.issparse(X) or X.format != "csr" or X.shape[1] != n_features:
        return False
    return X.dtype == np.float64 and bool(np.isfinite(X.data).all())


def unwrapped(estimator: Any) -> Any:
    """Return the fitted estimator that a wrapper passes rows on to unchanged; other estimators as they are."""
    return estimator.estimator_ if getattr(estimator, "passes_rows_on", False) else estimator


def kind_of(estimator: Any) -> str:
    """Return the name of a class of scikit-learn or of this package; "" for others, which may compute otherwise."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.startswith(("sklearn.", "cascade.")) else ""


def models_per_label(estimator: Any) -> list[Any]:
    """Return the models of scikit-learn's wrappers that fit one per label; an empty list for other estimators."""
    kind = kind_of(estimator)
    wraps = kind == "MultiOutputClassifier" or (kind == "OneVsRestClassifier" and estimator.multilabel_)
    return list(estimator.estimators_) if wraps else []


Column = tuple[Floats, float]


def _form(columns: list[Column] | None, bags: tuple[slice, ...] | None = None, shift: Any = None) -> LinearForm | None:
    if not columns or len({len(weights) for weights, _ in columns}) != 1:
        return None
    weights, intercepts = zip(*columns, strict=True)
    if sum(map(len, weights)) > MOST_COEFFICIENTS:
        return None
    return LinearForm(np.column_stack(weights), np.array(intercepts), bags, shift)


def _balanced_form(model: Any) -> LinearForm | None:
    # Of the two classes of a vector, the second one need not be 1.
    if model.target_form_.is_vector and model.classes_.tolist() != [0, 1]:
        return None
    columns = _all_or_none([_columns(bag) for bags in model.estimators_ for bag in bags])
    ends = np.cumsum([len(bags) for bags in model.estimators_])
    slices = tuple(slice(end - len(bags), end) for end, bags in zip(ends.tolist(), model.estimators_, strict=True))
    constant = [not bags for bags in model.estimators_]
    return _form(columns, slices, np.where(constant, log_odds(model.share_), model.prior_shift_))


def _columns(estimator: Any) -> list[Column] | None:
    """Return weights and intercept of each output; None for an estimator of another kind."""
    estimator = unwrapped(estimator)
    kind = kind_of(estimator)
    if kind == "Pipeline":
        return _scaled_columns(estimator)
    if kind == "LogisticRegression":
        return _logistic_column(estimator)
    models = models_per_label(estimator)
    return _all_or_none([_columns(model) for model in models]) if models else None


def _logistic_column(model: Any) -> list[Column] | None:
    weights, intercept = model.coef_, model.intercept_
    # Of scikit-learn before 1.8: with two classes, such log-odds are twice the product.
    if getattr(model, "multi_class", None) == "multinomial":
        return None
    # Not sparse, as `sparsify` makes them, and of two classes.
    if list(model.classes_) != [0, 1] or not isinstance(weights, np.ndarray) or weights.shape[0] != 1:
        return None
    return [(weights[0], float(intercept[0]))]


def _all_or_none(found: list[list[Column] | None]) -> list[Column] | None:
    """Return the columns of models side by side; None where one has no linear form."""
    known = [columns for columns in found if columns is not None]
    return [column for columns in known for column in columns] if len(known) == len(found) else None


def _scaled_columns(pipeline: Any) -> list[Column] | None:
    """Fold the scalers of a pipeline into the weights of its last step."""
    *scalers, (_, last) = pipeline.steps
    columns = _columns(last)
    for _, scaler in reversed(scalers):
        # Clipping is not linear.
        if not columns or kind_of(scaler) not in SCALERS or getattr(scaler, "clip", False):
            return None
        columns = _scaled(columns, scaler)
    return columns


def _scaled(columns: list[Column], scaler: Any) -> list[Column] | None:
    # None where they are not used.
    scale: NDArray[Any] = np.asarray(1.0 if scaler.scale_ is None else scaler.scale_)
    mean = getattr(scaler, "mean_", None)
    centre: NDArray[Any] = np.asarray(0.0 if mean is None or not scaler.with_mean else mean)
    if any(part.shape not in ((), weights.shape) for part in (scale, centre) for weights, _ in columns):
        return None
    return [(weights / scale, b - float(np.sum(weights / scale * centre))) for weights, b in columns]
