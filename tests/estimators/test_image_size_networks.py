"""Networks that look at images of a size of their own: trained, saved, exported, and as one graph."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from PIL import Image

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.config.models import KerasModel
from cascade.data.images.averaging import averaged
from cascade.data.readers.image.images import ImageFiles
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.estimators.runtime.measure import TOLERANCE
from cascade.estimators.scoring import size_of
from cascade.serving.graph import write_graph
from cascade.store.int8_rows import Int8Rows
from tests.data.test_image_size import FULL, scene
from tests.store.test_store import forge

SMALL = 16


def network(image_size: int | None = None, epochs: int = 1) -> KerasClassifier:
    return KerasClassifier("cnn", {"width": 3}, epochs=epochs, batch_size=32, image_size=image_size)


@pytest.fixture(scope="module")
def predictor() -> CascadePredictor:
    found: CascadePredictor = CascadeClassifier(network(SMALL, 3), network()).fit(*scene(400)).predictor_
    return found


@pytest.fixture(scope="module")
def saved(predictor: CascadePredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    predictor.save(folder, ("litert", "onnx"))
    return folder


def test_a_network_that_averages_is_the_network_of_averages() -> None:
    X, Y = scene(90)
    ours = network(SMALL).fit(X, Y)
    theirs = network().fit(averaged(X, SMALL), Y)
    assert ours.network_.input_shape == (None, SMALL, SMALL, 1)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(averaged(X, SMALL)))
    with pytest.raises(DataError, match="at least 16 pixels"):
        ours.predict_proba(X[:, :8, :8])


@pytest.mark.parametrize("runtime", ["keras", "litert", "onnx"])
def test_every_runtime_sees_the_small_image(
    predictor: CascadePredictor, saved: Path, tmp_path: Path, runtime: str
) -> None:
    X, _ = scene(50, seed=1)
    loaded = CascadePredictor.load(saved, runtime)
    assert (size_of(loaded.gate), size_of(loaded.labeler)) == (SMALL, None)
    np.testing.assert_allclose(loaded.gate_proba(X), predictor.gate_proba(X), atol=TOLERANCE)
    for number, image in enumerate(X):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number:02d}.png")
    files = ImageFiles(sorted(tmp_path.glob("*.png")))
    np.testing.assert_allclose(loaded.predict_proba(files), loaded.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(("size", "sentence"), [(8, "the network does not take"), (None, "network takes rows")])
def test_an_export_of_another_size_is_refused(saved: Path, tmp_path: Path, size: int | None, sentence: str) -> None:
    copy = shutil.copytree(saved, tmp_path / "forged")
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    forge(copy, gate=gate | {"image_size": size})
    with pytest.raises(ModelRefusedError, match=sentence):
        CascadePredictor.load(copy, "onnx")


def test_int8_takes_its_ranges_from_the_small_image(predictor: CascadePredictor, tmp_path: Path) -> None:
    X, Y = scene(80, seed=3)
    predictor.save(tmp_path / "model", ("litert",), Int8Rows(X, Y))
    quantised = CascadePredictor.load(tmp_path / "model")
    assert (quantised.gate.precision, size_of(quantised.gate)) == ("int8", SMALL)
    assert np.abs(quantised.gate_proba(X) - predictor.gate_proba(X)).mean() < 0.05


def test_one_graph_averages_by_itself(predictor: CascadePredictor, saved: Path, tmp_path: Path) -> None:
    import onnxruntime

    reference = CascadePredictor.load(saved, "keras")
    assert write_graph(reference, tmp_path / "model.onnx", "onnx") <= TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    X, _ = scene(70, seed=2)
    (gate,) = session.run(["gate_probability"], {"rows": X})
    np.testing.assert_allclose(gate, predictor.gate_proba(X), atol=TOLERANCE)
    invalid = CascadePredictor(network(12).fit(*scene(60)), None, reference.rules, reference.signature)
    invalid.gate.target_form_ = reference.gate.target_form_
    with pytest.raises(ConfigError, match=f"{FULL}x{FULL} is no multiple of 12x12"):
        write_graph(invalid, tmp_path / "odd.onnx", "onnx")


def test_a_config_names_the_size() -> None:
    assert KerasModel(image_size=64).image_size == 64
    with pytest.raises(ValueError, match="image_size"):
        KerasModel(image_size=0)
