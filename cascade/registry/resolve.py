"""The folder that a path or a registry reference means."""

from __future__ import annotations

from pathlib import Path

from cascade.registry.reference import MODELS, Reference, is_reference


def model_folder(path: str | Path, models: Path = MODELS) -> Path:
    """The folder that a path or a reference means; an alias is looked up here, once.

    Raises
    ------
    ModelRefusedError
        If the registry does not know the reference.
    MissingExtraError
        If it needs MLflow, which is not installed.
    """
    if not is_reference(path):
        return Path(path)
    wanted = Reference.parse(str(path))
    from cascade.registry.registry import ModelRegistry

    return ModelRegistry(models).folder(wanted)
