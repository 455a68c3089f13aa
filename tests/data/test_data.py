"""Every kind of input reads the same rows, and bad input gets one sentence with file, row and column."""

from __future__ import annotations

import csv
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image
from scipy import sparse

from cascade.data import read_data
from cascade.data.readers.image import jpeg
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError

NAMES = ["a", "b"]
X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([[0, 1], [0, 0], [1, 1], [0, 0]], np.uint8)


def table(**changes: object) -> pa.Table:
    columns = {"id": ["r0", "r1", "r2", "r3"], "patient": ["p", "p", "q", "q"], "f0": X[:, 0], "f1": X[:, 1]}
    return pa.table({**columns, "f2": X[:, 2], "a": Y[:, 0], "b": Y[:, 1], **changes})


ROLES = Roles(labels=("a", "b"), group="patient", id="id")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_feature_tables(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    {".csv": pyarrow.csv.write_csv, ".parquet": pyarrow.parquet.write_table}[suffix](table(), path)
    data = read_data(path, ROLES)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.Y, Y)
    assert data.groups.tolist() == ["p", "p", "q", "q"]
    assert data.ids.tolist() == ["r0", "r1", "r2", "r3"]
    assert data.feature_names == ("f0", "f1", "f2")


def test_npz_dense_sparse_and_npy_with_a_label_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "dense.npz", X=X, Y=Y, label_names=np.array(NAMES), groups=np.array(list("ppqq")))
    thin = sparse.csr_matrix(X)
    parts = {"X_data": thin.data, "X_indices": thin.indices, "X_indptr": thin.indptr, "X_shape": thin.shape}
    np.savez(tmp_path / "thin.npz", Y=Y, **parts)
    np.save(tmp_path / "X.npy", X)
    pyarrow.csv.write_csv(table().select(["id", "patient", "a", "b"]), tmp_path / "labels.csv")
    dense, thinned = read_data(tmp_path / "dense.npz"), read_data(tmp_path / "thin.npz")
    listed = read_data(tmp_path / "X.npy", Roles(None, "patient", "id", tmp_path / "labels.csv"))
    np.testing.assert_array_equal(dense.X, X)
    np.testing.assert_array_equal(thinned.X.toarray(), X)
    np.testing.assert_array_equal(listed.X, X)
    for data in (dense, thinned, listed):
        np.testing.assert_array_equal(data.Y, Y)
    assert dense.label_names == listed.label_names == ("a", "b")
    assert read_data(tmp_path / "X.npy", labelled=False).Y is None


def test_large_whole_numbers_are_not_rounded(tmp_path: Path) -> None:
    stamps = np.array([1_790_000_001, 1_790_000_002, 1_790_000_003, 2**40 + 1])
    pyarrow.csv.write_csv(table(f0=stamps), tmp_path / "t.csv")
    np.testing.assert_array_equal(read_data(tmp_path / "t.csv", ROLES).X[:, 0], stamps)


def test_columns_that_stand_twice_and_tables_without_rows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("f,f,a\n1,2,0\n")
    (tmp_path / "head.csv").write_text("f,g,a\n")
    for name, sentence in (("twice", "2 columns 'f'"), ("head", "at least one row")):
        with pytest.raises(DataError, match=sentence):
            read_data(tmp_path / f"{name}.csv", Roles(labels=("a",)))


def test_arrays_need_a_group_and_an_id_on_every_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=X, Y=Y, groups=np.array([0, 1, np.nan, 2]))
    np.savez(tmp_path / "b.npz", X=X, Y=Y, ids=np.zeros(4))
    for name, sentence in (("a", "`groups` on every row. Received none at row 2"), ("b", "again at row 1")):
        with pytest.raises(DataError, match=sentence):
            read_data(tmp_path / f"{name}.npz")


@pytest.mark.parametrize("role", ["group", "id"])
def test_a_column_asked_for_by_name_must_be_there(images: Path, tmp_path: Path, role: str) -> None:
    pyarrow.csv.write_csv(table().select(["f0", "f1"]), tmp_path / "t.csv")
    np.savez(tmp_path / "t.npz", X=X)
    for source in (images, tmp_path / "t.csv", tmp_path / "t.npz"):
        with pytest.raises(DataError, match="'patiant'"):
            read_data(source, Roles(**{role: "patiant"}), labelled=False)
        # What a model merely remembers from its training may be absent.
        read_data(source, Roles(**{role: "patiant"}, optional=frozenset({"patiant"})), labelled=False)
    (images / "labels.csv").unlink()
    with pytest.raises(DataError, match="'patiant'"):
        read_data(images, Roles(**{role: "patiant"}), labelled=False)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 255, (20, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{'png' if number % 2 else 'jpg'}")
    write_list(folder, [[f"{n}.{'png' if n % 2 else 'jpg'}", *Y[n]] for n in range(4)])
    return folder


def write_list(folder: Path, rows: list[list[object]], head: tuple[str, ...] = ("file", "a", "b")) -> None:
    with (folder / "labels.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([head, *rows])


def test_image_folders_are_decoded_when_asked_for(images: Path) -> None:
    data = read_data(images)
    assert data.X.shape == (4, 20, 24, 1)
    np.testing.assert_array_equal(data.Y, Y)
    with Image.open(images / "1.png") as image:
        np.testing.assert_array_equal(data.X[np.array([1])][0, :, :, 0], np.asarray(image))
    (images / "3.png").write_bytes(b"not an image any more")
    data.X[np.array([0, 1, 2])]
    with pytest.raises(DataError, match=r"3\.png` cannot be read as an image"):
        data.X[np.array([3])]


def test_images_are_named_by_the_column_asked_for(images: Path) -> None:
    write_list(images, [["0.jpg", 0, 1, "007"], ["1.png", 1, 0, "008"]], ("file", "a", "b", "study"))
    data = read_data(images, Roles(id="study"))
    assert (data.ids.tolist(), data.label_names) == (["007", "008"], ("a", "b"))


def test_image_folders_without_a_list_can_be_predicted(images: Path) -> None:
    (images / "labels.csv").unlink()
    data = read_data(images, labelled=False)
    assert data.ids.tolist() == ["0.jpg", "1.png", "2.jpg", "3.png"]
    with pytest.raises(DataError, match=r"labels\.csv"):
        read_data(images)


@pytest.mark.parametrize(
    ("rows", "head", "sentence"),
    [
        ([["0.jpg", 0, 1], ["0.jpg", 0, 0]], ("file", "a", "b"), r"'0\.jpg' again at row 1"),
        ([["0.jpg", 0, 2]], ("file", "a", "b"), "invalid row 0: label 'b' is 2, not 0 or 1"),
        ([["0.jpg", 0, "x"]], ("file", "a", "b"), "invalid row 0: label 'b' is 'x', not a number"),
        (
            [["0.jpg", 0, 1], ["1.png", 0, ""]],
            ("file", "a", "b"),
            "invalid row 1: column 'b' is an empty label; set `data.missing_labels`",
        ),
        ([["0.jpg", 0, 1]], ("name", "a", "b"), "no column 'file' with the names"),
        ([["9.jpg", 0, 1]], ("file", "a", "b"), r"does not exist: '9\.jpg' at row 0"),
        ([["../images/0.jpg", 0, 1]], ("file", "a", "b"), None),
        ([["../../secret.png", 0, 1]], ("file", "a", "b"), "inside its folder"),
        ([["0.jpg", 0, "p"], ["1.png", 0, ""]], ("file", "a", "patient"), "invalid row 1: column 'patient' is empty"),
    ],
    ids=["duplicate", "two", "text", "empty", "no file column", "absent", "roundabout", "outside", "group"],
)
def test_bad_lists_are_named(images: Path, rows: list, head: tuple[str, ...], sentence: str | None) -> None:
    write_list(images, rows, head)
    if sentence is None:
        assert len(read_data(images)) == len(rows)
        return
    with pytest.raises(DataError, match=sentence) as caught:
        read_data(images)
    assert "labels.csv" in str(caught.value)


def test_images_of_another_size_and_bombs_are_named_before_they_are_decoded(images: Path) -> None:
    data = read_data(images)
    Image.new("L", (24, 21)).save(images / "1.png")
    with pytest.raises(DataError, match=r"1\.png` must be 24x20 pixels like the others. Received 24x21"):
        data.X[np.array([1])]
    Image.new("1", (30_000, 30_000)).save(images / "1.png")
    with pytest.raises(DataError, match=r"1\.png`"):
        data.X[np.array([1])]


def test_truncated_images_are_named(images: Path) -> None:
    data = read_data(images)
    content = (images / "1.png").read_bytes()
    (images / "1.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"1\.png` cannot be decoded"):
        data.X[np.array([1])]


@pytest.mark.parametrize(
    ("changes", "roles", "sentence"),
    [
        ({}, Roles(("a", "zzz"), "patient", "id"), "no label column 'zzz'"),
        ({}, Roles(("a", "b"), "site", "id"), "no group column 'site'"),
        ({"patient": ["p", None, "q", "q"]}, ROLES, "invalid row 1: column 'patient' is empty"),
        (
            {"f1": [0.0, np.nan, 1.0, 2.0]},
            ROLES,
            "row 1: feature 'f1' is empty or NaN; set `data.allow_missing`",
        ),
        ({"f1": [["x"], ["y"], ["z"], ["w"]]}, ROLES, "column 'f1' of list"),
        ({"b": [0, 1, 3, 0]}, ROLES, "invalid row 2: label 'b' is 3, not 0 or 1"),
        ({"id": ["r0", "r1", "r1", "r3"]}, ROLES, "'r1' again at row 2"),
        ({}, Roles(), "name its label columns"),
    ],
    ids=["label", "group", "group value", "nan", "text", "label value", "id", "no labels"],
)
def test_bad_tables_are_named(tmp_path: Path, changes: dict, roles: Roles, sentence: str) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(table(**changes), path)
    with pytest.raises(DataError, match=sentence) as caught:
        read_data(path, roles)
    assert "table.parquet" in str(caught.value)


def test_nan_features_pass_where_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(table(f1=[0.0, np.nan, 1.0, 2.0]), path)
    data = read_data(path, Roles(("a", "b"), "patient", "id", None, allow_missing=True))
    assert np.isnan(data.X[1, 1])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"Y": Y}, "must hold an array `X`"),
        ({"X": X, "Y": Y[:2]}, r"one row per row of `X` \(4\). Received 2"),
        ({"X": X, "Y": Y, "groups": np.arange(3)}, r"one value of `groups` per row \(4\)"),
        ({"X": X, "Y": Y, "label_names": np.array(["a"])}, "one name per label"),
        ({"X": np.array([[1.0, np.inf]]), "Y": Y[:1]}, "invalid row 0: feature 1 is infinite"),
        ({"X": X[:, 0], "Y": Y}, r"rows of numbers. Received shape \(4,\)"),
        ({"X": np.array([[{}]], dtype=object), "Y": Y[:1]}, "or hold objects"),
        ({"X": X}, "has no labels"),
    ],
    ids=["no X", "short Y", "groups", "names", "infinity", "flat", "pickle", "no Y"],
)
def test_bad_array_files_are_named(tmp_path: Path, arrays: dict, sentence: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=sentence) as caught:
        read_data(tmp_path / "data.npz")
    assert "data.npz" in str(caught.value)


@pytest.mark.parametrize("name", ["nothing.npz", "data.xlsx", "torn.npz", "torn.parquet", "empty"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif name != "nothing.npz":
        path.write_bytes(b"torn")
    with pytest.raises(DataError, match=name):
        read_data(path, Roles(labels=("a",)), labelled=name != "empty")


def photograph(height: int, width: int) -> np.ndarray:
    """A smooth image in colour, which JPEG keeps well."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(6 * x + 2 * y), np.cos(5 * y), np.sin(4 * x * y + 1)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 48])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_of_any_size_are_averaged_down(mode: str, size: int, tmp_path: Path) -> None:
    image = Image.fromarray(photograph(256, 256)).convert(mode)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.jpg", quality=98)
    image.resize((512, 512)).save(tmp_path / "c.jpg", quality=98)
    data = read_data(tmp_path, Roles(pixels=PixelOptions.of(image_size=size)), labelled=False)
    png, jpeg, larger = data.X[np.arange(3)].astype(float)
    assert png.shape == (size, size, len(mode))
    if 256 % size == 0:
        areas = np.asarray(image, dtype=float).reshape(size, 256 // size, size, 256 // size, -1).mean(axis=(1, 3))
        np.testing.assert_allclose(png, areas, atol=0.51)
    # The codec averages in its own way, and the two files are two roundings.
    np.testing.assert_allclose(jpeg, png, atol=4)
    np.testing.assert_allclose(larger, png, atol=4)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats_without_loss_hold_the_same_pixels(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(photograph(64, 64)).convert(mode)
    for ending in ("png", "bmp", "tif", "tiff"):
        image.save(tmp_path / f"a.{ending}")
    image.save(tmp_path / "a.webp", lossless=True)
    paths = sorted(tmp_path.iterdir())
    assert [path.suffix for path in paths] == [".bmp", ".png", ".tif", ".tiff", ".webp"]
    rows = ImageFiles(paths, (64, 64, len(mode)))[np.arange(5)]
    assert (rows == np.asarray(image).reshape(64, 64, -1)).all()


def test_what_a_file_holds_decides_and_not_its_name(tmp_path: Path) -> None:
    image = Image.fromarray(photograph(64, 64))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", format="EPS")
    image.save(tmp_path / "c.png", format="GIF")
    image.save(tmp_path / "d.tif", save_all=True, append_images=[image])
    good, *refused = ImageFiles(sorted(tmp_path.iterdir()), (64, 64, 3)).attempts(np.arange(4))
    assert isinstance(good, np.ndarray)
    assert [str(error).split("`: ")[-1].split("` ")[-1] for error in refused] == [
        "cannot be read as an image: it holds no PNG, JPEG, BMP, TIFF, WEBP.",
        "cannot be read as an image: it holds no PNG, JPEG, BMP, TIFF, WEBP.",
        "must hold one image. Received 2; save each to a separate file.",
    ]


@pytest.mark.parametrize("place", ["its pixels", "its end", "itself"])
def test_a_tiff_whose_next_image_lies_nowhere_stops_nothing(place: str, tmp_path: Path) -> None:
    Image.fromarray(photograph(32, 32)).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (directory,) = struct.unpack("<I", content[4:8])
    (entries,) = struct.unpack("<H", content[directory : directory + 2])
    pointer = directory + 2 + 12 * entries
    places = {"its pixels": 8, "its end": len(content) + 9, "itself": pointer}
    content[pointer : pointer + 4] = struct.pack("<I", places[place])
    (tmp_path / "a.tif").write_bytes(content)
    (told,) = ImageFiles([tmp_path / "a.tif"], (32, 32, 3)).attempts(np.arange(1))
    assert isinstance(told, np.ndarray) or "a.tif` " in str(told)


def test_colour_of_16_bits_is_not_cut_to_8(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + np.full(24, 1000, ">u2").tobytes() for _ in range(8))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(DataError, match="must hold grey, or colour of 8 bits"):
        ImageFiles([tmp_path / "a.png"], (8, 8, 3))[np.arange(1)]


def test_images_that_are_passed_over_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = Image.fromarray(photograph(8, 8))
    for name in ("a.png", "b.gif", "c.jp2"):
        image.save(tmp_path / name)
    (tmp_path / "notes.md").write_text("no image")
    assert len(read_data(tmp_path, Roles(), labelled=False)) == 1
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "data: skipped 2 files of unsupported formats, such as 'b.gif'"


def test_images_that_are_not_square_are_made_so_and_small_ones_refused(tmp_path: Path) -> None:
    Image.fromarray(photograph(400, 200)).save(tmp_path / "a.jpg", quality=98)
    Image.fromarray(photograph(40, 40)).save(tmp_path / "b.jpg")
    images = ImageFiles([tmp_path / "a.jpg", tmp_path / "b.jpg"], frame=100)
    tall, small = images.attempts(np.arange(2))
    assert not tall[:, :25].any()
    assert not tall[:, 75:].any()
    expected = photograph(400, 200).reshape(100, 4, 50, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(tall[:, 25:75], expected, atol=4)
    assert "must not be smaller than `image_size` (100). Received 40x40" in str(small)


SCALED = [(128, 128), (64, 64), (100, 256), (60, 128), (300, 512)]
"""Size of a frame, and that at which an image of 512 pixels is decoded for it."""


@pytest.mark.parametrize(("size", "scaled"), SCALED)
def test_pillow_decodes_a_jpeg_at_a_reduced_scale(
    size: int, scaled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(photograph(512, 512)).save(tmp_path / "a.jpg")
    decoded = []
    convert = Image.Image.convert
    monkeypatch.setattr(jpeg, "INSTALLED", False)
    monkeypatch.setattr(Image.Image, "convert", lambda self, mode: decoded.append(self.size) or convert(self, mode))
    assert ImageFiles([tmp_path / "a.jpg"], frame=size)[np.arange(1)].shape == (1, size, size, 3)
    assert decoded == [(scaled, scaled)]


@pytest.mark.parametrize(("size", "scaled"), SCALED)
def test_simplejpeg_decodes_a_jpeg_at_a_reduced_scale(
    size: int, scaled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    Image.fromarray(photograph(512, 512)).save(tmp_path / "a.jpg")
    decoded = []
    decode = simplejpeg.decode_jpeg

    def spy(*args: Any, **options: Any) -> Any:
        pixels = decode(*args, **options)
        decoded.append(pixels.shape[:2])
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", spy)
    assert ImageFiles([tmp_path / "a.jpg"], frame=size)[np.arange(1)].shape == (1, size, size, 3)
    assert decoded == [(scaled, scaled)]


@pytest.mark.parametrize(("side", "size"), [(257, 32), (513, 64), (1025, 128), (401, 100), (264, 32)])
def test_odd_sides_do_not_shift_what_a_jpeg_shows(side: int, size: int, tmp_path: Path) -> None:
    stripes = 127.5 + 120 * np.sin(2 * np.pi * np.arange(side) / 41)
    image = Image.fromarray(np.rint(stripes[:, None] + np.zeros(side)).astype(np.uint8))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.jpg", quality=98)
    png, jpeg = ImageFiles([tmp_path / "a.png", tmp_path / "b.jpg"], frame=size)[np.arange(2)].astype(float)
    assert np.ptp(png) > 100
    np.testing.assert_allclose(jpeg, png, atol=6)


def test_a_thin_image_is_not_blown_up_to_a_square(tmp_path: Path) -> None:
    Image.new("L", (2**16, 4)).save(tmp_path / "thin.png")
    (found,) = ImageFiles([tmp_path / "thin.png"], (32, 32, 1), frame=32).attempts(np.arange(1))
    assert "too long to be made square" in str(found)
