"""Array files that are damaged, forged or of another kind end in one sentence, before they fill the memory."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.array_file import ArrayFile
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade.errors import DataError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([[0, 1], [0, 0], [1, 1], [0, 0]])
NUMBERS = InputSignature((3,), "number")


def header(shape: tuple[int, ...], descr: object = "<f8") -> bytes:
    """The beginning of a .npy file that declares a shape and has no values."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": descr, "fortran_order": False, "shape": shape})
    return content.getvalue()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def encrypted(path: Path) -> Path:
    """An archive whose members are marked as encrypted."""
    content = bytearray(archive(path, X=header((1, 1)) + bytes(8)).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    return path


FORGED = {
    "huge": header((10**12, 3)),
    "negative": header((-1, 3)),
    "no columns": header((10**12, 0)),
    "text": b"rows of numbers",
    "structured": header((4,), [("a", "<f8")]) + bytes(32),
    "objects": header((4, 3), "|O") + bytes(96),
    "no literal": header((4, 3)).replace(b"False", b"Fals("),
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED.keys())
def test_a_forged_array_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    for path in (archive(tmp_path / "a.npz", X=content), tmp_path / "a.npy"):
        with pytest.raises(DataError, match=path.name):
            read_data(path, labelled=False)
        with pytest.raises(DataError, match=path.name):
            open_input(path, Roles(), NUMBERS)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="encrypted"):
        read_data(encrypted(tmp_path / "a.npz"), labelled=False)


def sparse_labels(indices: object, indptr: object, shape: object) -> dict[str, object]:
    return {"Y_indices": np.array(indices), "Y_indptr": np.array(indptr), "Y_shape": np.array(shape)}


ARRAYS = {
    "billions of labels": (sparse_labels([0], [0, 1, 1, 1, 1], [4, 3 * 10**9]), "at most 10000000 labels"),
    "negative index": (sparse_labels([-1], [0, 1, 1, 1, 1], [4, 3]), "valid CSR"),
    "negative shape": (sparse_labels([1], [0, 1, 1, 1, 1], [4, -3]), "valid CSR"),
    "huge shape": (sparse_labels([1], [0, 1, 1, 1, 1], [2**62, 3]), "valid CSR"),
    "shape of floats": (sparse_labels([1], [0, 1, 1, 1, 1], [4.0, 3]), "whole numbers in `Y_shape`"),
    "pointers that go back": (sparse_labels([1, 0], [0, 2, 1, 2, 2], [4, 3]), "valid CSR"),
    "index of another column": (sparse_labels([3], [0, 1, 1, 1, 1], [4, 3]), "valid CSR"),
    "text labels": ({"Y": np.array([["0", "1"]] * 4)}, "0 or 1 in `Y`"),
    "structured groups": ({"Y": Y, "groups": np.zeros(4, [("a", "f8")])}, "text or numbers in `groups`"),
    "missing group": ({"Y": Y, "groups": np.array(["a", "nan", "b", "c"])}, "`groups` on every row.*row 1"),
    "missing day": ({"Y": Y, "groups": np.array(["2020-01-01", "NaT"] * 2, "M8[D]")}, "`groups` on every row.*row 1"),
    "missing id": ({"Y": Y, "ids": np.array([1, 2, np.nan, 4])}, "`ids` on every row.*row 2"),
    "same id": ({"Y": Y, "ids": np.array(["1", "2", "2.0", "3"])}, "'2' again at row 2"),
    "one name": ({"Y": Y, "label_names": np.array(3)}, "list of names"),
    "complex": ({"Y": Y, "X": X + 1j}, "rows of numbers"),
}


@pytest.mark.parametrize(("arrays", "sentence"), ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_of_another_kind_are_named(arrays: dict[str, object], sentence: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"X": X, **arrays})
    with pytest.raises(DataError, match=sentence):
        read_data(tmp_path / "a.npz")


def test_a_file_that_is_cut_while_it_is_read_ends_in_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((50_000, 3)))
    chunks = open_input(tmp_path / "a.npy", Roles(), NUMBERS).chunks(1000, 0)
    next(chunks)
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(200_000)
    with pytest.raises(DataError, match="changed while it was read"):
        list(chunks)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["u1", "<f4", ">i2", "<f8"]),
    st.lists(st.integers(-7, 6), max_size=12),
    st.slices(7),
    st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_a_file_has_the_rows_of_its_array(
    tmp_path: Path, dtype: str, numbers: list[int], part: slice, mask: list[bool]
) -> None:
    array = np.arange(7 * 3 * 2).reshape(7, 3, 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    rows = ArrayFile(tmp_path / "a.npy")
    assert (rows.shape, rows.ndim, rows.dtype, len(rows)) == (array.shape, 3, array.dtype, 7)
    for chosen in (np.array(numbers, int), part, np.array(mask), np.intp(3)):
        np.testing.assert_array_equal(rows[chosen], array[chosen])
    np.testing.assert_array_equal(np.asarray(rows), array)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[:], array)
    with pytest.raises(IndexError, match="from 0 to 6"):
        rows[np.array([7])]


def test_columns_one_after_the_other_are_read_as_a_whole(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(24.0).reshape(4, 3, 2))
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_data(tmp_path / "a.npy", labelled=False).X, array)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def replaced(path: Path) -> None:
    np.save(path.with_name("other.npy"), np.zeros(IMAGES, np.uint8))
    path.with_name("other.npy").replace(path)


def removed(path: Path) -> None:
    path.unlink()


IMAGES = (500, 16, 16, 1)


@pytest.mark.parametrize("change", [cut, replaced, removed])
def test_images_of_a_file_that_changes_are_refused(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    np.save(path, np.ones(IMAGES, np.uint8))
    part = read_data(path, labelled=False).part(np.arange(100, 500))
    assert part.X[np.arange(3)].all()
    change(path)
    with pytest.raises(DataError, match=r"changed while it was read|cannot be read"):
        part.X[np.arange(300, 303)]


def test_other_members_of_an_archive_are_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=X, Y=Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("README.txt", "X is measured in mm")
    np.testing.assert_array_equal(read_data(tmp_path / "a.npz").X, X)
