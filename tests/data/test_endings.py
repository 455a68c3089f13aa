"""Endings of files count in any case, as instruments and other systems write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade_pipelines.steps.tables import check_format, write_table

TABLE = pa.table({"f0": [1.0, 2.0], "f1": [3.0, 4.0], "crack": [0, 1]})
X = np.array([[1.0, 3.0], [2.0, 4.0]])


@pytest.fixture(params=["CSV", "Parquet", "NPZ", "NPY"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"PART.{request.param}"
    if request.param in ("CSV", "Parquet"):
        write_table(check_format(path), TABLE)
    else:
        with path.open("wb") as handle:
            np.save(handle, X) if request.param == "NPY" else np.savez(handle, X=X, Y=[[0], [1]])
    return path


def test_endings_in_capitals_are_read(path: Path, tmp_path: Path) -> None:
    roles = Roles(labels=("crack",)) if path.suffix in (".CSV", ".Parquet") else Roles()
    if path.suffix == ".NPY":
        pyarrow.csv.write_csv(TABLE.select(["crack"]), tmp_path / "LABELS.CSV")
        roles = Roles(label_file=tmp_path / "LABELS.CSV")
    data = read_data(path, roles)
    np.testing.assert_array_equal(data.X, X)
    assert data.Y[:, 0].tolist() == [0, 1]
    (chunk,) = open_input(path, Roles(), InputSignature((2,), "number", ("f0", "f1"))).chunks(9, 0)
    np.testing.assert_array_equal(chunk.X, X)
