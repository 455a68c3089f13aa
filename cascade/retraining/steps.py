"""Results of named steps in a folder: stored results are not computed again, so a killed run resumes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cascade.utils.atomic import new_file, new_folder
from cascade.utils.plain_json import to_json

logger = logging.getLogger(__name__)


class StoredSteps:
    """Steps of one run, in order; each result is stored atomically.

    Parameters
    ----------
    folder : path
        Folder of this run only; its name is a key of everything that the results depend on, see `key_of`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def facts(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the plain data of a step; `make` is called only if it is not stored yet."""
        path = self.folder / f"{name}.json"
        # The file appears by a rename, so if it exists the step is complete.
        if not path.exists():
            logger.info("%s ...", name)
            made = make()
            with new_file(path) as temporary:
                temporary.write_text(to_json(made, indent=2) + "\n", encoding="utf-8")
        # Read back in any case: a tuple becomes a list in JSON, and a resumed run must see the same values.
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def files(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of a step's files; `make` is called only if it does not exist yet."""
        folder = self.folder / name
        if not folder.exists():
            logger.info("%s ...", name)
            with new_folder(folder) as temporary:
                make(temporary)
        return folder

    def known(self, name: str) -> dict[str, Any] | None:
        """Return the data of a step, or None if it was not done."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def drop(self, *names: str) -> None:
        """Remove the files of steps that are not needed again."""
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def forget(self) -> None:
        """Remove all steps, to start over."""
        shutil.rmtree(self.folder, ignore_errors=True)
