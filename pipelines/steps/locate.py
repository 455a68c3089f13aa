"""Find the model folder of a path, a version or a registry reference."""

from __future__ import annotations

from pathlib import Path

from cascade.errors import ModelRefusedError
from cascade.registry.reference import MODELS, is_reference
from cascade.registry.resolve import model_folder

MANIFEST = "cascade.json"


def find_model(path: Path, models: Path = MODELS) -> Path:
    """Return the model folder of a path, or of a reference such as `models:/hemorrhage@champion`.

    Raises
    ------
    ModelRefusedError
        If there is no model.
    """
    if is_reference(path):
        return model_folder(path, models)
    if (path / MANIFEST).exists():
        return path
    if (path / "model" / MANIFEST).exists():
        return path / "model"
    # Versions are named by their time in UTC, so the last in order is the newest. Names with a dot are temporary.
    versions = sorted(manifest.parent for manifest in path.glob(f"[!.]*/model/{MANIFEST}"))
    if not versions:
        raise ModelRefusedError(f"`{path}` holds no model; give a folder that `cascade train` wrote.")
    return versions[-1]


def is_many_labels(folder: Path) -> bool:
    """Return whether a model folder has a many-label model rather than a cascade."""
    from cascade.store.manifest import peek_manifest

    # Only a cascade has rules. The manifest alone is read, not the networks.
    return "rules" not in peek_manifest(folder)
