"""Fitted gates and labelers that trials share, each fitted once and kept in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cascade.estimators.resumption import resumable
from cascade.store.manifest import open_manifest, write_manifest
from cascade.store.parts import load_part, save_part
from cascade.utils.atomic import new_folder


class Parts:
    """Fitted parts by key; loading one runs no code of its file.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def within(self, name: str) -> Parts:
        """Return the parts of a folder below this one."""
        return Parts(self.folder / name)

    def get(self, key: str, fit: Callable[[], Any]) -> Any:
        """Return the part of a key; `fit` is called only if there is none yet."""
        path = self.folder / key
        if not path.exists():
            # A network goes on from its last finished epoch where an earlier search ended in its training.
            states = self.folder / f".{key}"
            with resumable(states):
                fitted = fit()
            # There is no labeler where no label has anything to learn.
            if fitted is None:
                return None
            with new_folder(path) as temporary:
                write_manifest(temporary, {"part": save_part(fitted, temporary, "part")})
            shutil.rmtree(states, ignore_errors=True)
        # Loaded also after a fit: a search that is resumed must go on from exactly the same part.
        body, files = open_manifest(path)
        return load_part(body["part"], files)
