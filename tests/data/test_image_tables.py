"""Images in the cells of a table, as Hugging Face's library saves them: the same pixels as from files."""

from __future__ import annotations

import gc
import io
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.signature import InputSignature
from cascade.errors import DataError

ROLES = Roles(label_list=LabelList("labels"), group="part")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)


def png(values: np.ndarray) -> bytes:
    target = io.BytesIO()
    Image.fromarray(values).save(target, "PNG")
    return target.getvalue()


def table(**columns: Any) -> pa.Table:
    images = [{"bytes": png(image[..., 0]), "path": f"{k}.png"} for k, image in enumerate(PIXELS)]
    labels = [[], [0], [], [1, 2], [], [2]]
    return pa.table({"image": images, "labels": labels, "part": list("aabbcc"), **columns})


def written(path: Path, form: str, content: pa.Table | None = None) -> Path:
    content = table() if content is None else content
    if form == "arrow":
        with (path / "t.arrow").open("wb") as handle, pa.ipc.new_stream(handle, content.schema) as writer:
            for batch in content.to_batches(max_chunksize=2):
                writer.write_batch(batch)
        return path / "t.arrow"
    if form == "folder":
        (path / "data").mkdir()
        pq.write_table(content[:4], path / "data/train-0.parquet", row_group_size=2)
        pq.write_table(content[4:], path / "data/train-1.parquet")
        return path / "data"
    if form == "plain bytes":
        content = content.set_column(0, "picture", pa.array([one["bytes"] for one in content["image"].to_pylist()]))
    pq.write_table(content, path / "t.parquet", row_group_size=4)
    return path / "t.parquet"


@pytest.mark.parametrize("form", ["parquet", "arrow", "folder", "plain bytes"])
def test_images_of_a_table_are_rows_in_memory_and_in_a_job(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    roles = Roles(label_list=LabelList("labels"), group="part", file="picture" if form == "plain bytes" else None)
    data = read_data(path, roles)
    assert data.X[np.array([5, 0, 3])].tolist() == PIXELS[[5, 0, 3]].tolist()
    assert data.label_names == ("0", "1", "2")
    assert np.asarray(data.Y).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert data.groups is not None
    assert data.groups.tolist() == list("aabbcc")
    for first in (0, 2, 5):
        chunks = list(open_input(path, roles, InputSignature((8, 8, 1), "uint8")).chunks(2, first))
        assert np.concatenate([chunk.X for chunk in chunks]).tolist() == PIXELS[first:].tolist()
        assert [group for chunk in chunks for group in (chunk.groups if chunk.groups is not None else ())] == list(
            "aabbcc"
        )[first:]
        assert [row for chunk in chunks for row in chunk.ids.tolist()] == [str(k) for k in range(first, 6)]


def test_images_of_a_table_get_the_shape_of_a_model(tmp_path: Path) -> None:
    colour = read_data(written(tmp_path, "parquet"), Roles(), labelled=False, row_shape=(8, 8, 3)).X[np.arange(6)]
    assert colour.tolist() == np.repeat(PIXELS, 3, axis=3).tolist()


def test_the_copy_of_the_bytes_is_removed_with_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "parquet")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    data = read_data(path, ROLES)
    part = data.part(np.array([1, 2]))
    copy = pickle.loads(pickle.dumps(data.X))
    del data
    gc.collect()
    assert part.X[np.array([0])].tolist() == copy[np.array([1])].tolist() == PIXELS[[1]].tolist()
    del part, copy
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []


def damaged() -> pa.Table:
    cells = table()["image"].to_pylist()
    cells[1] = {"bytes": b"no image", "path": "../../1.png"}
    cells[4] = {"bytes": None, "path": "/etc/hostname"}
    return table(image=cells)


def test_bad_images_are_refused_with_their_row_or_rejected_in_a_job(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet", damaged())
    with pytest.raises(DataError, match=r"t\.parquet, row 1` cannot be read as an image: .* 2 of 6 files"):
        read_data(path, ROLES)
    kept = read_data(path, replace(ROLES, leave_out_bad_files=True))
    assert kept.ids.tolist() == ["0", "2", "3", "5"]
    assert np.asarray(kept.Y).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]]
    chunks = list(open_input(path, Roles(), InputSignature((8, 8, 1), "uint8")).chunks(4, 0))
    assert np.concatenate([chunk.X for chunk in chunks]).tolist() == PIXELS[[0, 2, 3, 5]].tolist()
    rejected = [row for chunk in chunks for row in chunk.rejected.to_pylist()]
    assert [row["row"] for row in rejected] == [1, 4]
    assert rejected[1]["reason"] == "`t.parquet, row 4` holds no bytes of an image."


def test_tables_whose_images_are_not_clear_are_refused(tmp_path: Path) -> None:
    two = written(tmp_path, "parquet", table(mask=table()["image"]))
    with pytest.raises(DataError, match=r"several columns of images, 'image' and 'mask'; name one in `data.file`"):
        read_data(two, ROLES)
    assert read_data(two, replace(ROLES, file="mask")).X.shape == (6, 8, 8, 1)
    assert read_data(two, replace(ROLES, drop=frozenset({"mask"}))).X.shape == (6, 8, 8, 1)
    with pytest.raises(DataError, match=r"holds an image per row; take `data.labels.id` out"):
        read_data(two, Roles(label_list=LabelList("labels", id="part"), file="image"))
    with pytest.raises(DataError, match="the model takes rows of shape"):
        open_input(two, Roles(file="mask"), InputSignature((3,), "number"))
