"""Faster ways to read slices change nothing: tables of grey values, uncompressed pixels, the first group's syntax."""

from __future__ import annotations

from io import BytesIO
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pydicom = pytest.importorskip("pydicom")

from pydicom.filereader import read_file_meta_info  # noqa: E402
from pydicom.filewriter import write_file_meta_info  # noqa: E402
from pydicom.pixels import pixel_array  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless  # noqa: E402

from cascade.data.images.averaging import shrink, shrunk  # noqa: E402
from cascade.data.images.frame import Frame  # noqa: E402
from cascade.data.readers.dicom.display import FileWindow  # noqa: E402
from cascade.data.readers.dicom.file_meta import HEAD, transfer_syntax  # noqa: E402
from cascade.data.readers.dicom.grey import GreyRule  # noqa: E402
from cascade.data.readers.dicom.lookup import LookupTable  # noqa: E402
from cascade.data.readers.dicom.stored import StoredBits, plain_pixels  # noqa: E402
from cascade.data.readers.pixels import FILE, PRESETS  # noqa: E402
from tests.data.test_dicom_values import CT, SYNTAXES, dataset  # noqa: E402

WINDOWS: list[Any] = [FILE, PRESETS["rsna"], ((0.0, 1.5),), ((300.0, 7.0), (-1.0, 4000.0)), ((1.0, 9.0),) * 5]
FRAMES = [None, Frame(64, 64), Frame(100, 30, "crop"), Frame(33, 90, "stretch"), Frame(77, 77)]
SIDES = {8: (20, 30), 16: (300, 260)}
"""Height and width of slices that have more pixels than there are values."""


@st.composite
def bits_of_pixels(draw: st.DrawFn) -> StoredBits:
    allocated = draw(st.sampled_from([8, 16]))
    stored = draw(st.integers(1, allocated))
    return StoredBits(allocated, stored, draw(st.integers(stored - 1, allocated - 1)), draw(st.booleans()))


@st.composite
def tables(draw: st.DrawFn) -> LookupTable | None:
    if draw(st.booleans()):
        return None
    rng, n, bits = np.random.default_rng(draw(st.integers(0, 99))), draw(st.integers(1, 4096)), draw(st.integers(8, 16))
    return LookupTable(draw(st.integers(-2000, 2000)), rng.integers(0, 2**bits, n), bits)


ENDS = st.integers(-(2**15), 2**16 - 1)
FILE_WINDOWS = st.builds(
    FileWindow, st.floats(-2000, 2000), st.floats(0.5, 5000), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])
)


RULES = st.builds(
    GreyRule,
    bits_of_pixels(),
    st.floats(-9, 9).filter(lambda slope: abs(slope) > 1e-3),
    st.floats(-3000, 3000),
    tables(),
    tables(),
    st.none() | st.tuples(ENDS, ENDS),
    st.booleans(),
    st.none() | FILE_WINDOWS,
    st.sampled_from(WINDOWS),
)


@settings(max_examples=120, deadline=None)
@given(RULES, st.sampled_from(FRAMES), st.integers(0, 999))
def test_a_table_of_grey_values_gives_every_bit_of_the_arithmetic(
    rule: GreyRule, frame: Frame | None, seed: int
) -> None:
    height, width = SIDES[rule.bits.allocated]
    kind = f"{'i' if rule.bits.signed else 'u'}{rule.bits.allocated // 8}"
    rng = np.random.default_rng(seed)
    # All bits occur in one half, and values as in a slice in the other one.
    pixels = rng.integers(0, 2**rule.bits.allocated, (height, width)).astype(f"u{kind[1]}")
    pixels[: height // 2] = rng.normal(2 ** (rule.bits.stored - 1), 9, (height // 2, width)).astype(int)
    pixels = pixels.view(kind)
    packed = rule.packed(pixels)
    channels = rule.channels(pixels)[0]
    if packed is None:
        assert rule.n_channels > 4 or (rule.windows == FILE and rule.window is None and rule.display_table is None)
        return
    wanted = channels if frame is None else shrink(channels, frame)
    found = rule.unpacked(packed if frame is None else shrunk(packed, frame))
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found, wanted)


def test_slices_with_few_pixels_and_other_byte_orders_are_shown_alike() -> None:
    rule = GreyRule(StoredBits(16, 16, 15, True), 1.0, -1024.0, None, None, None, False, None, PRESETS["rsna"])
    pixels = np.random.default_rng(0).integers(-2000, 4000, (260, 260)).astype("<i2")
    assert rule.packed(pixels[:100]) is None
    for other in (pixels.astype(">i2"), np.asfortranarray(pixels)):
        np.testing.assert_array_equal(rule.unpacked(rule.packed(other)), rule.channels(pixels)[0])


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("kind", ["u1", "u2", "i2"])
@pytest.mark.parametrize("shape", [(3, 5), (8, 8)])
def test_pixels_in_the_file_are_those_of_pydicom(syntax: str, kind: str, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 250, shape).astype(kind)
    made = dataset(values, syntax=syntax)
    if len(made.PixelData) % 2:
        made.PixelData += b"\0"
    bits = StoredBits(8 * values.itemsize, 8 * values.itemsize, 8 * values.itemsize - 1, kind == "i2")
    found = plain_pixels(made, bits)
    assert (found is None) == (syntax not in SYNTAXES[:2])
    if found is not None:
        wanted = pixel_array(made, index=0)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


@pytest.mark.parametrize(
    "change",
    [{"PixelRepresentation": None}, {"BitsStored": None}, {"PixelRepresentation": 2}, {"NumberOfFrames": 2}],
)
def test_pydicom_decides_on_what_is_not_plain(change: dict[str, Any]) -> None:
    values, bits = np.zeros((4, 6), np.uint16), StoredBits(16, 16, 15, False)
    assert plain_pixels(dataset(values), bits) is not None
    assert plain_pixels(dataset(values, **change), bits) is None
    for length in (0, 46, 50, 96):
        made = dataset(values)
        made.PixelData = bytes(length)
        assert plain_pixels(made, bits) is None


def first_bytes(syntax: str = ExplicitVRLittleEndian, **others: Any) -> bytes:
    """The start of a file of a transfer syntax, with further elements in its first group."""
    stream, made = BytesIO(), dataset(np.zeros((4, 6), np.uint16), sop_class=CT, syntax=syntax)
    for keyword, value in {"ImplementationClassUID": "1.2.3", **others}.items():
        setattr(made.file_meta, keyword, value)
    write_file_meta_info(stream, made.file_meta)
    return bytes(128) + b"DICM" + stream.getvalue() + b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"


@pytest.mark.parametrize("syntax", [*SYNTAXES, RLELossless, JPEG2000Lossless])
def test_the_transfer_syntax_is_found_in_the_first_group(syntax: str) -> None:
    more = {"SourceApplicationEntityTitle": "SCANNER", "PrivateInformationCreatorUID": "1.2"}
    for content in (first_bytes(syntax), first_bytes(syntax, **more, PrivateInformation=b"abcd")):
        assert transfer_syntax(content[:HEAD]) == syntax
        assert transfer_syntax(content[:200]) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(126, 420), st.integers(0, 255)), max_size=3))
def test_a_damaged_first_group_is_read_as_pydicom_reads_it(changes: list[tuple[int, int]]) -> None:
    content = bytearray(first_bytes())
    for place, value in changes:
        content[min(place, len(content) - 1)] = value
    found = transfer_syntax(bytes(content[:HEAD]))
    if found is None:
        return
    with NamedTemporaryFile(suffix=".dcm") as file:
        file.write(content)
        file.flush()
        assert str(read_file_meta_info(file.name).TransferSyntaxUID) == found
