"""Versions on disk and in the registry: list, register, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cascade.errors import ModelRefusedError
from cascade.registry.client import is_there
from cascade.registry.differences import Difference, differences
from cascade.registry.reference import is_name, is_reference
from cascade.registry.registry import ModelRegistry, cascade_digest
from cascade.registry.version import ModelVersion
from cascade.store.manifest import NAME, peek_manifest


def list_versions(models: Path, name: str | None) -> dict[str, Any]:
    """Return registered versions, and the folders of versions that are not registered.

    Raises
    ------
    ModelRefusedError
        If there is no version of that name.
    """
    versions, passed_over = _registered(models, name)
    # Compared by content: a registered version is a copy, and its folder may have been moved or renamed.
    known = {version.sha256 for version in versions}
    digests = {folder: peek_manifest(folder / "model")["sha256"] for folder in _folders(models, name)}
    unregistered = [str(folder) for folder, digest in digests.items() if digest not in known]
    if name is not None and not versions and not unregistered:
        raise ModelRefusedError(f"`{models}` holds no model {name!r}, and neither does the registry.")
    return {
        "registered": [version.to_json() for version in versions],
        "not_registered": unregistered,
        "passed_over": passed_over,
    }


def list_text(facts: dict[str, Any]) -> str:
    """Return the versions as text, one line per version."""
    lines = [_line(version) for version in facts["registered"]]
    lines += [f"{folder}  not registered" for folder in facts["not_registered"]]
    lines += [f"{name!r}  passed over: cascade registers no such name" for name in facts["passed_over"]]
    return "\n".join(lines) or "no models"


def register(models: Path, version: Path, name: str | None) -> dict[str, Any]:
    """Register the folder of a version, under the name in its config or another one."""
    if is_reference(version):
        raise ModelRefusedError(f"`{version}` is registered already; give the folder of a version, or models/NAME.")
    folder = _newest(version)
    # Before a registry is made: a wrong folder must leave nothing behind.
    cascade_digest(folder / "model")
    name = name or _name_of(folder)
    return ModelRegistry(models, make=True).register(name, folder).to_json()


def diff(models: Path, a: Path, b: Path) -> list[Difference]:
    """Return the differences of two versions, registered or not."""
    return differences(_version_folder(models, a), _version_folder(models, b))


def _version_folder(models: Path, version: Path) -> Path:
    return ModelRegistry(models).files(str(version)) if is_reference(version) else _newest(version)


def _newest(folder: Path) -> Path:
    """Return a version's folder, or the newest version in the folder of a model."""
    if (folder / "model" / NAME).exists():
        return folder
    # Versions are named by their time in UTC, so the last in order is the newest.
    versions = sorted(manifest.parent.parent for manifest in folder.glob(f"[!.]*/model/{NAME}"))
    return versions[-1] if versions else folder


def _registered(models: Path, name: str | None) -> tuple[list[ModelVersion], list[str]]:
    """Return all versions, and the names of models that no reference can name, so that other tools own them."""
    # Without a registry nothing is registered, and MLflow need not be installed to list folders.
    if not is_there(models):
        return [], []
    registry = ModelRegistry(models)
    # A single name is requested, since a team's registry may have thousands.
    names = registry.names() if name is None else [name] * (is_name(name) and registry.has(name))
    versions = [version for each in names if is_name(each) for version in registry.versions(each)]
    return versions, [each for each in names if not is_name(each)]


def _folders(models: Path, name: str | None) -> list[Path]:
    # Names with a leading dot are temporary folders, or steps of a retraining.
    manifests = models.glob(f"{name or '[!.]*'}/[!.]*/model/{NAME}")
    return sorted(path.parent.parent for path in manifests)


def _line(version: dict[str, Any]) -> str:
    aliases = ", ".join(version["aliases"]) or "-"
    past = "" if version["decided"] is None else f"  {version['decided']}"
    if not version["sha256"]:
        past = "  no cascade: registered by another tool"
    # A promotion replaces the sentence of the decision: its reason is the later one.
    if version["promoted"] is not None:
        since = "champion since" if "champion" in version["aliases"] else "was champion from"
        past = f"  {since} {version['promoted']}: {version['reason']}"
    return f"models:/{version['name']}/{version['number']}  {version['created']}  {aliases}{past}"


def _name_of(version: Path) -> str:
    # The folder may have been written or changed by hand, so nothing of its config is assumed.
    try:
        name: str = yaml.safe_load((version / "config.yaml").read_text(encoding="utf-8"))["name"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ModelRefusedError(f"`{version}` must be a version that train wrote, with its `config.yaml`.") from error
    return name
