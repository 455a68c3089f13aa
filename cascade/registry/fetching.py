"""A registered version's files on this machine: where they are, or fetched once from the team's server."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from cascade.errors import ConfigError, ModelRefusedError
from cascade.registry.client import asking
from cascade.utils.atomic import new_folder


def run_folder(client: Any, run_id: str) -> Path:
    """Return the folder of a run's files; what lies on a server is fetched whole, once, into the user's cache."""
    with asking("find the run of a version"):
        place = client.get_run(run_id).info.artifact_uri
    local = local_path(place)
    if local is None:
        return _fetched(client, run_id)
    if not local.is_dir():
        raise ModelRefusedError(f"`{local}` should hold a registered model and is gone; put the files back.")
    return local


def local_path(uri: str) -> Path | None:
    """Path of a `file:` address or of a plain path; None for any other place.

    Examples
    --------
    >>> local_path("file:///srv/my%20models/1").name, local_path("s3://bucket/1")
    ('1', None)
    """
    parts = urlparse(uri)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path))


def _fetched(client: Any, run_id: str) -> Path:
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cascade" / run_id
    # Another process may have fetched it meanwhile; what is there is whole.
    with suppress(ConfigError):
        if not kept.exists():
            with new_folder(kept) as aside, asking("send the files of a version"):
                client.download_artifacts(run_id, "", str(aside))
    return kept
