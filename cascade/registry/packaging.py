"""A model folder as an MLflow model: the same files, a signature, and the name of the module that loads them."""

from __future__ import annotations

import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.data.signature import InputSignature
from cascade.runtime.runtimes import AUTO, RUNTIMES
from cascade.store.folder import load_cascade
from cascade.store.stored import StoredCascade

LOADER = "cascade.registry.pyfunc"
DATA = "data/model"
"""Where MLflow puts the model folder within its own."""
KERAS = ["keras", "tensorflow"]
"""What computes networks that were not exported."""


def package(model: Path, target: Path) -> None:
    """Write the MLflow model `target` from a model folder that `CascadePredictor.load` reads."""
    cascade = load_cascade(model, AUTO, None)
    with warnings.catch_warnings():
        # An example would be rows of somebody's data, which a registry should not keep.
        warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)
        # Of MLflow's own classes, said when it is imported.
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            target,
            loader_module=LOADER,
            data_path=str(model),
            signature=_signature(cascade),
            pip_requirements=requirements(model),
        )


def _signature(cascade: StoredCascade) -> Any:
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [ColSpec("double", "gate_probability"), ColSpec("boolean", "passed_gate")]
    for label in cascade.rules.label_names:
        columns += [ColSpec("double", f"{label}_probability"), ColSpec("long", label)]
    return ModelSignature(_inputs(cascade.signature), Schema(columns))


def _inputs(rows: InputSignature) -> Any:
    """Schema of the rows; None where they have no shape, such as text."""
    import numpy as np
    from mlflow.types import ColSpec, Schema, TensorSpec

    if rows.row_shape is None:
        return None
    if rows.feature_names is not None:
        return Schema([ColSpec("double", name) for name in rows.feature_names])
    dtype = np.dtype(np.uint8 if rows.dtype == "uint8" else np.float64)
    return Schema([TensorSpec(dtype, (-1, *rows.row_shape))])


def requirements(model: Path) -> list[str]:
    """Our package with the versions of what computes the model, so that an environment can be made elsewhere."""
    held = {path.name for path in model.iterdir()}
    runtimes = [one.package for one in RUNTIMES.values() if any(name.endswith(one.suffix) for name in held)]
    alone = [name for name in held if name.endswith(".keras") and not _exported(Path(name).stem, held)]
    needed = ("cascade-multilabel", "numpy", "scikit-learn", "scipy", "skops", *runtimes, *(KERAS if alone else []))
    found = {told.name: told.version for told in metadata.distributions() if told.name in needed}
    return [f"{name}=={found[name]}" for name in needed if name in found]


def _exported(network: str, held: set[str]) -> bool:
    """Whether one of the files is this network in another runtime."""
    return any(f"{network}{part}{one.suffix}" in held for one in RUNTIMES.values() for part in ("", "_int8"))
