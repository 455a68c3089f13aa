"""A whole cascade as one graph: it says what the predictor says, whatever the rules, and also where nothing passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.estimators.loss_options import DEFAULTS, make_loss
from cascade.estimators.runtime.measure import TOLERANCE
from cascade.rules.probability.calibration import Calibration, IsotonicCalibration
from cascade.rules.probability.coherence import coherent
from cascade.serving.graph import write_graph
from cascade.serving.graph_cascade import GraphCascade, calibrated
from cascade.serving.graph_formats import IR_NAME, OUTPUTS
from cascade.serving.graph_losses import CORRECTIONS
from cascade.serving.graph_rules import coherent_in_graph
from cascade.utils.log_odds import log_odds
from tests.conftest import KnownTruth


def fitted(truth: KnownTruth, **options: Any) -> CascadeClassifier:
    mlp = KerasClassifier("mlp", epochs=2, batch_size=64)
    # A cost sets bits of every label. F1 would set none of those that networks of so few epochs leave at chance.
    labeler = KerasClassifier("mlp", epochs=4, batch_size=64)
    chosen = {"gate": mlp, "labeler": labeler, "decision": {"cost": (1, 20)}, **options}
    # Without a column for it, `any` is no label.
    Y = truth.Y[:6000] if chosen.get("any_label", "auto") == "auto" else truth.Y[:6000, :4]
    return CascadeClassifier(**chosen).fit(truth.X[:6000].astype(np.float32), Y)


def assert_alike(answer: dict[str, Any], predictor: Any, X: np.ndarray) -> None:
    """Equal but for rows and bits at a threshold, or where two labels are level for the bit that `any` sets."""
    wanted = predictor.examine(X)
    clear = np.abs(wanted.gate_proba - predictor.rules.gate_threshold) > TOLERANCE
    np.testing.assert_allclose(answer["gate_probability"], wanted.gate_proba, atol=TOLERANCE)
    np.testing.assert_array_equal(answer["passed_gate"][clear], wanted.passed_gate[clear])
    np.testing.assert_allclose(answer["probabilities"][clear], wanted.proba[clear], atol=TOLERANCE)
    sure = clear & (np.abs(wanted.proba - predictor.rules.thresholds) > TOLERANCE).all(axis=1)
    if predictor.rules.coherence == "any":
        others = np.arange(wanted.proba.shape[1]) != predictor.rules.plan.any_index
        margins = (log_odds(wanted.proba) - log_odds(predictor.rules.thresholds))[:, others]
        best, second = -np.partition(-margins, 1, axis=1)[:, :2].T
        sure &= best - second > TOLERANCE
    # Isotonic calibration puts whole plateaus of rows at a threshold, which may hold all of a few rows.
    assert sure.mean() > 0.5 or len(X) < 10
    np.testing.assert_array_equal(answer["labels"][sure], wanted.labels[sure])


OPTIONS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "any decides": {"coherence": "any", "calibration": "beta"},
    "labels decide": {"coherence": "labels", "calibration": "isotonic", "negative_pool": "gated"},
    "no any": {"any_label": None, "gate_targets": "any", "calibration": "none", "rejected": "zero"},
    "no gate": {"gate": "none"},
    "balanced": {"labeler": BalancedBinaryRelevance(KerasClassifier("mlp", epochs=1), n_bags=2)},
}


@pytest.fixture(scope="module")
def predictor_of(truth: KnownTruth) -> Callable[[str], Any]:
    """Return a predictor by the name of its options, each fitted once."""
    return cache(lambda name: fitted(truth, **OPTIONS[name]).predictor_)


@pytest.fixture(scope="module")
def plain(predictor_of: Callable[[str], Any]) -> Any:
    return predictor_of("as it comes")


@pytest.fixture(params=sorted(OPTIONS))
def predictor(request: pytest.FixtureRequest, predictor_of: Callable[[str], Any]) -> Any:
    return predictor_of(request.param)


def test_the_graph_of_any_cascade_says_what_it_says(predictor: Any, truth: KnownTruth, tmp_path: Path) -> None:
    X = truth.X[6000:9000].astype(np.float32)
    cascade = GraphCascade(predictor)
    assert_alike({name: value.numpy() for name, value in cascade.examine(X).items()}, predictor, X)
    assert write_graph(predictor, tmp_path / "cascade.onnx", "onnx") < TOLERANCE
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "cascade.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert_alike_whatever_passes(
        lambda rows: dict(zip(names, session.run(None, {"rows": rows}), strict=True)), predictor, X
    )


def assert_alike_whatever_passes(examine: Any, predictor: Any, X: np.ndarray) -> None:
    """Any number of rows, also none or only such as pass."""
    passed = predictor.examine(X).passed_gate
    # Without a gate every row passes.
    assert (~passed).any() != predictor.rules.is_flat
    assert passed.any()
    for rows in (X, X[~passed], X[passed], X[:1], X[~passed][:1]):
        if len(rows):
            assert_alike(examine(rows), predictor, rows)


def test_openvino_reads_what_is_written_for_it(
    predictor_of: Callable[[str], Any], truth: KnownTruth, tmp_path: Path
) -> None:
    openvino = pytest.importorskip("openvino")
    predictor = predictor_of("any decides")
    assert write_graph(predictor, tmp_path / "served", "openvino") < TOLERANCE
    compiled = openvino.Core().compile_model(tmp_path / "served" / IR_NAME, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert sorted(path.suffix for path in (tmp_path / "served").iterdir()) == [".bin", ".xml"]
    X = truth.X[6000:9000].astype(np.float32)
    assert_alike_whatever_passes(lambda rows: {name: compiled(rows)[name] for name in OUTPUTS}, predictor, X)


def test_a_graph_sets_no_label_that_is_never_set(plain: Any, truth: KnownTruth, tmp_path: Path) -> None:
    import tensorflow as tf

    limits = np.where(np.arange(5) == 4, plain.rules.thresholds, 2.0)
    rules = replace(plain.rules, coherence="any", thresholds=limits)
    predictor = CascadePredictor(plain.gate, plain.labeler, rules, plain.signature)
    write_graph(predictor, tmp_path / "served", "saved_model")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    X = truth.X[6000:7000].astype(np.float32)
    labels = served(rows=tf.constant(X))["labels"].numpy()
    np.testing.assert_array_equal(labels, predictor.predict(X))
    assert labels[:, 4].any()
    assert not labels[:, :4].any()


def test_a_saved_model_is_served_by_its_signature(plain: Any, truth: KnownTruth, tmp_path: Path) -> None:
    import tensorflow as tf

    X = truth.X[6000:7000].astype(np.float32)
    write_graph(plain, tmp_path / "served", "saved_model")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    assert_alike({name: value.numpy() for name, value in served(rows=tf.constant(X)).items()}, plain, X)


def test_what_no_graph_can_hold_is_refused(plain: Any, tmp_path: Path) -> None:
    gate = LogisticRegression().fit(np.zeros((2, 6)), [0, 1])
    predictor = CascadePredictor(gate, plain.labeler, plain.rules, plain.signature)
    with pytest.raises(ConfigError, match="needs a network as gate"):
        write_graph(predictor, tmp_path / "graph.onnx", "onnx")
    with pytest.raises(ConfigError, match="cannot hold an adapted cascade"):
        write_graph(predictor.adapt(prevalence=0.3), tmp_path / "graph.onnx", "onnx")
    with pytest.raises(ConfigError, match="`format` must be one of"):
        write_graph(predictor, tmp_path / "graph", "pickle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_losses_are_corrected_in_the_graph_as_outside(kind: str) -> None:
    Y = np.random.default_rng(0).random((500, 3)) < (0.02, 0.2, 0.6)
    loss = make_loss(kind, LabelMatrix(Y.astype(np.uint8)))
    z = np.linspace(-40, 40, 600).reshape(-1, 3)
    np.testing.assert_allclose(CORRECTIONS[type(loss)](loss, z), loss.log_odds(z), rtol=1e-6, atol=1e-6)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(0, 1)), st.data())
def test_coherence_in_the_graph_is_coherence(proba: np.ndarray, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, proba.shape[1] - 1))
    np.testing.assert_allclose(coherent_in_graph(proba, index), coherent(proba, index), atol=1e-12)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-20, 20)))
def test_calibrations_in_the_graph_are_those_outside(z: np.ndarray) -> None:
    slopes = Calibration(np.array([0.5, 1.5]), np.array([0.7, 1.5]), np.array([-1.0, 2.0]))
    lines = IsotonicCalibration(
        (np.array([-3.0, -2.5, 1.0, 4.0]), np.array([0.0])), (np.array([-5.0, -4.0, -4.0, 2.0]), np.array([1.5]))
    )
    for calibration in (slopes, lines):
        np.testing.assert_allclose(calibrated(calibration, z), calibration(z), atol=1e-12)
