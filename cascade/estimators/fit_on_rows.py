"""Fit an estimator on labels of which some are missing, in the way that its kind can take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.multioutput import MultiOutputClassifier

from cascade.data.missing import Known, masked
from cascade.data.rows import subset
from cascade.errors import ConfigError
from cascade.estimators.base import as_target, fit_with
from cascade.utils.types import Mask, Rows


def check_takes_missing(estimator: Any, name: str) -> None:
    """Refuse an estimator of several labels that can do nothing with a missing one."""
    if not (_takes_missing(estimator) or isinstance(estimator, MultiOutputClassifier)):
        kind = type(estimator).__name__
        raise ConfigError(
            f"`{name}` must take missing labels; use BalancedBinaryRelevance, KerasClassifier or "
            f"MultiOutputClassifier. Received {kind}."
        )


def _takes_missing(estimator: Any) -> bool:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return bool(getattr(last, "takes_missing_labels", False))


def fit_labels(estimator: Any, X: Any, rows: Rows, Y: NDArray[np.int64], known: Known, **extra: Any) -> Any:
    """Fit on some rows of `X`, whose labels `Y` (m, K) are known where `known` (m, K) says so.

    An only label needs no mask: rows that do not know it are left out. Otherwise the estimator takes missing labels
    itself, or it is one model a label, each fitted on the rows that know the label. `extra` is what `fit_with` takes.
    """
    if known is None or known.all():
        return fit_with(estimator, subset(X, rows, estimator), as_target(estimator, Y), **extra)
    if Y.shape[1] == 1:
        told = known[:, 0]
        y = as_target(estimator, Y[told])
        return fit_with(estimator, subset(X, rows[told], estimator), y, **_of_rows(extra, told))
    check_takes_missing(estimator, "estimator")
    if _takes_missing(estimator):
        return fit_with(estimator, subset(X, rows, estimator), masked(Y, known), **extra)
    return _fit_columns(estimator, X, rows, Y, known, extra)


def _fit_columns(
    several: MultiOutputClassifier, X: Any, rows: Rows, Y: NDArray[np.int64], known: Mask, extra: dict[str, Any]
) -> MultiOutputClassifier:
    several.estimators_ = []
    for y, told in zip(Y.T, known.T, strict=True):
        one = clone(several.estimator)
        several.estimators_.append(fit_with(one, subset(X, rows[told], one), y[told], **_of_rows(extra, told)))
    several.classes_ = [one.classes_ for one in several.estimators_]
    return several


def _of_rows(extra: dict[str, Any], told: Mask) -> dict[str, Any]:
    """Leave out the rows that are not told from what belongs to rows: all but the trunk."""
    return {name: value if value is None or name == "trunk" else value[told] for name, value in extra.items()}
