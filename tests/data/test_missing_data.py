"""Files whose labels are partly unknown: read, examined, trained on and evaluated by what is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from cascade.config.schema import RunConfig
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError
from cascade.lint.lint import lint
from cascade_pipelines import compare, evaluate, train
from cascade_pipelines import lint as lint_pipeline

X = np.arange(8, dtype=np.float32).reshape(4, 2)
Y = np.array([[0, 1], [0, 0], [1, 0], [0, 0]], np.uint8)
KNOWN = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], bool)
LABELS = {"a": [0, None, 1, 0], "b": [1, 0, None, 0]}
ROLES = Roles(labels=("a", "b"), missing_labels=True)


def check(data: object) -> None:
    np.testing.assert_array_equal(data.Y, Y)
    np.testing.assert_array_equal(data.known, KNOWN)
    part = data.part(np.array([2, 3]))
    np.testing.assert_array_equal(part.known, KNOWN[2:])
    assert data.part(np.array([0, 3])).known is None


def test_arrays_say_it_by_a_mask_or_by_nan(tmp_path: Path) -> None:
    shown = np.where(KNOWN, Y, 1)
    np.savez(tmp_path / "mask.npz", X=X, Y=shown, mask=KNOWN.astype(np.uint8))
    np.savez(tmp_path / "nan.npz", X=X, Y=np.where(KNOWN, Y, np.nan))
    np.savez(tmp_path / "all.npz", X=X, Y=Y, mask=np.ones_like(Y))
    for name in ("mask", "nan"):
        check(read_data(tmp_path / f"{name}.npz"))
    turned = read_data(tmp_path / "mask.npz", Roles(labels=("label_1", "label_0")))
    np.testing.assert_array_equal(turned.known, KNOWN[:, ::-1])
    assert read_data(tmp_path / "all.npz").known is None
    for mask, sentence in ((KNOWN[:, :1], "must have one value per label"), (KNOWN * 2, "only 0 and 1. Received 2")):
        np.savez(tmp_path / "odd.npz", X=X, Y=Y, mask=mask)
        with pytest.raises(DataError, match=f"odd.npz`: `mask` must.*{sentence.removeprefix('must ')}"):
            read_data(tmp_path / "odd.npz")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_say_it_by_empty_cells_where_that_is_allowed(tmp_path: Path, suffix: str) -> None:
    write = {".csv": pyarrow.csv.write_csv, ".parquet": pyarrow.parquet.write_table}[suffix]
    write(pa.table({"f": X[:, 0], **LABELS}), tmp_path / f"t{suffix}")
    check(read_data(tmp_path / f"t{suffix}", ROLES))
    with pytest.raises(DataError, match=r"row 1: column 'a' is an empty label; set `data.missing_labels`"):
        read_data(tmp_path / f"t{suffix}", Roles(labels=("a", "b")))
    write(pa.table({"f": X[:, 0], "a": pa.nulls(4), "b": Y[:, 1]}), tmp_path / f"e{suffix}")
    assert not read_data(tmp_path / f"e{suffix}", ROLES).known[:, 0].any()
    with pytest.raises(DataError, match=r"row 0: column 'a' is an empty label; set `data.missing_labels`"):
        read_data(tmp_path / f"e{suffix}", Roles(labels=("a", "b")))
    write(pa.table({"f": X[:, 0], "a": [0, None, 2, 0], "b": Y[:, 1]}), tmp_path / f"o{suffix}")
    with pytest.raises(DataError, match=r"row 2: label 'a' is 2, not 0 or 1\.$"):
        read_data(tmp_path / f"o{suffix}", ROLES)


def test_truth_values_label_files_and_lists_of_images(tmp_path: Path) -> None:
    truths = {name: [None if value is None else bool(value) for value in column] for name, column in LABELS.items()}
    pyarrow.parquet.write_table(pa.table({"f": X[:, 0], **truths}), tmp_path / "t.parquet")
    check(read_data(tmp_path / "t.parquet", ROLES))
    np.save(tmp_path / "X.npy", X)
    pyarrow.csv.write_csv(pa.table(LABELS), tmp_path / "labels.csv")
    check(read_data(tmp_path / "X.npy", Roles(label_file=tmp_path / "labels.csv", missing_labels=True)))
    (tmp_path / "images").mkdir()
    for row in range(4):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "images" / f"{row}.png")
    listing = pa.table({"file": [f"{row}.png" for row in range(4)], **LABELS})
    pyarrow.csv.write_csv(listing, tmp_path / "images" / "labels.csv")
    check(read_data(tmp_path / "images", Roles(missing_labels=True)))


def test_lint_counts_what_is_missing_and_finds_any_on_the_rest() -> None:
    rng = np.random.default_rng(0)
    findings = rng.random((500, 2)) < 0.2
    full = np.column_stack([findings, findings.any(axis=1)]).astype(float)
    given = np.where(rng.random(full.shape) < 0.2, np.nan, full)
    facts, found = lint(given)
    assert facts["labels_missing"] == np.isnan(given).sum()
    untold = np.isnan(given[:, 2]) & np.isnan(given[:, :2]).any(axis=1) & ~(given == 1).any(axis=1)
    assert facts["rows_without_gate_target"] == untold.sum() > 0
    assert facts["any_label"] == "label_2"
    assert next(finding for finding in found if finding.code == "missing").level == "warning"
    assert "labels_missing" not in lint(full)[0]
    given[:, 0] = np.nan
    assert ("error", "label 'label_0' is known on no row.") in [(f.level, f.message) for f in lint(given)[1]]


def test_the_pipelines_go_by_what_is_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 3))
    Y = (features[:, :2] + 0.5 * rng.normal(size=(3000, 2)) > 1).astype(float)
    Y[rng.random(Y.shape) < 0.25] = np.nan
    columns = {f"f{k}": features[:, k] for k in range(3)}
    cells = {name: [None if np.isnan(v) else int(v) for v in y] for name, y in zip("ab", Y.T, strict=True)}
    pyarrow.csv.write_csv(pa.table({**columns, **cells}), tmp_path / "t.csv")
    model = {"kind": "logistic_regression"}
    data = {"path": str(tmp_path / "t.csv"), "labels": ["a", "b"], "missing_labels": True}
    labeler = {"strategy": "multilabel", "model": model}
    config = RunConfig.model_validate({"name": "m", "data": data, "gate": model, "labeler": labeler})
    version, report = train.run(config, tmp_path / "models")
    known = [row["known"] for row in report["labels"]]
    assert all(400 < number < 500 for number in known)
    assert all(abs(row["sum_ratio"] - 1) < 4 / np.sqrt(row["positives"]) for row in report["labels"])
    again = evaluate.run(version, tmp_path / "t.csv", Roles(missing_labels=True))
    assert [row["known"] for row in again["labels"]] == np.isfinite(Y).sum(axis=0).tolist()
    assert [row["positives"] for row in again["labels"]] == np.nansum(Y, axis=0).tolist()
    with pytest.raises(DataError, match="missing_labels"):
        evaluate.run(version, tmp_path / "t.csv", Roles())
    facts, _ = lint_pipeline.run([tmp_path / "t.csv"], Roles(labels=("a", "b")), "auto")
    assert facts[str(tmp_path / "t.csv")]["labels_missing"] == np.isnan(Y).sum()
    with pytest.raises(DataError, match="a comparison needs every label to be known"):
        compare.run(config, tmp_path / "models", 2, ("positives",))
