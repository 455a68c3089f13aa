"""Image files become what a viewer shows: upright, on black, in the colours of all; what is misread is refused."""

from __future__ import annotations

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.image.image_file import TURNS
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade.errors import DataError

ALL = range(1, 9)
TIFF_SIGNED = 2
UNCOMPRESSED, DEFLATE = 1, 8


def scene(width: int = 24, height: int = 16) -> np.ndarray:
    """A smooth image without any symmetry, of shape (height, width, 3)."""
    down, across = np.mgrid[:height, :width]
    return np.stack([across * 9, down * 13, 120 + across - 3 * down], axis=-1).clip(0, 255).astype(np.uint8)


def stored_as(upright: Image.Image, orientation: int) -> Image.Image:
    """What a camera stores so that a viewer, which applies the orientation, shows `upright`."""
    inverse = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = inverse.get(orientation, TURNS.get(orientation))
    return upright if turn is None else upright.transpose(turn)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def rows_of(*paths: Path, **options: object) -> np.ndarray:
    return ImageFiles(list(paths), **options)[np.arange(len(paths))]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(header: bytes, lines: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    body = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(lines)) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff_of(planes: list[bytes], width: int, height: int, tags: dict[int, tuple[int, ...]]) -> bytes:
    """A TIFF file with one strip per plane; tags hold shorts."""
    start, places = 8, []
    for plane in planes:
        places.append(start)
        start += len(plane)
    tags = {256: (width,), 257: (height,), 259: (UNCOMPRESSED,), **tags, 278: (height,)}
    tags |= {273: tuple(places), 279: tuple(map(len, planes))}
    entries, further = b"", b""
    end = start + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        content = struct.pack(f"<{len(values)}H", *values)
        if len(content) > 4:
            entries += struct.pack("<HHII", tag, 3, len(values), end + len(further))
            further += content
        else:
            entries += struct.pack("<HHI", tag, 3, len(values)) + content.ljust(4, b"\0")
    return (
        b"II*\0"
        + struct.pack("<I", start)
        + b"".join(planes)
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
        + further
    )


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_images_are_turned_upright(ending: str, orientation: int, tmp_path: Path) -> None:
    upright = Image.fromarray(scene())
    path = tmp_path / f"a.{ending}"
    stored_as(upright, orientation).save(path, exif=exif_of(orientation), lossless=True)
    np.testing.assert_array_equal(rows_of(path)[0], scene())
    upright.save(tmp_path / "upright.png")
    for size in (8, 10):
        np.testing.assert_array_equal(*rows_of(path, tmp_path / "upright.png", frame=size))


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("side", [257, 264])
def test_a_jpeg_at_a_reduced_scale_is_turned_upright(orientation: int, side: int, tmp_path: Path) -> None:
    upright = Image.fromarray(np.asarray(Image.fromarray(scene()).resize((side, 120))))
    stored_as(upright, orientation).save(tmp_path / "a.jpg", exif=exif_of(orientation), quality=98, subsampling=0)
    upright.save(tmp_path / "upright.png")
    for size in (None, 32, 50):
        jpeg, png = rows_of(tmp_path / "a.jpg", tmp_path / "upright.png", frame=size).astype(int)
        np.testing.assert_allclose(jpeg, png, atol=8)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", ["eXIf", "raw", "xmp"])
def test_orientation_anywhere_in_a_png_counts(place: str, kind: str, tmp_path: Path) -> None:
    exif = exif_of(6).tobytes()
    raw = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    content = {
        "eXIf": chunk(b"eXIf", exif[6:]),
        "raw": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)),
        "xmp": chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
    }[kind]
    grey = scene()[..., 0]
    # Rotated by a quarter to the left, so that a quarter to the right turns it upright.
    stored = np.rot90(grey)
    lines = b"".join(b"\0" + line.tobytes() for line in stored)
    header = struct.pack(">IIBBBBB", stored.shape[1], stored.shape[0], 8, 0, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(png_of(header, lines, **{place: content}))
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(Image.open(path))), grey)
    images = ImageFiles([path])
    assert images.look(path).size == (24, 16)
    np.testing.assert_array_equal(images[np.arange(1)][0, :, :, 0], grey)


@pytest.mark.parametrize("damage", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage" * 9])
def test_damaged_exif_data_leave_an_image_as_it_is(damage: bytes, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.webp", exif=damage, lossless=True)
    np.testing.assert_array_equal(rows_of(tmp_path / "a.webp")[0], scene())
    Image.fromarray(scene()).save(tmp_path / "a.png", exif=exif_of(0))
    np.testing.assert_array_equal(rows_of(tmp_path / "a.png")[0], scene())


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_the_colour_under_transparent_pixels_is_not_seen(mode: str, ending: str, tmp_path: Path) -> None:
    alpha = np.zeros((16, 24), np.uint8)
    alpha[:, 8:16], alpha[:, 16:] = 128, 255
    rows = []
    for name, hidden in (("a", 10), ("b", 200)):
        shown = scene()
        shown[:, :8] = hidden
        image = Image.fromarray(shown).convert("L" if mode == "LA" else "RGB")
        image.putalpha(Image.fromarray(alpha))
        options = {"lossless": True, "exact": True} if ending == "webp" else {}
        image.save(tmp_path / f"{name}.{ending}", **options)
        rows.append(rows_of(tmp_path / f"{name}.{ending}", row_shape=(16, 24, 3))[0])
        visible = np.asarray(image.convert("RGB")).astype(float)
    np.testing.assert_array_equal(*rows)
    np.testing.assert_allclose(rows[0], visible * (alpha / 255)[..., None], atol=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_one_colour_that_is_transparent_is_black(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(scene()).convert(mode)
    values = np.asarray(image)
    clear = values[3, 4]
    declared = tuple(clear.tolist()) if mode == "RGB" else int(clear)
    image.save(tmp_path / "a.png", transparency=declared)
    plain = np.asarray(image.convert("RGB")).copy()
    plain[(values == clear).reshape(16, 24, -1).all(axis=-1)] = 0
    np.testing.assert_array_equal(rows_of(tmp_path / "a.png", row_shape=(16, 24, 3))[0], plain)


def test_tiff_samples_that_would_be_misread_are_refused(tmp_path: Path) -> None:
    grey, alpha = scene()[..., 0].tobytes(), bytes(24 * 16)
    both = scene()[..., :2].tobytes()
    signed = {258: (8,), 262: (1,), 339: (TIFF_SIGNED,), 277: (1,)}
    planes = {258: (8, 8), 262: (1,), 277: (2,), 284: (2,), 338: (2,)}
    good = {258: (8, 8), 262: (1,), 277: (2,), 284: (1,), 338: (2,)}
    colour = {258: (8, 8, 8), 262: (2,), 277: (3,), 284: (2,)}
    reduced = {258: (8, 8, 8), 262: (6,), 277: (3,), 284: (1,), 530: (2, 2)}
    three = [scene()[..., plane].tobytes() for plane in range(3)]
    for name, content, sentence in (
        ("signed", tiff_of([grey], 24, 16, signed), "must hold unsigned pixels"),
        ("planes", tiff_of([grey, alpha], 24, 16, planes), "pixel by pixel|cannot be"),
        # Pillow 12 misses bytes before the check of its result.
        ("reduced", tiff_of([both], 24, 16, reduced), "colour at full resolution|is truncated"),
    ):
        path = tmp_path / f"{name}.tif"
        path.write_bytes(content)
        with pytest.raises(DataError, match=sentence):
            rows_of(path)
    (tmp_path / "good.tif").write_bytes(tiff_of([both], 24, 16, good))
    assert rows_of(tmp_path / "good.tif").shape == (1, 16, 24, 1)
    (tmp_path / "colour.tif").write_bytes(tiff_of(three, 24, 16, colour))
    np.testing.assert_array_equal(rows_of(tmp_path / "colour.tif")[0], scene())


def test_compressed_planes_of_grey_and_alpha_are_refused(tmp_path: Path) -> None:
    # Pillow reads them without an error, the second plane as further pixels of the first.
    planes = [zlib.compress(scene()[..., 0].tobytes()), zlib.compress(bytes([255]) * 24 * 16)]
    tags = {258: (8, 8), 262: (1,), 277: (2,), 284: (2,), 338: (2,)}
    content = tiff_of(planes, 24, 16, tags).replace(
        struct.pack("<HHIHH", 259, 3, 1, 1, 0), struct.pack("<HHIHH", 259, 3, 1, 8, 0)
    )
    (tmp_path / "a.tif").write_bytes(content)
    assert np.asarray(Image.open(tmp_path / "a.tif")).shape == (16, 24, 2)
    with pytest.raises(DataError, match="pixel by pixel"):
        rows_of(tmp_path / "a.tif")


def test_16_bits_are_called_so(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png_of(header, b"".join(b"\0" + bytes(48) for _ in range(8))))
    with pytest.raises(DataError, match="Received colour of 16 bits"):
        rows_of(tmp_path / "a.png")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Four images, of which only the last is in colour, with a list."""
    for number in range(3):
        Image.fromarray(scene()[..., number]).save(tmp_path / f"{number}.png")
    Image.fromarray(scene()).save(tmp_path / "3.png")
    (tmp_path / "labels.csv").write_text("file,crack\n0.png,0\n1.png,1\n2.png,0\n3.png,1\n")
    return tmp_path


@pytest.mark.parametrize("labelled", [True, False])
def test_all_headers_decide_whether_images_are_read_in_colour(
    mixed: Path, labelled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        data = read_data(mixed, Roles(), labelled)
    assert data.X.shape == (4, 16, 24, 3)
    np.testing.assert_array_equal(data.X[np.array([3])][0], scene())
    assert "data: 4 images, read as 24x16 pixels in colour" in caplog.messages
    assert "data: 3 of 4 images are grey, the others in colour; all are read in colour" in caplog.messages
    (mixed / "3.png").unlink()
    (mixed / "labels.csv").write_text("file,crack\n0.png,0\n1.png,1\n2.png,0\n")
    assert read_data(mixed, Roles(), labelled).X.shape == (3, 16, 24, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_file_and_a_folder_of_predictions_read_the_same(mixed: Path, channels: int) -> None:
    shape = (16, 24, channels)
    (chunk,) = open_input(mixed, Roles(), InputSignature(shape, "uint8")).chunks(9, 0)
    data = read_data(mixed, Roles(), labelled=False, row_shape=shape)
    np.testing.assert_array_equal(data.X[np.arange(4)], chunk.X)
    assert data.ids.tolist() == chunk.ids.tolist()
    with pytest.raises(DataError, match="the model takes rows of shape"):
        read_data(mixed, Roles(), labelled=False, row_shape=(5,))


def test_most_images_decide_on_the_size(mixed: Path) -> None:
    Image.fromarray(scene(10, 10)).save(mixed / "0.png")
    with pytest.raises(DataError, match=r"0\.png` must be 24x16 pixels like the others. Received 10x10"):
        read_data(mixed, Roles())


def test_bad_files_are_named_or_left_out_and_counted(mixed: Path, caplog: pytest.LogCaptureFixture) -> None:
    (mixed / "0.png").write_bytes(b"no image")
    Image.fromarray(scene(10, 10)).save(mixed / "1.png")
    (mixed / "labels.csv").write_text("file,crack,part\n0.png,0,a\n1.png,1,b\n2.png,0,c\nno.png,1,d\n3.png,1,e\n")
    roles = Roles(labels=("crack",), group="part", leave_out_bad_files=True)
    data = read_data(mixed, roles)
    assert (data.ids.tolist(), data.groups.tolist()) == (["2.png", "3.png"], ["c", "e"])
    assert data.Y[:, 0].tolist() == [0, 1]
    assert "data: left out 3 of 5 files that cannot be used" in caplog.messages
    assert [name for name in ("0.png", "1.png", "no.png") if any(name in text for text in caplog.messages)] == [
        "0.png",
        "1.png",
        "no.png",
    ]
    (mixed / "labels.csv").write_text("file,crack\n0.png,0\n1.png,1\n2.png,0\n3.png,1\n")
    with pytest.raises(DataError, match=r"0\.png` cannot be read .* 2 of 4 files cannot be used; repair them"):
        read_data(mixed, Roles())
    (mixed / "labels.csv").write_text("file,crack\n0.png,0\n")
    with pytest.raises(DataError, match=r"0\.png` cannot be read"):
        read_data(mixed, roles=Roles(leave_out_bad_files=True))


def test_a_pipe_named_like_an_image_is_refused(mixed: Path) -> None:
    import os

    os.mkfifo(mixed / "pipe.png")
    (mixed / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"pipe\.png` must be a regular file"):
        read_data(mixed, Roles(pixels=PixelOptions()), labelled=False)
