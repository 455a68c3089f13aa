"""What a DICOM file holds, by its SOP class: reports, plans and the like are kept among images, but are none."""

from __future__ import annotations

import logging
from pathlib import Path

from cascade.data.readers.files import FAULTS_OF_A_FILE
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

PREAMBLE = 128
HEAD = 1024
"""Bytes in which the SOP class is found: it is the second element of a file's first group (PS3.10, 7.1)."""
SOP_CLASS = b"\x02\x00\x02\x00UI"
IMAGES = ("Image", "Enhanced US Volume", "Parametric Map")
"""Words in the names of storage classes that are images (PS3.4, B.5)."""


def class_without_image(path: Path) -> str | None:
    """Return the name of a file's SOP class if that is a standard one without an image, such as a report."""
    from pydicom.uid import UID

    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD)
    except OSError as error:
        # The file is named when its header is read.
        if error.errno not in FAULTS_OF_A_FILE:
            raise
        return None
    at = head.find(SOP_CLASS, PREAMBLE)
    if at < 0:
        return None
    begin = at + len(SOP_CLASS) + 2
    length = int.from_bytes(head[begin - 2 : begin], "little")
    # Padded to an even length by a zero, in some files by a blank.
    name = UID(head[begin : begin + length].decode("ascii", "replace").strip("\0 ")).name
    # An unknown class, such as a maker's own, has its number as name; its header decides.
    return name if "Storage" in name and not any(word in name for word in IMAGES) else None


def images_among(folder: Path, paths: list[Path]) -> list[Path]:
    """Return the files that are no reports, plans or the like, and log how many of these there are."""
    classes = {path: class_without_image(path) for path in paths}
    others = {path: name for path, name in classes.items() if name is not None}
    if others:
        path, name = next(iter(others.items()))
        logger.warning(
            "data: skipped %d of %d DICOM files without an image, such as `%s` (%s)",
            len(others),
            len(paths),
            path.relative_to(folder),
            name,
        )
    if len(others) == len(paths):
        raise DataError(f"`{folder}` must hold DICOM files with an image. Received only others.")
    return [path for path in paths if path not in others]
