"""What a saved network needs besides its weights: the loss's and the sample's shift, and the form of its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cascade.data.targets import TargetForm
from cascade.errors import ModelRefusedError
from cascade.estimators.losses import FURTHEST, loss_from_json, loss_to_json
from cascade.utils.checks import as_numbers

LARGEST_BATCH = 2**16


def network_spec(estimator: Any) -> dict[str, Any]:
    """Plain data, from which `answers_from` makes the same answers."""
    smaller = {} if estimator.image_size is None else {"image_size": estimator.image_size}
    return smaller | {
        "multilabel": not estimator.target_form_.is_vector,
        "n_outputs": 1 if estimator.target_form_.is_vector else len(estimator.classes_),
        "batch_size": int(estimator.batch_size),
        "loss": loss_to_json(estimator.loss_),
        "sampling_shift": estimator.sampling_shift_.tolist(),
    }


def outputs_from(spec: dict[str, Any], path: Path) -> tuple[Any, Any, TargetForm]:
    """Loss, sampling shift and form of the target of the network in `path`."""
    n_outputs = int(spec["n_outputs"])
    form = TargetForm(np.arange(n_outputs if spec["multilabel"] else 2), not spec["multilabel"])
    # A network that was saved before networks could be sampled for has no shift.
    shift = _sampling_shift(path, spec.get("sampling_shift", [0.0] * n_outputs), n_outputs)
    return loss_from_json(spec["loss"], n_outputs), shift, form


def batch_size_from(value: Any, path: Path) -> int:
    """Batch size of the network in `path`; refuses one that would not fit in memory."""
    if not 1 <= int(value) <= LARGEST_BATCH:
        raise ModelRefusedError(f"`{path}` asks for batches of {value} rows; 1 to {LARGEST_BATCH} are valid.")
    return int(value)


def _sampling_shift(path: Path, values: Any, n_outputs: int) -> Any:
    shift = as_numbers(values)
    if shift is None or shift.shape != (n_outputs,) or not (abs(shift) <= FURTHEST).all():
        raise ModelRefusedError(
            f"`{path}` must have one `sampling_shift` per logit ({n_outputs}). Received {values!r}."
        )
    return shift
