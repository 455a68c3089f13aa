"""What a stage predicts, and whether the estimators inside it take the columns that they are given."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from cascade.data.signature import InputSignature
from cascade.errors import CascadeError, DataError, ModelRefusedError
from cascade.estimators.forking import bags_of
from cascade.estimators.scoring import positive_proba
from cascade.store.skops.checks import is_binary, width

CHOOSY = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
"""Classes that take only values of the training rows, so that no rehearsal suits them."""
REHEARSED = 8
PASSED = (None, "passthrough")


def check_stage(stage: Any, n_outputs: int, signature: InputSignature, name: str) -> None:
    """Refuse a stage that does not predict one probability per output, or does not take the model's rows.

    Parameters
    ----------
    stage : fitted estimator or None
    n_outputs : int
        As the rules expect.
    signature : InputSignature
    name : str
        For errors.

    Raises
    ------
    ModelRefusedError
    """
    if stage is None:
        return
    if not hasattr(stage, "predict_proba"):
        raise ModelRefusedError(f"`{name}` is a part that does not predict probabilities; refused.")
    # A label's column would pass for the probability of `any`, and a class's for that of a label.
    found = outputs_of(stage)
    if found != n_outputs:
        predicts = "other classes than 0 and 1" if found is None else f"{found} outputs"
        raise ModelRefusedError(f"`{name}` must predict {n_outputs} outputs, as the rules say. Received {predicts}.")
    bags = bags_of(stage)
    for bag in bags:
        check_stage(bag, 1, signature, name)
    if not bags and not getattr(stage, "one_column_a_label", False):
        _check_rows(stage, n_outputs, signature, name)


def outputs_of(estimator: Any) -> int | None:
    """Return for how many outputs an estimator predicts a probability of 1; None if not of 0 and 1."""
    last = estimator
    while hasattr(last, "steps") or type(last).__name__ == "FrozenEstimator":
        last = last.steps[-1][1] if hasattr(last, "steps") else last.estimator
    if getattr(last, "one_column_a_label", False):
        return 1 if last.target_form_.is_vector else len(last.target_form_.classes)
    found = getattr(last, "classes_", None)
    if isinstance(found, list):
        return len(found) if all(set(np.ravel(each).tolist()) <= {0, 1} for each in found) else None
    # Two labels and two classes both have the classes 0 and 1; only how the target was read distinguishes them.
    binarizer = getattr(last, "label_binarizer_", getattr(last, "_label_binarizer", None))
    if getattr(binarizer, "y_type_", None) == "multilabel-indicator":
        return len(last.classes_)
    return 1 if is_binary(last) else None


def _check_rows(stage: Any, n_outputs: int, signature: InputSignature, name: str) -> None:
    shape = signature.row_shape
    columns = shape[0] if shape is not None and len(shape) == 1 else None
    try:
        if not shape and not signature.feature_names and width(_first(stage)) is not None:
            raise ModelRefusedError("it takes columns, and the model's rows are texts.")
        taken = _first(stage)
        if shape is not None and hasattr(taken, "check_row"):
            taken.check_row(shape)
        flow(stage, columns)
        _rehearse(stage, n_outputs, signature)
    except CascadeError as error:
        raise ModelRefusedError(f"`{name}` does not take the rows of its model: {error}") from error
    # Whatever a part of a forged file lacks, it is its fault.
    except Exception as error:
        kind = type(error).__name__
        raise ModelRefusedError(f"`{name}` does not take the rows of its model ({kind}: {error}).") from error


def _rehearse(stage: Any, n_outputs: int, signature: InputSignature) -> None:
    """Predict made-up rows; an error is the fault of the file, except that a model may refuse negative numbers."""
    rows = _rows(stage, signature)
    if rows is None:
        return
    # Noise may be far from any training row, where numbers overflow; only shapes and errors matter here.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        positive_proba(stage, rows, n_outputs)
        if not isinstance(rows, list):
            with suppress(DataError):
                positive_proba(stage, 6 * rows - 3, n_outputs)


def flow(estimator: Any, columns: int | None) -> int | None:
    """Return how many columns an estimator makes of `columns`; None if that is not known.

    Raises
    ------
    ModelRefusedError
        If it, or one inside it, takes another number of columns.
    """
    if estimator in PASSED or estimator == "drop":
        return columns
    if hasattr(estimator, "steps"):
        for _, step in estimator.steps:
            columns = flow(step, columns)
        return columns
    if hasattr(estimator, "transformer_list"):
        return _sum([flow(one, columns) for _, one in estimator.transformer_list])
    taken = width(estimator)
    if columns is not None and taken is not None and taken != columns:
        kind = type(estimator).__name__
        raise ModelRefusedError(f"{kind} takes {taken} columns, and is given {columns}.")
    if hasattr(estimator, "transformers_"):
        names = list(getattr(estimator, "feature_names_in_", ()))
        return _sum(
            [
                flow(one, _count(chosen, taken or 0, names)) if one != "drop" else 0
                for _, one, chosen in estimator.transformers_
            ]
        )
    # A chain's members take the labels before them too; their widths were checked when it was made.
    if not hasattr(estimator, "chain_method_") and not hasattr(estimator, "estimators_features_"):
        for member in _members(estimator):
            flow(member, columns)
    return _made(estimator, columns if taken is None else taken)


def _first(estimator: Any) -> Any:
    """Return the estimator inside a pipeline that takes its rows."""
    while hasattr(estimator, "steps"):
        estimator = next((step for _, step in estimator.steps if step not in PASSED), None)
    return estimator


def _members(estimator: Any) -> list[Any]:
    inner = [getattr(one, "estimator", None) for one in getattr(estimator, "calibrated_classifiers_", ())]
    fitted = [one for one in getattr(estimator, "estimators_", ()) if not isinstance(one, (list, np.ndarray))]
    frozen = [estimator.estimator] if type(estimator).__name__ == "FrozenEstimator" else []
    return [*inner, *fitted, *frozen]


def _made(estimator: Any, columns: int | None) -> int | None:
    """Return how many columns a transformer makes, where that follows from its attributes."""
    if hasattr(estimator, "terms_"):
        # Imported here: a model of exported networks is loaded without scikit-learn.
        from cascade.estimators.encoding.splitting import BETWEEN

        return int(estimator.terms_.count(BETWEEN)) + 1
    if hasattr(estimator, "vocabulary_"):
        return len(estimator.vocabulary_)
    if hasattr(estimator, "components_"):
        return int(estimator.components_.shape[0])
    if hasattr(estimator, "_n_features_outs"):
        return int(sum(estimator._n_features_outs))
    if hasattr(estimator, "max_length") or hasattr(estimator, "n_columns_"):
        return int(estimator._n_features_out)
    if hasattr(estimator, "n_output_features_"):
        return int(estimator.n_output_features_)
    if hasattr(estimator, "scale_") or hasattr(estimator, "quantiles_") or type(estimator).__name__ == "Normalizer":
        return columns
    return None


def _count(chosen: Any, columns: int, names: list[str]) -> int | None:
    if isinstance(chosen, str):
        return None
    if isinstance(chosen, slice):
        return None if isinstance(chosen.start, str) else len(range(*chosen.indices(columns)))
    values = np.asarray(chosen)
    return int(values.sum()) if values.dtype == bool else len(np.atleast_1d(values))


def _sum(parts: list[int | None]) -> int | None:
    return None if None in parts else sum(part for part in parts if part is not None)


def _rows(stage: Any, signature: InputSignature) -> Any:
    """Return some rows such as the model takes; None where none can be made up."""
    if _has_encoder(stage):
        return None
    taken = _first(stage)
    if hasattr(taken, "row_shape"):
        # An encoder of images, whose own size is bounded, as that of the manifest is not.
        return np.random.default_rng(0).integers(0, 256, (REHEARSED, *taken.row_shape), dtype=np.uint8)
    if signature.row_shape is None:
        # Without a shape, rows are texts.
        return None if signature.feature_names else ["two words", "more words"]
    if signature.dtype not in ("number", "uint8"):
        return None
    # Not negative, since some models take counts.
    return np.random.default_rng(0).random((REHEARSED, *signature.row_shape))


def _has_encoder(stage: Any) -> bool:
    """Return whether an encoder of categories is inside a stage."""
    stack, seen = [stage], set()
    while stack:
        member = stack.pop()
        if id(member) in seen or isinstance(member, (str, int, float, np.ndarray)):
            continue
        seen.add(id(member))
        if type(member).__name__ in CHOOSY:
            return True
        stack.extend(
            member
            if isinstance(member, (list, tuple))
            else vars(member).values()
            if hasattr(member, "__dict__")
            else ()
        )
    return False
