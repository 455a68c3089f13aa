"""What a DICOM file says of itself, checked before any of its pixels is expanded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cascade.data.readers.files import blaming
from cascade.errors import DataError, MissingExtraError

MOST_PIXELS = 2**22
"""Slices of 2048 x 2048; fewer than of other images, since run lengths may unpack 64 to 1 before they are counted."""
MOST_BYTES = 2**27
LARGEST_UNIT = 1e6
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
    """What is needed of a slice besides its pixels.

    Attributes
    ----------
    rows, columns : int
    slope, intercept : float
        From stored values to Hounsfield units.
    padding : int, or None
        Stored value of pixels that are no part of the image.
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
    """Refuse to go on without the extra `dicom`."""
    if find_spec("pydicom") is None:
        raise MissingExtraError(f"DICOM files need pydicom, which is not installed: {COMMAND}.")


def read_header(path: Path) -> Header:
    """Read and check all that stands before the pixels; the pixels must be there, in full where they are not packed.

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
    """Refuse by size and by how the file is packed, since a packed data set is expanded as soon as it is read."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    with blaming(path, UNREADABLE):
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"`{path}` is larger than {MOST_BYTES} bytes, which no slice needs.")
        # A damaged file may hold a number or a text of another kind in its place.
        syntax = UID(str(read_file_meta_info(path).TransferSyntaxUID))
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise DataError(f"`{path}` is packed as {syntax.name!r}, which cannot be read; convert it first.") from error
    if syntax.is_deflated:
        raise DataError(f"`{path}` is deflated as a whole, which is not read from strangers; convert it first.")
    if not decoder.is_available:
        raise MissingExtraError(f"`{path}` is packed as {syntax.name!r}, which needs more decoders: {COMMAND}.")


def check_header(path: Path, dataset: Any) -> Header:
    """Refuse what is not one grey slice of 8 or 16 bits, and tell what is."""
    with blaming(path, "has no usable image header"):
        header, kind = _header_of(dataset), _kind_of(dataset)
    frames, samples, photometric, bits = kind
    if frames != 1:
        raise DataError(f"`{path}` must hold one frame. Received {frames}; write each as a file of its own.")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(f"`{path}` must hold grey pixels. Received {photometric!r} of {samples} samples.")
    if bits not in (8, 16):
        raise DataError(f"`{path}` must hold 8 or 16 bits a pixel. Received {bits}.")
    if min(header.rows, header.columns) < 1 or header.rows * header.columns > MOST_PIXELS:
        raise DataError(f"`{path}` declares {header.columns}x{header.rows} pixels; 1 to {MOST_PIXELS} can be read.")
    # NaN is neither.
    if not (0 < abs(header.slope) < LARGEST_UNIT and abs(header.intercept) < LARGEST_UNIT):
        raise DataError(f"`{path}` has slope {header.slope} and intercept {header.intercept}, which give no units.")
    return header


def _kind_of(dataset: Any) -> tuple[int, int, str, int]:
    frames = int(dataset.get("NumberOfFrames") or 1)
    return frames, int(dataset.SamplesPerPixel), str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)


def _header_of(dataset: Any) -> Header:
    slope, intercept = (dataset.get(tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    if slope is None or intercept is None:
        if dataset.get("Modality") == "CT":
            raise AttributeError("CT without rescale slope and intercept")
        # The values of other modalities stand as they are stored.
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
