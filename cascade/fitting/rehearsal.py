"""A rehearsal before the first fit: options are checked, and networks are built for the labels of each stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import subset
from cascade.errors import ConfigError
from cascade.estimators.balanced import BalancedBinaryRelevance
from cascade.estimators.fit_on_rows import fit_encoder, fit_labels
from cascade.fitting.stages import Stages, has_encoder
from cascade.fitting.training_set import TrainingSet
from cascade.rules.label_plan import LabelPlan, plan_labels
from cascade.utils.types import Rows

ROWS_PER_CLASS = 2
"""Rows of each class of each label that an estimator of unknown kind is fitted on."""
MOST_ROWS, MOST_LABELS = 200, 50
IMAGE_AXES = 4
OURS = "cascade."
IsSaved = Callable[[str], bool]
"""Whether model folders hold the class of a full name; others are tried."""


def rehearse(stages: Stages, examples: TrainingSet, is_saved: IsSaved) -> Iterator[tuple[str, Any]]:
    """Rehearse both stages of a cascade; yield role and model of those whose saving is to be tried.

    Raises
    ------
    ConfigError
        If an option does not suit the rows or the labels, or a network does not return one logit per label.
    """
    plan = plan_labels(examples.labels, examples.any_index)
    stages.check(plan, examples.known is not None)
    for role, estimator, rows, target in _targets(stages, examples, plan):
        model = rehearse_model(estimator, role, examples.X, target, is_saved, rows)
        if model is not None:
            yield role, model


def rehearse_model(
    estimator: Any, role: str, X: Any, target: LabelMatrix, is_saved: IsSaved, rows: Rows | None = None
) -> Any:
    """Check the options of a model, and return one to try to save.

    `target` is that of the rows `rows` of `X`; without them, of all. A model is not tried if all of its classes are
    known to be saved.

    Returns
    -------
    estimator or None
        An untrained network, or an estimator that was fitted on a few rows, or not at all where these are too few. None
        if its classes are known to be saved.

    Raises
    ------
    ConfigError
        If an option does not suit the rows or the labels, or a network does not return one logit per label.
    """
    check_options(estimator, role, X)
    if isinstance(estimator, BalancedBinaryRelevance):
        # One model per label and bag, each of which is saved separately.
        estimator, target = estimator.estimator, target.part(slice(None), slice(0, 1))
    try:
        if has_encoder(estimator):
            return _rehearse_encoded(clone(estimator), X, target, is_saved, rows)
        if hasattr(estimator, "rehearse"):
            return clone(estimator).rehearse(X, target)
    except ConfigError as error:
        raise ConfigError(f"`{role}`: {error}") from error
    if _is_proven(estimator, is_saved) and not _splits_by_category(estimator, X):
        return None
    few, target = _few(target)
    try:
        return fit_labels(clone(estimator), X, few if rows is None else rows[few], target)
    except Exception:
        # Few rows may be too few for an estimator, such as one that splits them again. What it consists of can still be
        # tried, without a fit; of a search, what it chooses among.
        return clone(estimator.estimator if hasattr(estimator, "refit") else estimator)


def _rehearse_encoded(pipeline: Any, X: Any, target: LabelMatrix, is_saved: IsSaved, rows: Rows | None) -> Any:
    """Rehearse a network behind an encoder; return what of it is not known to be saved."""
    encoder, (name, network) = pipeline[:-1], pipeline.steps[-1]
    few, known = _few(target)
    if not isinstance(network.network, str):
        # A user's network may take one width only, which depends on all rows.
        few, known = np.arange(len(target)), target
    try:
        encoded = fit_encoder(encoder, subset(X, few if rows is None else rows[few], encoder), known)
    except Exception:
        # As in `rehearse_model`.
        return None
    # All labels, since options may have one number per label; of the rows only the first two are looked at.
    built = network.rehearse(encoded, target)
    if built is not None:
        return type(pipeline)([*encoder.steps, (name, built)])
    return None if _is_proven(encoder, is_saved) else encoder


def _targets(stages: Stages, examples: TrainingSet, plan: LabelPlan) -> Iterator[tuple[str, Any, Rows, LabelMatrix]]:
    rows = np.arange(len(examples.labels))
    with_target = examples.with_gate_target(rows)
    target = examples.gate_target(with_target, stages.gate_labels(plan, examples.known is not None))
    # A gate of one class is not fitted at all.
    if 0 < np.count_nonzero(target.values[:, 0]) < len(target):
        yield "labeler" if stages.labeler is None else "gate", stages.gate, with_target, target
    if stages.labeler is not None and len(plan.learned):
        yield "labeler", stages.labeler, rows, examples.labels.part(rows, plan.learned)


def check_options(estimator: Any, role: str, X: Any) -> None:
    """Raise an error for options that are refused when an estimator is fitted, also of parts of it.

    These are options that scikit-learn checks, and files of frozen encoders, which take images of a certain size.
    """
    for part in _parts(estimator):
        if hasattr(part, "files"):
            try:
                read = clone(part).fit([])
            except ConfigError as error:
                raise ConfigError(f"`{role}`: {error}") from error
            if hasattr(read, "check_rows") and len(getattr(X, "shape", ())) == IMAGE_AXES:
                read.check_rows(X)
        if isinstance(part, BaseEstimator) and hasattr(part, "_parameter_constraints"):
            try:
                part._validate_params()
            except ValueError as error:
                raise ConfigError(f"`{role}`: {error}") from error


def _is_proven(estimator: Any, is_saved: IsSaved) -> bool:
    """Return whether all parts are known to be saved and loaded, without files of users."""
    parts = _parts(estimator)
    # A comparison shares fits by such wrappers, and saves no model.
    if any(getattr(part, "passes_rows_on", False) for part in parts):
        return True
    return all(_is_listed(type(part), is_saved) and not hasattr(part, "files") for part in parts)


def _is_listed(kind: type, is_saved: IsSaved) -> bool:
    return kind.__module__.startswith(OURS) or is_saved(f"{kind.__module__}.{kind.__name__}")


def _splits_by_category(estimator: Any, X: Any) -> bool:
    """Return whether boosted trees split by categories, which model folders refuse."""
    typed = any(str(dtype) == "category" for dtype in getattr(X, "dtypes", ()))
    options = (getattr(part, "categorical_features", None) for part in _parts(estimator))
    return any(option is not None and (typed or not isinstance(option, str)) for option in options)


def _parts(estimator: Any) -> list[Any]:
    """Return an estimator and all estimators and functions among its parameters."""
    values = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else []
    return [estimator, *(value for value in values if hasattr(value, "fit") or callable(value))]


def _few(target: LabelMatrix) -> tuple[Rows, LabelMatrix]:
    """Return a few rows of each class of each label, and their labels; the first ones of many labels."""
    target = target.part(slice(None), slice(MOST_LABELS))
    values: Any = target.values
    target = LabelMatrix(values.toarray()) if sparse.issparse(values) else target
    chosen = [
        rows[target.values[rows, label] == value][:ROWS_PER_CLASS]
        for label in range(target.shape[1])
        for rows in [np.arange(len(target))[target.rows_knowing(label)]]
        for value in (0, 1)
    ]
    few = np.unique(np.concatenate(chosen))[:MOST_ROWS]
    return few, target.part(few)
