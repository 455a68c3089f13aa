"""A table in several files, by a folder or a pattern, and Arrow files: the same rows in memory and in a job."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest

from cascade.batch.inputs.opening import open_input
from cascade.data import Dataset, read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.signature import InputSignature
from cascade.errors import DataError

ROLES = Roles(labels=("y",), id="id")
FRAME = pd.DataFrame(
    {"id": [f"r{k}" for k in range(10)], "x": np.arange(10) / 4, "n": np.arange(10), "y": np.arange(10) % 2}
)


def arrow(path: Path, frame: pd.DataFrame, is_file: bool, metadata: dict[bytes, bytes] | None = None) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata(metadata)
    make = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with path.open("wb") as handle, make(handle, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=3):
            writer.write_batch(batch)


def written(folder: Path, form: str) -> Path:
    first, last = FRAME[:4], FRAME[4:]
    (folder / "parts").mkdir()
    place = folder / "parts"
    if form == "csv":
        first.to_csv(place / "a.csv", index=False)
        # Another order of columns, another separator, and one that nothing needs.
        last.assign(more="z")[["y", "more", "n", "x", "id"]].to_csv(place / "b.csv.gz", index=False, sep=";")
    elif form == "json lines":
        first.to_json(place / "a.jsonl", orient="records", lines=True)
        last.to_json(place / "b.jsonl", orient="records", lines=True)
    elif form == "parquet":
        first.to_parquet(place / "a.parquet")
        last.astype({"n": "float32"}).to_parquet(place / "b.parquet")
    elif form == "feather":
        pyarrow.feather.write_feather(first, str(place / "a.feather"), chunksize=2)
        pyarrow.feather.write_feather(last, str(place / "b.feather"), compression="uncompressed")
    elif form == "arrow":
        arrow(place / "data-00000-of-00002.arrow", first, is_file=False)
        arrow(place / "data-00001-of-00002.arrow", last, is_file=True)
        # What Hugging Face's library computed from the rows is no part of them.
        arrow(place / "cache-1f.arrow", last, is_file=False)
        (place / "dataset_info.json").write_text("{}")
    return place


def truth(data: Dataset) -> None:
    assert data.ids.tolist() == FRAME["id"].tolist()
    assert data.feature_names == ("x", "n")
    assert np.asarray(data.X).tolist() == FRAME[["x", "n"]].to_numpy(float).tolist()
    assert np.asarray(data.Y)[:, 0].tolist() == FRAME["y"].tolist()


@pytest.mark.parametrize("form", ["csv", "json lines", "parquet", "feather", "arrow"])
@pytest.mark.parametrize("by", ["folder", "pattern"])
def test_files_below_a_folder_or_of_a_pattern_are_one_table(form: str, by: str, tmp_path: Path) -> None:
    place = written(tmp_path, form)
    path = place if by == "folder" else place / ("data*.arrow" if form == "arrow" else "[ab].*")
    truth(read_data(path, ROLES))
    signature = InputSignature((2,), "number", ("x", "n"))
    for first in (0, 3, 7):
        chunks = list(open_input(path, Roles(id="id"), signature).chunks(3, first))
        assert [row for chunk in chunks for row in chunk.ids] == FRAME["id"].tolist()[first:]
        assert np.vstack([chunk.X for chunk in chunks]).tolist() == FRAME[["x", "n"]].to_numpy(float).tolist()[first:]


def test_an_error_names_the_file_and_the_row_in_it(tmp_path: Path) -> None:
    place = written(tmp_path, "csv")
    (place / "c.csv").write_text("id,x,n,y\ns,1,1,1\nt,1,what,0\n")
    with pytest.raises(DataError, match=r"c\.csv` has an invalid row 1: feature 'n' is 'what'"):
        read_data(place, ROLES)
    (place / "c.csv").write_text("id,x,y\ns,1,1\n")
    with pytest.raises(
        DataError, match=r"c\.csv` has no column 'n', unlike the first file; name the files by a pattern"
    ):
        read_data(place, ROLES)
    truth(read_data(place / "[ab].*", ROLES))


def test_patterns_that_fit_nothing_or_other_files_are_refused(tmp_path: Path) -> None:
    place = written(tmp_path, "csv")
    (place / "notes.txt").write_text("x")
    FRAME.to_parquet(place / "p.parquet")
    for pattern, sentence in (
        ("*.tsv", "does not exist"),
        ("*s*", r"notes\.txt` fits .* is no table"),
        ("[ap].*", "both"),
    ):
        with pytest.raises(DataError, match=sentence):
            read_data(place / pattern, ROLES)
        if pattern != "[ap].*":
            with pytest.raises(DataError, match=sentence):
                open_input(place / pattern, ROLES, InputSignature((2,), "number", ("x", "n")))


def test_a_file_whose_name_has_marks_of_patterns_is_read_as_it_is(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a[1].csv", index=False)
    truth(read_data(tmp_path / "a[1].csv", ROLES))


def test_numbers_of_classes_get_the_names_that_the_metadata_declares(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2, 3], "tags": [[0], [], [1, 0]], "kind": [1, 0, 1]})
    classes = {"names": ["crack", "dent"], "_type": "ClassLabel"}
    features = {"tags": {"feature": classes, "_type": "Sequence"}, "kind": classes}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    arrow(tmp_path / "t.arrow", frame, is_file=False, metadata=metadata)
    data = read_data(tmp_path / "t.arrow", Roles(label_list=LabelList("tags"), drop=frozenset({"kind"})))
    assert data.label_names == ("crack", "dent")
    assert np.asarray(data.Y).tolist() == [[1, 0], [0, 0], [1, 1]]
    single = read_data(
        tmp_path / "t.arrow", Roles(label_list=LabelList("kind", none=("dent",)), drop=frozenset({"tags"}))
    )
    assert single.label_names == ("crack",)
    assert np.asarray(single.Y).tolist() == [[0], [1], [0]]
    arrow(tmp_path / "t.arrow", frame.assign(kind=[1, 2, -1]), is_file=False, metadata=metadata)
    with pytest.raises(DataError, match=r"column 'kind' must hold numbers below 2\. Received '2'"):
        read_data(tmp_path / "t.arrow", Roles(label_list=LabelList("kind"), drop=frozenset({"tags"})))
    # Metadata that are something else are as none.
    for other in (b"[]", b"{", json.dumps({"info": {"features": {"kind": {"names": [1]}}}}).encode()):
        arrow(tmp_path / "t.arrow", frame, is_file=False, metadata={b"huggingface": other})
        data = read_data(tmp_path / "t.arrow", Roles(label_list=LabelList("kind"), drop=frozenset({"tags"})))
        assert data.label_names == ("0", "1")


def test_damaged_arrow_files_are_refused(tmp_path: Path) -> None:
    arrow(tmp_path / "t.arrow", FRAME, is_file=True)
    whole = (tmp_path / "t.arrow").read_bytes()
    arrow(tmp_path / "s.arrow", FRAME, is_file=False)
    stream = (tmp_path / "s.arrow").read_bytes()
    truth(read_data(tmp_path / "s.arrow", ROLES))
    for damaged in (b"", b"FEA1" + whole, whole[: len(whole) // 2], stream[: len(stream) // 2], b"ARROW1\0\0junk"):
        (tmp_path / "t.arrow").write_bytes(damaged)
        with pytest.raises(DataError, match=r"t\.arrow"):
            read_data(tmp_path / "t.arrow", ROLES)
    rng = np.random.default_rng(0)
    for _ in range(200):
        content = bytearray(whole if rng.random() < 0.5 else stream)
        content[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "t.arrow").write_bytes(content)
        with contextlib.suppress(DataError):
            read_data(tmp_path / "t.arrow", ROLES)
