"""The challenge's label files are read whole and checked, and predictions become its submissions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.data.readers.rsna import LABELS, labels_of, read_labels, write_labels, write_submission
from cascade.errors import DataError


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 6), min_size=1, max_size=20), st.randoms())
def test_label_files_come_back_in_any_order_and_with_repetitions(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]], random: object
) -> None:
    path = tmp_path_factory.mktemp("rsna") / "labels.csv"
    names = [f"ID_{number:x}_{number}" for number in range(len(rows))]
    write_labels(path, names, np.array(rows))
    head, *lines = path.read_text().splitlines()
    random.shuffle(lines)
    path.write_text("\n".join([head, *lines, *lines[:3]]) + "\n")
    found, Y = read_labels(path)
    assert {name: tuple(row) for name, row in zip(found, Y.tolist(), strict=True)} == dict(
        zip(names, rows, strict=True)
    )


FULL = "".join(f"ID_a_{label},0\n" for label in LABELS)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (FULL + "ID_a_any,1\n", "must give each label once. Received 0 and 1 for it at row 6"),
        (FULL + "ID_b_any,1\n", "'ID_b' has no 'epidural'"),
        (FULL + "ID_a_chronic,0\n", "must name an image and one of the labels at row 6"),
        (FULL + "ID_b_any,0.5\n", "must hold 0 or 1 in column 'Label'. Received another value at row 6"),
        (FULL + "ID_b_any,\n", "must hold 0 or 1"),
        (FULL + "ID_b_any,x\n", "cannot be read as a table"),
        (FULL.replace("ID_a", "ID_c"), "Received none for 'ID_a'"),
    ],
    ids=["clash", "missing", "label", "half", "empty", "text", "image"],
)
def test_bad_label_files_are_named(tmp_path: Path, lines: str, sentence: str) -> None:
    (tmp_path / "labels.csv").write_text(f"ID,Label\n{lines}")
    with pytest.raises(DataError, match=sentence) as caught:
        labels_of(tmp_path / "labels.csv", ["ID_a"])
    assert "labels.csv" in str(caught.value)


def test_labels_can_be_chosen_and_ordered_for_some_images(tmp_path: Path) -> None:
    Y = np.random.default_rng(0).integers(0, 2, (5, 6)).astype(np.uint8)
    write_labels(tmp_path / "labels.csv", list("abcde"), Y)
    names, chosen = labels_of(tmp_path / "labels.csv", ["d", "b"], ("any", "epidural"))
    assert names == ("any", "epidural")
    np.testing.assert_array_equal(chosen, Y[[3, 1]][:, [5, 0]])
    with pytest.raises(DataError, match="no label 'chronic'"):
        labels_of(tmp_path / "labels.csv", ["d"], ("chronic",))


def test_submissions_are_made_of_csv_and_of_parts_and_bad_tables_are_named(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    values = {f"{label}_probability": [k / 7, 1e-9] for k, label in enumerate(LABELS)}
    table = pa.table({"id": ["007", "008"], **values})
    pyarrow.csv.write_csv(table, tmp_path / "rows.csv")
    for number in range(2):
        pyarrow.parquet.write_table(table.slice(number, 1), parts / f"{number}.parquet")
    assert write_submission(tmp_path / "rows.csv", tmp_path / "a.csv") == 2
    assert write_submission(parts, tmp_path / "b.csv") == 2
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.csv").read_text().startswith("ID,Label\n007_epidural,0.0\n007_intraparenchymal,0.14285714")
    pyarrow.csv.write_csv(table.drop(["any_probability"]), tmp_path / "rows.csv")
    (tmp_path / "torn.parquet").write_bytes(b"torn")
    for name, sentence in (("rows.csv", "no prediction column 'any_probability'"), ("torn.parquet", "cannot be read")):
        with pytest.raises(DataError, match=sentence):
            write_submission(tmp_path / name, tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()
