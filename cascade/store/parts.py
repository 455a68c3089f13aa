"""Which kind of file a fitted estimator becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cascade.balanced import BalancedBinaryRelevance
from cascade.errors import ModelRefusedError
from cascade.store.manifest import FILE_NAME
from cascade.store.skops_file import load_skops, save_skops
from cascade.targets import TargetForm

Spec = dict[str, Any]


def import_keras() -> None:
    """Import Keras the quiet way, or say what is missing, before a module that needs it is read."""
    import cascade.neural  # noqa: F401


def save_part(estimator: Any, folder: Path, name: str) -> Spec:
    """Write a fitted estimator to one or more files called `name...`; return how to read it."""
    if isinstance(estimator, BalancedBinaryRelevance):
        return _save_balanced(estimator, folder, name)
    if hasattr(estimator, "network_"):
        import_keras()
        from cascade.store.keras_file import save_network

        return {"kind": "keras", **save_network(estimator, folder / f"{name}.keras")}
    save_skops(estimator, folder / f"{name}.skops", name)
    return {"kind": "skops", "file": f"{name}.skops"}


def load_part(spec: Spec, folder: Path) -> Any:
    """Read what `save_part` wrote."""
    kind = spec.get("kind")
    if kind == "balanced":
        return _load_balanced(spec, folder)
    if not FILE_NAME.fullmatch(str(spec.get("file"))):
        raise ModelRefusedError(f"`{folder}` names a part outside its own folder: {spec.get('file')!r}.")
    if kind == "keras":
        import_keras()
        from cascade.store.keras_file import load_network

        return load_network(spec, folder)
    if kind == "skops":
        return load_skops(folder / spec["file"])
    raise ModelRefusedError(f"`{folder}` holds a part of unknown kind {kind!r}; a newer version may read it.")


def _save_balanced(model: BalancedBinaryRelevance, folder: Path, name: str) -> Spec:
    return {
        "kind": "balanced",
        "prior_shift": model.prior_shift_.tolist(),
        "share": model.share_.tolist(),
        "bags": [
            [save_part(bag, folder, f"{name}_{label:03d}_{number:02d}") for number, bag in enumerate(bags)]
            for label, bags in enumerate(model.estimators_)
        ],
    }


def _load_balanced(spec: Spec, folder: Path) -> BalancedBinaryRelevance:
    model = BalancedBinaryRelevance(estimator=None)
    model.estimators_ = [[load_part(bag, folder) for bag in bags] for bags in spec["bags"]]
    model.prior_shift_ = np.array(spec["prior_shift"], dtype=np.float64)
    model.share_ = np.array(spec["share"], dtype=np.float64)
    model.target_form_ = TargetForm.matrix(len(model.share_))
    model.classes_ = model.target_form_.classes
    return model
