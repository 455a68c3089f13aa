"""Find the model folder that a path, a version or a registry reference means."""

from __future__ import annotations

from pathlib import Path

from cascade.errors import ModelRefusedError
from cascade.registry.reference import MODELS, is_reference
from cascade.registry.resolve import model_folder

MANIFEST = "cascade.json"


def find_model(path: Path, models: Path = MODELS) -> Path:
    """Return the model folder that `path` means, or a reference such as `models:/hemorrhage@champion`."""
    if is_reference(path):
        return model_folder(path, models)
    if (path / MANIFEST).exists():
        return path
    if (path / "model" / MANIFEST).exists():
        return path / "model"
    versions = sorted(found.parent for found in path.glob(f"[!.]*/model/{MANIFEST}"))
    if not versions:
        raise ModelRefusedError(f"`{path}` holds no model; give a folder that `cascade train` wrote.")
    return versions[-1]


def is_many_labels(folder: Path) -> bool:
    """Whether a model folder holds a flat model of many labels rather than a cascade."""
    from cascade.store.manifest import peek_manifest

    return "rules" not in peek_manifest(folder)
