"""What stored values of DICOM files mean: bits, tables, slopes, padding, windows; and which files are images."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset as Attributes  # noqa: E402
from pydicom.dataset import FileMetaDataset  # noqa: E402
from pydicom.pixels import apply_modality_lut, apply_voi_lut  # noqa: E402
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless  # noqa: E402

from cascade.batch.inputs.opening import open_input  # noqa: E402
from cascade.data import read_data  # noqa: E402
from cascade.data.readers.dicom.codestream import run_length_size  # noqa: E402
from cascade.data.readers.dicom.slices import DicomFiles  # noqa: E402
from cascade.data.readers.dicom.stored import StoredBits  # noqa: E402
from cascade.data.readers.pixels import PRESETS, PixelOptions, apply_windows  # noqa: E402
from cascade.data.readers.table.columns import Roles  # noqa: E402
from cascade.data.signature import InputSignature  # noqa: E402
from cascade.errors import DataError, MissingExtraError  # noqa: E402

CT, DX, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.4"
REPORT, PLAN, STRUCTURES, DOSE = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("88.11", "481.5", "481.3", "481.2"))
WIDE = [[1000, 4000]]
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def dataset(pixels: np.ndarray | None, sop_class: str = CT, syntax: str = ExplicitVRLittleEndian, **others: object):
    """A valid file of one grey slice, or of none, with other attributes."""
    made = Attributes()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = pydicom.uid.generate_uid()
    made.Modality, made.PatientID = {CT: "CT", DX: "DX", MR: "MR"}.get(sop_class, "OT"), "p"
    if pixels is not None:
        made.Rows, made.Columns = pixels.shape
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        bits = 8 * pixels.dtype.itemsize
        made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        if sop_class == CT:
            made.RescaleSlope, made.RescaleIntercept = 1, 0
        made["PixelData"] = pydicom.DataElement(
            0x7FE00010,
            "OW" if bits > 8 else "OB",
            pixels.astype(pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes(),
        )
    for keyword, value in others.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(pixels: np.ndarray | None, name: str = "a.dcm", **others: object) -> Path:
        made = dataset(pixels, **others)
        made.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return written


def grey(path: Path, windows: object = WIDE) -> np.ndarray:
    return DicomFiles([path], PixelOptions.of(windows))[np.arange(1)][0, :, :, 0]


def in_units(units: np.ndarray) -> np.ndarray:
    return apply_windows(units.astype(np.float32), WIDE)[..., 0]


def ramp(low: int, high: int, dtype: str = "u2") -> np.ndarray:
    return np.linspace(low, high, 16 * 20).astype(dtype).reshape(16, 20)


@given(arrays.arrays(np.uint16, (5, 4)), st.integers(1, 16), st.data())
def test_bits_of_a_value_are_found_wherever_they_are(pixels: np.ndarray, stored: int, data: st.DataObject) -> None:
    high = data.draw(st.integers(stored - 1, 15))
    plain = (pixels.astype(int) >> (high + 1 - stored)) & (2**stored - 1)
    np.testing.assert_array_equal(StoredBits(16, stored, high, False).values(pixels), plain)
    signed = np.where(plain >= 2 ** (stored - 1), plain - 2**stored, plain)
    np.testing.assert_array_equal(StoredBits(16, stored, high, True).values(pixels.view(np.int16)), signed)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("signed", [False, True])
def test_twelve_bits_at_the_upper_end_are_read_as_twelve_bits(write: Write, signed: bool, syntax: str) -> None:
    values = ramp(-2000, 2000, "i2") if signed else ramp(0, 4095)
    path = write(values << 4, BitsStored=12, HighBit=15, syntax=syntax)
    np.testing.assert_array_equal(grey(path), in_units(values))
    rle = pydicom.dcmread(path)
    if syntax != ExplicitVRBigEndian:
        rle.compress(RLELossless)
        rle.save_as(path)
        np.testing.assert_array_equal(grey(path), in_units(values))


def test_overlays_in_unused_bits_are_not_seen(write: Write) -> None:
    values = ramp(0, 4095)
    overlay = (np.arange(values.size).reshape(values.shape) % 3 == 0).astype("u2") << 15
    np.testing.assert_array_equal(grey(write(values | overlay, BitsStored=12, HighBit=11)), in_units(values))


@pytest.mark.parametrize("bits", [(12, 16), (0, 0), (17, 16), (12, 9)])
def test_bits_that_are_not_within_a_pixel_are_refused(write: Write, bits: tuple[int, int]) -> None:
    stored, high = bits
    with pytest.raises(DataError, match="has no usable image header"):
        grey(write(ramp(0, 9), BitsStored=stored or 20, HighBit=high))


def table_item(entries: np.ndarray, first: int, bits: int, packed: bool) -> pydicom.Sequence:
    item = Attributes()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries) % 2**16, first, bits])
    if packed:
        item.add_new(0x00283006, "OW", entries.astype("u1" if bits == 8 else "<u2").tobytes())
    else:
        item.add_new(0x00283006, "US", entries.tolist())
    return pydicom.Sequence([item])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("first", [0, 100, -50])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_modality_table_takes_the_place_of_the_slope(write: Write, packed: bool, first: int, bits: int) -> None:
    values = ramp(-200, 400, "i2") if first < 0 else ramp(0, 400)
    entries = (np.arange(300) ** 2 // 400).astype("u2")
    made = {"ModalityLUTSequence": table_item(entries, first, bits, packed), "RescaleSlope": None}
    path = write(values, RescaleIntercept=None, **made)
    expected = entries[np.clip(values.astype(int) - first, 0, 299)]
    np.testing.assert_array_equal(grey(path), in_units(expected))
    if bits == 16:
        np.testing.assert_array_equal(apply_modality_lut(values, pydicom.dcmread(path)), expected)


def test_a_table_with_too_few_entries_is_refused(write: Write) -> None:
    sequence = table_item(np.arange(5, dtype="u2"), 0, 16, True)
    sequence[0].LUTDescriptor = [9, 0, 16]
    with pytest.raises(DataError, match="a lookup table has 5 entries"):
        grey(write(ramp(0, 9), ModalityLUTSequence=sequence))


def groups(**attributes: object) -> pydicom.Sequence:
    item, macro = Attributes(), Attributes()
    for keyword, value in attributes.items():
        setattr(macro, keyword, value)
    name = "FrameVOILUTSequence" if "WindowCenter" in attributes else "PixelValueTransformationSequence"
    setattr(item, name, pydicom.Sequence([macro]))
    return pydicom.Sequence([item])


@pytest.mark.parametrize("kind", ["Shared", "PerFrame"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_slopes_in_functional_groups_count(write: Write, kind: str, syntax: str) -> None:
    values = ramp(0, 4000)
    others = {f"{kind}FunctionalGroupsSequence": groups(RescaleSlope=0.5, RescaleIntercept=-1024)}
    path = write(values, RescaleSlope=None, RescaleIntercept=None, NumberOfFrames=1, syntax=syntax, **others)
    np.testing.assert_array_equal(grey(path), in_units(values / 2 - 1024))


@pytest.mark.parametrize("ends", [(-2000, -1000), (-1000, -2000), (63536, 64536)])
def test_a_range_of_padding_is_black(write: Write, ends: tuple[int, int]) -> None:
    values = ramp(-2500, 2500, "i2")
    path = write(values, PhotometricInterpretation="MONOCHROME1")
    kind = "SS" if ends[0] < 0 else "US"
    made = pydicom.dcmread(path)
    made.add_new(0x00280120, kind, ends[0])
    made.add_new(0x00280121, kind, ends[1])
    made.save_as(path)
    padding = (values >= -2000) & (values <= -1000)
    np.testing.assert_array_equal(grey(path), np.where(padding, 0, 255 - in_units(values)))


def test_padding_with_more_bits_than_a_value_is_black(write: Write) -> None:
    values = ramp(0, 4000)
    values[:3] = 0xF830
    path = write(values, BitsStored=12, HighBit=11, PixelPaddingValue=0xF830)
    expected = in_units(values)
    expected[:3] = 0
    np.testing.assert_array_equal(grey(path), expected)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("sop_class", [DX, MR])
def test_other_modalities_go_through_their_own_window(write: Write, sop_class: str, function: str | None) -> None:
    values = ramp(0, 4000)
    others = {} if function is None else {"VOILUTFunction": function}
    path = write(values, sop_class=sop_class, WindowCenter=[2000, 40], WindowWidth=[1500, 80], **others)
    expected = apply_voi_lut(values, pydicom.dcmread(path))
    low, high = expected.min(), expected.max()
    shown = grey(path, "auto")
    np.testing.assert_allclose(shown, (expected - low) / (high - low) * 255, atol=2)
    np.testing.assert_array_equal(grey(path, "file"), shown)


def test_a_window_in_functional_groups_and_none_at_all(write: Write) -> None:
    values = ramp(300, 900)
    window = groups(WindowCenter=600, WindowWidth=200, VOILUTFunction="LINEAR_EXACT")
    others = {"SharedFunctionalGroupsSequence": window}
    framed = write(values, sop_class=MR, NumberOfFrames=1, **others)
    expected = apply_windows(values.astype(np.float32), [(600, 200)])[..., 0].astype(int)
    np.testing.assert_allclose(grey(framed, "auto"), expected, atol=1)
    # Without a window, values are stretched from the lowest to the highest that is not padding.
    values[0] = 5000
    shown = grey(write(values, sop_class=MR, PixelPaddingValue=5000), "auto")
    low, high = values[1:].min(), values[1:].max()
    np.testing.assert_array_equal(shown[1:], np.rint((values[1:] - np.float32(low)) / (high - low) * 255))
    assert not shown[0].any()
    np.testing.assert_array_equal(grey(write(ramp(50, 99, "u1"), sop_class=DX), "auto"), ramp(50, 99, "u1"))
    assert not grey(write(np.full((4, 4), 7, "u2"), sop_class=DX), "auto").any()


def test_a_display_table_is_used_before_a_window(write: Write) -> None:
    values = ramp(0, 1000)
    entries = np.sqrt(np.arange(1024) * 1023).astype("u2")
    made = {"VOILUTSequence": table_item(entries, 0, 10, True), "WindowCenter": 5, "WindowWidth": 1}
    shown = grey(write(values, sop_class=DX, **made), "auto")
    np.testing.assert_allclose(shown, entries[values] / 1023 * 255, atol=0.51)


def test_modalities_of_all_slices_decide_on_the_windows(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write(ramp(0, 100, "i2"), "a.dcm")
    write(ramp(0, 80, "i2"), "b.dcm")
    data = read_data(tmp_path, Roles(), labelled=False)
    assert (data.pixels.windows, data.X.shape) == (PRESETS["rsna"], (2, 16, 20, 3))
    write(ramp(0, 4000), "c.dcm", sop_class=MR)
    data = read_data(tmp_path, Roles(), labelled=False)
    assert (data.pixels.windows, data.X.shape) == ("file", (3, 16, 20, 1))
    assert "data: slices by modality: 2 CT, 1 MR; shown as each file is to be displayed" in caplog.messages
    assert PixelOptions.of(**data.pixels.to_json()) == data.pixels
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    read_data(tmp_path, Roles(pixels=PixelOptions.of("rsna")), labelled=False)
    assert "data: windows of head CT are used for slices of other modalities (2 CT, 1 MR)" in caplog.messages


@pytest.mark.parametrize("batch", [True, False])
def test_windows_that_clip_a_sample_throughout_are_named(
    write: Write, tmp_path: Path, batch: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        write(ramp(1000, 3000, "i2"), f"{number}.dcm")
    pixels = PixelOptions.of([[40, 80], [2000, 2000]])
    if batch:
        open_input(tmp_path, Roles(pixels=pixels), InputSignature((16, 20, 2), "uint8"))
    else:
        read_data(tmp_path, Roles(pixels=pixels), labelled=False)
    (warned,) = caplog.messages
    assert warned.startswith("data: in window (40.0, 80.0), 100 % of the pixels of 3 slices are black or white")


@pytest.mark.parametrize("sop_class", [REPORT, PLAN, STRUCTURES, DOSE])
@pytest.mark.parametrize("name", ["z.dcm", "1.2.3"])
def test_objects_without_an_image_are_skipped_and_counted(
    write: Write, tmp_path: Path, sop_class: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(ramp(0, 80, "i2"))
    dose = ramp(0, 80, "u2") if sop_class == DOSE else None
    write(dose, name, sop_class=sop_class)
    data = read_data(tmp_path, Roles(), labelled=False)
    source = open_input(tmp_path, Roles(), InputSignature((16, 20, 3), "uint8"))
    (chunk,) = source.chunks(9, 0)
    assert data.ids.tolist() == chunk.ids.tolist() == ["a"]
    assert chunk.rejected.num_rows == 0
    said = f"data: skipped 1 of 2 DICOM files without an image, such as `{name}` ({pydicom.uid.UID(sop_class).name})"
    assert caplog.messages.count(said) == 2
    (tmp_path / "a.dcm").unlink()
    with pytest.raises(DataError, match="must hold DICOM files with an image"):
        read_data(tmp_path, Roles(), labelled=False)


def test_radiographs_of_many_pixels_are_read(write: Write) -> None:
    values = np.tile(ramp(0, 4095), (191, 128))[:3056, :2544]
    path = write(values, sop_class=DX, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096)
    shown = grey(path, "auto")
    assert shown.shape == (3056, 2544)
    np.testing.assert_allclose(shown, values / 4095 * 255, atol=0.51)
    made = pydicom.dcmread(path)
    made.compress(RLELossless)
    made.save_as(path)
    np.testing.assert_array_equal(grey(path, "auto"), shown)
    # As many bytes as before, each of which expands to 64.
    frame = pydicom.encaps.get_frame(made.PixelData, 0, number_of_frames=1)
    assert run_length_size(frame) in range(2 * values.size, 2 * values.size + 4)
    made.PixelData = pydicom.encaps.encapsulate([frame[:64] + b"\x81\x07" * (len(frame) // 2)])
    made.save_as(path)
    with pytest.raises(DataError, match="expand to more than its pixels"):
        grey(path, "auto")
    with pytest.raises(DataError, match="declares 8192x4097 pixels"):
        grey(write(ramp(0, 9), Rows=4097, Columns=8192))


def test_lossy_jpeg_of_12_bits_names_its_decoder() -> None:
    from pydicom.data import get_testdata_file
    from pydicom.pixels import get_decoder

    if "pylibjpeg" in get_decoder("1.2.840.10008.1.2.4.51").available_plugins:
        pytest.skip("the decoder is installed")
    for name in ("JPEG-lossy.dcm", "JPGExtended.dcm"):
        with pytest.raises(MissingExtraError, match=r"lossy JPEG of 12 bits.*pip install pylibjpeg-libjpeg"):
            grey(Path(get_testdata_file(name, download=False)))


def test_bad_slices_are_left_out_and_counted(write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(ramp(0, 80, "i2"), "b.dcm")
    write(ramp(0, 80, "i2"), "c.dcm", PatientID="q")
    (tmp_path / "a.dcm").write_bytes(b"none")
    with pytest.raises(DataError, match=r"a\.dcm` cannot be read as DICOM"):
        read_data(tmp_path, Roles(), labelled=False)
    data = read_data(tmp_path, Roles(leave_out_bad_files=True), labelled=False)
    assert (data.ids.tolist(), data.groups.tolist()) == (["b", "c"], ["p", "q"])
    assert "data: left out 1 of 3 files that cannot be used" in caplog.messages
