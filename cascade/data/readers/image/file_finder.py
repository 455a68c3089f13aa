"""Find the files that a list names, where it leaves out folders or spells endings otherwise."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from cascade.data.readers.files import files_below
from cascade.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".dcm")


class FileFinder:
    """Finds files below a folder by the names in a list.

    Parameters
    ----------
    folder : path
    listing : path
        The list, for errors.
    """

    def __init__(self, folder: Path, listing: Path) -> None:
        self.folder, self.listing = folder, listing
        self.real = os.path.realpath(folder)

    def find(self, name: str, row: int, must_exist: bool) -> Path:
        """Return the file of a name: the one at this place, or the only one whose name agrees but for case and ending.

        Raises
        ------
        DataError
            If the place is outside of the folder, no file fits and one must exist, or several fit.
        """
        path = self.folder / name
        # Resolved, so that neither `..` nor a link leads to files elsewhere.
        if not Path(os.path.realpath(path)).is_relative_to(self.real):
            raise DataError(f"`{self.listing}` must name files inside its folder. Received {name!r} at row {row}.")
        if path.is_file():
            return path
        fitting = self._fitting(name)
        if len(fitting) > 1:
            shown = " and ".join(map(repr, fitting[:2]))
            raise DataError(f"`{self.listing}` names {name!r} at row {row}, which may be {shown}; give its folder.")
        if fitting:
            return self.folder / fitting[0]
        if must_exist:
            raise DataError(f"`{self.listing}` names a file that does not exist: {name!r} at row {row}.")
        return path

    def _fitting(self, name: str) -> list[str]:
        base = Path(name).name.casefold()
        # The name with its ending first: a folder may hold an image in two formats.
        return self._by_name.get(base) or self._by_name.get(os.path.splitext(base)[0]) or self._by_stem.get(base, [])

    @cached_property
    def places(self) -> list[str]:
        """Return the files below the folder, as relative paths in order."""
        return files_below(self.folder, SUFFIXES)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for place in self.places:
            found[Path(place).name.casefold()].append(place)
        return dict(found)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for place in self.places:
            found[Path(place).stem.casefold()].append(place)
        return dict(found)
