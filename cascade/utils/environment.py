"""With what something was computed: commit and digest of the code, versions of packages, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.utils.version import __version__


def environment() -> dict[str, Any]:
    """Describe this process: `git_commit` (None outside of a repository), `platform`, `processors`, `packages`.

    Returns
    -------
    dict
        A commit ends in `-dirty` where files differ from it.

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
        "packages": {found.name: found.version for found in sorted(metadata.distributions(), key=lambda d: d.name)},
    }


def _commit(folder: Path) -> str | None:
    told = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        # No git, or no repository: an installed package has versions, no commit.
        return None


def code_version() -> str:
    """Digest of the package's own sources: whatever is computed may change with them.

    Examples
    --------
    >>> len(code_version())
    64
    """
    home = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(f"{path.relative_to(home)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the packages that a model depends on, where they are installed."""
    found = {"python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "imbalanced-learn", "skops", "keras", "tensorflow"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"cascade": __version__, **found}
