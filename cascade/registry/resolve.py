"""Find the model folder of a path or a registry reference."""

from __future__ import annotations

from pathlib import Path

from cascade.registry.reference import MODELS, Reference, is_reference


def model_folder(path: str | Path, models: Path = MODELS) -> Path:
    """Return the folder of a path or a reference; an alias is looked up only once.

    Raises
    ------
    ModelRefusedError
        If the reference is not in the registry.
    MissingExtraError
        If a reference needs MLflow, which is not installed.
    """
    if not is_reference(path):
        return Path(path)
    wanted = Reference.parse(str(path))
    # Imported here, since MLflow takes seconds to import and plain folders do not need it.
    from cascade.registry.registry import ModelRegistry

    return ModelRegistry(models).folder(wanted)
