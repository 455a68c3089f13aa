"""Fit an estimator on labels of which some are missing, in the way that its kind can take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import subset
from cascade.errors import ConfigError
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


def fit_labels(estimator: Any, X: Any, rows: Rows, labels: LabelMatrix, **extra: Any) -> Any:
    """Fit on some rows (m,) of `X` and their labels (m, K).

    An only label needs no mask: rows on which it is not known are left out. Otherwise the estimator takes missing
    labels itself, or it is one model per label, each fitted on the rows on which the label is known. `extra` is what
    `fit_with` takes.
    """
    labels = replace(labels, values=labels.values.astype(np.int64))
    Y, known = labels.values, labels.known
    if known is None or known.all():
        return fit_with(estimator, subset(X, rows, estimator), as_target(estimator, Y), **extra)
    if Y.shape[1] == 1:
        kept = known[:, 0]
        y = as_target(estimator, Y[kept])
        return fit_with(estimator, subset(X, rows[kept], estimator), y, **_of_rows(extra, kept))
    check_takes_missing(estimator, "estimator")
    if _takes_missing(estimator):
        return fit_with(estimator, subset(X, rows, estimator), labels.masked(), **extra)
    return _fit_columns(estimator, X, rows, labels, extra)


def _fit_columns(
    several: MultiOutputClassifier, X: Any, rows: Rows, labels: LabelMatrix, extra: dict[str, Any]
) -> MultiOutputClassifier:
    several.estimators_ = []
    for k in range(labels.shape[1]):
        kept, one = labels.rows_knowing(k), clone(several.estimator)
        y = labels.values[kept, k]
        several.estimators_.append(fit_with(one, subset(X, rows[kept], one), y, **_of_rows(extra, kept)))
    several.classes_ = [one.classes_ for one in several.estimators_]
    return several


def _of_rows(extra: dict[str, Any], kept: Mask | slice) -> dict[str, Any]:
    """Select the kept rows of everything that has one entry per row: all but the trunk."""
    return {name: value if value is None or name == "trunk" else value[kept] for name, value in extra.items()}


def fresh(estimator: Any, seed: Any) -> Any:
    """Clone `estimator` and seed every `random_state` in it that is not set."""
    copy = clone(estimator)
    parameters = copy.get_params(deep=True)
    names = sorted(name for name in parameters if name.split("__")[-1] == "random_state" and parameters[name] is None)
    words = np.random.SeedSequence(seed).generate_state(max(len(names), 1))
    copy.set_params(**{name: int(word >> 1) for name, word in zip(names, words, strict=False)})
    return copy


def as_target(estimator: Any, Y: NDArray[Any]) -> NDArray[Any]:
    """Give labels (n, L) the form an estimator takes: to most of scikit-learn's one column is a vector."""
    tags = get_tags(estimator).target_tags if hasattr(estimator, "__sklearn_tags__") else None
    return Y[:, 0] if Y.shape[1] == 1 and (tags is None or tags.single_output) else Y


def fit_with(estimator: Any, X: Any, y: Any, **extra: Any) -> Any:
    """Fit, handing over those of `extra` (groups, sample_weight, trunk) that are given and understood."""
    known = {name: value for name, value in extra.items() if value is not None and has_fit_parameter(estimator, name)}
    if extra.get("sample_weight") is not None and "sample_weight" not in known:
        raise ConfigError(f"`sample_weight` was given, but {type(estimator).__name__}.fit does not take it.")
    return estimator.fit(X, y, **known)


def refuse_class_weight(estimator: Any, role: str) -> None:
    """Refuse an estimator that re-weights by itself: the shift would be there twice, or unknown."""
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] in ("class_weight", "scale_pos_weight") and value not in (None, 1):
            raise ConfigError(f"`{role}` must not re-weight by itself; set its `{name}` to None. Received {value!r}.")
