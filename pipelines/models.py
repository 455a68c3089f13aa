"""Find a model: a model folder, a version, or a name whose newest version is meant."""

from __future__ import annotations

from pathlib import Path

from cascade.errors import ModelRefusedError

MANIFEST = "cascade.json"


def find_model(path: Path) -> Path:
    """Return the model folder that `path` means."""
    if (path / MANIFEST).exists():
        return path
    if (path / "model" / MANIFEST).exists():
        return path / "model"
    versions = sorted(found.parent for found in path.glob(f"[!.]*/model/{MANIFEST}"))
    if not versions:
        raise ModelRefusedError(f"`{path}` holds no model; give a folder that `cascade train` wrote.")
    return versions[-1]
