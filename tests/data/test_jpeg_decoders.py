"""Whether simplejpeg or Pillow decodes a JPEG file makes no difference: the same pixels, the same errors."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.batch.job.identity import PACKAGES
from cascade.data.images.frame import Frame
from cascade.data.readers.cache import cached_files
from cascade.data.readers.cache.cached_files import with_cache
from cascade.data.readers.cache.pixel_cache import PixelCache
from cascade.data.readers.image import jpeg
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.image.stored import StoredImage
from cascade.errors import DataError

pytest.importorskip("simplejpeg")

ORIENTATION = 0x0112
SIZES = [(64, 48), (61, 47), (17, 9), (8, 8), (7, 3), (1, 1), (130, 33)]
FRAMES = [None, Frame(8, 8), Frame(16, 12, "stretch"), Frame(5, 7, "crop"), Frame(1, 1)]
MOST_DIFFERENT = 1
"""Grey levels by which releases of one library may differ; those of today give the same bits."""


def scene(size: tuple[int, int], mode: str, seed: int = 0) -> Image.Image:
    """Soft shapes with some noise, as in photographs."""
    rng, channels = np.random.default_rng(seed), (3,) if mode == "RGB" else ()
    soft = Image.fromarray(rng.integers(0, 256, (5, 5, *channels), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    noisy = np.asarray(soft) + rng.normal(0, 6, np.asarray(soft).shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(size: tuple[int, int], mode: str, seed: int = 0, **options: Any) -> bytes:
    stream = BytesIO()
    scene(size, mode, seed).save(stream, "JPEG", **options)
    return stream.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def outcome(content: bytes, frame: Frame | None, colour: bool, with_simplejpeg: bool) -> list[np.ndarray] | str:
    """The rows at two sizes, or the error."""
    source = StoredImage(Path("t.parquet"), 0, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg, "INSTALLED", with_simplejpeg)
        try:
            header = ImageFiles([source], frame=frame)
            shape = (*header.shape[1:3], 3 if colour else 1)
            return ImageFiles([source], shape, frame).decode_at(source, (None, 1))
        except DataError as error:
            return str(error)


def assert_same(content: bytes, frame: Frame | None, colour: bool) -> None:
    by_both, by_pillow = (outcome(content, frame, colour, each) for each in (True, False))
    if isinstance(by_pillow, str) or isinstance(by_both, str):
        assert by_both == by_pillow
        return
    for found, wanted in zip(by_both, by_pillow, strict=True):
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        assert np.abs(found.astype(int) - wanted).max() <= MOST_DIFFERENT


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_both_give_the_same_pixels(mode: str, colour: bool, size: tuple[int, int]) -> None:
    for quality in (20, 75, 95):
        for subsampling in ("4:4:4", "4:2:2", "4:2:0") if mode == "RGB" else ("4:4:4",):
            for progressive in (False, True):
                options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
                content = encoded(size, mode, quality, **options)
                assert jpeg.read_jpeg(StoredImage(Path("t"), 0, content)) is not None
                for frame in FRAMES:
                    assert_same(content, frame, colour)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("frame", FRAMES)
def test_both_turn_images_upright(orientation: int, frame: Frame | None) -> None:
    for mode, colour in (("L", False), ("RGB", True), ("RGB", False)):
        assert_same(encoded((61, 47), mode, exif=exif_of(orientation)), frame, colour)


def test_what_changes_no_pixel_is_passed_over() -> None:
    plain = encoded((64, 48), "RGB")
    for options in (
        {"icc_profile": bytes(300)},
        {"comment": b"by hand"},
        {"dpi": (72, 72)},
        {"restart_marker_rows": 1},
    ):
        assert jpeg.plain_size(encoded((64, 48), "RGB", **options)) == jpeg.plain_size(plain) == (64, 48, 3)
    assert jpeg.plain_size(encoded((64, 48), "RGB", exif=exif_of(6))) is None


DAMAGE = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
    st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("remove"), st.floats(0, 1), st.integers(1, 40)),
    st.tuples(st.just("header"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("behind"), st.floats(0, 1), st.integers(0, 255)),
)
HEADER = 700
"""Bytes before the pixels, in which damage has the most kinds of effects."""


def damaged(content: bytes, kind: str, share: float, value: int) -> bytes:
    place = int(share * (min(HEADER, len(content) - 1) if kind == "header" else len(content) - 1))
    made = {
        "cut": content[:place],
        "insert": content[:place] + bytes([value]) + content[place:],
        "remove": content[:place] + content[place + value :],
        "behind": content + bytes([value]) * (1 + place % 9),
    }
    return made.get(kind, content[:place] + bytes([value]) + content[place + 1 :])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["L", "RGB"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 6, None]),
    st.sampled_from(FRAMES),
    st.lists(DAMAGE, min_size=1, max_size=3),
)
def test_a_damaged_file_has_the_same_outcome(
    mode: str,
    colour: bool,
    progressive: bool,
    orientation: int | None,
    frame: Frame | None,
    damages: list[tuple[str, float, int]],
) -> None:
    exif = {} if orientation is None else {"exif": exif_of(orientation)}
    content = encoded((40, 29), mode, progressive=progressive, **exif)
    for damage in damages:
        content = damaged(content, *damage)
    assert_same(content, frame, colour)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_file_is_never_filled_up(progressive: bool) -> None:
    content = encoded((64, 48), "RGB", progressive=progressive)
    for share in (0.3, 0.6, 0.9, 0.99):
        cut = content[: int(share * len(content))]
        assert isinstance(outcome(cut, None, True, True), str)
        assert_same(cut, None, True)


def test_pillow_decodes_what_simplejpeg_does_not() -> None:
    stream = BytesIO()
    scene((24, 16), "RGB").convert("CMYK").save(stream, "JPEG")
    assert jpeg.read_jpeg(StoredImage(Path("t"), 0, stream.getvalue())) is None
    assert_same(stream.getvalue(), Frame(8, 8), True)
    # The same frame declared as one of 12 bits: no decoder takes it, and Pillow says so.
    twelve = encoded((24, 16), "L").replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc1\x00\x0b\x0c")
    assert jpeg.read_jpeg(StoredImage(Path("t"), 0, twelve)) is None
    assert_same(twelve, None, False)


def test_a_header_that_declares_two_sizes_gets_the_memory_of_neither() -> None:
    content = encoded((24, 16), "L")
    start = content.index(b"\xff\xc0")
    larger = content[start : start + 5] + b"\x20\x00\x20\x00" + content[start + 9 : start + 13]
    assert jpeg.plain_size(content[:start] + larger + content[start:]) is None
    assert_same(content[:start] + larger + content[start:], None, False)


def test_files_are_read_by_their_content_and_missing_ones_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded((24, 16), "L"))
    scene((24, 16), "L").save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").mkdir()
    assert jpeg.read_jpeg(tmp_path / "a.jpg") is not None
    assert jpeg.read_jpeg(tmp_path / "b.jpg") is None
    files = ImageFiles([tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")], (16, 24, 1))
    first, second, third, fourth = files.attempts(np.arange(4))
    assert isinstance(first, np.ndarray)
    np.testing.assert_array_equal(np.asarray(second)[..., 0], np.asarray(scene((24, 16), "L")))
    assert "c.jpg" in str(third)
    assert str(fourth) == f"`{tmp_path / 'd.jpg'}` cannot be read: No such file or directory."


def test_another_decoder_or_release_invalidates_cached_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(encoded((24, 16), "L"))
    files = ImageFiles([tmp_path / "data" / "a.jpg"])

    def kept() -> set[str]:
        with_cache(files, PixelCache(tmp_path / "cache"), tmp_path / "data")[np.arange(1)]
        return {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}

    counts, versions = [], cached_files.installed_versions
    for release in (None, "1.8.0", "1.9.0"):
        others = [name for name in cached_files.DECODING_PACKAGES if name != "simplejpeg"]
        found = {**versions(others), **({} if release is None else {"simplejpeg": release})}
        monkeypatch.setattr(cached_files, "installed_versions", lambda names, found=found: found)
        counts.append(len(kept()))
    assert counts == [1, 2, 3]
    assert {"pillow", "simplejpeg"} <= set(cached_files.DECODING_PACKAGES) & set(PACKAGES)
    # What invalidates cached pixels also ends a job that began with another version.
    assert set(cached_files.DECODING_PACKAGES) <= set(PACKAGES)
