"""What earlier runs left on disk, to see whether the registry has lost what it once had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from cascade.errors import DataError, ModelRefusedError
from cascade.store.manifest import NAME, peek_manifest

REGISTERED = "registered"
"""Step of a run that has registered its challenger; its facts have number and digest."""
DECISION = "decision.json"
"""File of a version that a retraining wrote, with the decision."""


def registered_before(folder: Path, home: Path) -> dict[str, str]:
    """Return digest and place of each version of a model that a retraining is known to have registered.

    Parameters
    ----------
    folder : path
        Folder of the model's versions.
    home : path
        Folder of the stored steps of its runs.

    Raises
    ------
    DataError
        If stored steps are damaged.
    """
    known = {digest: str(path) for path, digest in _registrations(home)}
    # A killed run may have written its version and not registered it yet: that one is not lost.
    unfinished = {version for version, registered in _named(home) if not registered}
    for path in sorted(folder.glob(f"[!.]*/{DECISION}")):
        version = path.parent
        if version.name not in unfinished and (version / "model" / NAME).exists():
            try:
                known.setdefault(str(peek_manifest(version / "model")["sha256"]), str(version))
            except (ModelRefusedError, KeyError):
                # A damaged folder still shows that there was a version, whose digest no registry has.
                known.setdefault(str(version), str(version))
    return known


def _registrations(home: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(home.glob(f"*/{REGISTERED}.json")):
        yield path, str(_facts(path, "sha256"))


def _named(home: Path) -> Iterator[tuple[str, bool]]:
    for path in sorted(home.glob("*/named.json")):
        yield str(_facts(path, "version")), (path.parent / f"{REGISTERED}.json").exists()


def _facts(path: Path, key: str) -> object:
    try:
        return json.loads(path.read_bytes())[key]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"`{path}` is damaged ({type(error).__name__}); remove it to start this run again.") from error
