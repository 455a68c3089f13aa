"""Fit an estimator on some rows, also where labels are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from cascade.errors import ConfigError, DataError
from cascade.estimators.forking import check_process
from cascade.utils.types import Mask, ProbabilityEstimator, Rows


def check_takes_missing(estimator: Any, name: str) -> None:
    """Refuse an estimator of several labels that cannot be fitted where a label is missing."""
    if not takes_missing(estimator):
        kind = type(estimator).__name__
        raise ConfigError(
            f"`{name}` must take missing labels; use BalancedBinaryRelevance, KerasClassifier or "
            f"MultiOutputClassifier. Received {kind}."
        )


def takes_missing(estimator: Any) -> bool:
    """Whether an estimator of several labels can be fitted where a label is missing."""
    last = estimator.steps[-1][1] if _is_pipeline(estimator) else estimator
    return _masks(estimator) or isinstance(last, MultiOutputClassifier)


def _masks(estimator: Any) -> bool:
    # Of a pipeline the last step is the classifier, which is fitted to the labels.
    last = estimator.steps[-1][1] if _is_pipeline(estimator) else estimator
    return bool(getattr(last, "takes_missing_labels", False))


def _is_pipeline(estimator: Any) -> bool:
    return hasattr(estimator, "steps")


def fit_labels(estimator: Any, X: Any, rows: Rows, labels: LabelMatrix, **extra: Any) -> ProbabilityEstimator:
    """Fit on some rows (m,) of `X` and their labels (m, K).

    A single label needs no mask: rows on which it is missing are left out. With several labels, either the estimator
    takes missing labels itself, or it is one model per label, each fitted on the rows on which the label is known.
    `extra` is passed on to `fit_with`.
    """
    # int64, since differences of the labels' uint8 would wrap around inside an estimator.
    labels = replace(labels, values=labels.values.astype(np.int64))
    Y, known = labels.values, labels.known
    if known is None or known.all():
        return fit_with(estimator, subset(X, rows, estimator), as_target(estimator, Y), **extra)
    if Y.shape[1] == 1:
        kept = known[:, 0]
        y = as_target(estimator, Y[kept])
        return fit_with(estimator, subset(X, rows[kept], estimator), y, **_of_rows(extra, kept))
    check_takes_missing(estimator, "estimator")
    if _masks(estimator):
        return fit_with(estimator, subset(X, rows, estimator), labels.masked(), **extra)
    fit_separately = _fit_pipeline if _is_pipeline(estimator) else _fit_columns
    fitted: ProbabilityEstimator = fit_separately(estimator, X, rows, labels, extra)
    return fitted


def _fit_pipeline(pipeline: Any, X: Any, rows: Rows, labels: LabelMatrix, extra: dict[str, Any]) -> Any:
    # The transformers see every row, whatever is known of its labels; the models of the last step only some.
    rows_of_x = subset(X, rows, pipeline)
    encoder = pipeline[:-1]
    features = fit_encoder(encoder, rows_of_x, labels) if len(encoder) else rows_of_x
    _fit_columns(pipeline.steps[-1][1], features, np.arange(len(rows)), labels, extra)
    return pipeline


def _fit_columns(
    wrapper: MultiOutputClassifier, X: Any, rows: Rows, labels: LabelMatrix, extra: dict[str, Any]
) -> MultiOutputClassifier:
    # `MultiOutputClassifier.fit` gives all labels the same rows, so its fitted attributes are set in its place.
    wrapper.estimators_ = []
    for k in range(labels.shape[1]):
        kept, one = labels.rows_knowing(k), clone(wrapper.estimator)
        y = labels.values[kept, k]
        wrapper.estimators_.append(fit_with(one, subset(X, rows[kept], one), y, **_of_rows(extra, kept)))
    wrapper.classes_ = [one.classes_ for one in wrapper.estimators_]
    return wrapper


def _of_rows(extra: dict[str, Any], kept: Mask | slice) -> dict[str, Any]:
    """Select the kept rows of every option that has one entry per row, which is all but the trunk."""
    return {name: value if value is None or name == "trunk" else value[kept] for name, value in extra.items()}


def fresh(estimator: Any, seed: Any) -> Any:
    """Clone `estimator` and seed every `random_state` in it that is not set."""
    copy = clone(estimator)
    parameters = copy.get_params(deep=True)
    # Sorted, so that the seeds do not depend on the order of the parameters.
    names = sorted(name for name in parameters if name.split("__")[-1] == "random_state" and parameters[name] is None)
    # Each seed is cut to 31 bits, for libraries that take it as a signed 32-bit integer.
    words = np.random.SeedSequence(seed).generate_state(max(len(names), 1))
    copy.set_params(**{name: int(word >> 1) for name, word in zip(names, words, strict=False)})
    return copy


def as_target(estimator: Any, Y: NDArray[Any]) -> NDArray[Any]:
    """Return labels (n, L) in the form that an estimator takes: most of scikit-learn's want one column as a vector."""
    tags = get_tags(estimator).target_tags if hasattr(estimator, "__sklearn_tags__") else None
    return Y[:, 0] if Y.shape[1] == 1 and (tags is None or tags.single_output) else Y


def fit_encoder(encoder: Any, X: Any, labels: LabelMatrix) -> Any:
    """Fit the transformers in front of a model on rows and their labels; return what they make of the rows."""
    values: Any = labels.values
    # NaN where a label is missing: few transformers read a mask.
    y = as_target(encoder, values if labels.known is None else np.where(labels.known, values, np.nan))
    with readable_errors():
        return encoder.fit_transform(X, y)


def fit_with(estimator: Any, X: Any, y: Any, **extra: Any) -> ProbabilityEstimator:
    """Fit with those of `extra` (groups, sample_weight, trunk) that are given and that `fit` takes."""
    check_process(estimator)
    # A pipeline takes parameters of its last step, the classifier, under that step's name.
    is_pipeline = _is_pipeline(estimator) and not getattr(estimator, "passes_rows_on", False)
    last, prefix = (estimator.steps[-1][1], f"{estimator.steps[-1][0]}__") if is_pipeline else (estimator, "")
    # Groups and trunk only help. Weights change what is estimated, so they must not be dropped silently.
    known = {name: value for name, value in extra.items() if value is not None and has_fit_parameter(last, name)}
    if extra.get("sample_weight") is not None and "sample_weight" not in known:
        raise ConfigError(f"`sample_weight` was given, but {type(last).__name__}.fit does not take it.")
    if _bins_features(estimator):
        X = _with_empty_columns_filled(X)
    with readable_errors():
        fitted: ProbabilityEstimator = estimator.fit(X, y, **{prefix + name: value for name, value in known.items()})
    return fitted


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the error of scikit-learn for texts without a word into one that says what to do."""
    try:
        yield
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise DataError(
            "a text column must hold words of two letters or more; it holds none on the rows of a fit. Leave it out, "
            "for instance by `data.drop`."
        ) from error


def _bins_features(estimator: Any) -> bool:
    """Return whether an estimator is, or contains, histogram gradient boosting."""
    parts = [estimator, *estimator.get_params(deep=True).values()] if hasattr(estimator, "get_params") else []
    return any(type(part).__name__ == "HistGradientBoostingClassifier" for part in parts)


def _with_empty_columns_filled(X: Any) -> Any:
    """Return `X` with 0 in columns that have no value at all."""
    # In a part of the rows a column may be missing throughout, which the binning of scikit-learn's boosted trees
    # refuses. A constant column is never split on, so nothing has to be filled in to predict.
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
        empty = np.isnan(X).all(axis=0)
        return np.where(empty, 0, X) if empty.any() else X
    if hasattr(X, "isna"):
        names = X.columns[X.isna().all()]
        return X.assign(**dict.fromkeys(names, 0.0)) if len(names) else X
    return X


def refuse_class_weight(estimator: Any, role: str) -> None:
    """Refuse an estimator that weights classes itself: its shift of log-odds would be unknown, or counted twice."""
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] in ("class_weight", "scale_pos_weight") and value not in (None, 1):
            raise ConfigError(f"`{role}` must not weight classes itself; set its `{name}` to None. Received {value!r}.")
