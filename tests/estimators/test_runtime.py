"""Exported networks: they answer as Keras does, without it; the fastest is chosen, and none runs code from a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from scipy.special import expit

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier, ManyLabelClassifier
from cascade.batch.outputs.predictions import CascadeTables
from cascade.data.rows import RowView
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.estimators.network_names import OWN
from cascade.estimators.neural.networks import build_network
from cascade.estimators.runtime.convert import convert
from cascade.estimators.runtime.exported import ExportedNetwork
from cascade.estimators.runtime.measure import BATCH_SIZES, TOLERANCE, rehearsal_rows
from cascade.estimators.runtime.runtimes import RUNTIMES, Runtime
from cascade.estimators.runtime.sessions import Sessions
from cascade.estimators.scoring import computed_by
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.store.timing import AS_FAST, worth
from tests.conftest import KnownTruth
from tests.store.test_store import forge

SHAPES = {"mlp": ((9,), "float32"), "embedding_bag": ((9,), "float32"), "cnn": ((40, 32, 1), "uint8")}
IMAGE = ((32, 32, 3), "uint8")


def network_with_lived_in_weights(name: str) -> Any:
    """A network whose normalisations and biases are not those that training starts from."""
    shape, dtype = SHAPES.get(name, IMAGE)
    network, rng = build_network(name, shape, 5, dtype, {}), np.random.default_rng(1)
    for weight in network.weights:
        if any(part in weight.path for part in ("gamma", "variance")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif any(part in weight.path for part in ("mean", "beta", "bias")):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return network


LARGE = ("efficientnet_v2_b0", "mobilenet_v3_small")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in (*OWN, *LARGE)]
)
def test_every_shipped_network_answers_alike_in_every_runtime(name: str) -> None:
    network = network_with_lived_in_weights(name)
    rows = rehearsal_rows(*SHAPES.get(name, IMAGE), 37)
    reference = np.asarray(network(rows, training=False))
    assert np.ptp(reference) > 0.1, "a network that says nothing agrees with anything"
    for runtime in RUNTIMES:
        exported = ExportedNetwork(convert(network, runtime), runtime, 16, 1, *SHAPES.get(name, IMAGE))
        exported.sampling_shift_ = np.zeros(5)
        np.testing.assert_allclose(expit(exported.logits(rows)), expit(reference), atol=TOLERANCE)
        np.testing.assert_allclose(exported.logits(rows[:1]), exported.logits(rows)[:1], atol=1e-4)


@pytest.fixture(scope="module")
def model(truth: KnownTruth) -> CascadeClassifier:
    """Of two labels and `any`: each bag of a label is a network to be trained and exported."""
    balanced = BalancedBinaryRelevance(KerasClassifier("mlp", epochs=1, batch_size=64), n_bags=2)
    gate, two = KerasClassifier("mlp", epochs=2, batch_size=64, loss="weighted"), truth.Y[:4000, 2:4]
    Y = np.column_stack([two, two.any(axis=1)])
    return CascadeClassifier(gate, balanced).fit(truth.X[:4000].astype(np.float32), Y)


@pytest.fixture(scope="module")
def exported(model: CascadeClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "exported"
    model.predictor_.save(folder, ("litert", "onnx"))
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


@pytest.mark.parametrize("runtime", ["auto", *RUNTIMES])
def test_a_whole_cascade_predicts_alike_but_at_its_thresholds(runtime: str, exported: Path, truth: KnownTruth) -> None:
    X = truth.X[4000:7000].astype(np.float32)
    reference = CascadePredictor.load(exported, "keras")
    answer, wanted = CascadePredictor.load(exported, runtime).examine(X), reference.examine(X)
    near_gate = np.abs(wanted.gate_proba - reference.rules.gate_threshold) < TOLERANCE
    assert near_gate.mean() < 0.01
    np.testing.assert_array_equal(answer.passed_gate[~near_gate], wanted.passed_gate[~near_gate])
    np.testing.assert_allclose(answer.proba[~near_gate], wanted.proba[~near_gate], atol=TOLERANCE)
    sure = ~near_gate[:, None] & (np.abs(wanted.proba - reference.rules.thresholds) > TOLERANCE)
    np.testing.assert_array_equal(answer.labels[sure], wanted.labels[sure])


def test_how_many_rows_are_read_at_a_time_changes_nothing(exported: Path, truth: KnownTruth) -> None:
    X, predictor = truth.X[4000:6500].astype(np.float32), CascadePredictor.load(exported)
    whole, parts = predictor.gate_proba(X), [predictor.gate_proba(X[start : start + 1024]) for start in (0, 1024, 2048)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("runtime", ["keras", *RUNTIMES])
@pytest.mark.parametrize("invalid", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named_whatever_a_kernel_makes_of_it(
    invalid: float, runtime: str, exported: Path, truth: KnownTruth
) -> None:
    X = truth.X[4000:7000].astype(np.float32)
    X[2345, 1] = invalid
    predictor = CascadePredictor.load(exported, runtime)
    with pytest.raises(DataError, match="row 2345 gave NaN"):
        predictor.predict(RowView(X, np.arange(len(X))))
    passed = np.delete(np.arange(len(X)), 2345)
    assert len(predictor.predict(RowView(X, passed))) == len(passed)


WITHOUT_TRAINING = """
import sys, numpy as np
from cascade import CascadePredictor
predictor = CascadePredictor.load(sys.argv[1], sys.argv[2], threads=1)
assert predictor.predict(np.zeros((3, 6), np.float32)).shape == (3, 5)
print(sorted({"keras", "tensorflow", "onnx", "tf2onnx", "sklearn", "pandas", "imblearn"} & set(sys.modules)))
"""


def test_an_exported_model_imports_nothing_that_only_training_needs(truth: KnownTruth, tmp_path: Path) -> None:
    X, Y = truth.X[:2000].astype(np.float32), truth.Y[:2000]
    model = CascadeClassifier(KerasClassifier("mlp", epochs=1), KerasClassifier("mlp", epochs=1)).fit(X, Y)
    model.predictor_.save(tmp_path / "model", tuple(RUNTIMES))
    for runtime in RUNTIMES:
        command = [sys.executable, "-c", WITHOUT_TRAINING, str(tmp_path / "model"), runtime]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_rates_are_recorded_fastest_first_and_equal_networks_share_them(exported: Path) -> None:
    body = json.loads((exported / "cascade.json").read_text())
    bags = [bag["exports"]["networks"] for bags in body["labeler"]["bags"] for bag in bags]
    for networks in (body["gate"]["exports"]["networks"], *bags):
        assert networks == sorted(networks, key=worth, reverse=True)
        rates = [one["rows_per_second"] for one in networks if one["runtime"] != "keras"]
        assert rates == sorted(rates, reverse=True)
        assert {one["runtime"] for one in networks} == {"keras", *RUNTIMES}
        for one in networks:
            rate = one["rates"][str(one["batch_size"])]
            assert one["rows_per_second"] == rate >= AS_FAST * max(one["rates"].values())
            faster = AS_FAST * max(one["rates"].values())
            assert all(other < faster for size, other in one["rates"].items() if int(size) < one["batch_size"])
            assert one["runtime"] == "keras" or one["batch_size"] in BATCH_SIZES
            assert one.get("largest_difference", 0) < TOLERANCE
    assert len(bags) == 2 * 2
    assert len({json.dumps([one["rates"] for one in networks]) for networks in bags}) == 1


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Runtime.installed
    monkeypatch.setattr(Runtime, "installed", lambda self: self is not RUNTIMES[name] and installed(self))


def test_auto_takes_the_next_runtime_where_one_is_missing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.loads((copy / "cascade.json").read_text())
    gate = body["gate"]
    order = {"onnx": 0, "litert": 1, "keras": 2}
    gate["exports"]["networks"].sort(key=lambda one: order[one["runtime"]])
    forge(copy, gate=gate)
    assert CascadePredictor.load(copy).gate.runtime == "onnx"
    without("onnx", monkeypatch)
    assert CascadePredictor.load(copy).gate.runtime == "litert"
    with pytest.raises(ConfigError, match="onnxruntime is not installed"):
        CascadePredictor.load(copy, "onnx")
    without("litert", monkeypatch)
    assert isinstance(CascadePredictor.load(copy).gate, KerasClassifier)


def test_auto_takes_keras_where_it_was_fastest(copy: Path) -> None:
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    gate["exports"]["networks"].sort(key=lambda one: one["runtime"] != "keras")
    forge(copy, gate=gate)
    assert isinstance(CascadePredictor.load(copy).gate, KerasClassifier)
    assert isinstance(CascadePredictor.load(copy, "litert").gate, ExportedNetwork)


def test_what_cannot_be_asked_for_is_told(exported: Path, model: CascadeClassifier, tmp_path: Path) -> None:
    model.predictor_.save(tmp_path / "plain")
    assert isinstance(CascadePredictor.load(tmp_path / "plain").gate, KerasClassifier)
    with pytest.raises(ConfigError, match="`cascade export` adds it"):
        CascadePredictor.load(tmp_path / "plain", "litert")
    with pytest.raises(ConfigError, match="`runtime` must be one of"):
        CascadePredictor.load(exported, "openvino")
    with pytest.raises(ConfigError, match="`threads` must be"):
        CascadePredictor.load(exported, threads=0)
    with pytest.raises(ConfigError, match="`runtimes` must be among"):
        model.predictor_.save(tmp_path / "odd", ("tensorrt",))
    with pytest.raises(ConfigError, match="runtime='keras'"):
        CascadePredictor.load(exported, "litert").save(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_network_that_answers_otherwise_is_left_out(
    model: CascadeClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "cascade.store.exporting.probability_differences", lambda logits, reference: (2 * TOLERANCE, TOLERANCE)
    )
    model.predictor_.save(tmp_path / "far", ("litert",))
    assert "left out" in caplog.text
    assert not list((tmp_path / "far").glob("*.tflite"))
    assert isinstance(CascadePredictor.load(tmp_path / "far").gate, KerasClassifier)


def put_first(copy: Path, preferred: str, **change: Any) -> None:
    """Forge the gate's entry of a runtime, and put it first."""
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    networks = gate["exports"]["networks"]
    networks.sort(key=lambda one: one["runtime"] != preferred)
    networks[0].update(change)
    forge(copy, gate=gate)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"file": "../gate.tflite"}, "must belong to exactly one part"),
        ({"file": "gate.onnx"}, "must belong to exactly one part"),
        ({"file": "gate.keras"}, "must belong to exactly one part"),
        ({"batch_size": 10**9}, "`batch_size`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"runtime": ["litert"]}, "not valid"),
    ],
)
def test_forged_entries_are_refused(change: dict[str, Any], sentence: str, copy: Path) -> None:
    put_first(copy, "litert", **change)
    with pytest.raises(ModelRefusedError, match=sentence):
        CascadePredictor.load(copy)


@pytest.mark.parametrize("shape", [[7], [2**40], [], [6, 1]])
@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_networks_of_other_rows_are_refused(shape: list[int], runtime: str, copy: Path) -> None:
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    gate["exports"]["row_shape"] = shape
    forge(copy, gate=gate)
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(copy, runtime)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_the_network_of_another_part_is_refused(runtime: str, copy: Path, tmp_path: Path) -> None:
    five = network_with_lived_in_weights("mlp")
    (copy / f"gate{RUNTIMES[runtime].suffix}").write_bytes(convert(five, runtime))
    forge(copy)
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(copy, runtime)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_damaged_networks_are_refused(runtime: str, copy: Path) -> None:
    path = copy / f"gate{RUNTIMES[runtime].suffix}"
    for content in (b"", b"not a network", path.read_bytes()[: path.stat().st_size // 3]):
        path.write_bytes(content)
        forge(copy)
        with pytest.raises(ModelRefusedError):
            CascadePredictor.load(copy, runtime)


@pytest.mark.parametrize("order", [("location", "length"), ("length", "location")])
@pytest.mark.parametrize("absolute", [True, False])
def test_an_onnx_network_cannot_read_other_files(
    order: tuple[str, str], absolute: bool, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    network = onnx.load_from_string((copy / "gate.onnx").read_bytes())
    weights = max(network.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    content = bytes(weights.raw_data)
    (copy.parent / "weights.bin").write_bytes(content)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    place = str(copy.parent / "weights.bin") if absolute else "weights.bin"
    for key in order:
        entry = weights.external_data.add()
        entry.key, entry.value = key, {"location": place, "length": str(len(content))}[key]
    (copy / "gate.onnx").write_bytes(network.SerializeToString())
    forge(copy)
    monkeypatch.chdir(copy.parent)
    with pytest.raises((ModelRefusedError, DataError)):
        CascadePredictor.load(copy, "onnx")


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_one_logit_does_not_stand_for_all(runtime: str, tmp_path: Path) -> None:
    one = convert(build_network("mlp", (6,), 1, "float32", {}), runtime)
    network = ExportedNetwork(one, runtime, 8, 1, (6,), "float32")
    network.sampling_shift_ = np.zeros(5)
    with pytest.raises(ModelRefusedError, match=r"must give logits \(8, 5\)"):
        network.logits(np.zeros((3, 6), np.float32))


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_how_many_threads_compute_changes_no_bit(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, rows = convert(network_with_lived_in_weights("cnn"), runtime), rehearsal_rows(*SHAPES["cnn"], 500)

    def answer(threads: int) -> Any:
        network = ExportedNetwork(content, runtime, 8, threads, *SHAPES["cnn"])
        network.sampling_shift_ = np.zeros(5)
        return network.logits(rows)

    monkeypatch.setattr("cascade.estimators.runtime.exported.WORTH_A_THREAD", 0.0)
    alone, together = answer(1), answer(3)
    monkeypatch.setattr("cascade.estimators.runtime.exported.WORTH_A_THREAD", np.inf)
    assert alone.tobytes() == together.tobytes() == answer(3).tobytes()


def test_no_two_threads_are_in_one_session() -> None:
    opened: list[list[int]] = []

    def session() -> Any:
        inside: list[int] = []
        opened.append(inside)

        def run(number: Any) -> Any:
            assert not inside
            inside.append(number)
            time.sleep(0.002)
            return inside.pop()

        return run

    sessions = Sessions(session, 3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sessions.run, range(60))) == list(range(60))
    assert 1 < len(opened) <= 3


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_threads_may_share_a_network(runtime: str) -> None:
    network = ExportedNetwork(
        convert(build_network("mlp", (6,), 1, "float32", {}), runtime), runtime, 8, 1, (6,), "float32"
    )
    network.sampling_shift_ = np.zeros(1)
    X = rehearsal_rows((6,), "float32", 4000)
    whole, other = network.logits(X), network.logits(X[::-1])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(network.logits, [X, X[::-1]] * 8))
    for number, answer in enumerate(found):
        np.testing.assert_array_equal(answer, other if number % 2 else whole)


def test_rows_of_another_type_are_cast_or_refused_in_a_sentence() -> None:
    for runtime in RUNTIMES:
        content = convert(build_network("mlp", (6,), 1, "float32", {}), runtime)
        network = ExportedNetwork(content, runtime, 8, 1, (6,), "float32")
        network.sampling_shift_ = np.zeros(1)
        bytes_ = np.arange(18, dtype=np.uint8).reshape(3, 6)
        np.testing.assert_array_equal(network.logits(bytes_), network.logits(bytes_.astype(np.float32)))
        with pytest.raises(DataError, match="does not take"):
            network.logits(np.zeros((3, 7), np.float32))


def test_a_network_for_other_rows_than_the_model_takes_is_refused(copy: Path) -> None:
    signature = json.loads((copy / "cascade.json").read_text())["signature"]
    forge(copy, signature={**signature, "row_shape": [200]})
    with pytest.raises(ModelRefusedError, match="takes rows"):
        CascadePredictor.load(copy, "litert")


def test_keras_itself_is_traced_once_whatever_the_number_of_rows(truth: KnownTruth) -> None:
    X = truth.X[:2000].astype(np.float32)
    network = KerasClassifier("mlp", epochs=1, batch_size=64).fit(X, truth.Y[:2000, 0])
    network.predict_proba(X[:10])
    traced = network.network_.predict_function.experimental_get_tracing_count()
    for n in (1, 3, 64, 65, 1999):
        network.predict_proba(X[:n])
    assert network.network_.predict_function.experimental_get_tracing_count() == traced == 1


def test_flat_models_of_many_labels_are_exported_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4)).astype(np.float32)
    Y = (X @ rng.normal(size=(4, 30)) + rng.normal(size=(2000, 30)) > 3).astype(np.uint8)
    model = ManyLabelClassifier(KerasClassifier("mlp", epochs=2, loss="softmax"), decoder="count").fit(X, Y)
    model.predictor_.save(tmp_path / "flat", ("litert", "onnx"))
    wanted = ManyLabelPredictor.load(tmp_path / "flat", "keras").predict_proba(X)
    for runtime in RUNTIMES:
        answer = ManyLabelPredictor.load(tmp_path / "flat", runtime, threads=1).predict_proba(X)
        np.testing.assert_allclose(answer, wanted, atol=TOLERANCE)


@pytest.mark.slow
def test_a_job_is_another_one_in_another_runtime_or_with_other_threads(exported: Path, truth: KnownTruth) -> None:
    def settings(*options: Any) -> dict[str, Any]:
        return CascadeTables(CascadePredictor.load(exported, *options)).settings

    assert settings("litert", 1) == {"gate": "litert, 1 threads", "labeler": "litert, 1 threads"}
    assert settings("litert", 2) != settings("litert", 1) != settings("onnx", 1)
    assert settings("keras")["gate"].startswith("keras")


def test_bags_in_several_runtimes_are_all_named(exported: Path) -> None:
    labeler = CascadePredictor.load(exported, "litert", threads=1).labeler
    labeler.estimators_[-1][-1] = CascadePredictor.load(exported, "onnx", threads=1).labeler.estimators_[-1][-1]
    assert computed_by(labeler) == "litert, 1 threads; onnx, 1 threads"
