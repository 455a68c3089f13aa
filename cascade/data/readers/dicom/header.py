"""Header of a DICOM file, checked before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cascade.data.readers.files import blaming
from cascade.errors import DataError, MissingExtraError

MOST_PIXELS = 2**22
"""Slices of 2048 x 2048; fewer than for other images, since run lengths may expand 64 times before they are counted."""
MOST_BYTES = 2**27
"""Largest file, 16 times the largest slice of 16 bits."""
LARGEST_UNIT = 1e6
"""Bound of slope and intercept, far above any that gives Hounsfield units."""
UNREADABLE = "cannot be read as DICOM"

COMMAND = 'pip install "cascade-multilabel[dicom]"'
TAGS = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "Modality",
    "NumberOfFrames",
    "PatientID",
    "PhotometricInterpretation",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PlanarConfiguration",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SOPInstanceUID",
    "SamplesPerPixel",
    "StudyInstanceUID",
]
PIXELS = {True: b"\xe0\x7f\x10\x00", False: b"\x7f\xe0\x00\x10"}
"""The tag that pixel data begins with, by whether the file is little endian."""


@dataclass(frozen=True)
class Header:
    """What is needed from a slice besides its pixels.

    Attributes
    ----------
    rows, columns : int
    slope, intercept : float
        From stored values to Hounsfield units.
    padding : int, or None
        Stored value of pixels that are not part of the image.
    inverted : bool
        Whether small values are shown white (MONOCHROME1).
    names : dict of str
        `PatientID`, `StudyInstanceUID` and `SOPInstanceUID`, empty where the file has none.
    """

    rows: int
    columns: int
    slope: float
    intercept: float
    padding: int | None
    inverted: bool
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

    refuse_unread(path)
    with blaming(path, UNREADABLE), path.open("rb") as handle:
        dataset = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=TAGS)
        syntax = dataset.file_meta.TransferSyntaxUID
        # The pixel data's tag and length: 8 bytes with an implicit VR, 12 with an explicit one (PS3.5, 7.1).
        begins = handle.read(8 if syntax.is_implicit_VR else 12)
        left = path.stat().st_size - handle.tell()
    header = check_header(path, dataset)
    if not begins.startswith(PIXELS[syntax.is_little_endian]):
        raise DataError(f"`{path}` must hold pixel data. Received none.")
    needed = header.rows * header.columns * dataset.BitsAllocated // 8
    if not syntax.is_encapsulated and left < needed:
        raise DataError(f"`{path}` is cut: {header.columns}x{header.rows} pixels need {needed} bytes; {left} are left.")
    return header


def refuse_unread(path: Path) -> None:
    """Check file size and transfer syntax first, since a deflated data set is expanded as soon as it is read."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    with blaming(path, UNREADABLE):
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"`{path}` is larger than {MOST_BYTES} bytes, which no slice needs.")
        # In a damaged file this may be a number or another type of text.
        syntax = UID(str(read_file_meta_info(path).TransferSyntaxUID))
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        reason = f"is compressed as {syntax.name!r}, which is not supported; convert it first."
        raise DataError(f"`{path}` {reason}") from error
    if syntax.is_deflated:
        raise DataError(f"`{path}` is deflated as a whole and may expand without limit; convert it first.")
    if not decoder.is_available:
        raise MissingExtraError(f"`{path}` is compressed as {syntax.name!r}, which needs more decoders: {COMMAND}.")


def check_header(path: Path, dataset: Any) -> Header:
    """Return the header of one grey slice of 8 or 16 bits; raise for anything else."""
    with blaming(path, "has no usable image header"):
        header, kind = _header_of(dataset), _kind_of(dataset)
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


def _kind_of(dataset: Any) -> tuple[int, int, str, int]:
    # The attribute is optional, and empty in some files.
    frames = int(dataset.get("NumberOfFrames") or 1)
    return frames, int(dataset.SamplesPerPixel), str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)


def _header_of(dataset: Any) -> Header:
    slope, intercept = (dataset.get(tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    if slope is None or intercept is None:
        if dataset.get("Modality") == "CT":
            # Without them a CT slice would be windowed in stored values, which are often off by 1024.
            raise AttributeError("CT without rescale slope and intercept")
        # The stored values of other modalities are used unchanged.
        slope, intercept = 1, 0
    padding = dataset.get("PixelPaddingValue")
    return Header(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        slope=float(slope),
        intercept=float(intercept),
        padding=None if padding is None else int(padding),
        inverted=dataset.PhotometricInterpretation == "MONOCHROME1",
        names={tag: str(dataset.get(tag) or "") for tag in ("PatientID", "StudyInstanceUID", "SOPInstanceUID")},
    )
