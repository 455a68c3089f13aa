"""Header of a DICOM file, checked before any pixel is decoded."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from cascade.data.readers.dicom.display import FileWindow
from cascade.data.readers.dicom.file_meta import HEAD, transfer_syntax
from cascade.data.readers.dicom.lookup import LookupTable, lookup_table
from cascade.data.readers.dicom.stored import StoredBits
from cascade.data.readers.files import blaming
from cascade.data.readers.pixels import HOUNSFIELD
from cascade.errors import DataError, MissingExtraError

MOST_PIXELS = 2**25
"""Radiographs of 8192 x 4096; the size that a compressed image declares itself is compared with that of the header."""
MOST_BYTES = 2**27
"""Largest file, twice the largest slice of 16 bits."""
LARGEST_UNIT = 1e6
"""Bound of slope and intercept, far above any that gives Hounsfield units."""
UNREADABLE = "cannot be read as DICOM"

COMMAND = 'pip install "cascade-multilabel[dicom]"'
LIBJPEG = "pylibjpeg"
LIBJPEG_COMMAND = "pip install pylibjpeg-libjpeg"
TAGS = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "Modality",
    "NumberOfFrames",
    "PatientID",
    "PhotometricInterpretation",
    "ModalityLUTSequence",
    "PerFrameFunctionalGroupsSequence",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PlanarConfiguration",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SOPInstanceUID",
    "SamplesPerPixel",
    "SharedFunctionalGroupsSequence",
    "StudyInstanceUID",
    "VOILUTFunction",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
]
Optional = Callable[[str], Any]
PIXELS = {True: b"\xe0\x7f\x10\x00", False: b"\x7f\xe0\x00\x10"}
"""The tag that pixel data begins with, by whether the file is little endian."""


@dataclass(frozen=True)
class Header:
    """What is needed from a slice besides its pixels.

    Attributes
    ----------
    rows, columns : int
    bits : StoredBits
    modality : str
    slope, intercept : float
        From stored values to units, Hounsfield units of a CT.
    unit_table : LookupTable or None
        The same as a table, which then takes the place of slope and intercept.
    padding : tuple of int, or None
        First and last stored value of pixels that are not part of the image.
    inverted : bool
        Whether small values are shown white (MONOCHROME1).
    window : FileWindow or None
        How the file is to be displayed.
    display_table : LookupTable or None
        The same as a table.
    names : dict of str
        `PatientID`, `StudyInstanceUID` and `SOPInstanceUID`, empty where the file has none.
    """

    rows: int
    columns: int
    bits: StoredBits
    modality: str
    slope: float
    intercept: float
    unit_table: LookupTable | None
    padding: tuple[int, int] | None
    inverted: bool
    window: FileWindow | None
    display_table: LookupTable | None
    names: dict[str, str]


def require_pydicom() -> None:
    """Raise if the extra `dicom` is not installed."""
    if find_spec("pydicom") is None:
        raise MissingExtraError(f"DICOM files need pydicom, which is not installed: {COMMAND}.")


def read_header(path: Path) -> Header:
    """Read and check everything before the pixels, which must be present, and complete if they are not compressed.

    Raises
    ------
    DataError
        If the file is not one grey slice of a size that can be held.
    """
    import pydicom

    with opened(path) as handle, blaming(path, UNREADABLE):
        dataset = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=tags())
        syntax = dataset.file_meta.TransferSyntaxUID
        # The pixel data's tag and length: 8 bytes with an implicit VR, 12 with an explicit one (PS3.5, 7.1).
        begins = handle.read(8 if syntax.is_implicit_VR else 12)
        left = os.fstat(handle.fileno()).st_size - handle.tell()
    header = check_header(path, dataset)
    refuse_without_decoder(path, syntax, header.bits)
    if not begins.startswith(PIXELS[syntax.is_little_endian]):
        raise DataError(f"`{path}` must hold pixel data. Received none.")
    needed = header.rows * header.columns * dataset.BitsAllocated // 8
    if not syntax.is_encapsulated and left < needed:
        raise DataError(f"`{path}` is cut: {header.columns}x{header.rows} pixels need {needed} bytes; {left} are left.")
    return header


@lru_cache(1)
def tags() -> list[Any]:
    """Return the tags of `TAGS`."""
    from pydicom.tag import Tag

    return [Tag(name) for name in TAGS]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file after checks of its size and transfer syntax, as a deflated data set expands as soon as it is read.

    Raises
    ------
    DataError, MissingExtraError
    """
    with blaming(path, UNREADABLE):
        handle = path.open("rb")
    with handle:
        _refuse_unread(path, handle)
        yield handle


def _refuse_unread(path: Path, handle: BinaryIO) -> None:
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    with blaming(path, UNREADABLE):
        if os.fstat(handle.fileno()).st_size > MOST_BYTES:
            raise DataError(f"`{path}` is larger than {MOST_BYTES} bytes, which no slice needs.")
        head = handle.read(HEAD)
        handle.seek(0)
        # In a damaged file this may be a number or another type of text.
        syntax = UID(transfer_syntax(head) or str(read_file_meta_info(path).TransferSyntaxUID))
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        reason = f"is compressed as {syntax.name!r}, which is not supported; convert it first."
        raise DataError(f"`{path}` {reason}") from error
    if syntax.is_deflated:
        raise DataError(f"`{path}` is deflated as a whole and may expand without limit; convert it first.")
    if not decoder.is_available:
        raise MissingExtraError(f"`{path}` is compressed as {syntax.name!r}, which needs more decoders: {COMMAND}.")


def refuse_without_decoder(path: Path, syntax: Any, bits: StoredBits) -> None:
    """Raise if the installed decoders cannot read lossy JPEG of 12 bits, though they read that of 8 bits."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit

    if syntax != JPEGExtended12Bit or bits.stored <= 8 or LIBJPEG in get_decoder(syntax).available_plugins:
        return
    raise MissingExtraError(
        f"`{path}` is lossy JPEG of {bits.stored} bits, which needs a decoder under the GPL: {LIBJPEG_COMMAND}."
    )


def check_header(path: Path, dataset: Any) -> Header:
    """Return the header of one grey slice of 8 or 16 bits; raise for anything else."""
    with blaming(path, "has no usable image header"):
        optional = _optional(dataset)
        header, kind = _header_of(dataset, optional), _kind_of(dataset, optional)
    frames, samples, photometric, bits = kind
    if frames != 1:
        raise DataError(f"`{path}` must hold one frame. Received {frames}; save each to a separate file.")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(f"`{path}` must hold grey pixels. Received {photometric!r} of {samples} samples.")
    if bits not in (8, 16):
        raise DataError(f"`{path}` must hold 8 or 16 bits per pixel. Received {bits}.")
    if min(header.rows, header.columns) < 1 or header.rows * header.columns > MOST_PIXELS:
        raise DataError(f"`{path}` declares {header.columns}x{header.rows} pixels; 1 to {MOST_PIXELS} can be read.")
    # Comparisons with NaN are false, so this form refuses it as well.
    if not (0 < abs(header.slope) < LARGEST_UNIT and abs(header.intercept) < LARGEST_UNIT):
        raise DataError(f"`{path}` has slope {header.slope} and intercept {header.intercept}, which are out of range.")
    return header


def _optional(dataset: Any) -> Optional:
    """Return a function that finds an element, None if there is none; looking for what is missing takes longer."""
    from pydicom.datadict import keyword_for_tag

    present = {keyword_for_tag(tag) for tag in dataset.keys()}  # noqa: SIM118
    return lambda name: dataset.get(name) if name in present else None


def _kind_of(dataset: Any, optional: Optional) -> tuple[int, int, str, int]:
    # The attribute is optional, and empty in some files.
    frames = int(optional("NumberOfFrames") or 1)
    return frames, int(dataset.SamplesPerPixel), str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)


def _header_of(dataset: Any, optional: Optional) -> Header:
    groups = _functional_groups(optional)
    bits = _bits_of(dataset, optional)
    slope, intercept, unit_table = _units_of(dataset, optional, groups, bits)
    limit = optional("PixelPaddingRangeLimit")
    padding = optional("PixelPaddingValue")
    # Without the limit, padding is one value; the limit alone has no meaning.
    ends = None if padding is None else (int(padding), int(padding if limit is None else limit))
    return Header(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        bits=bits,
        modality=str(optional("Modality") or ""),
        slope=slope,
        intercept=intercept,
        unit_table=unit_table,
        padding=ends,
        inverted=dataset.PhotometricInterpretation == "MONOCHROME1",
        window=_window_of([*groups("FrameVOILUTSequence"), dataset]),
        display_table=_table_of(optional("VOILUTSequence"), bits.signed or intercept < 0, dataset),
        names={tag: str(optional(tag) or "") for tag in ("PatientID", "StudyInstanceUID", "SOPInstanceUID")},
    )


def _bits_of(dataset: Any, optional: Optional) -> StoredBits:
    allocated = int(dataset.BitsAllocated)
    # Both are required, but missing in some files, which then use all bits.
    stored = int(optional("BitsStored") or allocated)
    high = optional("HighBit")
    signed = int(optional("PixelRepresentation") or 0) == 1
    bits = StoredBits(allocated, stored, stored - 1 if high is None else int(high), signed)
    bits.check()
    return bits


def _functional_groups(optional: Optional) -> Callable[[str], list[Any]]:
    """Return a function that finds the items of a macro of the only frame: its own before those of all frames."""
    sequences = (optional(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared"))
    groups = [sequence[0] for sequence in sequences if sequence]

    def items(macro: str) -> list[Any]:
        return [group.get(macro)[0] for group in groups if group.get(macro)]

    return items


def _units_of(
    dataset: Any, optional: Optional, groups: Callable[[str], list[Any]], bits: StoredBits
) -> tuple[float, float, LookupTable | None]:
    """Return slope, intercept and table from stored values to units (PS3.3, C.11.1)."""
    table = _table_of(optional("ModalityLUTSequence"), bits.signed, dataset)
    if table is not None:
        return 1.0, 0.0, table
    for item in (*groups("PixelValueTransformationSequence"), dataset):
        slope, intercept = item.get("RescaleSlope"), item.get("RescaleIntercept")
        if slope is not None and intercept is not None:
            return float(slope), float(intercept), None
    if optional("Modality") == HOUNSFIELD:
        # Without them a CT slice would be windowed in stored values, which are often off by 1024.
        raise AttributeError("CT without rescale slope and intercept")
    # The stored values of other modalities are used unchanged.
    return 1.0, 0.0, None


def _table_of(sequence: Any, signed: bool, dataset: Any) -> LookupTable | None:
    little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return lookup_table(sequence[0], signed, little_endian) if sequence else None


def _window_of(items: list[Any]) -> FileWindow | None:
    """Return the first window that can be used."""
    for item in items:
        centre, width = (_first(item.get(name)) for name in ("WindowCenter", "WindowWidth"))
        if centre is not None and width is not None and math.isfinite(centre + width) and width > 0:
            return FileWindow(centre, width, str(item.get("VOILUTFunction") or "LINEAR"))
    return None


def _first(value: Any) -> float | None:
    """Return a number, or the first one of several."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, (int, float, str)) else next(iter(value), math.nan))
