"""Model folders that earlier releases wrote load and predict the same; `saved_models/save.py` wrote them."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from cascade import CascadePredictor, ManyLabelPredictor

RELEASES = sorted(file.parent for file in (Path(__file__).parents[1] / "saved_models").glob("*/expected.npz"))
CASCADES = ["linear", "trees", "balanced_bags", "keras"]
NEEDED = {"keras": ["keras"], "litert": ["ai_edge_litert"], "onnx": ["onnxruntime"]}
# Rows are float32, and processors add in another order.
CLOSE = 1e-5


def expected(release: Path) -> dict[str, np.ndarray]:
    with np.load(release / "expected.npz") as file:
        return dict(file)


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def assert_predicts(predictor: CascadePredictor, name: str, release: Path) -> None:
    known = expected(release)
    answer = predictor.examine(known["X"])
    np.testing.assert_allclose(answer.proba, known[f"{name}_proba"], rtol=CLOSE, atol=CLOSE)
    np.testing.assert_array_equal(answer.labels, known[f"{name}_labels"])
    if f"{name}_passed" in known:
        np.testing.assert_array_equal(answer.passed_gate, known[f"{name}_passed"])


@pytest.mark.slow
def test_the_fixtures_of_the_next_release_can_be_written(tmp_path: Path) -> None:
    for package in ("keras", "ai_edge_litert", "onnxruntime", "tf2onnx", "mlflow"):
        pytest.importorskip(package)
    script = Path(__file__).parents[1] / "saved_models" / "save.py"
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path / "next")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    first = {path.name for path in RELEASES[0].iterdir()}
    assert {path.name for path in (tmp_path / "next").iterdir()} == first
    assert_predicts(CascadePredictor.load(tmp_path / "next" / "linear"), "linear", tmp_path / "next")


def test_a_release_is_there() -> None:
    assert RELEASES[0].name == "0.1.0"


@pytest.mark.parametrize("name", CASCADES)
def test_a_saved_cascade_predicts_as_it_did(name: str, release: Path) -> None:
    if name == "keras":
        pytest.importorskip("keras")
    assert_predicts(CascadePredictor.load(release / name), name, release)


@pytest.mark.parametrize("runtime", ["keras", "litert", "onnx"])
def test_a_saved_network_predicts_as_it_did_in_every_runtime(runtime: str, release: Path) -> None:
    for package in NEEDED[runtime]:
        pytest.importorskip(package)
    assert_predicts(CascadePredictor.load(release / "exported", runtime), "keras", release)


def test_certificate_and_profile_are_kept(release: Path) -> None:
    predictor = CascadePredictor.load(release / "linear")
    assert predictor.certificate is not None
    assert all(row.positives > 0 and row.proven > 0 for row in predictor.certificate.labels)
    assert predictor.profile is not None
    assert predictor.profile.rows == 3000


def test_a_cascade_that_was_adapted_before_it_was_saved_predicts_as_it_did(release: Path) -> None:
    predictor = CascadePredictor.load(release / "adapted")
    assert_predicts(predictor, "adapted", release)
    known = expected(release)
    again = CascadePredictor.load(release / "linear").adapt(prevalence=0.2)
    np.testing.assert_allclose(again.predict_proba(known["X"]), known["adapted_proba"], rtol=CLOSE)


def test_a_saved_model_of_many_labels_predicts_as_it_did(release: Path) -> None:
    pytest.importorskip("keras")
    known = expected(release)
    columns, proba = ManyLabelPredictor.load(release / "many_labels").predict_top_k(known["X"], 3)
    np.testing.assert_array_equal(columns, known["many_labels_columns"])
    np.testing.assert_allclose(proba, known["many_labels_proba"], rtol=CLOSE, atol=CLOSE)


@pytest.fixture
def registry(release: Path, tmp_path: Path) -> Path:
    """The folder of a registry, in another place than the one it was made in."""
    models = Path(shutil.copytree(release / "registry", tmp_path / "models"))
    dump = (models / "mlflow.sql").read_text(encoding="utf-8").replace("/registry", str(models))
    with sqlite3.connect(models / "mlflow.db") as database:
        database.executescript(dump)
    return models


def test_a_registered_version_predicts_as_it_did(
    registry: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry / 'mlflow.db'}")
    known = expected(release)
    predictor = CascadePredictor.load("models:/parts@champion")
    assert predictor.labels == ("crack", "dent", "stain", "any")
    np.testing.assert_allclose(predictor.predict_proba(known["X"]), known["registered_proba"], rtol=CLOSE)


def test_mlflow_loads_a_registered_version_by_itself(registry: Path, release: Path) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    folder = next(registry.glob("mlflow-artifacts/*/*/artifacts/model"))
    known = expected(release)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pyfunc.load_model(str(folder)).predict(known["X"].astype(np.float64))
    np.testing.assert_allclose(table["any_probability"], known["registered_proba"][:, 3], rtol=CLOSE)
