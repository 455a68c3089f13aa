"""Text tables as people have them: the same rows whatever separator, encoding, packing or decimal mark."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.readers.table.table_format import TableFormat
from cascade.data.signature import InputSignature
from cascade.errors import ConfigError, DataError

ROLES = Roles(labels=("crack",), id="name", kinds={"größe": "number", "site": "category", "note": "text"})
TABLE = pd.DataFrame(
    {
        "name": ["a1", "a2", "a3"],
        "größe": [1.5, -2.25, 3.0],
        "site": ["n", "s", "n"],
        "note": ["first line,\nsecond", 'with "quotes"', ""],
        "crack": [0, 1, 0],
    }
)


def written(path: Path, form: str) -> Path:
    if form == "semicolon":
        TABLE.to_csv(path / "t.csv", index=False, sep=";", decimal=",")
    elif form == "latin-1":
        TABLE.to_csv(path / "t.csv", index=False, encoding="latin-1")
    elif form == "utf-16":
        TABLE.to_csv(path / "t.csv", index=False, encoding="utf-16")
    elif form == "utf-8 with a mark":
        TABLE.to_csv(path / "t.csv", index=False, encoding="utf-8-sig")
    elif form == "tabs":
        TABLE.to_csv(path / "t.tsv", index=False, sep="\t")
        return path / "t.tsv"
    elif form == "gzip":
        (path / "t.csv.gz").write_bytes(gzip.compress(TABLE.to_csv(index=False).encode()))
        return path / "t.csv.gz"
    elif form == "zstandard":
        packed = pa.Codec("zstd").compress(TABLE.to_csv(index=False).encode(), asbytes=True)
        (path / "t.csv.zst").write_bytes(packed)
        return path / "t.csv.zst"
    elif form == "json lines":
        TABLE.to_json(path / "t.jsonl", orient="records", lines=True)
        return path / "t.jsonl"
    elif form == "parquet":
        TABLE.to_parquet(path / "t.parquet")
        return path / "t.parquet"
    return path / "t.csv"


FORMS = ("semicolon", "latin-1", "utf-16", "utf-8 with a mark", "tabs", "gzip", "zstandard", "json lines", "parquet")


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_rows_in_memory_and_in_a_job(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    data = read_data(path, ROLES)
    features = ["größe", "site", "note"]
    pd.testing.assert_frame_equal(data.X, TABLE[features].astype({"site": object, "note": object}))
    assert data.Y is not None
    assert data.Y[:, 0].tolist() == [0, 1, 0]
    assert data.ids.tolist() == ["a1", "a2", "a3"]
    source = open_input(path, ROLES, InputSignature.of(data.X))
    (chunk,) = source.chunks(10, 0)
    pd.testing.assert_frame_equal(chunk.X, data.X)
    assert chunk.ids.tolist() == data.ids.tolist()


def test_one_damaged_line_does_not_change_the_encoding(tmp_path: Path) -> None:
    lines = b"name,size,crack\n" + b"".join(b"r%d,1,0\n" % k for k in range(50)) + b"bad\xff,1,0\n"
    (tmp_path / "t.csv").write_bytes(lines)
    roles = Roles(labels=("crack",), id="name")
    with pytest.raises(DataError, match=r"column 'name' is not UTF-8; set `data\.csv\.encoding`"):
        read_data(tmp_path / "t.csv", roles)
    source = open_input(tmp_path / "t.csv", roles, InputSignature((1,), "number", ("size",)))
    (chunk,) = source.chunks(100, 0)
    assert (len(chunk.ids), chunk.rejected.num_rows) == (50, 1)


def test_declared_spellings_are_missing_and_words_are_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,crack\n1.5,yes\n?,No\n,TRUE\n")
    roles = Roles(labels=("crack",), allow_missing=True, format=TableFormat(missing=("?",)))
    data = read_data(tmp_path / "t.csv", roles)
    np.testing.assert_array_equal(data.X[:, 0], [1.5, np.nan, np.nan])
    assert data.Y is not None
    assert data.Y[:, 0].tolist() == [1, 0, 1]


def test_uncertain_labels_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,crack,dent\n1,-1,maybe\n2,1,0\n3,0,1\n")
    data = read_data(tmp_path / "t.csv", Roles(labels=("crack", "dent"), uncertain=("-1", "maybe")))
    assert data.known is not None
    assert data.known.tolist() == [[False, False], [True, True], [True, True]]


def test_kinds_are_inferred_and_free_text_must_be_declared(tmp_path: Path) -> None:
    n = 200
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "site": rng.choice(["n", "s"], n),
            "day": pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"),
            "crack": rng.integers(0, 2, n),
            "note": [f"note {k}" for k in range(n)],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        DataError, match=r"column 'note' of text with 200 distinct values in 200 rows; name it in `text`"
    ):
        read_data(tmp_path / "t.csv", Roles(labels=("crack",)))
    data = read_data(tmp_path / "t.csv", Roles(labels=("crack",), drop=frozenset({"note"})))
    assert data.kinds == {"size": "number", "site": "category", "day": "date"}
    assert data.X["day"].tolist() == frame["day"].map(pd.Timestamp).tolist()
    only = read_data(tmp_path / "t.csv", Roles(labels=("crack",), features=("size",)))
    np.testing.assert_array_equal(only.X[:, 0], frame["size"])


def test_rows_of_long_form_are_joined(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,size,label\na,1,x\nb,2,none\na,1,y\nc,3,x\n")
    roles = Roles(label_list=LabelList("label", none=("none",), id="image"))
    data = read_data(tmp_path / "t.csv", roles)
    assert data.ids.tolist() == ["a", "b", "c"]
    assert data.label_names == ("x", "y")
    assert data.Y is not None
    assert data.Y.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert data.X[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "words"), [({"separator": "::"}, "one character"), ({"decimal": "'"}, "'.' or ','")]
)
def test_invalid_formats_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TableFormat(**options)


COMMENTS = {
    "the last one is the header": '# made by hand\n# n=3, m=4, k=1\n# id, start, tags\n-a, 1.5, "x"\n-b, 2, "x,y"\n',
    "the header follows": '# made by hand, in May\n#\nid,start,tags\n-a,1.5,x\n-b,2,"x,y"\n',
    "no comments, blanks behind commas": 'id, start, tags\n-a, 1.5, x\n-b, 2, "x,y"\n',
}


@pytest.mark.parametrize("text", COMMENTS.values(), ids=COMMENTS)
def test_comments_before_the_header_and_blanks_before_quotes_are_no_part_of_a_table(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    roles = Roles(id="id", label_list=LabelList("tags"))
    data = read_data(tmp_path / "t.csv", roles)
    assert data.ids.tolist() == ["-a", "-b"]
    assert np.asarray(data.X).tolist() == [[1.5], [2.0]]
    assert data.label_names == ("x", "y")
    assert np.asarray(data.Y).tolist() == [[1, 0], [1, 1]]
    chunk = next(open_input(tmp_path / "t.csv", roles, InputSignature((1,), "number", ("start",))).chunks(9, 0))
    assert chunk.X.tolist() == [[1.5], [2.0]]


@pytest.mark.parametrize(
    "text", ["#id,a,y\n#1,2,0\nx,3,1\n", "#id,a,y\n#1,2,0\n#2,3,1\n", "# id,a,y\n# 1,2,0\n# 2,3,1\n"]
)
def test_rows_whose_names_begin_with_the_mark_of_comments_are_not_lost(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    data = read_data(tmp_path / "t.csv", Roles(labels=("y",), id=text.split(",")[0]))
    assert len(data) == 2
    assert np.asarray(data.X).tolist() == [[2], [3]]


def test_a_text_with_blanks_before_quotes_inside_is_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id, note, y\n1, "he said, ""no"", and left", 0\n2, "a\n, ""b""", 1\n')
    data = read_data(tmp_path / "t.csv", Roles(labels=("y",), id="id", kinds={"note": "text"}))
    assert data.X["note"].tolist() == ['he said, "no", and left', 'a\n, "b"']


def test_minus_one_is_no_label_where_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,a,b\n1,1,-1\n2,-1,absent\n3,0,1\n")
    with pytest.raises(DataError, match=r"label 'a' is -1, not 0 or 1; name such values in `data.negative`"):
        read_data(tmp_path / "t.csv", Roles(labels=("a",), drop=frozenset({"b"})))
    with pytest.raises(DataError, match=r"label 'b' is 'absent', not a number; name such values in `data.negative`"):
        read_data(tmp_path / "t.csv", Roles(labels=("b",), drop=frozenset({"a"}), negative=("-1",)))
    data = read_data(tmp_path / "t.csv", Roles(labels=("a", "b"), negative=("-1", "Absent"), uncertain=("0",)))
    assert np.asarray(data.Y).tolist() == [[1, 0], [0, 0], [0, 1]]
    assert np.asarray(data.known).tolist() == [[True, True], [True, True], [False, True]]


def test_blank_lines_within_a_text_are_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('\nnote,y\n\n"first\n\n\nsecond",1\n\n"x",0\n')
    data = read_data(tmp_path / "t.csv", Roles(labels=("y",), kinds={"note": "text"}))
    assert data.X["note"].tolist() == ["first\n\n\nsecond", "x"]


def test_a_long_cell_of_digits_takes_little_time(tmp_path: Path) -> None:
    # This took quadratic time with an expression that divides digits in several ways.
    (tmp_path / "t.csv").write_text("x,y\n1,0\n" + "1" * 200_000 + "x,1\n")
    with pytest.raises(DataError, match=r"row 1: feature 'x' is '1+', not a number"):
        read_data(tmp_path / "t.csv", Roles(labels=("y",)))
