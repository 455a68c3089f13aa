"""Environment of a computation: commit and digest of the code, versions of packages, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.utils.version import __version__


def environment() -> dict[str, Any]:
    """Describe the environment of this process.

    Returns
    -------
    dict
        `git_commit`, `versions`, `platform`, `processors` and `packages`. The commit is None outside of a repository,
        and ends in `-dirty` where files differ from it.

    Examples
    --------
    >>> sorted(environment())
    ['git_commit', 'packages', 'platform', 'processors', 'versions']
    """
    return {
        "git_commit": _commit(Path(__file__).parents[1]),
        "versions": versions(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {item.name: item.version for item in sorted(metadata.distributions(), key=lambda d: d.name)},
    }


def _commit(folder: Path) -> str | None:
    # All tags are excluded, so that the commit's hash is given even where a tag names it.
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        # Without git or a repository, as for an installed package, the versions have to be enough.
        return None


def code_version() -> str:
    """Return a digest of the package's source files, since any result may change with them.

    Examples
    --------
    >>> len(code_version())
    64
    """
    home = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        # Paths are hashed as well, relative to the package: they do not depend on where it is installed.
        digest.update(f"{path.relative_to(home)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that a model depends on, where they are installed."""
    packages = ("numpy", "scikit-learn", "imbalanced-learn", "skops", "keras", "tensorflow")
    return {"cascade": __version__, "python": platform.python_version(), **installed_versions(packages)}


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed.

    Examples
    --------
    >>> list(installed_versions(["numpy", "no-such-package"]))
    ['numpy']
    """
    installed = {}
    for package in packages:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed
