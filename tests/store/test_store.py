"""Saved models: nothing changes on the way, nothing odd is loaded, nothing in a folder can run code."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.errors import ConfigError, ModelRefusedError
from cascade.store.folder import describe_cascade
from cascade.store.keras_file import check_archive
from cascade.store.manifest import PROTOCOL, _digest_of
from tests.conftest import KnownTruth

KERAS = {"epochs": 1, "batch_size": 64}


def small(truth: KnownTruth, gate: object, labeler: object) -> CascadeClassifier:
    return CascadeClassifier(gate, labeler).fit(truth.X[:4000].astype(np.float32), truth.Y[:4000])


@pytest.fixture(scope="module")
def keras_model(truth: KnownTruth) -> CascadeClassifier:
    """Of two labels and `any`: each takes a network of its own."""
    network, two = KerasClassifier("mlp", **KERAS), truth.Y[:4000, 2:4]
    model = CascadeClassifier(network, BalancedBinaryRelevance(network, n_bags=1))
    return model.fit(truth.X[:4000].astype(np.float32), np.column_stack([two, two.any(axis=1)]))


@pytest.fixture(scope="module")
def saved(keras_model: CascadeClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    keras_model.save(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


PREDICT = """
import sys, numpy as np
from cascade import CascadePredictor
np.save(sys.argv[3], CascadePredictor.load(sys.argv[1]).predict_proba(np.load(sys.argv[2])))
"""


def predicted_elsewhere(folder: Path, X: np.ndarray, tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "X.npy", X)
    arguments = [str(folder), str(tmp_path / "X.npy"), str(tmp_path / "P.npy")]
    subprocess.run([sys.executable, "-c", PREDICT, *arguments], check=True, capture_output=True)
    return np.load(tmp_path / "P.npy")


def test_another_process_predicts_the_same_bits(
    keras_model: CascadeClassifier, saved: Path, truth: KnownTruth, tmp_path: Path
) -> None:
    X = truth.X[4000:5500].astype(np.float32)
    np.testing.assert_array_equal(predicted_elsewhere(saved, X, tmp_path), keras_model.predict_proba(X))


@pytest.mark.parametrize(
    ("gate", "labeler"),
    [
        (LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=2)),
        (HistGradientBoostingClassifier(max_iter=5), MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=5))),
        (make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(3)),
        (MLPClassifier(max_iter=3), MLPClassifier(max_iter=3)),
    ],
    ids=["linear", "boosting", "pipeline and forest", "mlp"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_parts_come_back_the_same(
    truth: KnownTruth, tmp_path: Path, gate: object, labeler: object
) -> None:
    model = small(truth, gate, labeler)
    model.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    X = truth.X[4000:6000].astype(np.float32)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.labels == model.predictor_.labels


def test_no_file_is_a_pickle(saved: Path) -> None:
    for path in saved.iterdir():
        assert path.suffix in {".json", ".keras", ".skops"}
        with path.open("rb") as handle:
            assert handle.read(2) != b"\x80\x04"


def test_nothing_is_overwritten(keras_model: CascadeClassifier, saved: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        keras_model.save(saved)


def test_every_changed_byte_is_noticed(copy: Path) -> None:
    rng = np.random.default_rng(0)
    for path in sorted(copy.iterdir()):
        original = path.read_bytes()
        for place in [0, len(original) - 2, *rng.integers(0, len(original), 4)]:
            changed = bytearray(original)
            changed[place] ^= 1
            path.write_bytes(bytes(changed))
            with pytest.raises(ModelRefusedError, match=path.name):
                CascadePredictor.load(copy)
        path.write_bytes(original)
    CascadePredictor.load(copy)


def test_a_package_that_is_broken_here_is_not_blamed_on_the_model(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cascade.store.keras_file", None)
    with pytest.raises(ConfigError, match="needs a package that cannot be imported"):
        CascadePredictor.load(copy)


def test_missing_and_extra_files_and_links_are_named(copy: Path) -> None:
    (copy / "gate.keras").rename(copy / "spare.keras")
    with pytest.raises(ModelRefusedError, match=r"gate\.keras` is a missing file"):
        CascadePredictor.load(copy)
    (copy / "spare.keras").rename(copy / "gate.keras")
    (copy / "extra.py").write_text("")
    with pytest.raises(ModelRefusedError, match=r"extra\.py` is an extra file"):
        CascadePredictor.load(copy)
    (copy / "extra.py").unlink()
    outside = copy.parent / "gate.keras"
    (copy / "gate.keras").rename(outside)
    (copy / "gate.keras").symlink_to(outside)
    with pytest.raises(ModelRefusedError, match="links"):
        CascadePredictor.load(copy)


def forge(folder: Path, **changes: object) -> None:
    """Change the manifest and give it a digest that fits, as someone who means harm would."""
    body = json.loads((folder / "cascade.json").read_text())
    body.update(changes)
    for path in folder.iterdir():
        if path.name in body["files"] and "files" not in changes:
            import hashlib

            content = path.read_bytes()
            body["files"][path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    body["sha256"] = _digest_of(body)
    (folder / "cascade.json").write_text(json.dumps(body))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_without_a_network_that_declares_images_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = CascadeClassifier(DummyClassifier(), DummyClassifier())
    model.fit(rng.random((600, 4)), (rng.random((600, 2)) < 0.2).astype(int))
    model.save(tmp_path / "model")
    signature = json.loads((tmp_path / "model" / "cascade.json").read_text())["signature"]
    forge(tmp_path / "model", signature={**signature, "row_shape": [4, 4, 4]})
    with pytest.raises(ModelRefusedError, match=r"rows \(4, 4, 4\), and none of its estimators takes images"):
        CascadePredictor.load(tmp_path / "model")


@pytest.mark.parametrize(
    "provenance",
    [
        [],
        {"columns": [1]},
        {"columns": {"group": {}}},
        {"pixels": "abc"},
        {"pixels": {"colour": 1}},
        {"pixels": {"image_size": 0}},
        {"adapted": {}},
        {"adapted": {"prevalence": "high"}},
        {"gate_costs": {"share_past_gate": 0.5, "deciding": "x", "labels": []}},
    ],
)
def test_a_forged_provenance_is_refused(provenance: object, copy: Path) -> None:
    forge(copy, provenance=provenance)
    for read in (CascadePredictor.load, describe_cascade):
        with pytest.raises((ModelRefusedError, ConfigError)):
            read(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": {"kind": "foo", "file": "gate.keras"}},
        {"gate": {"kind": "keras", "file": "../gate.keras"}},
        {"gate": None},
        {"labeler": {"kind": "balanced", "bags": [[{"kind": "skops", "file": "/etc/passwd"}]]}},
        {"signature": {}},
        {"certificate": {"recall": 0.99}},
    ],
)
def test_a_manifest_that_is_not_valid_is_not_described_either(changes: dict[str, Any], copy: Path) -> None:
    assert describe_cascade(copy).rules.label_names[-1] == "label_2"
    forge(copy, **changes)
    for read in (CascadePredictor.load, describe_cascade):
        with pytest.raises(ModelRefusedError):
            read(copy)


def test_unknown_protocols_and_paths_outside_are_refused(copy: Path) -> None:
    forge(copy, protocol=99)
    with pytest.raises(ModelRefusedError, match="protocol 99"):
        CascadePredictor.load(copy)
    forge(copy, protocol=PROTOCOL, gate={"kind": "skops", "file": "../other.skops"})
    with pytest.raises(ModelRefusedError, match="outside"):
        CascadePredictor.load(copy)
    forge(copy, gate={"kind": "pickle", "file": "gate.keras"})
    with pytest.raises(ModelRefusedError, match="unknown kind 'pickle'"):
        CascadePredictor.load(copy)
    forge(copy, rules={})
    with pytest.raises(ModelRefusedError, match="manifest"):
        CascadePredictor.load(copy)
    forge(copy, files={"../../etc/passwd": {"sha256": "", "bytes": 1}})
    with pytest.raises(ModelRefusedError, match="not a plain model file"):
        CascadePredictor.load(copy)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rejected_interval", [[-1.0] * 3, [2.0] * 3]),
        ("gate_calibration", {"low": [-1.0], "high": [-1.0], "intercept": [0.0]}),
        ("gate_threshold", 2.0),
        ("thresholds", [0.5]),
        ("rejected_interval", [[0.5] * 3, [0.1] * 3]),
    ],
)
def test_rules_that_no_fit_gives_are_refused(copy: Path, part: str, value: object) -> None:
    rules = json.loads((copy / "cascade.json").read_text())["rules"]
    forge(copy, rules={**rules, part: value})
    with pytest.raises(ModelRefusedError, match="do not fit together"):
        CascadePredictor.load(copy)


def test_columns_that_are_not_whole_numbers_are_refused(copy: Path) -> None:
    rules = json.loads((copy / "cascade.json").read_text())["rules"]
    learned = [column + 0.5 for column in rules["plan"]["learned"]]
    forge(copy, rules={**rules, "plan": {**rules["plan"], "learned": learned}})
    with pytest.raises(ModelRefusedError, match="whole numbers"):
        CascadePredictor.load(copy)


@pytest.fixture(scope="module")
def certified(truth: KnownTruth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, labeler = tmp_path_factory.mktemp("models") / "model", MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, gate_policy={"recall": 0.9, "confidence": 0.9})
    model.fit(truth.X, truth.Y).save(folder)
    assert CascadePredictor.load(folder).certificate is not None
    return folder


@pytest.mark.parametrize(
    "forged",
    [
        {"recall": 1.5},
        {"confidence": "high"},
        {"threshold": 0.0},
        {"claim": "all"},
        {"unit": "patient"},
        {"labels": []},
        {"recall": 1.0},
        {"rows": True},
        {"rows": 10},
        ("proven", 0.999),
        ("units", 0),
        ("misses", 0),
        ("certified", False),
        ("needed", 1.5),
    ],
    ids=str,
)
def test_a_forged_certificate_is_refused(certified: Path, tmp_path: Path, forged: Any) -> None:
    shutil.copytree(certified, tmp_path / "model")
    certificate = json.loads((tmp_path / "model" / "cascade.json").read_text())["certificate"]
    if isinstance(forged, tuple):
        first, *rest = certificate["labels"]
        forged = {"labels": [{**first, forged[0]: forged[1]}, *rest]}
    forge(tmp_path / "model", certificate={**certificate, **forged})
    with pytest.raises(ModelRefusedError, match="certificate"):
        CascadePredictor.load(tmp_path / "model")


def rewrite(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content.update({name.replace("__", "."): value for name, value in members.items()})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)


def test_an_archive_that_would_expand_is_refused_at_once(copy: Path) -> None:
    path = copy / "gate.keras"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value + (b" " * 200_000_000 if name == "config.json" else b""))
    forge(copy)
    started = time.monotonic()
    with pytest.raises(ModelRefusedError, match="would expand"):
        CascadePredictor.load(copy)
    assert time.monotonic() - started < 5


def lambda_config(content: bytes) -> bytes:
    config = json.loads(content)
    config["config"]["layers"][1] = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}}
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda_config, "Lambda"),
        (lambda content: content.replace(b'"keras.layers"', b'"os.path"', 1), r"os\.path"),
        (lambda content: content[:-5], "readable JSON"),
        (lambda content: b"[" * 200_000, "readable JSON"),
    ],
    ids=["lambda", "foreign module", "cut", "deep"],
)
def test_configs_that_could_run_code_are_refused(copy: Path, change: object, sentence: str) -> None:
    path = copy / "gate.keras"
    with zipfile.ZipFile(path) as archive:
        content = archive.read("config.json")
    rewrite(path, config__json=change(content))
    forge(copy)
    with pytest.raises(ModelRefusedError, match=sentence):
        CascadePredictor.load(copy)


def wide_config(content: bytes) -> bytes:
    config = json.loads(content)
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
        if layer["class_name"] == "Dense":
            layer["config"]["units"] = 200_000
    return json.dumps(config).encode()


def test_a_network_wider_than_its_file_is_refused_before_it_takes_memory(copy: Path) -> None:
    import resource

    path = copy / "gate.keras"
    with zipfile.ZipFile(path) as archive:
        content = archive.read("config.json")
    rewrite(path, config__json=wide_config(content))
    forge(copy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelRefusedError, match="more than it holds"):
        CascadePredictor.load(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes; 160 GB were declared


def test_a_network_with_another_number_of_outputs_is_refused(copy: Path) -> None:
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    forge(copy, gate={**gate, "n_outputs": 4, "multilabel": True})
    with pytest.raises(ModelRefusedError, match="must give 4 logits"):
        CascadePredictor.load(copy)


def forge_tree(folder: Path, change: object) -> None:
    """Change the nodes of the gate's decision tree inside its skops file."""
    path = folder / "gate.skops"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, value in content.items():
        array = np.load(io.BytesIO(value)) if name.endswith(".npy") else np.empty(0)
        if array.dtype.names is not None:
            change(array)
            held = io.BytesIO()
            np.save(held, array)
            content[name] = held.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    forge(folder)


def first(field: str, value: int) -> object:
    def change(nodes: np.ndarray) -> None:
        nodes[field][0] = value

    return change


FORGED_NODES = {
    DecisionTreeClassifier(max_depth=3): [
        ("left_child", 10**6),
        ("right_child", 0),
        ("feature", 10**6),
        ("feature", -7),
    ],
    HistGradientBoostingClassifier(max_iter=2): [
        ("right", 10**6),
        ("left", 0),
        ("feature_idx", 10**6),
        ("is_categorical", 1),
    ],
}


@pytest.mark.parametrize("gate", FORGED_NODES, ids=lambda gate: type(gate).__name__)
def test_a_forged_tree_is_refused(truth: KnownTruth, tmp_path: Path, gate: object) -> None:
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=1)
    small(truth, gate, labeler).save(tmp_path / "model")
    forge_tree(tmp_path / "model", lambda nodes: None)
    CascadePredictor.load(tmp_path / "model")
    for number, (field, value) in enumerate(FORGED_NODES[gate]):
        forged = Path(shutil.copytree(tmp_path / "model", tmp_path / f"{number}"))
        forge_tree(forged, first(field, value))
        with pytest.raises(ModelRefusedError, match=r"nodes point outside|parts that do not fit together"):
            CascadePredictor.load(forged)


def weights_of(path: Path) -> io.BytesIO:
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def test_weights_that_point_elsewhere_or_lie_about_their_size_are_refused(copy: Path) -> None:
    path = copy / "gate.keras"
    held = weights_of(path)
    with h5py.File(held, "a") as weights:
        weights["elsewhere"] = h5py.ExternalLink("/etc/passwd", "x")
    original = path.read_bytes()
    rewrite(path, model__weights__h5=held.getvalue())
    with pytest.raises(ModelRefusedError, match="link"):
        check_archive(path)
    path.write_bytes(original)
    held = weights_of(path)
    with h5py.File(held, "a") as weights:
        weights.create_dataset("huge", shape=(10**10,), dtype="f4", chunks=(1000,))
    rewrite(path, model__weights__h5=held.getvalue())
    with pytest.raises(ModelRefusedError, match="declares"):
        check_archive(path)


def test_weights_that_are_not_finite_are_neither_loaded_nor_saved(
    copy: Path, truth: KnownTruth, tmp_path: Path
) -> None:
    path = copy / "gate.keras"
    held = weights_of(path)
    with h5py.File(held, "a") as weights:
        found = []
        weights.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        weights[next(name for name in found if "head" in name or "dense" in name)][...] = np.nan
    rewrite(path, model__weights__h5=held.getvalue())
    forge(copy)
    with pytest.raises(ModelRefusedError, match="not finite"):
        CascadePredictor.load(copy)
    model = small(truth, LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=1))
    model.gate_.coef_[0, 0] = np.inf
    with pytest.raises(ModelRefusedError, match="coef_"):
        model.save(tmp_path / "broken")
    assert not (tmp_path / "broken").exists()


def double(X: np.ndarray) -> np.ndarray:
    return 2 * X


class Home(LogisticRegression):
    """A user's own class, which another process could not trust."""


@pytest.mark.parametrize(
    "gate",
    [make_pipeline(FunctionTransformer(double), LogisticRegression()), Home()],
    ids=["function", "own class"],
)
def test_what_could_not_be_loaded_safely_is_refused_when_it_is_saved(
    truth: KnownTruth, tmp_path: Path, gate: object
) -> None:
    model = small(truth, gate, BalancedBinaryRelevance(LogisticRegression(), n_bags=1))
    with pytest.raises(ModelRefusedError, match=r"`gate` holds tests\.store\.test_store\.(double|Home)"):
        model.save(tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_kinds_that_a_forged_file_could_crash_are_refused(truth: KnownTruth, tmp_path: Path) -> None:
    # Compiled code follows the numbers of rows in its tree.
    model = small(truth, KNeighborsClassifier(), BalancedBinaryRelevance(LogisticRegression(), n_bags=1))
    with pytest.raises(ModelRefusedError, match=r"KNeighborsClassifier.* use a random forest or an MLPClassifier"):
        model.save(tmp_path / "model")


def test_column_transformers_are_saved(truth: KnownTruth, tmp_path: Path) -> None:
    gate = make_pipeline(ColumnTransformer([("scale", StandardScaler(), [0, 1])]), LogisticRegression())
    model = small(truth, gate, BalancedBinaryRelevance(LogisticRegression(), n_bags=1))
    model.save(tmp_path / "model")
    X = truth.X[:100].astype(np.float32)
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), model.predict_proba(X))


SAVE_FOREVER = """
import sys, itertools, os
from cascade import CascadePredictor
predictor = CascadePredictor.load(sys.argv[1])
predictor.save(sys.argv[2] + "/all-imported")
for target in sys.argv[3:]:
    process = os.fork()
    if not process:
        for number in itertools.count():
            predictor.save(f"{target}/v{number:05d}")
    print(process, flush=True)
    os.waitpid(process, 0)
"""


def test_a_killed_save_leaves_no_half_version(truth: KnownTruth, tmp_path: Path) -> None:
    model = small(truth, LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=4))
    model.save(tmp_path / "model")
    targets, rng = [tmp_path / f"out{attempt}" for attempt in range(4)], np.random.default_rng(0)
    for target in targets:
        target.mkdir()
    # Each is a process of its own, forked from one that has imported everything.
    arguments = [sys.executable, "-c", SAVE_FOREVER, *map(str, (tmp_path / "model", tmp_path, *targets))]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            time.sleep(float(rng.uniform(0.2, 0.8)))
            os.kill(int(line), signal.SIGKILL)
    assert process.returncode == 0
    for target in targets:
        for version in sorted(target.glob("v*")):
            CascadePredictor.load(version)


@pytest.mark.parametrize("base", [LogisticRegression(), KerasClassifier("mlp", {"width": 4, "depth": 1}, epochs=1)])
def test_a_model_of_data_frames_is_asked_by_data_frames(truth: KnownTruth, tmp_path: Path, base: Any) -> None:
    """Warnings are errors here: scikit-learn warns where names come in that a fit has not seen."""
    columns = [f"sensor {k}" for k in range(truth.X.shape[1])]
    frame = pd.DataFrame(truth.X[:2000], columns=columns)
    labeler = BalancedBinaryRelevance(base, n_bags=1)
    model = CascadeClassifier(LogisticRegression(), labeler).fit(frame, truth.Y[:2000])
    model.save(tmp_path / "model")
    found = CascadePredictor.load(tmp_path / "model").predict_proba(frame)
    np.testing.assert_array_equal(found, model.predict_proba(frame))
