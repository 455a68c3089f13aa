"""The spec of a saved network besides its weights: loss, sampling shift and form of its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cascade.data.targets import TargetForm
from cascade.errors import ModelRefusedError
from cascade.estimators.losses import FURTHEST, loss_from_json, loss_to_json
from cascade.utils.checks import as_numbers

LARGEST_BATCH = 2**16
MOST_OUTPUTS = 2**24


def network_spec(estimator: Any) -> dict[str, Any]:
    """Return plain data from which `outputs_from` restores how logits become probabilities."""
    # Absent and not null, so that networks without a size are saved as in earlier releases.
    smaller = {} if estimator.image_size is None else {"image_size": estimator.image_size}
    return smaller | {
        "multilabel": not estimator.target_form_.is_vector,
        "n_outputs": 1 if estimator.target_form_.is_vector else len(estimator.classes_),
        "batch_size": int(estimator.batch_size),
        "loss": loss_to_json(estimator.loss_),
        "sampling_shift": estimator.sampling_shift_.tolist(),
    }


def outputs_from(spec: dict[str, Any], path: Path) -> tuple[Any, Any, TargetForm]:
    """Return loss, sampling shift and form of the target of the network in `path`."""
    n_outputs, multilabel = outputs_number(spec, path), spec["multilabel"]
    if type(multilabel) is not bool or not (multilabel or n_outputs == 1):
        raise ModelRefusedError(f"`{path}` must predict one output, or several labels. Received {n_outputs}.")
    form = TargetForm(np.arange(n_outputs if multilabel else 2), not multilabel)
    # Networks of releases without samplers have no shift.
    shift = _sampling_shift(path, spec.get("sampling_shift", [0.0] * n_outputs), n_outputs)
    return loss_from_json(spec["loss"], n_outputs), shift, form


def outputs_number(spec: dict[str, Any], path: Path) -> int:
    """Return the number of logits of the network in `path`; refuse what is no whole number, or takes much memory."""
    value = spec["n_outputs"]
    # `type`, not `isinstance`: JSON's `true` is an int in Python.
    if type(value) is not int or not 1 <= value <= MOST_OUTPUTS:
        raise ModelRefusedError(f"`{path}` must have `n_outputs` of 1 to {MOST_OUTPUTS}. Received {value!r}.")
    return value


def batch_size_from(value: Any, path: Path) -> int:
    """Return the batch size of the network in `path`; refuse one that would not fit in memory."""
    if type(value) is not int or not 1 <= value <= LARGEST_BATCH:
        raise ModelRefusedError(f"`{path}` must have a `batch_size` of 1 to {LARGEST_BATCH}. Received {value!r}.")
    return value


def _sampling_shift(path: Path, values: Any, n_outputs: int) -> Any:
    shift = as_numbers(values)
    # Negated, so that NaN, which fails every comparison, is refused too.
    if shift is None or shift.shape != (n_outputs,) or not (abs(shift) <= FURTHEST).all():
        raise ModelRefusedError(
            f"`{path}` must have one `sampling_shift` per logit ({n_outputs}). Received {values!r}."
        )
    return shift
