"""Tables as people have them: every line is a row or has a reason, and reading whole equals reading in parts."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.names import canonical_names
from cascade.data.readers.table.cells import no_reasons, numbers_of
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.csv_records import MOST_BYTES
from cascade.data.signature import InputSignature
from cascade.errors import DataError

SIGNATURE = InputSignature((2,), "number", ("x", "y"))
LABELLED = Roles(labels=("a",))


def streamed(path: Path, roles: Roles | None = None, size: int = 100) -> tuple[list[int], list[list[float]], dict]:
    """Row numbers and features of valid rows, and the reasons of the others."""
    rows, X, reasons = [], [], {}
    for chunk in open_input(path, roles or Roles(), SIGNATURE).chunks(size, 0):
        rows += chunk.rows.tolist()
        X += chunk.X.tolist()
        reasons |= {row["row"]: row["reason"] for row in chunk.rejected.to_pylist()}
    return rows, X, reasons


def check_both(path: Path) -> None:
    """Check that both readers accept the same rows; a file read whole is refused at the first invalid one."""
    rows, X, reasons = streamed(path)
    assert sorted([*rows, *reasons]) == list(range(len(rows) + len(reasons)))
    assert streamed(path, size=3) == (rows, X, reasons)
    if reasons:
        first = min(reasons)
        with pytest.raises(DataError, match=f"invalid row {first}: ") as caught:
            read_data(path, Roles(), labelled=False, features=("x", "y"))
        assert reasons[first] in str(caught.value)
    else:
        np.testing.assert_array_equal(read_data(path, Roles(), labelled=False, features=("x", "y")).X, X)


CELLS = ("0x10", "true", "FALSE", "\uff11", '"1\n"', "\ufffd", "nan", "NAN", "1e5", "+1", '""', '5"', '"5" x', "1_0")
CELLS += ("inf", "", " ", '"', '"""', "1,2", "-", "NA", "null", "1.", ".5", "1e", "\x00", '"7"', "' 1'", "1 2")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("beside", ["3", "word"])
def test_one_rule_reads_a_cell_whole_and_in_parts(cell: str, beside: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"x,y\n1,2\n{cell},5\n6,7\n8,9\n{beside},0\n", encoding="utf-8")
    check_both(path)
    # Whether a cell is valid does not depend on the cells beside it.
    alone = numbers_of(pa.chunked_array([[cell]]), "feature", no_reasons(1))
    both = numbers_of(pa.chunked_array([[cell, "word"]]), "feature", no_reasons(2))
    np.testing.assert_array_equal(alone, both[:1])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(st.sampled_from('01.,"\n\ra e-'), max_size=12), max_size=12))
def test_any_lines_give_the_same_rows_whole_and_in_parts(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(["x,y", "1,2", *lines]).encode())
    check_both(path)


# NUL is left out of names: arrays of NumPy cannot hold it at the end of a text.
cell_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), cell_text), min_size=1, max_size=30))
def test_whatever_a_csv_writer_quotes_is_read_back(rows: list[tuple[float, str]], tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    # Letters first, since a name that means a missing one is refused, and blanks around a name are dropped.
    writer.writerows([("x", "y", "note"), *((x, number, f"n{note}n") for number, (x, note) in enumerate(rows))])
    (tmp_path / "t.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    (chunk,) = open_input(tmp_path / "t.csv", Roles(group="note"), SIGNATURE).chunks(100, 0)
    assert chunk.groups.tolist() == [f"n{note}n" for _, note in rows]
    assert chunk.X.tolist() == [[x, number] for number, (x, _) in enumerate(rows)]


def with_strays(first: int, last: int, column: int, opens_again: bool) -> list[str]:
    rng = np.random.default_rng(0)
    rows = [[f"note {row}", f"{rng.normal():.3f}", str(row), str(row % 2)] for row in range(8000)]
    rows[first][column] = '"' + rows[first][column]
    rows[last][column] = '"' + rows[last][column] if opens_again else rows[last][column] + '"'
    return [",".join(row) for row in rows]


@pytest.mark.parametrize(("first", "last"), [(100, 4000), (7, 8), (0, 7999)])
@pytest.mark.parametrize("column", [0, 1, 3])
@pytest.mark.parametrize("opens_again", [True, False])
def test_stray_quotes_cost_two_rows_and_not_those_between(
    first: int, last: int, column: int, opens_again: bool, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["note,x,y,a", *with_strays(first, last, column, opens_again)]))
    rows, _, reasons = streamed(path, size=10_000)
    assert len(rows) + len(reasons) == 8000
    assert set(reasons) == {first, last}
    with pytest.raises(DataError, match=f"invalid row {first}: .*quote"):
        read_data(path, LABELLED, features=())


def test_cells_with_lines_that_belong_to_a_text_are_kept(tmp_path: Path) -> None:
    texts = ["one\ntwo, three\n\nfour", 'a "word",\nand, so, on', "x\n" * 5000, "1,2\nbut no row"]
    frame = pd.DataFrame({"note": texts, "x": 1.5, "y": range(4), "a": [0, 1, 0, 1]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    rows, X, reasons = streamed(tmp_path / "t.csv", Roles(id="y"))
    assert (rows, reasons) == ([0, 1, 2, 3], {})
    assert [[1.5, row] for row in range(4)] == X


def test_a_text_whose_lines_have_a_comma_and_a_number_is_kept(tmp_path: Path) -> None:
    texts = ["flour, 200\nsugar, 100\neggs, 3\nsalt, 1\nmilk, 20"] * 20 + ["stir"] * 20
    pd.DataFrame({"note": texts, "a": [0, 1] * 20}).to_csv(tmp_path / "t.csv", index=False)
    data = read_data(tmp_path / "t.csv", LABELLED, features=())
    assert data.Y[:, 0].tolist() == [0, 1] * 20


def test_strays_beside_other_damage_do_not_take_rows_along(tmp_path: Path) -> None:
    lines = [f"{row},{row / 8},{row % 7},0" for row in range(60)]
    lines[23], lines[58] = '23,-,"1.036,68,1', '58,1.6,82,",0'
    (tmp_path / "t.csv").write_text("\n".join(["key,x,y,a", *lines]))
    rows, _, reasons = streamed(tmp_path / "t.csv")
    assert sorted([*rows, *reasons]) == list(range(60))
    assert set(reasons) == {23, 58}


def test_a_quote_that_stays_open_and_a_line_that_is_too_long_cost_one_row(tmp_path: Path) -> None:
    long = b"9" * (MOST_BYTES + 1)
    (tmp_path / "t.csv").write_bytes(b"x,y\n1,2\n3," + long + b'\n5,6\n"7,8\n' + b"1,2\n" * 10)
    rows, _, reasons = streamed(tmp_path / "t.csv")
    assert rows == [0, 2, *range(4, 14)]
    assert reasons == {1: f"its line has more than {MOST_BYTES} bytes", 3: "a quote opens a cell and is not closed"}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(ends: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(ends.join(["x,y", "1,2", "", "3,4", ""]).encode("utf-8-sig"))
    assert streamed(tmp_path / "t.csv")[1] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_other_encodings_are_read_whole_and_in_parts(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("gr\u00f6\u00dfe,x,y,a\nk\u00fchl,2,3,0\nhei\u00df,4,5,1\n".encode(encoding))
    roles = Roles(labels=("a",), id="gr\u00f6\u00dfe")
    assert read_data(tmp_path / "t.csv", roles, features=("x", "y")).ids.tolist() == ["k\u00fchl", "hei\u00df"]
    assert streamed(tmp_path / "t.csv", roles)[:2] == ([0, 1], [[2, 3], [4, 5]])


def test_a_ragged_line_with_a_byte_that_is_no_text_costs_one_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"x,y\n1,2\n\xff,3,4\n5,6\n")
    assert streamed(tmp_path / "t.csv")[0] == [0, 2]


def test_a_folder_of_parquet_files_of_other_types_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    (folder / "_temporary").mkdir(parents=True)
    parts = [
        {"x": [1, 2], "y": [True, False], "g": [1, 2], "a": [0, 1]},
        {"x": [1.5, 2.5], "y": pa.array([3, 4], pa.int8()), "g": ["1", "3"], "a": [0.0, 1.0]},
        {"x": pa.array([1, 2], pa.decimal128(5, 2)), "y": pa.nulls(2), "g": [1.0, 4.0], "a": [True, False]},
    ]
    for number, part in enumerate(parts):
        pyarrow.parquet.write_table(pa.table(part), folder / f"{number}.parquet")
    for name in ("._0.parquet", ".hidden.parquet", "_temporary/9.parquet", "~$0.parquet"):
        (folder / name).write_bytes(b"left by a system")
    roles = Roles(labels=("a",), group="g", allow_missing=True)
    data = read_data(folder, roles)
    assert data.groups.tolist() == ["1", "2", "1", "3", "1", "4"]
    assert data.Y[:, 0].tolist() == [0, 1, 0, 1, 1, 0]
    np.testing.assert_array_equal(data.X, [[1, 1], [2, 0], [1.5, 3], [2.5, 4], [1, np.nan], [2, np.nan]])
    assert len(streamed(folder, roles)[0]) == 6


def test_an_index_that_pandas_saved_is_no_feature(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "a": [0, 1, 0]}, index=[3, 1, 2])
    frame.to_parquet(tmp_path / "unnamed.parquet")
    frame.rename_axis("row").to_parquet(tmp_path / "named.parquet")
    pd.DataFrame({"Unnamed: 0": [0, 1, 2], "x": [1.0, 2.0, 3.0], "a": [0, 1, 0]}).to_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace(",Unnamed", "Unnamed: 0.1,Unnamed", 1))
    for name in ("unnamed.parquet", "named.parquet", "t.csv"):
        assert read_data(tmp_path / name, LABELLED).feature_names == ("x",)
    assert read_data(tmp_path / "named.parquet", Roles(labels=("a",), id="row")).ids.tolist() == ["3", "1", "2"]


SPELLINGS = {
    "12": [12, 12.0, "12", "12.0", " 12 ", "12\0", np.float32(12), np.int8(12), "12.00"],
    "-3": [-3, "-3.0"],
    "0": [0.0, -0.0, "-0.0"],
    "12345678901234567": ["12345678901234567"],
    "10000000000000000": [1e16, "1e+16", 10**16],
    "2020-01-02": ["2020-01-02", "2020-01-02 00:00:00", "2020-01-02T00:00:00.000", pd.Timestamp("2020-01-02")],
    "2020-01-02 10:00:00.5": ["2020-01-02T10:00:00.500000", np.datetime64("2020-01-02T10:00:00.5")],
    "0.1": [0.1, np.float32(0.1), "0.1"],
    "007": ["007"],
    "12e4": ["12e4"],
    "1.10": ["1.10"],
}


@pytest.mark.parametrize(("text", "values"), SPELLINGS.items())
def test_a_value_has_one_spelling(text: str, values: list[object]) -> None:
    assert canonical_names(values).tolist() == [text] * len(values)
    # The canonical text of a canonical text is the same.
    assert canonical_names([text]).tolist() == [text]


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), "", " ", "nan", "NaT", "None", pd.NA, pd.NaT])
def test_a_missing_value_has_no_name(value: object, tmp_path: Path) -> None:
    assert canonical_names([value]).tolist() == [None]
    path = tmp_path / "t.csv"
    path.write_text(f"x,y,a,g\n1,2,0,p\n3,4,1,{'' if value is None else value}\n")
    for role in ("group", "id"):
        with pytest.raises(DataError, match="invalid row 1: column 'g' is empty"):
            read_data(path, Roles(labels=("a",), **{role: "g"}))
        assert streamed(path, Roles(**{role: "g"}))[2] == {1: "column 'g' is empty"}


def test_files_of_any_kind_spell_groups_alike(tmp_path: Path) -> None:
    columns = {"x": [1.0, 2.0], "y": [1, 2], "a": [0, 1]}
    groups = {"t.csv": ["12", "7"], "u.csv": ["12.0", "7.0"], "i.parquet": [12, 7], "f.parquet": [12.0, 7.0]}
    for name, group in groups.items():
        frame = pd.DataFrame({**columns, "g": group})
        frame.to_csv(tmp_path / name, index=False) if name.endswith("csv") else frame.to_parquet(tmp_path / name)
        assert read_data(tmp_path / name, Roles(labels=("a",), group="g")).groups.tolist() == ["12", "7"]
    np.savez(tmp_path / "t.npz", X=np.eye(2), Y=np.eye(2), groups=[12.0, 7.0], ids=[1.0, 2.0])
    data = read_data(tmp_path / "t.npz")
    assert (data.groups.tolist(), data.ids.tolist()) == (["12", "7"], ["1", "2"])


def test_pipes_loops_and_names_that_are_no_text(tmp_path: Path) -> None:
    for ending in ("csv", "parquet", "npz", "npy"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
        os.symlink(f"loop.{ending}", tmp_path / f"loop.{ending}")
        for name, sentence in ((f"pipe.{ending}", "must be a regular file"), (f"loop.{ending}", "does not exist")):
            with pytest.raises(DataError, match=sentence):
                read_data(tmp_path / name, LABELLED)
    frame = pd.DataFrame({"x": [1.0], "y": [2.0], "a": [1]})
    frame.to_parquet(tmp_path / "t.parquet")
    path = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    os.rename(tmp_path / "t.parquet", path)
    assert read_data(path, LABELLED).X.tolist() == [[1, 2]]


def test_infinity_is_refused_by_name_where_nan_is_allowed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0], "y": [1.0, 2.0, np.inf], "a": [0, 1, 0]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=frame[["x", "y"]], Y=frame[["a"]])
    for name, feature in (("t.csv", "'y'"), ("t.parquet", "'y'"), ("t.npz", "1")):
        with pytest.raises(DataError, match=f"{name}` has an invalid row 2: feature {feature} is infinite"):
            read_data(tmp_path / name, Roles(None if name == "t.npz" else ("a",), allow_missing=True))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npz"])
def test_a_failing_disk_is_no_fault_of_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0], "a": [0, 1]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=frame[["x", "y"]], Y=frame[["a"]])

    def failing(*given: object, **named: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", failing)
    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", failing)
    # The command line ends with status 1 for such an error, and with 3 for a fault of the file.
    with pytest.raises(OSError, match="Input/output error"):
        read_data(tmp_path / name, Roles(None if name == "t.npz" else ("a",)))
