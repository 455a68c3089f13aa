"""Linear models as one matrix product for all labels and bags of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from cascade.utils.log_odds import SMALLEST, log_odds
from cascade.utils.types import Floats

MOST_COEFFICIENTS = 2**18
"""Models with more are called one by one: their coefficients would be collected anew for every call."""
LARGEST = float(log_odds(1 - SMALLEST))
"""Log-odds of the largest probability that `log_odds` keeps."""


@dataclass(frozen=True)
class LinearForm:
    """Log-odds of K outputs as weights of F features.

    Attributes
    ----------
    weights : ndarray of float, shape (F, K)
    intercept : ndarray of float, shape (K,)
    """

    weights: Floats
    intercept: Floats

    def numbers(self, X: Any) -> Any:
        """Return rows (n, F) as a matrix of numbers; None where they are none."""
        # Data frames of several types become objects.
        values = X if hasattr(X, "dtype") or not hasattr(X, "to_numpy") else X.to_numpy()
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        return values if kind in "biuf" and values.shape[1:] == (len(self.weights),) else None

    def __call__(self, numbers: Any) -> Floats:
        """Return log-odds (n, K), clipped like those of probabilities; NaN where a feature is not finite."""
        z = np.asarray((numbers if sparse.issparse(numbers) else numbers.astype(np.float64)) @ self.weights)
        z += self.intercept
        z[~np.isfinite(z)] = np.nan
        return np.clip(z, -LARGEST, LARGEST, out=z)


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
    columns = _columns(estimator)
    if columns is None or len({len(weights) for weights, _ in columns}) != 1:
        return None
    weights, intercepts = zip(*columns, strict=True)
    if sum(map(len, weights)) > MOST_COEFFICIENTS:
        return None
    return LinearForm(np.column_stack(weights), np.array(intercepts))


Column = tuple[Floats, float]


def _columns(estimator: Any) -> list[Column] | None:
    """Return weights and intercept of each output; None for an estimator of another kind."""
    if getattr(estimator, "passes_rows_on", False):
        return _columns(estimator.estimator_)
    kind = type(estimator).__name__
    if hasattr(estimator, "prior_shift_"):
        return _balanced_columns(estimator)
    # Subclasses may compute otherwise.
    if not type(estimator).__module__.startswith("sklearn."):
        return None
    if kind == "Pipeline":
        return _scaled_columns(estimator)
    if kind == "MultiOutputClassifier" or (kind == "OneVsRestClassifier" and estimator.multilabel_):
        return _all_or_none([_columns(one) for one in estimator.estimators_])
    return _logistic_column(estimator) if kind == "LogisticRegression" else None


def _logistic_column(model: Any) -> list[Column] | None:
    weights, intercept = model.coef_, model.intercept_
    # Not sparse, as `sparsify` makes them, and of two classes.
    if list(model.classes_) != [0, 1] or not isinstance(weights, np.ndarray) or weights.shape[0] != 1:
        return None
    return [(weights[0], float(intercept[0]))]


def _all_or_none(found: list[list[Column] | None]) -> list[Column] | None:
    """Return the columns of single-output models side by side; None where one has no linear form."""
    known = [columns for columns in found if columns is not None]
    return [column for columns in known for column in columns] if found and len(known) == len(found) else None


def _balanced_columns(model: Any) -> list[Column] | None:
    found = [_all_or_none([_columns(bag) for bag in bags]) if bags else [] for bags in model.estimators_]
    if None in found or not any(found):
        return None
    some = next(bags for bags in found if bags)
    result: list[Column] = []
    for bags, shift, share in zip(found, model.prior_shift_, model.share_, strict=True):
        if bags:
            weights, intercepts = zip(*bags, strict=True)
            result.append((np.mean(weights, axis=0), float(np.mean(intercepts) + shift)))
        else:
            result.append((np.zeros_like(some[0][0]), float(log_odds(share))))
    return result


def _scaled_columns(pipeline: Any) -> list[Column] | None:
    """Fold the scalers of a pipeline into the weights of its last step."""
    *scalers, (_, last) = pipeline.steps
    columns = _columns(last)
    for _, scaler in reversed(scalers):
        if columns is None or type(scaler).__name__ not in ("StandardScaler", "MaxAbsScaler"):
            return None
        # Clipping is not linear.
        if getattr(scaler, "clip", False):
            return None
        # None where they are not used.
        scale = 1.0 if scaler.scale_ is None else scaler.scale_
        mean = getattr(scaler, "mean_", None)
        centre = 0.0 if mean is None or not scaler.with_mean else mean
        if {np.shape(scale), np.shape(centre)} - {(), (len(columns[0][0]),)}:
            return None
        columns = [(w / scale, b - float(np.sum(w / scale * centre))) for w, b in columns]
    return columns
