"""Model folders from elsewhere: each part is checked before anything is built of it, and refused by name."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.errors import DataError, ModelRefusedError
from cascade.store.manifest import NAME, _digest_of
from cascade.store.plain_file import describe
from cascade.store.skops.file import load_skops, save_skops
from tests.conftest import KnownTruth

Change = Callable[[dict[str, bytes], dict[str, Any]], None]


def redo(folder: Path, text: Callable[[str], str] | None = None, **changes: Any) -> None:
    """Write the manifest anew, with the digests of the files as they are now."""
    body = {**json.loads((folder / NAME).read_text()), **changes}
    body["files"] = {path.name: describe(path) for path in folder.iterdir() if path.is_file() and path.name != NAME}
    content = json.dumps(body)
    if text is not None:
        content = text(content)
        body = json.loads(content)
    (folder / NAME).write_text(content.replace(body["sha256"], _digest_of(body)))


@pytest.fixture(scope="module")
def linear(truth: KnownTruth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "linear"
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    model = CascadeClassifier(LogisticRegression(), labeler, calibration_folds=None)
    model.fit(truth.X[:4000], truth.Y[:4000, [2, 3]]).save(folder)
    return folder


@pytest.fixture
def copy(linear: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(linear, tmp_path / "model"))


def fitted(estimator: Any, Y: Any = None) -> Any:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(200, 2)), rng.integers(0, 3, (200, 2))])
    return estimator.fit(X, (X[:, 0] > 0).astype(int) if Y is None else Y)


def forged(estimator: Any, change: Change) -> bytes:
    """Return the skops file of an estimator after a change of its members and its tree."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    change(members, schema)
    members["schema.json"] = json.dumps(schema).encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def attributes(node: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object of a skops tree."""
    return node["content"]["content"]


def as_json(value: Any) -> dict[str, Any]:
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value)}


def add(name: str, value: Any) -> Change:
    def change(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        attributes(schema)[name] = as_json(value)
        kinds = schema["content"]["key_types"]["content"]
        kinds.append({"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"})

    return change


def put(name: str, value: Any) -> Change:
    def change(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        attributes(schema)[name] = as_json(value)

    return change


def remove(name: str) -> Change:
    def change(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        del attributes(schema)[name]
        schema["content"]["key_types"]["content"].pop()

    return change


def in_array(name: str, forge: Callable[[Any], Any]) -> Change:
    """Change an array that is an attribute, with its sparse parts as a dictionary."""

    def change(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        file = attributes(schema)[name]["file"]
        held = io.BytesIO()
        if file.endswith(".npz"):
            np.savez_compressed(held, **forge(dict(np.load(io.BytesIO(members[file])))))
        else:
            np.save(held, forge(np.load(io.BytesIO(members[file]))))
        members[file] = held.getvalue()

    return change


def column_out_of_bounds(parts: dict[str, Any]) -> dict[str, Any]:
    parts["indices"][0] = 10**6
    return parts


def rows_before_the_first(parts: dict[str, Any]) -> dict[str, Any]:
    return parts | {"indptr": np.array([0, -1], parts["indptr"].dtype)}


def bomb(parts: dict[str, Any]) -> dict[str, Any]:
    return parts | {"data": np.zeros(2 * 10**7)}


def with_value(place: Any, value: float) -> Callable[[Any], Any]:
    def forge(array: Any) -> Any:
        array[place] = value
        return array

    return forge


def tree_node(name: str) -> Change:
    def change(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        tree = attributes(attributes(schema)["estimators_"]["content"][0])["tree_"]
        if name == "n_outputs":
            tree["__reduce__"]["args"]["content"][2] = as_json(10**9)
        else:
            tree["content"]["content"][name] = as_json(10**6)

    return change


def one_array_for_all(members: dict[str, bytes], schema: dict[str, Any]) -> None:
    attributes(schema)["coef_"]["file"] = attributes(schema)["intercept_"]["file"]


def wide_encoder(members: dict[str, bytes], schema: dict[str, Any]) -> None:
    """Let the first column have one column fewer in the result than it has categories."""
    attributes(schema)["_n_features_outs"]["content"][-1] = as_json(1)


def sparse_model() -> Any:
    return fitted(LogisticRegression()).sparsify()


BOOSTING = HistGradientBoostingClassifier(max_iter=2)
FORGED: dict[str, tuple[Any, Change, str]] = {
    "column of a sparse array": (sparse_model(), in_array("coef_", column_out_of_bounds), "skops did not write"),
    "rows of a sparse array": (sparse_model(), in_array("coef_", rows_before_the_first), "do not follow one another"),
    "sparse array that expands": (sparse_model(), in_array("coef_", bomb), "would expand"),
    "boosting as while it is fitted": (fitted(BOOSTING), add("_in_fit", True), "`_in_fit`, which is not listed"),
    "boosting without a width": (fitted(BOOSTING), remove("n_features_in_"), "without its attribute `n_features_in_`"),
    "tree of many outputs": (fitted(RandomForestClassifier(2)), tree_node("n_outputs"), "nodes point outside"),
    "tree with more nodes": (fitted(RandomForestClassifier(2)), tree_node("node_count"), "nodes point outside"),
    "encoder": (fitted(OneHotEncoder()), wide_encoder, "do not fit together"),
    "one array twice": (fitted(LogisticRegression()), one_array_for_all, "is named twice"),
    "infinite weight": (fitted(LogisticRegression()), in_array("coef_", with_value((0, 0), np.inf)), "`coef_`"),
    "huge weight": (fitted(LogisticRegression()), in_array("coef_", with_value((0, 0), 1e308)), "`coef_`"),
    "weights of other columns": (fitted(LogisticRegression()), in_array("coef_", lambda a: a[:, :3]), "do not|`"),
    "polynomials of more columns": (fitted(PolynomialFeatures(2)), put("n_output_features_", 3), "do not fit together"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_attribute_is_refused_before_compiled_code_sees_it(case: str) -> None:
    estimator, change, sentence = FORGED[case]
    load_skops(forged(estimator, lambda members, schema: None), "part")
    with pytest.raises(ModelRefusedError, match=sentence):
        load_skops(forged(estimator, change), "part")


def test_a_class_that_is_not_listed_is_neither_saved_nor_loaded(tmp_path: Path) -> None:
    neighbours = fitted(KNeighborsClassifier())
    with pytest.raises(ModelRefusedError, match="KNeighborsClassifier, a type that is not trusted"):
        save_skops(neighbours, tmp_path / "gate.skops", "gate")
    assert not (tmp_path / "gate.skops").exists()
    with pytest.raises(ModelRefusedError, match="KNeighborsClassifier, a type that is not trusted"):
        load_skops(forged(neighbours, lambda members, schema: None), "gate")


def test_threads_are_not_for_a_file_to_decide() -> None:
    forest = fitted(RandomForestClassifier(2)).set_params(n_jobs=10**6, verbose=3)
    loaded = load_skops(forged(forest, lambda members, schema: None), "gate")
    assert (loaded.n_jobs, loaded.verbose) == (None, False)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("kind", [OneVsRestClassifier, MultiOutputClassifier])
def test_a_gate_of_several_outputs_under_rules_of_one_is_refused(
    copy: Path, truth: KnownTruth, kind: Any, n_labels: int
) -> None:
    """It would be scored by the column of one of its labels."""
    gate = kind(LogisticRegression()).fit(truth.X[:4000], truth.Y[:4000, :n_labels])
    save_skops(gate, copy / "gate.skops", "gate")
    redo(copy)
    with pytest.raises(ModelRefusedError, match=rf"gate` must predict 1 outputs.* Received {n_labels} outputs"):
        CascadePredictor.load(copy)


def test_a_part_of_other_rows_is_refused(copy: Path, truth: KnownTruth) -> None:
    save_skops(LogisticRegression().fit(truth.X[:4000, :3], truth.Y[:4000, -1]), copy / "gate.skops", "gate")
    redo(copy)
    with pytest.raises(ModelRefusedError, match="takes 3 columns, and is given 6"):
        CascadePredictor.load(copy)
    polynomial = make_pipeline(PolynomialFeatures(2), LogisticRegression()).fit(truth.X[:4000], truth.Y[:4000, -1])
    polynomial.steps[0] = ("wider", PolynomialFeatures(1).fit(truth.X[:100]))
    save_skops(polynomial, copy / "gate.skops", "gate")
    redo(copy)
    with pytest.raises(ModelRefusedError, match="takes 28 columns, and is given 7"):
        CascadePredictor.load(copy)


def test_bags_that_are_missing_and_files_that_are_used_twice_are_refused(copy: Path) -> None:
    labeler = json.loads((copy / NAME).read_text())["labeler"]
    bags = labeler["bags"]
    for forged_bags, sentence in (
        ([bags[0], []], "lack bags"),
        ([bags[0], bags[1][:1]], "lack bags"),
        ([bags[0] * 30_000, bags[1] * 30_000], "exactly one part. Received 30000"),
        ([bags[0], [bags[0][0], bags[1][1]]], "exactly one part"),
    ):
        redo(copy, labeler={**labeler, "bags": forged_bags})
        with pytest.raises(ModelRefusedError, match=sentence):
            CascadePredictor.load(copy)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"gate_threshold": ', '"gate_threshold": 0.5, "gate_threshold": '),
        ('"prior_shift": [', '"prior_shift": [1e999, '),
        ('"prior_shift": [', '"prior_shift": [-1e308, '),
        ('"low": [', '"low": [1e308, '),
        ('"label_0"', '"label\\u202e_0"'),
        ('"label_0"', '"label\\n0"'),
        ('"labels": ["label_0"', '"labels": [0'),
    ],
    ids=["duplicate key", "infinite shift", "huge shift", "huge slope", "direction", "control", "number"],
)
def test_a_manifest_that_no_save_writes_is_refused(copy: Path, old: str, new: str) -> None:
    redo(copy, lambda content: content.replace(old, new, 1))
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(copy)


def test_label_names_with_hidden_characters_are_refused_before_a_fit(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), label_names=["a", "b\u202e", "c", "d", "any"])
    with pytest.raises(DataError, match="control or direction characters"):
        model.fit(truth.X[:100], truth.Y[:100])


@pytest.mark.parametrize("name", [NAME, "gate.skops"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "hole"])
def test_what_is_no_regular_file_of_its_size_is_refused_at_once(copy: Path, kind: str, name: str) -> None:
    path = copy / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as handle:
            handle.truncate(20 * 10**9)
        if name != NAME:
            body = json.loads((copy / NAME).read_text())
            body["files"][name]["bytes"] = 20 * 10**9
            body["sha256"] = _digest_of(body)
            (copy / NAME).write_text(json.dumps(body))
    started = time.monotonic()
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(copy)
    assert time.monotonic() - started < 5


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    from cascade.store.plain_file import read

    with (tmp_path / "gate.skops").open("wb") as handle:
        handle.write(b"x" * 1000)
        handle.truncate(10**9)
    with pytest.raises(ModelRefusedError, match="mostly a hole"):
        read(tmp_path / "gate.skops")
    (tmp_path / "solid").write_bytes(b"x" * (17 * 2**20))
    assert len(read(tmp_path / "solid")) == 17 * 2**20


def test_forged_folders_end_with_status_0_or_4() -> None:
    """The small version of `benchmarks/forged_folders.py`, which tries 5,000, networks among them."""
    command = [sys.executable, "benchmarks/forged_folders.py", "--folders", "120", "--without-networks"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 folders" in done.stdout
