"""INT8: ranges and loss are of other groups, the manifest says what it costs, and it answers only where asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.batch.outputs.predictions import CascadeTables
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.estimators.runtime.exported import ExportedNetwork
from cascade.estimators.runtime.runtimes import RUNTIMES
from cascade.store.int8_rows import MOST, Int8Rows
from cascade_pipelines import export
from tests.conftest import KnownTruth
from tests.store.test_store import forge

LABELS = ("a", "b", "c", "d", "any")


@pytest.fixture(scope="module")
def model(truth: KnownTruth) -> CascadePredictor:
    gate, labeler = KerasClassifier("mlp", epochs=2, batch_size=64), KerasClassifier("mlp", epochs=4, batch_size=64)
    fitted = CascadeClassifier(gate, labeler, label_names=LABELS)
    return fitted.fit(truth.X[:6000].astype(np.float32), truth.Y[:6000]).predictor_


@pytest.fixture(scope="module")
def rows(truth: KnownTruth) -> Int8Rows:
    return Int8Rows(truth.X[6000:14000].astype(np.float32), truth.Y[6000:14000], np.arange(8000) // 5)


@pytest.fixture(scope="module")
def exported(model: CascadePredictor, rows: Int8Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "int8"
    model.save(folder, tuple(RUNTIMES), rows)
    return folder


def manifest(folder: Path) -> Any:
    return json.loads((folder / "cascade.json").read_text())


@settings(max_examples=25)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_ranges_and_loss_are_of_other_groups(n_groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(n_groups), rng.integers(n_groups, size=400)])
    Y = rng.random((len(group), 3)) < 0.1
    rows = Int8Rows(group[:, None].astype(np.float32), Y, group)
    given_ranges, compared = (set(part[:, 0].tolist()) for part in (rows.ranges("float32"), rows.compared("float32")))
    assert given_ranges
    assert compared
    assert not given_ranges & set(group[rows.judged].tolist())
    assert compared <= set(group[rows.judged].tolist())
    assert len(rows.ranges("float32")) <= 2 * MOST


def test_as_many_rows_with_a_label_as_without_give_ranges(truth: KnownTruth) -> None:
    Y = truth.Y[:8000]
    rows = Int8Rows(Y.any(axis=1, keepdims=True).astype(np.float32), Y)
    assert rows.ranges("float32").mean() == 0.5


def test_what_is_recorded_is_what_the_loaded_model_loses(
    exported: Path, model: CascadePredictor, rows: Int8Rows
) -> None:
    loss, X, Y = manifest(exported)["int8"], rows.X[rows.judged], rows.Y[rows.judged]
    before, after = model.examine(X), CascadePredictor.load(exported).examine(X)
    far = np.abs(after.proba - before.proba)
    assert 1e-4 < loss["largest_difference"] < 0.3
    np.testing.assert_allclose([loss["largest_difference"], loss["mean_difference"]], [far.max(), far.mean()])
    assert loss["rows"] == len(X)
    assert loss["bits_changed"] == (before.labels != after.labels).mean() > 0
    assert loss["fates_changed"] == (before.passed_gate != after.passed_gate).mean()
    for k, label in enumerate(loss["labels"]):
        precision = [average_precision_score(Y[:, k], answer.proba[:, k]) for answer in (before, after)]
        np.testing.assert_allclose([label["average_precision"][side] for side in ("before", "after")], precision)
        kept = [answer.passed_gate[Y[:, k] > 0].mean() for answer in (before, after)]
        np.testing.assert_allclose([label["gate_recall"][side] for side in ("before", "after")], kept)
        ratios = [answer.proba[:, k].sum() / Y[:, k].sum() for answer in (before, after)]
        np.testing.assert_allclose([label["sum_ratio"][side] for side in ("before", "after")], ratios)
        for metric in ("average_precision", "gate_recall", "sum_ratio", "count_ratio"):
            found = label[metric]
            assert found["change"] == pytest.approx(found["after"] - found["before"])
            assert found["low"] <= found["change"] <= found["high"]


def test_int8_answers_where_it_was_asked_for_and_says_so(exported: Path, model: CascadePredictor) -> None:
    for part in ("gate", "labeler"):
        *networks, last = manifest(exported)[part]["exports"]["networks"]
        assert {one["runtime"] for one in networks} == set(RUNTIMES)
        assert last["runtime"] == "keras"
        for one in networks:
            assert (one["precision"], one["file"]) == ("int8", f"{part}_int8{RUNTIMES[one['runtime']].suffix}")
            assert 0 < one["mean_difference"] < one["largest_difference"] < 0.3
            assert one["float32_rows_per_second"] > 0
    for runtime in ("auto", *RUNTIMES):
        computed_by = CascadeTables(CascadePredictor.load(exported, runtime)).settings
        assert "in int8" in computed_by["gate"]
        assert "in int8" in computed_by["labeler"]
    assert not isinstance(CascadePredictor.load(exported, "keras").gate, ExportedNetwork)


def test_int8_is_asked_for_with_runtimes_and_groups(model: CascadePredictor, rows: Int8Rows, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name their `runtimes`"):
        model.save(tmp_path / "none", (), rows)
    with pytest.raises(DataError, match="two groups"):
        Int8Rows(rows.X, rows.Y, np.zeros(len(rows.Y)))
    with pytest.raises(DataError, match="must be an array"):
        Int8Rows(rows.X.tolist(), rows.Y)
    with pytest.raises(DataError, match=r"one column per label \(5\)"):
        model.save(tmp_path / "four", ("litert",), Int8Rows(rows.X, rows.Y[:, :4]))
    with pytest.raises(DataError, match="`X`"):
        model.save(tmp_path / "narrow", ("litert",), Int8Rows(rows.X[:, :4], rows.Y))
    assert not list(tmp_path.iterdir())


def test_a_precision_of_another_version_is_refused(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "model"))
    gate = manifest(copy)["gate"]
    gate["exports"]["networks"][0]["precision"] = "int4"
    forge(copy, gate=gate)
    with pytest.raises(ModelRefusedError, match="is of precision 'int4'"):
        CascadePredictor.load(copy)


def test_the_command_tells_what_is_lost(model: CascadePredictor, rows: Int8Rows, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    np.savez(tmp_path / "held.npz", X=rows.X, Y=rows.Y, label_names=LABELS, groups=rows.group)
    result = export.run(tmp_path / "model", tmp_path / "out", ("litert",), tmp_path / "held.npz")
    assert result["int8"] == manifest(tmp_path / "out")["int8"]
    lines = export.text(result).splitlines()
    assert sum("litert int8" in line and "times float32" in line for line in lines) == 2
    for label in result["int8"]["labels"]:
        (line,) = [line for line in lines if line.startswith(f"{label['label']} ")]
        assert f"{label['average_precision']['change']:+.3f}" in line
