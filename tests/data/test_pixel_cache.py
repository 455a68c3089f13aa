"""Files that were decoded before are read from the cache, with the same pixels, and never with others."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import pickle
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.data.images.size import at_size
from cascade.data.readers.cache.cached_files import CachedFiles, with_cache, without_cache
from cascade.data.readers.cache.checksum import Checksum
from cascade.data.readers.cache.pixel_cache import PixelCache
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.image.stored import StoredImage
from cascade.data.rows import RowView
from cascade.errors import DataError

SIDE, SIZE, SMALL, N = 96, 32, 16, 12
ALL = np.arange(N)


def write_image(path: Path, seed: int, side: int = SIDE) -> None:
    soft = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    soft.resize((side, side)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for number in range(N):
        write_image(tmp_path / "data" / f"{number:02d}.{'jpg' if number % 2 else 'png'}", number)
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is decoded."""
    counts: Counter[str] = Counter()
    decode_at, lock = ImageFiles.decode_at, threading.Lock()

    def counted(self: ImageFiles, path: Path, sizes: Any) -> Any:
        with lock:
            counts[getattr(path, "name", str(path))] += 1
        return decode_at(self, path, sizes)

    monkeypatch.setattr(ImageFiles, "decode_at", counted)
    return counts


def files_in(folder: Path) -> ImageFiles:
    return ImageFiles(sorted(folder.iterdir()), frame=SIZE)


def opened(folder: Path) -> CachedFiles:
    return with_cache(files_in(folder), PixelCache(folder.parent / "cache"), folder, [SMALL])


def assert_right(cached: CachedFiles, folder: Path) -> None:
    files = files_in(folder)
    rows = np.arange(len(files))
    np.testing.assert_array_equal(cached[rows], files[rows])
    np.testing.assert_array_equal(at_size(cached, SMALL)[rows], at_size(files, SMALL)[rows])


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("turn", [1, 6])
@settings(max_examples=15)
@given(st.tuples(st.integers(30, 150), st.integers(30, 150)), st.lists(st.sampled_from([8, 15, 30]), min_size=1))
def test_a_file_decoded_at_several_sizes_at_once_has_the_pixels_of_each(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    mode: str,
    turn: int,
    shape: tuple[int, int],
    sizes: list[int],
) -> None:
    path = tmp_path_factory.mktemp("image") / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = turn
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path, exif=exif)
    files = ImageFiles([path])
    for image, size in zip(files.decode_at(path, [*sizes, None]), [*sizes, None], strict=True):
        np.testing.assert_array_equal(image, at_size(files, size)[np.arange(1)][0])


def test_each_file_is_decoded_once_for_all_sizes_passes_and_runs(folder: Path, decoded: Counter[str]) -> None:
    cached = opened(folder)
    passes = [cached[ALL], cached[ALL[::-1]][::-1], opened(folder)[ALL]]
    small = [at_size(cached, SMALL)[ALL], at_size(opened(folder), SMALL)[ALL]]
    assert decoded == Counter({path.name: 1 for path in folder.iterdir()})
    for images in passes:
        np.testing.assert_array_equal(images, files_in(folder)[ALL])
    for images in small:
        np.testing.assert_array_equal(images, at_size(files_in(folder), SMALL)[ALL])


def test_a_view_is_read_from_the_cache_and_can_be_taken_out_of_it(folder: Path, decoded: Counter[str]) -> None:
    rows = np.array([7, 3])
    view = RowView(opened(folder), rows)
    np.testing.assert_array_equal(at_size(view, SMALL)[np.arange(2)], at_size(files_in(folder), SMALL)[rows])
    decoded.clear()
    assert len(view[np.arange(2)]) == 2
    assert not decoded
    assert len(without_cache(view)[np.arange(2)]) == 2
    assert decoded.total() == 2


def test_files_that_are_new_or_changed_are_decoded_and_no_others(folder: Path, decoded: Counter[str]) -> None:
    opened(folder)[ALL]
    decoded.clear()
    write_image(folder / "02.png", 102)
    write_image(folder / "99.png", 99)
    cached = opened(folder)
    cached[np.arange(N + 1)]
    assert decoded == Counter(["02.png", "99.png"])
    assert_right(cached, folder)


def test_a_file_of_the_same_size_and_time_is_another_file(folder: Path) -> None:
    path = folder / "00.bmp"
    (folder / "00.png").unlink()
    write_image(path, 0)
    opened(folder)[ALL]
    before = path.stat()
    write_image(path, 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert_right(opened(folder), folder)


def test_most_files_changed_removes_their_old_pixels(folder: Path) -> None:
    opened(folder)[ALL]
    before = {path.parent for path in (folder.parent / "cache").rglob("rows")}
    for path in folder.iterdir():
        write_image(path, 7)
    assert_right(opened(folder), folder)
    after = {path.parent for path in (folder.parent / "cache").rglob("rows")}
    assert len(before) == len(after) == 2
    assert not before & after


def test_the_same_places_in_another_folder_are_other_files(folder: Path) -> None:
    opened(folder)[ALL]
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    for path in other.iterdir():
        write_image(path, 50)
    assert_right(with_cache(files_in(other), PixelCache(folder.parent / "cache"), other), other)


def test_images_in_a_table_are_known_by_row_and_content(folder: Path, decoded: Counter[str]) -> None:
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    table = folder.parent / "images.parquet"

    def cells(changed: int | None = None) -> ImageFiles:
        rows = [contents[0] if row == changed else content for row, content in enumerate(contents)]
        return ImageFiles([StoredImage(table, row, content) for row, content in enumerate(rows)], frame=SIZE)

    for changed in (None, None, 4):
        cached = with_cache(cells(changed), PixelCache(folder.parent / "cache"), table, [SMALL])
        np.testing.assert_array_equal(cached[ALL], cells(changed)[ALL])
    # Three passes without a cache, one with it, and the changed row.
    assert decoded.total() == 3 * N + N + 1


def spoilt(content: bytes, kind: str, place: int) -> bytes:
    place %= max(1, len(content))
    return {
        "flipped": content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :] if content else b"1",
        "cut": content[:place],
        "empty": b"",
        "longer": content + b"123",
        "zeros": content[:place] + bytes(len(content) - place),
        "swapped": content[len(content) // 2 :] + content[: len(content) // 2],
    }[kind]


@pytest.mark.parametrize("name", ["rows", "files"])
@pytest.mark.parametrize("kind", ["flipped", "cut", "empty", "longer", "zeros", "swapped"])
@pytest.mark.parametrize("is_open", [True, False])
def test_damage_costs_time_and_changes_no_pixel(folder: Path, name: str, kind: str, is_open: bool) -> None:
    cached = opened(folder)
    cached[ALL]
    for place, path in enumerate(sorted((folder.parent / "cache").rglob(name))):
        path.write_bytes(spoilt(path.read_bytes(), kind, 100 + 997 * place))
    cached = cached if is_open else opened(folder)
    assert_right(cached, folder)
    assert_right(opened(folder), folder)


@pytest.mark.parametrize("name", ["rows", "files", "", "."])
def test_what_is_missing_or_no_file_is_made_again(folder: Path, name: str) -> None:
    opened(folder)[ALL]
    cache = folder.parent / "cache"
    for path in [cache] if name == "." else [place.parent / name for place in cache.rglob("rows")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if name:
            path.mkdir()
    assert_right(opened(folder), folder)
    assert_right(opened(folder), folder)


def test_a_damaged_row_is_written_again(folder: Path, decoded: Counter[str]) -> None:
    opened(folder)[ALL]
    for path in (folder.parent / "cache").rglob("rows"):
        path.write_bytes(bytes(path.stat().st_size))
    decoded.clear()
    opened(folder)[ALL]
    opened(folder)[ALL]
    assert set(decoded.values()) == {1}


def read_all(folder: Path, at: Any, results: Any) -> None:
    at.wait()
    cached = opened(folder)
    results.put([cached[ALL], at_size(cached, SMALL)[ALL]])


def test_processes_that_start_together_read_the_same_pixels(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=read_all, args=(folder, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    files = files_in(folder)
    for full, small in found:
        np.testing.assert_array_equal(full, files[ALL])
        np.testing.assert_array_equal(small, at_size(files, SMALL)[ALL])
    # One segment per size, not one per process.
    assert len(list((folder.parent / "cache").rglob("rows"))) == 2


def test_rows_travel_to_other_processes(folder: Path, decoded: Counter[str]) -> None:
    cached = opened(folder)
    cached[ALL]
    decoded.clear()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cached))[ALL], cached[ALL])
    assert not decoded


class Room(NamedTuple):
    free: int


def test_without_room_nothing_is_kept_and_one_line_says_so(
    folder: Path, decoded: Counter[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Room(2 * N * SMALL**2 * 3))
    cached = opened(folder)
    # There is room for the small images only.
    cached[ALL]
    small = at_size(cached, SMALL)[ALL]
    cached[ALL]
    assert set(decoded.values()) == {2}
    np.testing.assert_array_equal(small, at_size(files_in(folder), SMALL)[ALL])
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "are not kept: they need 0.0 MB, over half of the free disk space" in line


def test_unused_pixels_make_room_for_others_and_those_in_use_do_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = opened(folder)
    used[ALL]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Room(0))
    other = folder.parent / "other"
    shutil.copytree(folder, other)

    def kept_of_other() -> int:
        cached = with_cache(files_in(other), PixelCache(folder.parent / "cache"), other)
        cached[ALL]
        assert_right(cached, other)
        return sum(stored is not None for stored in cached.sizes.stored.values())

    assert kept_of_other() == 0
    assert_right(used, folder)
    del used
    assert kept_of_other() > 0
    assert len(list((folder.parent / "cache").rglob("rows"))) < 3


def test_a_full_disk_ends_keeping_and_not_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*given: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cached = opened(folder)
    monkeypatch.setattr(os, "pwritev", full)
    assert_right(cached, folder)
    assert sum("not kept any more: No space left" in record.getMessage() for record in caplog.records) == 2


def test_a_folder_that_cannot_be_made_is_reported_and_passed_over(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.parent / "cache").write_text("a file")
    assert_right(opened(folder), folder)
    assert any("are not kept in" in record.getMessage() for record in caplog.records)


def test_a_file_that_is_replaced_while_it_is_decoded_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached, decode_at = opened(folder), ImageFiles.decode_at

    def replacing(self: ImageFiles, path: Path, sizes: Any) -> Any:
        images = decode_at(self, path, sizes)
        if path.name == "04.png":
            write_image(path, 77)
        return images

    monkeypatch.setattr(ImageFiles, "decode_at", replacing)
    cached[ALL]
    monkeypatch.setattr(ImageFiles, "decode_at", decode_at)
    np.testing.assert_array_equal(cached[ALL], files_in(folder)[ALL])


def test_bad_files_are_refused_as_without_a_cache(folder: Path) -> None:
    (folder / "03.jpg").write_bytes(b"no image")
    (folder / "05.jpg").unlink()
    paths = [folder / f"{number:02d}.{'jpg' if number % 2 else 'png'}" for number in range(N)]
    files = ImageFiles(paths, (SIZE, SIZE, 3), SIZE)
    cached = with_cache(files, PixelCache(folder.parent / "cache"), folder, [SMALL])
    for _ in range(2):
        for ours, theirs in zip(cached.attempts(ALL), files.attempts(ALL), strict=True):
            assert str(ours) == str(theirs) if isinstance(theirs, DataError) else np.array_equal(ours, theirs)
        with pytest.raises(DataError, match=r"03\.jpg` cannot be read as an image"):
            cached[ALL]


@given(st.binary(min_size=1, max_size=40), st.integers(0, 39), st.integers(1, 255), st.integers(0, 2**64 - 1))
def test_a_changed_byte_changes_the_checksum(content: bytes, place: int, change: int, seed: int) -> None:
    row = np.frombuffer(content, np.uint8)
    changed = row.copy()
    changed[place % len(row)] ^= change
    checksum = Checksum(len(row))
    assert 0 < checksum(row, seed) < 2**64
    assert checksum(row, seed) != checksum(changed, seed)
