"""DICOM slices become the windows that their Hounsfield units say; what is no slice, or a trap, is named."""

from __future__ import annotations

import errno
import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pydicom = pytest.importorskip("pydicom")

from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.pixels import get_decoder  # noqa: E402
from pydicom.uid import JPEGLSLossless, RLELossless  # noqa: E402

from cascade.config.yaml_file import load_config  # noqa: E402
from cascade.data import read_data  # noqa: E402
from cascade.data.images.averaging import shrink  # noqa: E402
from cascade.data.images.frame import Frame  # noqa: E402
from cascade.data.readers.dicom import header as dicom_header  # noqa: E402
from cascade.data.readers.dicom.codestream import declared_size  # noqa: E402
from cascade.data.readers.dicom.slices import DicomFiles  # noqa: E402
from cascade.data.readers.files import blaming  # noqa: E402
from cascade.data.readers.pixels import (  # noqa: E402
    PRESETS,
    PixelOptions,
    apply_windows,
    check_windows,
)
from cascade.data.readers.rsna import LABELS  # noqa: E402
from cascade.data.readers.table.columns import Roles  # noqa: E402
from cascade.datasets.phantom import write_phantom  # noqa: E402
from cascade.errors import ConfigError, DataError, MissingExtraError  # noqa: E402

CONFIG = Path(__file__).parents[2] / "configs" / "rsna.yaml"
ONE = np.array([0])
WINDOW = st.tuples(st.floats(-500, 500), st.floats(1, 3000))
UNITS = st.lists(st.floats(-4000, 4000, width=32), min_size=1, max_size=30)


def shipped(name: str) -> Path:
    """A file that pydicom's package itself holds; nothing is fetched."""
    path = get_testdata_file(name, download=False)
    assert path is not None
    return Path(path)


def channels_of(path: Path, **options: object) -> np.ndarray:
    return DicomFiles([path], PixelOptions.of(**options))[ONE][0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "dicom"
    write_phantom(folder, rows=120, size=32, seed=4, format="dicom")
    return folder


@pytest.fixture
def change(tmp_path: Path) -> Callable[..., Path]:
    """Write CT_small.dcm with other attributes; None takes one out."""

    def changed(name: str = "changed.dcm", **attributes: object) -> Path:
        dataset = pydicom.dcmread(shipped("CT_small.dcm"))
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / name)
        return tmp_path / name

    return changed


@given(UNITS, WINDOW)
def test_windows_are_monotone_clipped_and_linear_between(units: list[float], window: tuple[float, float]) -> None:
    values = np.sort(np.array([units], np.float32), axis=1)
    grey = apply_windows(values, [window])[0, :, 0].astype(int)
    centre, width = window
    low, high = centre - width / 2, centre + width / 2
    assert (np.diff(grey) >= 0).all()
    assert (grey[values[0] <= low - 0.01] == 0).all()
    assert (grey[values[0] >= high + 0.01] == 255).all()
    inside = (values[0] > low) & (values[0] < high)
    back = low + grey[inside] * width / 255
    np.testing.assert_allclose(back, values[0][inside], atol=width / 255 / 2 + 0.01)


@given(st.integers(0, 255), WINDOW)
def test_the_unit_of_a_grey_value_gives_it_back(grey: int, window: tuple[float, float]) -> None:
    centre, width = window
    unit = np.float32([[centre - width / 2 + grey * width / 255]])
    assert apply_windows(unit, [window])[0, 0, 0] == grey


@pytest.mark.parametrize(
    "windows", ["bone", [], [[40]], [[40, 0]], [[40, float("nan")]], [["40", 80]], 40, [[1, 2]] * 17]
)
def test_odd_windows_are_refused(windows: object) -> None:
    with pytest.raises(ConfigError, match="`windows` must be"):
        check_windows(windows)


def test_slices_shrink_to_the_mean_of_areas_and_are_made_square() -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (4, 6, 2)).astype(np.uint8)
    image = blocks.repeat(8, axis=0).repeat(8, axis=1)
    small = shrink(image, Frame(6, 6))
    np.testing.assert_array_equal(small[1:5], blocks)
    assert not small[[0, 5]].any()
    np.testing.assert_array_equal(shrink(np.uint8([[[10], [20]], [[30], [41]]]), Frame(1, 1)), [[[25]]])


def test_a_ct_slice_becomes_its_windows() -> None:
    path = shipped("CT_small.dcm")
    dataset = pydicom.dcmread(path)
    units = dataset.pixel_array.astype(np.float32) - 1024
    expected = apply_windows(units, PRESETS["rsna"])
    expected[dataset.pixel_array == dataset.PixelPaddingValue] = 0
    np.testing.assert_array_equal(channels_of(path), expected)
    assert channels_of(path, windows=[[40, 80]], image_size=32).shape == (32, 32, 1)


PACKED = [
    ("MR_small_RLE.dcm", "rle"),
    ("MR_small_jp2klossless.dcm", "openjpeg"),
    ("MR_small_jpeg_ls_lossless.dcm", "gdcm"),
    ("MR_small_implicit.dcm", "pydicom"),
    ("MR_small_bigendian.dcm", "pydicom"),
]


@pytest.mark.parametrize(("name", "decoder"), PACKED)
def test_however_pixels_are_packed_they_are_the_same(name: str, decoder: str) -> None:
    pytest.importorskip(decoder)
    wide = [[1000, 2000]]
    plain = channels_of(shipped("MR_small.dcm"), windows=wide)
    assert plain.std() > 1
    np.testing.assert_array_equal(channels_of(shipped(name), windows=wide), plain)


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("693_J2KI.dcm", "openjpeg"),
        ("J2K_pixelrep_mismatch.dcm", "openjpeg"),
        ("JPEGLSNearLossless_16.dcm", "gdcm"),
        ("JPGExtended.dcm", "libjpeg"),
    ],
)
def test_lossy_and_odd_files_are_read(name: str, decoder: str) -> None:
    pytest.importorskip(decoder)
    assert channels_of(shipped(name)).std() > 1


def test_small_values_shown_white_are_inverted_and_padding_is_black(change: Callable[..., Path]) -> None:
    plain = channels_of(change(PixelPaddingValue=None))
    inverted = channels_of(change(PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=None))
    np.testing.assert_array_equal(inverted, 255 - plain)
    stored = pydicom.dcmread(shipped("CT_small.dcm")).pixel_array
    value = int(stored[64, 64])
    padded = channels_of(change(PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=value))
    assert not padded[stored == value].any()


def test_unsigned_values_are_rescaled_like_signed_ones(change: Callable[..., Path]) -> None:
    stored = pydicom.dcmread(shipped("CT_small.dcm")).pixel_array
    plain = channels_of(change(PixelPaddingValue=None))
    raised = (stored.astype(int) * 2 + 4096).astype("<u2").tobytes()
    unsigned = {"PixelRepresentation": 0, "PixelPaddingValue": None, "PixelData": raised}
    unsigned |= {"RescaleSlope": 0.5, "RescaleIntercept": -3072}
    np.testing.assert_array_equal(channels_of(change(**unsigned)), plain)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("MR_truncated.dcm", "is cut: 64x64 pixels need 8192 bytes; 8130 are left"),
        ("rtdose.dcm", "must hold one frame. Received 15"),
        ("SC_rgb_rle.dcm", "must hold grey pixels. Received 'RGB' of 3 samples"),
        ("examples_palette.dcm", "must hold grey pixels"),
        ("rtdose_1frame.dcm", "must hold 8 or 16 bits per pixel. Received 32"),
        ("image_dfl.dcm", "is deflated as a whole"),
        ("rtplan.dcm", "has no usable image header"),
        ("badVR.dcm", "has no usable image header"),
        ("no_meta.dcm", "cannot be read as DICOM: InvalidDicomError"),
        ("meta_missing_tsyntax.dcm", "cannot be read as DICOM"),
    ],
)
def test_what_is_no_slice_is_named(name: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        DicomFiles([shipped(name)])
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "declares 60000x60000 pixels"),
        ({"Rows": 0}, "declares 128x0 pixels"),
        ({"RescaleIntercept": 1e30}, "which are out of range"),
        ({"PixelData": None}, "must hold pixel data. Received none"),
        ({"RescaleSlope": None}, "CT without rescale slope and intercept"),
        ({"RescaleSlope": 0}, "which are out of range"),
        ({"Rows": 129}, "is cut: 128x129 pixels"),
    ],
    ids=["bomb", "no rows", "infinite", "no pixels", "no slope", "slope 0", "short"],
)
def test_odd_headers_are_named_before_anything_is_decoded(
    change: Callable[..., Path], attributes: dict, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        DicomFiles([change(**attributes)])


def test_a_packed_image_that_declares_more_pixels_than_its_header_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openjpeg")
    for name, mark, place in (
        ("MR_small_jp2klossless.dcm", b"\xff\x4f\xff\x51", 8),
        ("JPEGLSNearLossless_16.dcm", b"\xff\xf7", 5),
    ):
        content = shipped(name).read_bytes()
        at = content.index(mark) + place
        larger = struct.pack(">I", 60_000) if place == 8 else struct.pack(">H", 60_000)
        path = tmp_path / name
        path.write_bytes(content[:at] + larger + content[at + len(larger) :])
        with pytest.raises(DataError, match="header and compressed pixels differ in size"):
            channels_of(path)


def test_run_lengths_that_expand_too_far_are_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(shipped("CT_small.dcm"))
    dataset.compress(RLELossless)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\x01" + bytes(2**20)])
    dataset.save_as(tmp_path / "bomb.dcm")
    with pytest.raises(DataError, match="more than its pixels can need"):
        channels_of(tmp_path / "bomb.dcm")


def test_run_lengths_that_unpack_to_more_than_the_pixels_are_named(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(shipped("CT_small.dcm"))
    dataset.compress(RLELossless)
    segment = b"\x81\x07" * 8192
    head = struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13)
    dataset.PixelData = pydicom.encaps.encapsulate([head + segment + segment])
    dataset.save_as(tmp_path / "long.dcm")
    with pytest.raises(DataError, match=r"long\.dcm` cannot be decoded"):
        channels_of(tmp_path / "long.dcm")


def test_sizes_of_streams_that_are_cut_or_strange_are_unknown() -> None:
    stream = b"\xff\xd8\xff\xff\xe0\x00\x04ab\xff\xf7\x00\x0b\x10\x02\x00\x01\x00\x01"
    assert declared_size(stream) == (512, 256, 1)
    for invalid in (stream[:-1], b"", b"\xff\xd8abcdefgh", b"GIF89a", b"\xff\x4f\xff\x51\x00"):
        assert declared_size(invalid) is None


def test_packed_slices_that_are_damaged_are_named(tmp_path: Path) -> None:
    content = shipped("MR_small_RLE.dcm").read_bytes()
    path = tmp_path / "torn.dcm"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"torn\.dcm`"):
        channels_of(path)


@given(st.sampled_from(["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm"]), st.data())
def test_damaged_bytes_end_in_pixels_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = bytearray(shipped(name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(128, 1500))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content[: data.draw(st.integers(1000, len(content)))])
    with suppress(DataError):
        assert channels_of(path).dtype == np.uint8


def test_the_file_is_blamed_for_its_own_faults_only() -> None:
    for cause in (ValueError("odd"), OSError("torn"), OSError(errno.ENOENT, "gone")):
        with (
            pytest.raises(DataError, match=r"`x` cannot be read: (ValueError odd|OSError torn|gone)\."),
            blaming(Path("x"), "cannot be read"),
        ):
            raise cause
    for cause in (MemoryError(), OSError(errno.EMFILE, "too many files"), KeyboardInterrupt()):
        with pytest.raises(type(cause)), blaming(Path("x"), "cannot be read"):
            raise cause


def test_rows_that_can_be_had_are_had_beside_those_that_cannot() -> None:
    slices = DicomFiles([shipped("MR_small.dcm"), shipped("MR_truncated.dcm"), shipped("MR_small_implicit.dcm")])
    first, torn, last = slices.attempts(np.arange(3))
    np.testing.assert_array_equal(first, last)
    assert isinstance(torn, DataError)


def test_pixels_of_another_size_need_an_image_size(change: Callable[..., Path]) -> None:
    half = pydicom.dcmread(shipped("CT_small.dcm")).PixelData[: 128 * 64 * 2]
    small = change("small.dcm", Rows=64, PixelData=half)
    slices = DicomFiles([shipped("CT_small.dcm"), small])
    with pytest.raises(DataError, match=r"small\.dcm` must be 128x128 pixels like the others, or `image_size` set"):
        slices[np.array([1])]
    assert DicomFiles(slices.paths, PixelOptions.of(image_size=64))[np.arange(2)].shape == (2, 64, 64, 3)
    with pytest.raises(DataError, match=r"must not be smaller than `image_size` \(256\). Received 128x128"):
        list(DicomFiles(slices.paths, PixelOptions.of(image_size=256)).look_at_all())


def test_without_pydicom_one_sentence_names_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_header, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "cascade-multilabel\[dicom\]"'):
        read_data(folder)


def test_a_packing_without_its_decoder_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})
    with pytest.raises(MissingExtraError, match=r"'JPEG-LS Lossless .* needs more decoders: pip install"):
        DicomFiles([shipped("MR_small_jpeg_ls_lossless.dcm")])


def test_the_phantom_as_dicom_holds_the_phantom(folder: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "npy", rows=120, size=32, seed=4)
    arrays, slices = read_data(tmp_path / "npy"), read_data(folder)
    # Files are read by name, patient after patient.
    np.testing.assert_array_equal(slices.ids, [f"images/{name}" for name in arrays.ids])
    np.testing.assert_array_equal(slices.groups, arrays.groups)
    np.testing.assert_array_equal(slices.Y, arrays.Y)
    assert slices.label_names == arrays.label_names
    # A unit is 3.2 grey values of the brain window.
    brain = slices.X[np.arange(120)][..., :1].astype(int)
    assert np.abs(brain - np.asarray(arrays.X)).max() <= 2


def test_the_group_is_the_patient_or_the_study_and_ids_can_be_their_own(folder: Path) -> None:
    studies = read_data(folder, Roles(group="StudyInstanceUID", id="SOPInstanceUID"))
    patients = read_data(folder)
    assert len(np.unique(studies.groups)) == len(np.unique(patients.groups)) > 3
    assert all(name.startswith("1.2.826") for name in [*studies.groups, *studies.ids])
    for roles in (Roles(group="site"), Roles(id="number")):
        with pytest.raises(DataError, match=r"'site'|'number'"):
            read_data(folder, roles)


def test_slices_are_found_without_their_ending_and_others_are_left_alone(tmp_path: Path) -> None:
    shutil.copy(shipped("CT_small.dcm"), tmp_path / "1.2.840.7")
    shutil.copy(shipped("CT_small.dcm"), tmp_path / "DICOMDIR")
    (tmp_path / "notes.txt").write_text("none")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert read_data(tmp_path, labelled=False).ids.tolist() == ["1.2.840.7"]


def test_slices_in_a_list_have_what_the_list_says(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        shutil.copy(shipped("CT_small.dcm"), tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,bleed,site,number\na.dcm,1,x,07\nb.dcm,0,y,08\n")
    data = read_data(tmp_path, Roles(labels=("bleed",), group="site"))
    assert (data.Y[:, 0].tolist(), data.groups.tolist(), data.ids.tolist()) == ([1, 0], ["x", "y"], ["a.dcm", "b.dcm"])
    patient = pydicom.dcmread(shipped("CT_small.dcm")).PatientID
    for group in (None, "PatientID"):
        data = read_data(tmp_path, Roles(labels=("bleed",), group=group, id="number"))
        assert (data.groups.tolist(), data.ids.tolist()) == ([patient] * 2, ["07", "08"])
    (tmp_path / "labels.csv").write_text("file,bleed,PatientID\na.dcm,1,p\nb.dcm,0,q\n")
    assert read_data(tmp_path, Roles(group="PatientID")).groups.tolist() == ["p", "q"]
    with pytest.raises(DataError, match="no id column 'number'"):
        read_data(tmp_path, Roles(group="PatientID", id="number"))


def test_a_slice_without_patient_among_others_is_named(tmp_path: Path, change: Callable[..., Path]) -> None:
    change("a.dcm", PatientID="p")
    change("b.dcm", PatientID="")
    with pytest.raises(DataError, match=r"b\.dcm` has no PatientID"):
        read_data(tmp_path, labelled=False)
    change("a.dcm", PatientID="")
    assert read_data(tmp_path, labelled=False).groups is None


def test_the_config_of_the_challenge_trains_predicts_and_submits(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    import pyarrow.parquet

    from cascade_pipelines import evaluate, predict, submission, train

    overrides = [f"data.path={folder / 'images'}", f"data.label_file={folder / 'labels.csv'}", "data.image_size=16"]
    overrides += ["data.test_size=0.3", "cascade.calibration_size=0.3", "gate.epochs=1", "labeler.model.epochs=1"]
    overrides += ["gate.network_options={width: 6}", "labeler.model.network_options={width: 6}"]
    config = load_config(CONFIG, overrides)
    version, _ = train.run(config, tmp_path / "models")
    output, file = tmp_path / "rows.parquet", tmp_path / "submission.csv"
    assert predict.run(version, folder / "images", output, Roles(), None, None)["rows"] == 120
    assert submission.run(output, file)["rows"] == 120
    table = pyarrow.parquet.read_table(output)
    head, *lines = file.read_text().splitlines()
    assert (head, len(lines)) == ("ID,Label", 720)
    names = [f"{image}_{label}" for image in table["id"].to_pylist() for label in LABELS]
    proba = np.column_stack([table[f"{label}_probability"] for label in LABELS]).ravel()
    assert [line.rpartition(",")[0] for line in lines] == names
    np.testing.assert_array_equal([float(line.rpartition(",")[2]) for line in lines], proba)
    # The model remembers its windows and size; another folder of slices is read the same way.
    roles = Roles(label_file=folder / "labels.csv")
    assert evaluate.run(version, folder, roles)["overall"]["rows"] == 120


def test_options_of_slices_are_kept_as_json() -> None:
    options = PixelOptions.of([[35, 60], [1, 2.5]], 64)
    assert PixelOptions.of(**options.to_json()) == options
    assert replace(options, frame=None).to_json() == {"windows": [[35.0, 60.0], [1.0, 2.5]], "image_size": None}
    with pytest.raises(ConfigError, match="`image_size` must be a number of pixels"):
        PixelOptions.of(image_size=0)


def test_a_config_names_odd_windows(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("name: odd\ndata: {path: nowhere, windows: [[40, 0]]}\n")
    with pytest.raises(ConfigError, match=r"`data\.windows` .*pairs \[centre, width\]"):
        load_config(path)
