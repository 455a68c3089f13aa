"""The comparison: its figures against independent computations, its contenders, its verdict, and failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from cascade import BalancedBinaryRelevance
from cascade.comparison.compare import compare
from cascade.comparison.compare_text import comparison_table, verdict
from cascade.comparison.contenders import REFERENCE, contenders
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.comparison.naive_recipe import NaiveRecipe
from cascade.data.splits import grouped_folds
from cascade.errors import ConfigError, DataError
from cascade.metrics.operations import operations_per_row
from tests.conftest import KnownTruth

NAMES = ("a", "b", "c", "d", "any")


@pytest.fixture(scope="module")
def compared(truth: KnownTruth) -> dict[str, Any]:
    learner = LogisticRegression()
    chosen = contenders(learner, learner, n_bags=2)
    groups = np.arange(9000) // 3
    return compare(chosen, truth.X[:9000], truth.Y[:9000], NAMES, groups, n_folds=3)


def test_every_contender_stands_in_the_table(compared: dict[str, Any]) -> None:
    names = [row["contender"] for row in compared["contenders"]]
    assert names[:4] == ["flat", "flat, weighted loss", "peer stack", "literal recipe"]
    assert names[4:7] == ["flat, calibrated", "flat, weighted loss, calibrated", "flat, balanced"]
    assert set(names[7:]) == {
        f"cascade, {k}, {p}" for k in ("multi-label", "balanced", "weighted") for p in ("positives", "all", "gated")
    }
    text = comparison_table(compared)
    assert all(f"| {name} |" in text for name in names)
    assert text.endswith(compared["verdict"])


def test_the_flat_row_is_what_fitting_it_by_hand_gives(compared: dict[str, Any], truth: KnownTruth) -> None:
    X, Y, groups = truth.X[:9000], truth.Y[:9000], np.arange(9000) // 3
    folds = grouped_folds(Y, groups, 3, 0)
    precision, bits = [], np.zeros_like(Y)
    for fold in range(3):
        model = FlatClassifier(MultiOutputClassifier(LogisticRegression()))
        model.fit(X[folds != fold], Y[folds != fold], groups=groups[folds != fold])
        proba = model.predict_proba(X[folds == fold])[:, :4]
        precision.append(average_precision_score(Y[folds == fold][:, :4], proba))
        bits[folds == fold] = model.predict(X[folds == fold])
    (row,) = [row for row in compared["contenders"] if row["contender"] == REFERENCE]
    assert row["macro_average_precision"] == pytest.approx(np.mean(precision))
    assert row["macro_f1"] == pytest.approx(f1_score(Y[:, :4], bits[:, :4], average="macro"))
    assert row["operations_per_row"] == 2 * 6 * 5


def test_cascades_are_coherent_and_calibrated_and_the_recipe_is_not(compared: dict[str, Any]) -> None:
    for row in compared["contenders"]:
        if row["contender"].startswith("cascade"):
            assert row["incoherent_share"] == 0
            assert 0.8 < row["sum_ratio_smallest"] <= row["sum_ratio_largest"] < 1.2
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
            assert 0.8 < row["certified_recall"] < 1
    (recipe,) = [row for row in compared["contenders"] if row["contender"] == "literal recipe"]
    assert not 0.5 < recipe["sum_ratio_smallest"] < 2
    assert recipe["certified_recall"] < 0.5
    assert next(row for row in compared["contenders"] if row["contender"] == REFERENCE)["certified_recall"] is None


def test_a_contender_against_itself_differs_by_nothing(truth: KnownTruth) -> None:
    flat = FlatClassifier(MultiOutputClassifier(LogisticRegression()))
    found = compare({REFERENCE: flat, "twin": clone(flat)}, truth.X[:3000], truth.Y[:3000], NAMES)
    twin = found["contenders"][1]
    assert twin["difference"] == twin["difference_low"] == twin["difference_high"] == 0
    assert found["verdict"].startswith("Use flat")


def test_a_contender_that_fails_is_reported_and_the_others_stand(truth: KnownTruth) -> None:
    flat = FlatClassifier(MultiOutputClassifier(LogisticRegression()))
    broken = FlatClassifier(MultiOutputClassifier(LogisticRegression(C=-1)))
    misspelt = FlatClassifier(MultiOutputClassifier(LogisticRegression()), decision="f2")
    with pytest.raises(ConfigError, match="`decision` must be"):
        compare({REFERENCE: flat, "misspelt": misspelt}, truth.X[:300], truth.Y[:300], NAMES)
    found = compare({REFERENCE: flat, "broken": broken}, truth.X[:3000], truth.Y[:3000], NAMES)
    assert "'C' parameter" in found["contenders"][1]["error"]
    assert "'C' parameter" in comparison_table(found)


@pytest.mark.parametrize(("positives", "enough"), [(1, False), (2, False), (5, True), (12, True)])
def test_few_positives_end_in_a_sentence_or_in_figures(positives: int, enough: bool, truth: KnownTruth) -> None:
    Y = np.zeros((300, 2), dtype=np.uint8)
    Y[:: 300 // positives, 0] = 1
    flat = FlatClassifier(MultiOutputClassifier(DummyClassifier()))

    def compared() -> dict[str, Any]:
        return compare({REFERENCE: flat, "twin": clone(flat)}, truth.X[:300], Y, ("a", "b"), any_label=None)

    if enough:
        found = compared()
        json.dumps(found, allow_nan=False)
        assert "| twin |" in comparison_table(found)
    else:
        with pytest.raises(DataError, match="must hold a positive in each"):
            compared()


def row(name: str, precision: float, operations: float, **difference: float) -> dict[str, Any]:
    return {
        "contender": name, "macro_average_precision": precision, "operations_per_row": operations, **difference
    }  # fmt: skip


def test_the_verdict_asks_for_more_than_chance() -> None:
    flat = row("flat", 0.5, 100)
    lucky = row("cascade, x", 0.51, 90, difference=0.01, difference_least=-0.01, difference_high=0.03)
    better = row("cascade, y", 0.55, 90, difference=0.05, difference_least=0.02, difference_high=0.08)
    assert verdict([flat, lucky]).startswith("Use flat: cascade, x is 0.010 above it")
    assert verdict([flat, lucky, better]).startswith("Use cascade, y")
    assert verdict([flat, {"contender": "cascade, x", "error": "no"}]).startswith("No cascade could be fitted")
    cheap = row("cascade, z", 0.49, 20, difference=-0.01, difference_least=-0.03, difference_high=0.01)
    assert "cascade, z is not clearly worse at 1/5.0 of the arithmetic" in verdict([flat, cheap])
    # Little arithmetic is not little time where calls cost more than products.
    timed = [flat | {"microseconds_per_row": 0.1}, cheap | {"microseconds_per_row": 0.16}]
    assert verdict(timed).endswith("but takes 1.6 times as long per row as the flat model.")
    assert "as long" not in verdict([timed[0], cheap | {"microseconds_per_row": 0.11}])
    slow = better | {"microseconds_per_row": 0.3}
    assert "but takes 3.0 times as long per row as the flat model" in verdict([timed[0], lucky, slow])


def test_arithmetic_is_counted_through_every_wrapper() -> None:
    X = np.random.default_rng(0).normal(size=(300, 6))
    Y = (X[:, :2] > 1).astype(int)
    linear = LogisticRegression()
    assert operations_per_row(MultiOutputClassifier(linear).fit(X, Y)) == 24
    assert operations_per_row(BalancedBinaryRelevance(linear, n_bags=3).fit(X, Y)) == 72
    assert operations_per_row(FlatClassifier(MultiOutputClassifier(linear)).fit(X, Y)) == 24
    assert operations_per_row(DecisionTreeClassifier(max_depth=2).fit(X, Y[:, 0])) <= 2
    boosted = HistGradientBoostingClassifier(max_iter=3, max_depth=2).fit(X, Y[:, 0])
    assert 3 <= operations_per_row(boosted) <= 6
    assert operations_per_row(MLPClassifier((5,)).partial_fit(X, Y[:, 0], classes=np.array([0, 1]))) == 2 * (6 * 5 + 5)
    assert operations_per_row(make_pipeline(SimpleImputer(), linear).fit(X, Y[:, 0])) == 12
    assert np.isnan(operations_per_row(object()))


def test_the_recipe_answers_at_one_half(truth: KnownTruth) -> None:
    model = NaiveRecipe(LogisticRegression(), LogisticRegression()).fit(truth.X[:4000], truth.Y[:4000])
    proba = model.predict_proba(truth.X)
    passed = model.gate_.predict_proba(truth.X)[:, 1] >= 0.5
    assert not proba[~passed].any()
    np.testing.assert_array_equal(model.predict(truth.X), proba >= 0.5)
    np.testing.assert_array_equal(model.examine(truth.X).passed_gate, passed)


def test_flat_thresholds_come_from_rows_that_the_model_has_not_seen(truth: KnownTruth) -> None:
    """A full tree answers 0 or 1 for rows it knows: on those every threshold in between is perfect."""
    tree = DecisionTreeClassifier(random_state=0, min_samples_leaf=3)
    for folds in (None, 3):
        model = FlatClassifier(MultiOutputClassifier(tree), calibration_folds=folds)
        model.fit(truth.X[:20_000], truth.Y[:20_000])
        other = KnownTruth(6000, seed=4)
        proba = model.predict_proba(other.X)
        chosen = f1_score(other.Y, model.predict(other.X), average="macro")
        assert chosen > f1_score(other.Y, proba >= 0.9, average="macro")


@pytest.mark.slow
def test_missing_features_reach_learners_that_take_them(truth: KnownTruth) -> None:
    X = np.where(np.random.default_rng(0).random((3000, 6)) < 0.1, np.nan, truth.X[:3000])
    trees = HistGradientBoostingClassifier(max_iter=5)
    filled = make_pipeline(SimpleImputer(), LogisticRegression())
    for learner in (trees, filled):
        found = compare(contenders(learner, learner, n_bags=1, pools=("gated",)), X, truth.Y[:3000], NAMES, n_folds=2)
        assert [row.get("error") for row in found["contenders"]] == [None] * len(found["contenders"])
    alone = FlatClassifier(MultiOutputClassifier(LogisticRegression()))
    with pytest.raises(DataError, match="NaN"):
        alone.fit(X, truth.Y[:3000])


def test_the_command_publishes_its_table(truth: KnownTruth, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=truth.X[:3000], Y=truth.Y[:3000], groups=np.arange(3000) // 3)
    linear = {"kind": "logistic_regression"}
    config = {
        "name": "small",
        "data": {"path": str(tmp_path / "data.npz")},
        "gate": linear,
        "labeler": {"model": linear, "n_bags": 1},
        "cascade": {"decision": {"cost": [1, 5]}},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "cascade_pipelines.cli",
        "compare",
        "small.yaml",
        "--folds",
        "2",
        "--pools",
        "gated",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["contender"] for row in result["contenders"]][-1] == "cascade, weighted, gated"
    assert (tmp_path / result["folder"] / "compare.md").read_text().rstrip().endswith(result["verdict"])


def test_the_flat_model_gives_constant_labels_their_share(truth: KnownTruth) -> None:
    Y = truth.Y[:3000].copy()
    Y[:, 1], Y[:, 2] = 0, 1
    model = FlatClassifier(MultiOutputClassifier(LogisticRegression())).fit(truth.X[:3000], Y)
    proba = model.predict_proba(truth.X[:50])
    np.testing.assert_allclose(proba[:, 1:3], [[0.5 / 2401, 2400.5 / 2401]] * 50)
    assert model.learned_.tolist() == [0, 3, 4]


def test_one_label_few_groups_and_no_label_at_all(truth: KnownTruth) -> None:
    flat = {REFERENCE: FlatClassifier(LogisticRegression())}
    found = compare(flat, truth.X[:2000], truth.Y[:2000, 4:], ("any",), n_folds=2)
    assert found["contenders"][0]["macro_average_precision"] > 0.2
    with pytest.raises(DataError, match="at least as many groups as folds"):
        compare(flat, truth.X[:2000], truth.Y[:2000], NAMES, np.arange(2000) % 2)
    with pytest.raises(DataError, match="at least one positive"):
        compare(flat, truth.X[:2000], np.zeros((2000, 5), np.uint8), NAMES)


@pytest.mark.parametrize(("loss", "is_there"), [("bce", True), ("focal", False)])
def test_an_exit_is_a_contender_where_the_network_can_have_one(loss: str, is_there: bool) -> None:
    pytest.importorskip("keras")
    from cascade import KerasClassifier

    network = KerasClassifier("cnn", loss=loss)
    found = contenders(network, network, network, pools=("gated",), share_trunk=True)
    assert ("cascade, exit" in found) is is_there
    if is_there:
        options = found["cascade, exit"].get_params(deep=False)
        assert (options["gate"], options["negative_pool"], options["share_trunk"]) == ("exit", "all", False)


def test_all_contenders_decide_alike() -> None:
    found = contenders(LogisticRegression(), LogisticRegression(), decision={"cost": (1, 9)}, calibration_size=0.3)
    deciding = [model for model in found.values() if not isinstance(model, NaiveRecipe)]
    assert {model.calibration_size for model in deciding} == {0.3}
    assert all(model.decision == {"cost": (1, 9)} for model in deciding)
    assert verdict([row("cascade, x", 0.5, 90)]).endswith("so nothing is compared with it.")


def test_the_best_of_many_equals_is_not_called_better() -> None:
    """Eight contenders that guess: some comes out above the flat one, and the verdict is not taken in."""
    claimed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        Y = (rng.random((300, 2)) < 0.2).astype(np.uint8)
        guesses = {name: Guess(random_state=k + 100 * seed) for k, name in enumerate([REFERENCE, *"abcdefg"])}
        claimed += not compare(guesses, rng.normal(size=(300, 2)), Y, ("x", "y"), seed=seed)["verdict"].startswith(
            "Use flat"
        )
    # Binomial(20, .025): more than 4 has a probability below .0002.
    assert claimed <= 4


class Guess(FlatClassifier):
    """Answers at random."""

    def __init__(self, random_state: int = 0) -> None:
        super().__init__(LogisticRegression(), random_state=random_state)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Guess:
        self.n_ = y.shape[1]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.random.default_rng([self.random_state, len(X)]).random((len(X), self.n_))

    def predict(self, X: np.ndarray) -> np.ndarray:
        return (self.predict_proba(X) > 0.5).astype(int)


def test_where_every_row_has_a_label_the_flat_model_is_the_answer() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    Y = (X > 0).astype(np.uint8)
    Y[~Y.any(axis=1), 0] = 1
    linear = LogisticRegression()
    chosen = {
        name: c for name, c in contenders(linear, linear, n_bags=2).items() if "positives" in name or name == REFERENCE
    }
    found = compare(chosen, X, Y, ("a", "b", "c"), any_label=None, n_folds=2)
    assert found["verdict"].startswith("Every row has a label, so a gate has nothing to decide. Use flat")
    assert not any("error" in row for row in found["contenders"])


@pytest.mark.parametrize("folds", [None, 3])
def test_calibration_takes_the_shift_of_class_weights_off_a_flat_model(truth: KnownTruth, folds: int | None) -> None:
    weighted = MultiOutputClassifier(LogisticRegression(class_weight="balanced"))
    X, Y, groups = truth.X[:20_000], truth.Y[:20_000], np.arange(20_000) // 4
    new, p = truth.X[20_000:], truth.p_and_any()[20_000:]
    raw, calibrated = (
        FlatClassifier(weighted, calibration=method, calibration_folds=folds).fit(X, Y, groups=groups)
        for method in ("none", "platt")
    )
    assert (raw.predict_proba(new).sum(axis=0) > 4 * p.sum(axis=0)).all()
    np.testing.assert_allclose(calibrated.predict_proba(new).sum(axis=0), p.sum(axis=0), rtol=0.15)
    # Calibration is monotonic, so the ranking of the rows stays.
    for k in range(Y.shape[1]):
        order = np.argsort(raw.predict_proba(new)[:, k], kind="stable")
        assert (np.diff(calibrated.predict_proba(new)[order, k]) >= 0).all()


def test_an_unknown_calibration_of_a_flat_model_is_refused(truth: KnownTruth) -> None:
    model = FlatClassifier(MultiOutputClassifier(LogisticRegression()), calibration="sigmoid")
    with pytest.raises(ConfigError, match="`calibration` must be one of"):
        model.fit(truth.X[:100], truth.Y[:100])
