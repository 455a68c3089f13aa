"""Default models: chosen by the kind of rows, without Keras for tables, and saved like those that are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.config.build import build_cascade, with_defaults
from cascade.config.models import KerasGate, KerasModel, SklearnGate
from cascade.config.schema import RunConfig
from cascade.data import Dataset, read_data
from cascade.data.targets import read_known_target
from cascade.errors import DataError
from cascade.estimators.defaults import TREES, default_estimator, kind_of_rows
from cascade.estimators.fit_on_rows import fit_labels

N = 500


@pytest.fixture(scope="module")
def rows() -> tuple[dict[str, Any], np.ndarray]:
    """The same rows as a table, with missing values, sparse and as texts; and their labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    Y = (X[:, :3] + rng.normal(0, 0.5, size=(N, 3)) > 1.2).astype(int)
    gaps = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    words = np.array(["crack", "dent", "stain"])
    noise = rng.choice(["a1", "b2", "c3", "d4"], size=(N, 4))
    texts = [" ".join([*words[y > 0], *line]) for y, line in zip(Y, noise, strict=True)]
    return {"table": X, "gaps": gaps, "sparse": sparse.csr_matrix(np.where(X > 0.8, X, 0)), "text": texts}, Y


@pytest.mark.parametrize("kind", ["table", "gaps", "sparse", "text"])
@pytest.mark.parametrize("case", ["plain", pytest.param("weights", marks=pytest.mark.slow), "missing labels"])
def test_default_models_fit_and_predict_the_same_after_loading(
    kind: str, case: str, rows: tuple[dict[str, Any], np.ndarray], tmp_path: Path
) -> None:
    X, Y = rows[0][kind], rows[1]
    rng = np.random.default_rng(1)
    target = np.where(rng.random(Y.shape) < 0.1, np.nan, Y) if case == "missing labels" else Y
    weight = rng.uniform(0.5, 2.0, N) if case == "weights" else None
    model = CascadeClassifier().fit(X, target, sample_weight=weight)
    proba = model.predict_proba(X)
    assert roc_auc_score(Y, proba) > 0.8
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), proba)
    if case == "plain":
        np.testing.assert_array_equal(CascadeClassifier().fit(X, target).predict_proba(X), proba)


def test_the_kind_of_rows_chooses_the_model(rows: tuple[dict[str, Any], np.ndarray], phantom_folder: Path) -> None:
    kinds = {kind: default_estimator("gate", X) for kind, X in rows[0].items()}
    assert {kind: type(model) for kind, model in kinds.items()} == {
        "table": HistGradientBoostingClassifier,
        "gaps": HistGradientBoostingClassifier,
        "sparse": Pipeline,
        "text": Pipeline,
    }
    images = read_data(phantom_folder).X
    gate, labeler = (default_estimator(role, images) for role in ("gate", "labeler"))
    assert isinstance(gate, KerasClassifier)
    assert gate.network == labeler.network == "cnn"


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_of_numbers_is_a_table(frame: Any) -> None:
    assert kind_of_rows(frame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})) == "table"


def test_a_frame_with_words_is_encoded_if_it_is_one_of_pandas() -> None:
    columns = {"a": [1, 2], "b": ["x", "y"]}
    assert kind_of_rows(pd.DataFrame(columns)) == "mixed"
    with pytest.raises(DataError, match="pass a pipeline that encodes them as `labeler`"):
        kind_of_rows(pl.DataFrame(columns), "labeler")


def test_rows_without_a_default_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 or 4 axes for a default model; pass `gate`\. Received shape"):
        default_estimator("gate", np.zeros((3, 2, 2)))
    hole = sparse.csr_matrix(np.array([[1.0, 0.0], [np.nan, 1.0]]))
    with pytest.raises(DataError, match="`X` holds a number that is not finite"):
        default_estimator("labeler", hole)


def test_a_table_trains_and_loads_without_keras(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
import numpy as np
from cascade import CascadeClassifier, CascadePredictor
X = np.random.default_rng(0).normal(size=(400, 3))
CascadeClassifier().fit(X, (X > 1.2).astype(int)).save({str(tmp_path / "model")!r})
print(CascadePredictor.load({str(tmp_path / "model")!r}).predict(X).sum() > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_a_config_without_models_gets_those_of_python(phantom_folder: Path) -> None:
    config = RunConfig.model_validate({"name": "a", "data": {"path": "x"}})
    X = np.random.default_rng(0).normal(size=(50, 3))
    table = Dataset(X, (X > 0.8).astype(np.uint8), ("a", "b", "c"), None, np.arange(50).astype(str))
    resolved = with_defaults(config, table)
    assert resolved.gate == SklearnGate(kind="hist_gradient_boosting", options=TREES)
    assert RunConfig.model_validate(resolved.model_dump(mode="json")) == resolved
    built = build_cascade(config, table)
    for role in ("gate", "labeler"):
        assert str(getattr(built, role)) == str(default_estimator(role, table.X))
    images = read_data(phantom_folder)
    network = with_defaults(config, images).labeler.model
    assert isinstance(network, KerasModel)
    given = default_estimator("labeler", images.X).get_params()
    assert {name: given[name] for name in ("epochs", "batch_size", "patience")} == {
        name: getattr(network, name) for name in ("epochs", "batch_size", "patience")
    }


def test_a_config_that_names_no_kind_but_keys_of_a_network_is_one() -> None:
    config = RunConfig.model_validate({"name": "a", "data": {"path": "x"}, "gate": {"epochs": 3}})
    assert config.gate == KerasGate(epochs=3)


def test_a_pipeline_around_one_model_per_label_takes_weights_and_missing_labels() -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(300, 3)), rng.uniform(0.5, 2.0, 300)
    Y = np.where(rng.random((300, 2)) < 0.2, np.nan, X[:, :2] > 0.5)
    labels, _ = read_known_target(Y, 300)
    pipeline = make_pipeline(StandardScaler(), MultiOutputClassifier(LogisticRegression()))
    fitted = fit_labels(clone(pipeline), X, np.arange(300), labels, sample_weight=weight)
    # By hand: features are scaled by all rows, each label is learned on the rows on which it is known.
    scaled = StandardScaler().fit_transform(X)
    for k, proba in enumerate(fitted.predict_proba(X)):
        known = ~np.isnan(Y[:, k])
        alone = LogisticRegression().fit(scaled[known], Y[known, k], sample_weight=weight[known])
        np.testing.assert_allclose(proba, alone.predict_proba(scaled))


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_column_that_is_missing_throughout_changes_nothing(as_frame: bool) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:, 1] = np.nan
    Y = (X[:, [0, 2]] > 1).astype(int)
    other = rng.normal(size=(50, 3))
    filled, given = np.where(np.isnan(X), 0, X), X
    if as_frame:
        filled, given, other = (pd.DataFrame(rows, columns=["a", "b", "c"]) for rows in (filled, given, other))
    models = [CascadeClassifier(calibration_folds=None, negative_pool="all").fit(rows, Y) for rows in (given, filled)]
    np.testing.assert_array_equal(*(model.predict_proba(other) for model in models))


def test_a_network_on_sparse_rows_is_warned_of(rows: tuple[dict[str, Any], np.ndarray]) -> None:
    X, Y = rows[0]["sparse"], rows[1]
    network = KerasClassifier("mlp", epochs=1)
    with pytest.warns(UserWarning, match="`gate` is a network and `X` is sparse") as caught:
        CascadeClassifier(network, negative_pool="positives").fit(X, Y)
    assert caught[0].filename == __file__
