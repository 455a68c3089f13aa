"""Every kind of input of a batch job, from any row on, with each kind of bad row."""

from __future__ import annotations

import errno
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cascade import CascadeClassifier
from cascade.batch.inputs.opening import Input, open_input
from cascade.batch.outputs.predictions import CascadeTables
from cascade.batch.runner import Settings, run_job
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.rows import RowSource
from cascade.data.signature import InputSignature
from cascade.datasets.phantom import write_phantom
from cascade.errors import DataError
from tests.data.test_image_files import png_of

SIZE = 8
TABLE = InputSignature((2,), "number", ("f0", "f1"))
GREY = InputSignature((SIZE, SIZE, 1), "uint8")
SLICES = InputSignature((16, 16, 3), "uint8")
NUMBERS = InputSignature((2,), "number")


def rows_of(source: Input, size: int, first: int = 0) -> tuple[list[str], list[tuple[str, int, str]], np.ndarray]:
    """Identifiers that can be scored, what is rejected, and the features."""
    chunks = list(source.chunks(size, first))
    rejected = [tuple(row.values()) for chunk in chunks for row in chunk.rejected.to_pylist()]
    features = [chunk.X.toarray() if sparse.issparse(chunk.X) else chunk.X for chunk in chunks]
    assert all(chunk.n_read == size for chunk in chunks[:-1])
    return [str(row) for chunk in chunks for row in chunk.ids], rejected, np.concatenate(features)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    lines = ["f1,key,f0,note", "1,007,2,x", "3,b", "", "5,c,,x", "7,d,abc,x", "9,e, 1e3 ,x", "11,f,true,x", "13,,14,x"]
    path.write_text("\n".join([*lines, '15,"g\nh",16,"x,y"', "NA,i,18,x", "19,j,1_0,x", "21,k,22,x,z", "23,l"]))
    return path


def test_a_csv_keeps_every_line_in_its_place(csv: Path) -> None:
    roles = Roles(id="key")
    ids, rejected, X = rows_of(open_input(csv, roles, TABLE), 100)
    assert ids == ["007", "e", "f", "g\nh"]
    np.testing.assert_array_equal(X, [[2, 1], [1000, 9], [1, 11], [16, 15]])
    assert rejected == [
        ("", 1, "its line has 2 cells, not 4"),
        ("c", 2, "feature 'f0' is empty or NaN"),
        ("d", 3, "feature 'f0' is 'abc', not a number"),
        ("", 6, "column 'key' is empty"),
        ("i", 8, "feature 'f1' is empty or NaN"),
        ("j", 9, "feature 'f0' is '1_0', not a number"),
        ("", 10, "its line has 5 cells, not 4"),
        ("", 11, "its line has 2 cells, not 4"),
    ]
    ids, rejected, _ = rows_of(open_input(csv, Roles(id="key", allow_missing=True), TABLE), 100)
    assert (ids, len(rejected)) == (["007", "c", "e", "f", "g\nh", "i"], 6)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("first", [0, 1, 2, 7, 11, 12])
def test_a_csv_can_be_read_from_any_row_on(csv: Path, size: int, first: int) -> None:
    source = open_input(csv, Roles(id="key"), TABLE)
    chunks = [*source.chunks(size, first)]
    assert sum(chunk.n_read for chunk in chunks) == 12 - first
    rows = [row for chunk in chunks for row in sorted([*chunk.rows, *chunk.rejected["row"].to_pylist()])]
    assert rows == list(range(first, 12))


def test_a_long_csv_with_broken_lines_in_all_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    broken = rng.random(200_000) < 0.01
    lines = ["1" if bad else f"{row},{row / 8}" for row, bad in enumerate(broken)]
    (tmp_path / "rows.csv").write_text("\n".join(["f0,f1", *lines]))
    ids, rejected, X = rows_of(open_input(tmp_path / "rows.csv", Roles(), TABLE), 4096)
    np.testing.assert_array_equal(np.array(ids, int), np.flatnonzero(~broken))
    np.testing.assert_array_equal(X[:, 0], np.flatnonzero(~broken))
    assert [row for _, row, _ in rejected] == np.flatnonzero(broken).tolist()


def test_bytes_that_are_no_text_and_lines_within_cells(tmp_path: Path) -> None:
    lines = [b"key,f0,f1", b"a,1,2", b"\xff,3,4", b"c,\xfe,6", *(b'"d\n%d",7,8' % row for row in range(150_000))]
    (tmp_path / "rows.csv").write_bytes(b"\n".join(lines))
    ids, rejected, _ = rows_of(open_input(tmp_path / "rows.csv", Roles(id="key"), TABLE), 10_000)
    assert (len(ids), ids[:2], ids[-1]) == (150_001, ["a", "d\n0"], "d\n149999")
    assert [row[1:] for row in rejected] == [(1, "column 'key' is not UTF-8"), (2, "column 'f0' is not UTF-8")]


@pytest.mark.parametrize(
    ("text", "n_rows"), [("f0,f1\n", 0), ("", None), ("f0,f1\n1,2", 1), ('f0,f1\n1,"2\n', 10**6 + 1)]
)
def test_a_csv_of_next_to_nothing(text: str, n_rows: int | None, tmp_path: Path) -> None:
    # A quote that is never closed costs its own line, and none of those after it.
    (tmp_path / "rows.csv").write_text(text + "1,2\n" * (10**6 if '"' in text else 0))
    if n_rows is None:
        with pytest.raises(DataError, match="cannot be read as a table"):
            rows_of(open_input(tmp_path / "rows.csv", Roles(), TABLE), 5)
    else:
        chunks = open_input(tmp_path / "rows.csv", Roles(), TABLE).chunks(10**5, 0)
        assert sum(chunk.n_read for chunk in chunks) == n_rows


@pytest.mark.parametrize("first", [0, 3, 5, 9, 10, 17, 29])
def test_parquet_files_are_read_from_any_row_on(tmp_path: Path, first: int) -> None:
    names = pa.DictionaryArray.from_arrays(np.arange(30) % 3, ["p", "q", "r"])
    table = pa.table({"f1": np.arange(30) % 2 == 1, "f0": np.arange(30), "site": names})
    for number, (start, stop) in enumerate(((0, 10), (10, 10), (10, 24), (24, 30))):
        part = table.slice(start, stop - start)
        pyarrow.parquet.write_table(part, tmp_path / f"{number}.parquet", row_group_size=4)
    (tmp_path / "_old.parquet").write_bytes(b"hidden")
    source = open_input(tmp_path, Roles(group="site"), TABLE)
    assert source.n_rows == 30
    ids, _, X = rows_of(source, 4, first)
    assert ids == [str(row) for row in range(first, 30)]
    np.testing.assert_array_equal(X[:, 1], np.arange(first, 30) % 2)
    groups = np.concatenate([chunk.groups for chunk in source.chunks(4, first)])
    assert groups.tolist() == ["pqr"[row % 3] for row in range(first, 30)]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"f0": [1.0]}, "no feature column 'f1'"),
        ({"f0": [1.0], "f1": ["a"]}, "must hold numbers in column 'f1'"),
        ({"f0": [1.0], "f1": [1.0], "": [1]}, "without a name"),
    ],
)
def test_a_table_of_another_kind_is_refused_at_once(
    columns: dict[str, list[object]], sentence: str, tmp_path: Path
) -> None:
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=sentence):
        open_input(tmp_path / "rows.parquet", Roles(), TABLE)


def test_files_that_cannot_be_read_at_all_are_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"f0": [1.0], "f1": [1.0]}), tmp_path / "0.parquet")
    cut = (tmp_path / "0.parquet").read_bytes()[:-9]
    (tmp_path / "1.parquet").write_bytes(cut)
    with pytest.raises(DataError, match=r"1\.parquet` cannot be read"):
        open_input(tmp_path, Roles(), TABLE)
    pyarrow.parquet.write_table(pa.table({"f0": [1.0]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet` has no column 'f1'"):
        open_input(tmp_path, Roles(), TABLE)
    (tmp_path / "x.doc").write_text("")
    for path in ("x.doc", "nowhere"):
        with pytest.raises(DataError):
            open_input(tmp_path / path, Roles(), TABLE)
    with pytest.raises(DataError, match="no group column 'ward'"):
        open_input(tmp_path / "0.parquet", Roles(group="ward"), TABLE)


def test_sparse_rows_and_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.random((50, 6)) * (rng.random((50, 6)) < 0.4))
    X.data[[0, -1]] = [np.nan, np.inf]
    parts = {f"X_{name}": getattr(X, name) for name in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "X.npz", **parts, ids=np.arange(50) * 2)
    invalid = np.unique(X.tocoo().coords[0][~np.isfinite(X.data)])
    ids, rejected, features = rows_of(open_input(tmp_path / "X.npz", Roles(), NUMBERS), 7)
    assert [(name, row) for name, row, _ in rejected] == [(str(2 * row), row) for row in invalid]
    np.testing.assert_array_equal(features, np.delete(X.toarray(), invalid, axis=0))
    assert len(ids) == 50 - len(invalid)
    np.save(tmp_path / "X.npy", X.toarray())
    part = next(open_input(tmp_path / "X.npy", Roles(), NUMBERS).chunks(3, 4)).X
    # A mapped file that is cut kills the process.
    assert not isinstance(part, np.memmap)
    with pytest.raises(DataError, match="no column 'ward'"):
        open_input(tmp_path / "X.npy", Roles(group="ward"), NUMBERS)


def png_that_declares(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in (head, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images in two folders; six of them are bad, the first one among them."""
    folder = tmp_path / "images"
    rng = np.random.default_rng(0)
    for number in range(12):
        path = folder / f"{number // 6}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)).save(path)
    whole = (folder / "0" / "01.png").read_bytes()
    (folder / "0" / "00.png").write_bytes(b"no image")
    (folder / "0" / "02.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (SIZE, SIZE + 1)).save(folder / "0" / "04.png")
    (folder / "1" / "06.png").write_bytes(png_that_declares(60_000, 60_000))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, 2, 0, 0, 0)
    (folder / "1" / "07.png").write_bytes(png_of(header, SIZE * (b"\0" + bytes(6 * SIZE))))
    (folder / "1" / "10.png").write_bytes(png_that_declares(9_000, 8_000))
    Image.open(folder / "1" / "08.png").convert("RGB").save(folder / "1" / "09.png")
    return folder


BAD = {0: "holds no PNG", 2: "truncated", 4: "8x9", 6: "decompression bomb", 7: "16 bits", 10: "9000x8000"}


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_folder_of_images_with_every_kind_of_bad_one(images: Path, size: int) -> None:
    source = open_input(images, Roles(), GREY)
    ids, rejected, X = rows_of(source, size)
    good = [number for number in range(12) if number not in BAD]
    assert ids == [f"{number // 6}/{number:02d}.png" for number in good]
    assert [row for _, row, _ in rejected] == list(BAD)
    for (_, row, reason), (_, sentence) in zip(rejected, BAD.items(), strict=True):
        assert sentence in reason, (row, reason)
        assert str(images) not in reason
    np.testing.assert_array_equal(X[0, :, :, 0], np.asarray(Image.open(images / "0" / "01.png")))
    np.testing.assert_array_equal(X[-2], X[-3])
    assert [row for chunk in source.chunks(5, 5) for row in chunk.rows] == [5, 8, 9, 11]


def test_a_list_of_images(images: Path, tmp_path: Path) -> None:
    (images / "list.txt").write_text(f"1/08.png\nmissing.png\n{images}/0/03.png\n")
    ids, rejected, _ = rows_of(open_input(images / "list.txt", Roles(), GREY), 2)
    assert ids == ["1/08.png", f"{images}/0/03.png"]
    assert [(name, row) for name, row, _ in rejected] == [("missing.png", 1)]
    assert "No such file" in rejected[0][2]
    (images / "list.txt").write_text("1/08.png\n1/08.png\n")
    with pytest.raises(DataError, match="again at row 1"):
        open_input(images / "list.txt", Roles(), GREY)


def test_a_listed_folder_has_groups_and_stays_in_its_bounds(images: Path) -> None:
    (images.parent / "outside.png").write_bytes((images / "0" / "01.png").read_bytes())
    rows = ["file,patient,name,crack", "1/08.png,p1,a,0", "../outside.png,p1,b,0", "0/01.png,,c,1", "0/03.png,7,d,0"]
    (images / "labels.csv").write_text("\n".join([*rows, "nowhere.png,p2,e,0", "0/05.png,p3,,0"]))
    source = open_input(images, Roles(id="name"), GREY)
    ids, rejected, _ = rows_of(source, 100)
    (chunk,) = source.chunks(100, 0)
    assert (ids, chunk.groups.tolist()) == (["a", "d"], ["p1", "7"])
    assert [(name, row) for name, row, _ in rejected] == [("b", 1), ("c", 2), ("e", 4), ("", 5)]
    assert "inside" in rejected[0][2]
    assert rejected[1][2] == "column 'patient' is empty"


def test_images_for_a_model_of_vectors_are_refused(images: Path) -> None:
    with pytest.raises(DataError, match=r"takes rows of shape \(2,\)"):
        open_input(images, Roles(), NUMBERS)


def test_what_the_machine_lacks_is_no_fault_of_an_image(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object, **named: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Image, "open", failing)
    with pytest.raises(OSError, match="Too many open files"):
        rows_of(open_input(images, Roles(), GREY), 5)


def test_a_source_of_another_kind_is_tried_row_by_row() -> None:
    class Scans(RowSource):
        shape, dtype = (4, 2), np.dtype(np.uint8)

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            if 2 in rows:
                raise DataError("scan 2 is cut")
            return np.repeat(np.asarray(rows, np.uint8)[:, None], 2, axis=1)

    told = list(Scans().attempts(np.arange(4)))
    assert [str(row) if isinstance(row, DataError) else row.tolist() for row in told] == [
        [0, 0],
        [1, 1],
        "scan 2 is cut",
        [3, 3],
    ]


class Silent:
    def begin(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total

    def stage(self, stage: str, done: int, total: int) -> None: ...
    def advance(self, rows: int) -> None: ...


def flatten(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1) / 255


def test_images_are_predicted_as_in_memory(images: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (400, SIZE, SIZE, 1), dtype=np.uint8)
    Y = np.column_stack([X[:, 0, 0, 0] > 200, X[:, 1, 1, 0] > 200]).astype(int)
    gate = make_pipeline(FunctionTransformer(flatten), LogisticRegression())
    labeler = make_pipeline(FunctionTransformer(flatten), LogisticRegression())
    predictor = CascadeClassifier(gate, MultiOutputClassifier(labeler)).fit(X, Y).predictor_
    source, answers = open_input(images, Roles(), predictor.signature), CascadeTables(predictor)
    identity = {"model": {}, "settings": {}, "versions": {}}
    summary = run_job(tmp_path / "out", source, answers, identity, Settings(5, max_rejected=0.5), Silent())
    assert (summary["rows"], summary["rejected"], summary["shards"]) == (12, 6, 3)
    for number in BAD:
        (images / f"{number // 6}" / f"{number:02d}.png").unlink()
    data = read_data(images, labelled=False, row_shape=(SIZE, SIZE, 1))
    table = pyarrow.parquet.read_table(tmp_path / "out")
    assert table["id"].to_pylist() == data.ids.tolist()
    np.testing.assert_allclose(table["gate_probability"], predictor.gate_proba(data.X[np.arange(6)]), rtol=1e-12)


def test_a_phantom_of_images_is_read_as_in_memory(png_folder: Path) -> None:
    data = read_data(png_folder, labelled=False)
    (chunk,) = open_input(png_folder, Roles(), InputSignature((32, 32, 1), "uint8")).chunks(100, 0)
    assert (chunk.ids.tolist(), chunk.groups.tolist()) == (data.ids.tolist(), data.groups.tolist())
    np.testing.assert_array_equal(chunk.X, data.X[np.arange(len(data))])


def test_a_phantom_is_read_in_parts(phantom_folder: Path) -> None:
    source = open_input(phantom_folder, Roles(), InputSignature((32, 32, 1), "uint8"))
    chunk = next(source.chunks(100, 500))
    data = read_data(phantom_folder)
    np.testing.assert_array_equal(chunk.X, data.X[500:600])
    # A mapped file that is cut kills the process.
    assert not isinstance(chunk.X, np.memmap)
    assert chunk.ids.tolist() == data.ids[500:].tolist()
    assert chunk.groups.tolist() == data.groups[500:].tolist()


def test_a_tree_of_slices_is_read_shard_by_shard_as_in_memory(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    folder = tmp_path / "dicom"
    write_phantom(folder, rows=40, size=16, seed=3, format="dicom")
    data = read_data(folder / "images", Roles(), labelled=False)
    ids, rejected, X = rows_of(open_input(folder / "images", Roles(), SLICES), 7)
    assert rejected == []
    assert ids == data.ids.tolist()
    np.testing.assert_array_equal(X, data.X[np.arange(40)])
    groups = [chunk.groups for chunk in open_input(folder / "images", Roles(), SLICES).chunks(7, 0)]
    np.testing.assert_array_equal(np.concatenate(groups), data.groups)


def test_slices_that_cannot_be_read_are_rejected_one_by_one(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    folder = tmp_path / "dicom"
    write_phantom(folder, rows=32, size=16, seed=3, format="dicom")
    paths = sorted((folder / "images").rglob("*.dcm"))
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    paths[5].write_bytes(b"no slice")
    source = open_input(folder / "images", Roles(group="StudyInstanceUID", id="SOPInstanceUID"), SLICES)
    ids, rejected, X = rows_of(source, 5)
    assert [row for _, row, _ in rejected] == [0, 5]
    assert "is cut" in rejected[0][2]
    assert all(str(folder) not in reason for *_, reason in rejected)
    assert len(ids) == len(X) == 30
    assert all("." in name for name in ids), "identifiers are the slices' own"
    with pytest.raises(DataError, match="has no group 'ward'"):
        open_input(folder / "images", Roles(group="ward"), SLICES)
