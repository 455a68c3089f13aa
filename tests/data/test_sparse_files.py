"""Sparse rows from text: SVMlight, the extreme classification repository, and ARFF with MULAN's or MEKA's labels."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from cascade.batch.inputs.opening import open_input
from cascade.data import Dataset, read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade.errors import DataError

XML = '<labels xmlns="http://mulan.sourceforge.net/labels"><label name="a"><label name="c"/></label></labels>'
SPARSE = """% made by hand
@relation 'toy: -C -2'
@attribute x numeric
@ATTRIBUTE 'y z' {0,1}
@attribute a {0,1}
@attribute c {false,true}
@data
{0 1.5,3 true}
% a comment
{}
{ 1 1, 2 1 , 3 true }
"""
DENSE = """@relation toy
@attribute x real
@attribute 'it\\'s' {red,'dark, blue'}
@attribute a {0,1}
@attribute c {0,1}

@data
1.5, red, 0, 1
?, 'dark, blue', 0,0
2,red,1,1
"""
XC = "3 4 2\n# a comment\n1 0:1.5\n\n0,1 3:2e-1 1:-1 # a comment\n"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def truth(data: Dataset) -> tuple[list[list[float]], list[list[int]]]:
    assert sparse.issparse(data.X)
    Y = data.with_dense_labels().Y
    return data.X.toarray().tolist(), np.asarray(Y).tolist()


def test_a_file_of_several_labels_reads_as_scikit_learn_reads_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = sparse.random(200, 30, 0.1, format="csr", random_state=0)
    Y = (rng.random((200, 3)) < 0.15).astype(int)
    filled = (X.getnnz(axis=1) > 0) | Y.any(axis=1)
    assert not filled.all()
    with (tmp_path / "t.svm").open("wb") as handle:
        dump_svmlight_file(X, sparse.csr_matrix(Y), handle, multilabel=True, zero_based=True)
    given, labels = load_svmlight_file(str(tmp_path / "t.svm"), multilabel=True, zero_based=True)
    data = read_data(tmp_path / "t.svm")
    # Numbers are written with 16 digits.
    assert abs(data.X - X).max() < 1e-15
    # scikit-learn leaves out rows without labels and values.
    assert (given != data.X[filled]).nnz == 0
    assert data.label_names == ("0", "1", "2")
    rows = np.asarray(data.with_dense_labels().Y)
    assert rows.tolist() == Y.tolist()
    assert [tuple(np.flatnonzero(row)) for row in rows[filled]] == [tuple(map(int, row)) for row in labels]


def test_declared_sizes_keep_rows_features_and_labels_that_do_not_occur(tmp_path: Path) -> None:
    for name, text in (("t.txt", XC.encode()), ("t.txt.gz", gzip.compress(XC.encode()))):
        X, Y = truth(read_data(written(tmp_path / name, text)))
        assert X == [[1.5, 0, 0, 0], [0, 0, 0, 0], [0, -1, 0, 0.2]]
        assert Y == [[0, 1], [0, 0], [1, 1]]


def test_labels_are_those_that_occur_in_the_order_of_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "t.txt", "10,2 1:1\n 1:2\n2.0 0:1 qid:3\n-1 1:1\n")
    path.write_text(path.read_text().replace(" qid:3", ""))
    data = read_data(path, Roles(negative=("-1",)))
    assert data.label_names == ("2", "10")
    assert truth(data)[1] == [[1, 1], [0, 0], [1, 0], [0, 0]]
    wanted = read_data(path, Roles(labels=("10", "7", "2", "-1")))
    assert np.asarray(wanted.with_dense_labels().Y)[0].tolist() == [1, 0, 1, 0]
    with pytest.raises(DataError, match="a label '2' that is not one of 10"):
        read_data(path, Roles(labels=("10",), negative=("-1",)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 0:1\n1 0:1 2:\n", "row 1: '2:' is no index and value such as 12:0.5"),
        ("1 0:1\n1 0:1 2\n", "row 1: '2' is no index and value"),
        ("1 -3:1\n", "row 0: '-3:1' is no index and value"),
        ("1 1_0:1\n", "row 0: '1_0:1' is no index and value"),
        ("1 3:1 3:2\n", "row 0: its index 3 occurs twice"),
        ("1 99999999999999999999999:1\n", "is not below 67108864, the number of features"),
        ("1;2 3:1\n", "row 0: its labels are '1;2', not numbers with commas between them"),
        ("1 3:nan\n", "row 0: feature 3 is empty or NaN"),
        ("1 3:inf\n", "row 0: feature 3 is infinite"),
        (" 3:1\n", "at least one label"),
        ("", "at least one row"),
        ("2 4 2\n0 1:1\n", "declares 2 rows in its first line. Received 1; is it cut?"),
        ("1 4 2\n0 4:1\n", "row 0: its index 4 is not below 4, the number of features"),
        ("1 4 2\n2 3:1\n", "row 0: its label 2 is not one of the 2 that the first line declares"),
        ("1 4 2\n-1 3:1\n", "row 0: its label -1 is not one of the 2 that the first line declares"),
        ("1 999999999999 2\n0 3:1\n", "must have 1 to 67108864 features"),
        ("1 4 99999999999\n0 3:1\n", "and 1 to 10000000 labels"),
    ],
)
def test_malformed_lines_are_refused_with_their_row(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        read_data(written(tmp_path / "t.svm", text))


def test_long_lines_and_runs_of_blanks_or_digits_take_little_time(tmp_path: Path) -> None:
    # These took exponential or quadratic time with expressions that match blanks or digits in several ways.
    for text in ("1:1" + " " * 50_000 + "x", "1" * 60_000 + "x", "1:1 " * 15_000 + "x"):
        with pytest.raises(DataError):
            read_data(written(tmp_path / "t.txt", text))


def test_a_job_rejects_malformed_rows_and_keeps_the_others(tmp_path: Path) -> None:
    path = written(tmp_path / "t.svm", "1 0:1\n1 0:x\n0 2:3\n5 9:1\n 1:1\n")
    rows = open_input(path, Roles(), InputSignature((3,), "number"))
    chunks = list(rows.chunks(2, 0))
    assert np.vstack([chunk.X.toarray() for chunk in chunks]).tolist() == [[1, 0, 0], [0, 0, 3], [0, 1, 0]]
    assert [row for chunk in chunks for row in chunk.ids.tolist()] == ["0", "2", "4"]
    reasons = [reason for chunk in chunks for reason in chunk.rejected["reason"].to_pylist()]
    assert reasons == [
        "'0:x' is no index and value such as 12:0.5",
        "its index 9 is not below 3, the number of features",
    ]
    resumed = list(rows.chunks(2, 3))
    assert [row for chunk in resumed for row in chunk.ids.tolist()] == ["4"]
    with pytest.raises(DataError, match="holds sparse rows and has no column 'part'"):
        open_input(path, Roles(group="part"), InputSignature((3,), "number"))


def arff(path: Path, text: str, xml: str | None = XML) -> Path:
    if xml is not None:
        path.with_suffix(".xml").write_text(xml)
    return written(path, text)


@pytest.mark.parametrize("xml", [XML, None], ids=["MULAN", "MEKA"])
def test_sparse_arff_has_the_labels_that_its_xml_or_its_relation_names(xml: str | None, tmp_path: Path) -> None:
    path = arff(tmp_path / "t.arff", SPARSE, xml)
    data = read_data(path)
    assert data.label_names == ("a", "c")
    assert truth(data) == ([[1.5, 0], [0, 0], [0, 1]], [[0, 1], [0, 0], [1, 1]])
    chosen = read_data(path, Roles(labels=("c",), drop=frozenset({"x"})))
    assert truth(chosen) == ([[0], [0], [1]], [[1], [0], [1]])
    chunk = next(open_input(path, Roles(), InputSignature((2,), "number")).chunks(9, 0))
    assert chunk.X.toarray().tolist() == [[1.5, 0], [0, 0], [0, 1]]


def test_parts_of_a_data_set_share_the_file_of_labels(tmp_path: Path) -> None:
    (tmp_path / "toy.xml").write_text(XML)
    assert read_data(written(tmp_path / "toy-train.arff", SPARSE.replace(": -C -2", ""))).label_names == ("a", "c")


def test_dense_arff_is_a_table_of_any_columns(tmp_path: Path) -> None:
    path = arff(tmp_path / "t.arff", DENSE)
    roles = Roles(allow_missing=True)
    data = read_data(path, roles)
    assert data.feature_names == ("x", "it's")
    assert data.kinds == {"x": "number", "it's": "category"}
    assert data.X["it's"].tolist() == ["red", "dark, blue", "red"]
    assert np.isnan(data.X["x"][1])
    assert np.asarray(data.Y).tolist() == [[0, 1], [0, 0], [1, 1]]
    signature = InputSignature((2,), None, ("x", "it's"), ("number", "category"))
    chunk = next(open_input(path, Roles(kinds=signature.kinds), signature).chunks(9, 0))
    assert chunk.X["it's"].tolist() == ["red", "dark, blue", "red"]


@pytest.mark.parametrize(
    ("text", "xml", "sentence"),
    [
        (SPARSE.replace("{0 1.5,3 true}", "{0 1.5,9 true}"), XML, "row 0: its attribute 9 is not below 4"),
        (SPARSE.replace("{0 1.5,3 true}", "{0 1.5,0 2}"), XML, "row 0: its attribute 0 occurs twice"),
        (SPARSE.replace("{0 1.5,3 true}", "{0 1.5"), XML, "row 0: its line is not in braces"),
        (SPARSE.replace("{0 1.5,3 true}", "{0 x}"), XML, "row 0: feature 'x' is 'x', not a number"),
        (SPARSE.replace("{0 1.5,3 true}", "{2 2}"), XML, "row 0: label 'a' is '2', not 0 or 1"),
        (SPARSE.replace("{0 1.5,3 true}", "{0 ?}"), XML, "row 0: feature 0 is empty or NaN"),
        (SPARSE.replace("'y z' {0,1}", "'y z' {1,0}"), XML, "must have 0 as the first value of feature 'y z'"),
        (SPARSE.replace("'y z' {0,1}", "'y z' string"), XML, "attribute 'y z' of text; name it in `data.drop`"),
        (SPARSE.replace("'y z' {0,1}", "'y z'"), XML, "declare an attribute with its type in line 4"),
        (SPARSE.replace("'y z' {0,1}", "x {0,1}"), XML, "2 columns 'x'"),
        (SPARSE.partition("@data")[0], XML, "a line `@data` behind its attributes; it may be cut"),
        (DENSE, None, "say which attributes are labels: put its XML file beside it"),
        (DENSE.replace("1.5, red", "1.5, 'red"), XML, "row 0: its quotes do not enclose whole cells"),
        (DENSE.replace("2,red,", "2,"), XML, "row 2: its line has 3 cells, not 4"),
        (DENSE.replace("2,red,1,1", "{0 2}"), XML, "row 2: its line is sparse, unlike the first one"),
        (DENSE, XML.replace('name="a"', 'name="b"'), "no label column 'b'"),
        (DENSE, XML.replace('name="c"', 'name="a"'), "name each label once. Received 'a' again in line 1"),
        (DENSE, XML.replace(' name="c"', ""), "name each label. Received one without a name in line 1"),
        (DENSE, XML[:-5], "no valid XML: .* in line 1"),
        (DENSE, "<labels/>", "at least one label"),
        (DENSE, '<!DOCTYPE x [<!ENTITY a "b">]>' + XML, "no document type"),
    ],
)
def test_malformed_arff_is_refused_in_a_sentence(text: str, xml: str | None, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        read_data(arff(tmp_path / "t.arff", text, xml))
