"""Fits that several contenders have in common, done once: the same estimator on the same rows and target."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

import joblib
import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Tags, get_tags

from cascade.data.rows import RowView, is_in_memory
from cascade.estimators.fit_on_rows import fit_with
from cascade.utils.types import Rows


@dataclass
class SharedFits:
    """Fitted estimators by what they were fitted on.

    Attributes
    ----------
    saved_seconds : float
        Duration of the fits that were not repeated.
    """

    saved_seconds: float = 0.0
    _fitted: dict[str, tuple[Any, float, Any]] = field(default_factory=dict)

    def fit(self, estimator: Any, X: Any, y: Any, **extra: Any) -> Any:
        """Return `estimator` fitted, or an equal one that was fitted on the same rows and target before."""
        key = _key(estimator, X, y, extra)
        if key is not None and key in self._fitted:
            fitted, seconds, _ = self._fitted[key]
            self.saved_seconds += seconds
            return fitted
        started = time.monotonic()
        fitted = fit_with(estimator, X, y, **extra)
        if key is not None:
            source = _viewed(X)[0]
            # While a source exists, no other object has the identity that is part of its key.
            kept = None if is_in_memory(source) else source
            self._fitted[key] = fitted, time.monotonic() - started, kept
        return fitted


_SHARED: ContextVar[SharedFits | None] = ContextVar("shared_fits", default=None)


@contextmanager
def sharing_fits() -> Iterator[SharedFits]:
    """Let `SharedFit` do equal fits once; they are forgotten at the end."""
    shared = SharedFits()
    token = _SHARED.set(shared)
    try:
        yield shared
    finally:
        _SHARED.reset(token)


class SharedFit(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator whose fits are shared within `sharing_fits`; elsewhere it is fitted as usual.

    Results are those of the estimator, since only equal fits are shared: the same class and parameters, seeds
    included, on the same rows, target, groups and weights. Fitted estimators are used by several contenders and must
    not be changed, so a labeler that is fine-tuned must not be wrapped.

    Parameters
    ----------
    estimator : estimator

    Attributes
    ----------
    estimator_ : fitted estimator
        Its public attributes are also those of this one.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> with sharing_fits():
    ...     first, second = (SharedFit(LogisticRegression()).fit(X, X[:, 0] > 0) for _ in range(2))
    >>> first.estimator_ is second.estimator_
    True
    """

    passes_rows_on = True
    """That `estimator_` computes every prediction, so that it may be used in the place of this one."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Fit the estimator, unless an equal fit was done before."""
        extra = {"groups": groups, "sample_weight": sample_weight}
        shared = _SHARED.get()
        fit = fit_with if shared is None else shared.fit
        self.estimator_ = fit(clone(self.estimator), X, y, **extra)
        return self

    def __getattr__(self, name: str) -> Any:
        # Only called for what this class does not have: predictions, and all that is known of a fitted estimator.
        inner = self.__dict__.get("estimator_", self.__dict__.get("estimator"))
        if inner is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(inner, name)

    def __sklearn_tags__(self) -> Tags:
        return get_tags(self.estimator)


def _key(estimator: Any, X: Any, y: Any, extra: dict[str, Any]) -> str | None:
    """Return what a fit depends on as one string; None where a parameter, such as a function, cannot be hashed."""
    # `joblib.hash` covers the content of arrays, and the class and parameters of nested estimators.
    try:
        return str(joblib.hash([type(estimator), estimator.get_params(deep=True), _rows(X), np.asarray(y), extra]))
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def _rows(X: Any) -> Any:
    """Return what identifies rows: the content, or the identity of a source that is not in memory, and row numbers."""
    source, rows = _viewed(X)
    # In memory every contender has a copy of its own, so that equal rows need not be the same object.
    return (source if is_in_memory(source) else id(source), rows)


def _viewed(X: Any) -> tuple[Any, Rows | None]:
    """Return what a view, or a view of views, fetches its rows from, and their numbers; None without a view."""
    rows = None
    while isinstance(X, RowView):
        rows = X.rows if rows is None else X.rows[rows]
        X = X.X
    return X, rows
