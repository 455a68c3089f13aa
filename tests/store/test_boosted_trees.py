"""Trees of LightGBM and XGBoost in model folders: equal predictions after loading, and forged files are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.errors import DataError, ModelRefusedError
from cascade.estimators.boosting.kinds import boosting_classifier
from cascade.estimators.boosting.trees import BoostedTrees, Tree
from cascade.store.skops.file import load_skops, save_skops
from tests.conftest import KnownTruth
from tests.store.test_forged_parts import Change, add, forged, in_array, put, remove

LIBRARIES = ("lightgbm", "xgboost")
FEW = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}


def two_trees() -> BoostedTrees:
    tree = Tree(
        feature=np.array([1, 0, 0, 0, 0]),
        threshold=np.array([0.5, 0.0, -1.5, 0.0, 0.0]),
        missing_left=np.array([True, False, False, False, False]),
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        value=np.array([0.0, -1.0, 0.0, 2.0, 0.5]),
    )
    return BoostedTrees.of("lightgbm", [0, 1], 2, [tree, tree], offset=-0.5)


def put_in(place: int, value: Any) -> Callable[[Any], Any]:
    def forge(array: Any) -> Any:
        array[place] = value
        return array

    return forge


def as_type(dtype: Any) -> Callable[[Any], Any]:
    return lambda array: array.astype(dtype)


FORGED: dict[str, Change] = {
    "a child outside": in_array("left_", put_in(0, 10)),
    "a child in another tree": in_array("right_", put_in(2, 6)),
    "a child far outside": in_array("left_", put_in(0, 2**31 - 1)),
    "a negative child": in_array("left_", put_in(0, -2)),
    "a node that is its own child": in_array("left_", put_in(2, 2)),
    "a circle": in_array("left_", put_in(2, 0)),
    "two parents of a node": in_array("right_", put_in(2, 3)),
    "a leaf with a right child": in_array("right_", put_in(1, 3)),
    "a node without a right child": in_array("right_", put_in(0, -1)),
    "a column outside": in_array("feature_", put_in(0, 2)),
    "a negative column": in_array("feature_", put_in(0, -1)),
    "a leaf without a number": in_array("value_", put_in(1, np.nan)),
    "an infinite leaf": in_array("value_", put_in(1, np.inf)),
    "a huge leaf": in_array("value_", put_in(1, 1e200)),
    "a threshold without a number": in_array("threshold_", put_in(0, np.nan)),
    "an infinite threshold": in_array("threshold_", put_in(0, -np.inf)),
    "a direction beside 0 and 1": in_array("missing_left_", put_in(0, 2)),
    "a tree that starts within another": in_array("start_", put_in(1, 3)),
    "a tree that starts outside": in_array("start_", put_in(1, 10)),
    "a tree without nodes": in_array("start_", put_in(1, 0)),
    "nodes before the first tree": in_array("start_", put_in(0, 1)),
    "no trees with nodes": in_array("start_", lambda array: array[:0]),
    "fewer leaves": in_array("value_", lambda array: array[:-1]),
    "another shape": in_array("value_", lambda array: array[None]),
    "children of 64 bits": in_array("left_", as_type(np.int64)),
    "children in another order of bytes": in_array("left_", as_type(">i4")),
    "children as numbers with a point": in_array("left_", as_type(np.float64)),
    "thresholds of 32 bits": in_array("threshold_", as_type(np.float32)),
    "texts as leaves": in_array("value_", as_type("U8")),
    "three classes": in_array("classes_", lambda array: np.arange(3)),
    "one class": in_array("classes_", lambda array: array[:1]),
    "more columns than there can be": put("n_features_in_", 2**31),
    "no columns": put("n_features_in_", 0),
    "a wrong number of columns": put("n_features_in_", 1),
    "an unknown library": put("library_", "catboost"),
    "an infinite offset": put("offset_", 1e999),
    "a slope of 0": put("slope_", 0),
    "a falling slope": put("slope_", -1.0),
    "a decision that is no truth value": put("has_decision_", 1),
    "a missing attribute": remove("value_"),
    "compiled trees": add("_trees", [1]),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_trees_are_refused_by_name(name: str) -> None:
    with pytest.raises(ModelRefusedError, match=r"gate\.skops"):
        load_skops(forged(two_trees(), FORGED[name]), "gate.skops")


def test_the_same_trees_without_a_change_are_loaded() -> None:
    trees, X = two_trees(), [[0.0, 0.4], [-2.0, 0.6], [0.0, 0.6], [np.nan, np.nan]]
    loaded = load_skops(forged(trees, lambda members, schema: None), "gate.skops")
    np.testing.assert_allclose(loaded.predict_proba(X)[:, 1], 1 / (1 + np.exp([2.5, -3.5, -0.5, 2.5])))


def test_a_small_file_cannot_claim_many_trees() -> None:
    leaf = Tree(*(np.full(1, value) for value in (0, 0.0, False, -1, -1, 0.0)))
    trees = BoostedTrees.of("lightgbm", [0, 1], 1, [leaf] * 3)
    count = 2**20 + 1

    def many(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        for name in ("feature_", "threshold_", "missing_left_", "left_", "right_", "value_"):
            in_array(name, lambda array: np.full(count, array[0]))(members, schema)
        in_array("start_", lambda array: np.arange(count))(members, schema)

    with pytest.raises(ModelRefusedError, match="do not fit"):
        load_skops(forged(trees, many), "gate.skops")


def test_trees_are_saved_also_after_they_have_predicted(tmp_path: Path) -> None:
    trees, X = two_trees(), np.random.default_rng(0).normal(size=(50, 2))
    proba = trees.predict_proba(X)
    save_skops(trees, tmp_path / "gate.skops", "gate")
    again = load_skops((tmp_path / "gate.skops").read_bytes(), "gate")
    np.testing.assert_array_equal(again.predict_proba(X), proba)


def models(library: str) -> dict[str, tuple[Any, Any]]:
    one = boosting_classifier(library, FEW)
    return {
        "one per label": (one, MultiOutputClassifier(one)),
        "balanced": (make_pipeline(MaxAbsScaler(), one), BalancedBinaryRelevance(one, n_bags=2)),
        "no gate": ("none", MultiOutputClassifier(one)),
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["one per label", "balanced", "no gate"])
def test_a_cascade_of_them_is_saved_and_loaded(library: str, name: str, truth: KnownTruth, tmp_path: Path) -> None:
    pytest.importorskip(library)
    X = truth.X[:2000].copy()
    X[::5, 0] = np.nan
    gate, labeler = models(library)[name]
    model = CascadeClassifier(gate, labeler, calibration_folds=None)
    model.fit(X, truth.Y[:2000]).save(tmp_path / "model")
    wanted = model.predict_proba(X)
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(X), wanted, rtol=0, atol=1e-6)
    # A model that was loaded can be saved again, without the library.
    loaded.save(tmp_path / "again")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "again").predict_proba(X), loaded.predict_proba(X))


@pytest.mark.parametrize("library", LIBRARIES)
def test_data_frames_are_predicted_with_their_names(library: str, truth: KnownTruth, tmp_path: Path) -> None:
    pytest.importorskip(library)
    X = pd.DataFrame(truth.X[:1500], columns=[f"reading {k}" for k in range(6)])
    one = boosting_classifier(library, FEW)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found whitespace in feature_names")
        model = CascadeClassifier(one, MultiOutputClassifier(one), calibration_folds=None)
        model.fit(X, truth.Y[:1500]).save(tmp_path / "model")
        wanted = model.predict_proba(X)
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(X), wanted, rtol=0, atol=1e-6)
    with pytest.raises(DataError, match="reading"):
        loaded.predict_proba(X[X.columns[::-1]])


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_cannot_be_saved_is_warned_of_before_training(
    library: str, truth: KnownTruth, caplog: pytest.LogCaptureFixture
) -> None:
    module = pytest.importorskip(library)
    options = {"lightgbm": {"linear_tree": True, "verbosity": -1}, "xgboost": {"missing": -7.0}}[library]
    made = module.LGBMClassifier if library == "lightgbm" else module.XGBClassifier
    one = made(n_estimators=2, n_jobs=1, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        CascadeClassifier(one, MultiOutputClassifier(one), calibration_folds=None).fit(truth.X[:1000], truth.Y[:1000])
    assert "gate: it can be fitted, but not saved" in caplog.text
    assert ("linear_tree" if library == "lightgbm" else "missing") in caplog.text
