"""Results of named steps in a folder: what is there is not done again, so a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cascade.utils.atomic import new_file, new_folder

logger = logging.getLogger(__name__)


class StoredSteps:
    """Steps of one run, in order; each is kept whole or not at all.

    Parameters
    ----------
    folder : path
        Of this run alone: its name tells all that its results depend on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def facts(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Plain data that a step found; `make` is only called where it is not known yet."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            logger.info("%s ...", name)
            found = make()
            with new_file(path) as temporary:
                temporary.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        # Always what was read back, so that a resumed run goes on with the very same values.
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def files(self, name: str, make: Callable[[Path], None]) -> Path:
        """Folder of files that a step wrote."""
        folder = self.folder / name
        if not folder.exists():
            logger.info("%s ...", name)
            with new_folder(folder) as temporary:
                make(temporary)
        return folder

    def known(self, name: str) -> dict[str, Any] | None:
        """What a step found, if it was done."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def drop(self, *names: str) -> None:
        """Remove files of steps that nothing will ask for again."""
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def forget(self) -> None:
        """Start over."""
        shutil.rmtree(self.folder, ignore_errors=True)


def key_of(*parts: Any) -> str:
    """Name for what depends on some plain data.

    Examples
    --------
    >>> key_of({"seed": 0}, None) == key_of({"seed": 0}, None), key_of(1) == key_of(2)
    (True, False)
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
