"""What is read a column or a block at a time is what is read cell by cell and line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.batch.inputs.opening import open_input
from cascade.data.names import MISSING, canonical_names
from cascade.data.readers.table import csv, csv_records
from cascade.data.readers.table.cells import names_of, no_reasons
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.csv_records import RecordReader
from cascade.data.signature import InputSignature
from cascade.errors import DataError

# Pieces of records: quotes that enclose a cell, stray ones, separators and line ends within a cell.
PIECES = ['"', '""', ",", "\n", "a", "1", " ", '"x,y"', '"p""q"', "1,2", '"a\nb"', "1,2,3\n", ',"",\n', ";"]


@settings(max_examples=400)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40),
    n_cells=st.integers(1, 3),
    cut=st.integers(0, 20),
    spaced=st.booleans(),
)
def test_lines_read_at_once_are_those_read_one_by_one(pieces: list[str], n_cells: int, cut: int, spaced: bool) -> None:
    lines = "".join(pieces).encode().split(b"\n")

    def read() -> list[tuple[Any, Any]]:
        reader = RecordReader(n_cells, lines, spaced=spaced)
        parts = [reader.read(lines[:cut]), reader.read(lines[cut:]), reader.finish()]
        return [(part.valid, part.reasons) for part in parts]

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_are_records", lambda lines, *_: np.zeros(len(lines), dtype=bool))
        assert read() == found


NUMBERS = ["1", "-2.5", " 3 ", "\t4", "5e-3", "+6", "", "NA", "nan", "-nan", "inf", "true", "many", "1_0", "0x1F", "٣"]
NUMBERS += ["?", "1,5", "1e400", "12345678901234567890", "0.1", '"7"', '" 8"', '""', "\xa09"]


def streamed(path: Path, features: tuple[str, ...], roles: Roles) -> list[Any]:
    found: list[Any] = []
    for chunk in open_input(path, roles, InputSignature((len(features),), "number", features)).chunks(7, 0):
        groups = None if chunk.groups is None else chunk.groups.tolist()
        found.append((chunk.X.tobytes(), chunk.ids.tolist(), groups, chunk.rejected.to_pylist()))
    return found


@pytest.mark.parametrize("allow_missing", [False, True])
@pytest.mark.parametrize("features", [("x", "y"), ("y", "x"), ("x", "code")])
@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_a_block_are_those_of_its_cells(
    seed: int, features: tuple[str, ...], allow_missing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, path = np.random.default_rng(seed), tmp_path / "t.csv"
    lines = ["x,code,y"]
    for row in range(400):
        # Blocks without a special cell, and blocks with some.
        cells = rng.choice(NUMBERS if row % 100 > 80 else NUMBERS[:1], 2)
        lines.append(f"{cells[0]},0{row % 9},{rng.random()!r}" if row % 50 else f'{cells[1]},"0{row % 9}",{row}')
    path.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(csv_records, "BLOCK_BYTES", 300)
    roles = Roles(id="code", allow_missing=allow_missing)
    found = streamed(path, features, roles)
    assert any(rejected for *_, rejected in found)
    # Identifiers are text, also where the same column is a feature.
    assert all(one.startswith("0") for _, ids, _, _ in found for one in ids)

    def refused(*given: Any) -> Any:
        if len(given) > 4:
            raise pa.ArrowInvalid
        return parsed(*given)

    parsed = csv._parsed
    monkeypatch.setattr(csv, "_parsed", refused)
    assert streamed(path, features, roles) == found


@settings(max_examples=200)
@given(
    values=st.lists(
        st.none()
        | st.sampled_from([*sorted(MISSING), "007", "1.0", "-10", "100", "a0", "1e+20", "a+b0", "2020-01-01T00:00:00"])
        | st.text(st.sampled_from("01aeE+-.T: \0\n/é,~!") | st.characters(codec="utf-8"), max_size=8),
        max_size=20,
    ),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
)
def test_names_of_a_column_are_those_of_its_cells(values: list[str | None], kind: pa.DataType) -> None:
    wanted = canonical_names(values)
    reasons = no_reasons(len(values))
    found = names_of(pa.chunked_array([pa.array(values, kind)]), "id", reasons)
    assert found.tolist() == [name or "" for name in wanted]
    assert [reason is not None for reason in reasons] == [name is None for name in wanted]


FLOATS = {"half": pa.float16(), "float": pa.float32(), "double": pa.float64()}


@pytest.mark.parametrize("second", FLOATS)
@pytest.mark.parametrize("first", FLOATS)
def test_floats_of_any_width_are_one_column(first: str, second: str, tmp_path: Path) -> None:
    values = [0.5, None, -2.25, np.nan, 3.0]
    halves = [None if value is None else np.float16(value) for value in values]
    for number, kind in enumerate((first, second)):
        column = pa.array(halves if kind == "half" else values, FLOATS[kind])
        pa.parquet.write_table(
            pa.table({"x": column, "y": pa.array([1, 2, 3, 4, None])}), tmp_path / f"{number}.parquet"
        )
    signature = InputSignature((2,), "number", ("x", "y"))
    chunks = open_input(tmp_path, Roles(allow_missing=True), signature).chunks(4, 0)
    wanted = [[0.5, 1], [np.nan, 2], [-2.25, 3], [np.nan, 4], [3, np.nan]] * 2
    np.testing.assert_array_equal(np.concatenate([chunk.X for chunk in chunks]), wanted)


@pytest.mark.parametrize("column", ["id", "x"])
def test_texts_of_parquet_that_are_no_utf8_are_refused(column: str, tmp_path: Path) -> None:
    buffers = [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")]
    damaged, whole = pa.Array.from_buffers(pa.string(), 2, buffers), pa.array(["a", "b"])
    table = pa.table({name: damaged if name == column else whole for name in ("id", "x")})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    signature = InputSignature((1,), "object", ("x",), ("text",))
    source = open_input(tmp_path / "t.parquet", Roles(id="id", kinds={"x": "text"}), signature)
    with pytest.raises(DataError, match=r"cannot be read as a table.*UTF8"):
        list(source.chunks(10, 0))
