"""A model folder as an MLflow model: the same files, a signature, and the module that loads them."""

from __future__ import annotations

import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.data.signature import InputSignature
from cascade.estimators.runtime.runtimes import AUTO, RUNTIMES
from cascade.store.folder import load_cascade
from cascade.store.stored import StoredCascade

LOADER = "cascade.registry.pyfunc"
DATA = "data/model"
"""Place of the model folder inside the MLflow model."""
KERAS = ["keras", "tensorflow"]
"""Packages that networks without an export need."""


def package(model: Path, target: Path) -> None:
    """Write the MLflow model `target` from a model folder that `CascadePredictor.load` reads."""
    # Loaded for its signature, which also refuses a damaged folder before it is registered.
    cascade = load_cascade(model, AUTO, None)
    with warnings.catch_warnings():
        # An input example would be rows of the training data, possibly of patients, which a registry must not keep.
        warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)
        # A warning about classes of MLflow itself, raised by its import.
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
    for name in cascade.rules.label_names:
        columns += [ColSpec("double", f"{name}_probability"), ColSpec("long", name)]
    return ModelSignature(_inputs(cascade.signature), Schema(columns))


def _inputs(rows: InputSignature) -> Any:
    """Return the schema of the rows."""
    import numpy as np
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    if rows.column_types is not None:
        # MLflow reads CSV by these types, and has none for dates there.
        types = ("double" if kind == "number" else "string" for kind in rows.column_types)
        return Schema([ColSpec(kind, name) for kind, name in zip(types, rows.feature_names or (), strict=True)])
    if rows.row_shape is None:
        # Texts: one column of any name.
        return Schema([ColSpec("string")])
    if rows.feature_names is not None:
        # MLflow converts neither whole numbers nor booleans to `double`, so a table of both would be refused.
        return Schema([ColSpec(AnyType(), name) for name in rows.feature_names])
    # MLflow enforces the declared type: 8-bit images must stay uint8, other numbers are declared as float64.
    dtype = np.dtype(np.uint8 if rows.dtype == "uint8" else np.float64)
    return Schema([TensorSpec(dtype, (-1, *rows.row_shape))])


def requirements(model: Path) -> list[str]:
    """Return the packages that compute the model, with their versions, to build an environment elsewhere."""
    files = {path.name for path in model.iterdir()}
    runtimes = [one.package for one in RUNTIMES.values() if any(name.endswith(one.suffix) for name in files)]
    # Keras is large; it is required only for networks that no exported runtime can compute.
    alone = [name for name in files if name.endswith(".keras") and not _exported(Path(name).stem, files)]
    always = ("cascade-multilabel", "numpy", "pandas", "scikit-learn", "scipy", "skops")
    needed = (*always, *runtimes, *(KERAS if alone else []))
    installed = {one.name: one.version for one in metadata.distributions() if one.name in needed}
    return [f"{name}=={installed[name]}" for name in needed if name in installed]


def _exported(network: str, files: set[str]) -> bool:
    """Return whether one of the files is this network in an exported runtime."""
    return any(f"{network}{part}{one.suffix}" in files for one in RUNTIMES.values() for part in ("", "_int8"))
