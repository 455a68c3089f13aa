"""A classifier of several networks predicts their mean logits, saved and exported as one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.errors import ConfigError
from cascade.estimators.scoring import block_proba
from cascade.metrics.operations import operations_per_row
from cascade.serving.graph import write_graph
from cascade.store.manifest import open_manifest, write_manifest
from cascade.store.parts import load_part, save_part
from tests.data.test_image_size import scene

SMALL = {"width": 3, "flip": True}


def network(n_networks: int = 1, **options: object) -> KerasClassifier:
    given = {"epochs": 2, "batch_size": 32, "validation_size": 0.0, "random_state": 0}
    return KerasClassifier("cnn", SMALL, n_networks=n_networks, **given | options)


def test_logits_are_the_mean_of_different_networks_of_which_the_first_is_a_single_one() -> None:
    X, Y = scene(90)
    several, single = network(3).fit(X, Y), network().fit(X, Y)
    logits = [one.predict(X, verbose=0) for one in several.networks_]
    np.testing.assert_array_equal(logits[0], single.network_.predict(X, verbose=0))
    assert all(np.abs(logits[k] - logits[k - 1]).max() > 1e-3 for k in range(3))
    np.testing.assert_allclose(several.predict_log_odds(X), np.mean(logits, axis=0), atol=1e-5)
    assert operations_per_row(several) == 3 * operations_per_row(single)
    again = network(3).fit(X, Y)
    np.testing.assert_array_equal(again.predict_log_odds(X), several.predict_log_odds(X))


@pytest.mark.slow
def test_a_warm_start_continues_each_network() -> None:
    X, Y = scene(90)
    model = network(2, warm_start=True, learning_rate=1e-3).fit(X, Y)
    before = [one.get_weights() for one in model.networks_]
    model.set_params(learning_rate=1e-9).fit(X, Y)
    for former, one in zip(before, model.networks_, strict=True):
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(former, one.get_weights(), strict=True))
    model.set_params(n_networks=1).fit(X, Y)
    assert model.network_ is model.networks_[0]


@pytest.mark.parametrize("n_networks", [1, 3])
def test_a_warm_start_continues_loaded_networks(n_networks: int, tmp_path: Path) -> None:
    X, Y = scene(90)
    model = network(n_networks).fit(X, Y)
    before = [one.get_weights() for one in model.networks_]
    body = save_part(model, tmp_path, "part")
    write_manifest(tmp_path, {"part": body})
    content, files = open_manifest(tmp_path)
    loaded = load_part(content["part"], files)
    loaded.set_params(**model.get_params() | {"warm_start": True, "learning_rate": 1e-9}).fit(X, Y)
    assert len(loaded.networks_) == n_networks
    for former, one in zip(before, loaded.networks_, strict=True):
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(former, one.get_weights(), strict=True))


@pytest.mark.slow
def test_several_networks_are_saved_exported_and_part_of_one_graph(tmp_path: Path) -> None:
    X, Y = scene(300)
    gate = network(image_size=16)
    predictor: CascadePredictor = CascadeClassifier(gate, network(2, epochs=1)).fit(X, Y).predictor_
    proba = block_proba(predictor.labeler, X, np.arange(300), 2)
    predictor.save(tmp_path / "model", ("litert", "onnx"))
    for runtime in ("keras", "litert", "onnx"):
        served = CascadePredictor.load(tmp_path / "model", runtime=runtime)
        np.testing.assert_allclose(block_proba(served.labeler, X, np.arange(300), 2), proba, atol=1e-4, err_msg=runtime)
    write_graph(CascadePredictor.load(tmp_path / "model", runtime="keras"), tmp_path / "cascade.onnx", "onnx")


@pytest.mark.parametrize("wrong", [0, True, 1.5])
def test_their_number_is_checked(wrong: object) -> None:
    X, Y = scene(30)
    with pytest.raises(ConfigError, match="`n_networks` must be a whole number of 1 or more"):
        KerasClassifier("cnn", n_networks=wrong).fit(X, Y)
