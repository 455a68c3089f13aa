"""Pools and folds: who is fitted on what; no answer that rules are fitted on comes from a model that saw it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.errors import ConfigError, DataError
from cascade.fitting.rehearsal import MOST_ROWS
from cascade.rules.thresholds.certificate import misses_allowed
from tests.conftest import KnownTruth


class Witness(LogisticRegression):
    """Notes the rows that each fit is given, by their first feature, which is unique."""

    fits: ClassVar[list[set[float]]] = []

    def fit(self, X: np.ndarray, y: np.ndarray) -> Witness:
        # Fewer rows are a rehearsal.
        if len(X) > MOST_ROWS:
            self.fits.append(set(X[:, 0].tolist()))
        return super().fit(X, y)


class WitnessLabeler(MultiOutputClassifier):
    """Notes the rows that the labeler is given."""

    rows: ClassVar[list[set[float]]] = []

    def fit(self, X: np.ndarray, Y: np.ndarray) -> WitnessLabeler:
        if len(X) > MOST_ROWS:
            self.rows.append(set(X[:, 0].tolist()))
        return super().fit(X, Y)


@pytest.fixture
def watched() -> type[Witness]:
    Witness.fits.clear()
    WitnessLabeler.rows.clear()
    return Witness


def test_the_gated_pool_is_positives_and_false_alarms_of_gates_that_have_not_seen_them(
    watched: type[Witness], truth: KnownTruth
) -> None:
    X, Y = truth.X[:8000], truth.Y[:8000]
    labeler = WitnessLabeler(LogisticRegression())
    options = {"negative_pool": "gated", "gate_recall": 0.8, "calibration_folds": None}
    model = CascadeClassifier(watched(), labeler, **options).fit(X, Y)
    final, *fold_gates = watched.fits
    assert len(fold_gates) == 3
    assert set().union(*fold_gates) == final
    assert all(len(final - fold) > 0.3 * len(final) for fold in fold_gates)
    positives = {x for x in X[Y.any(axis=1), 0].tolist() if x in final}
    (pool,) = WitnessLabeler.rows
    assert positives < pool < final
    # The false alarms are as many as the served gate gives on new rows, to within sampling error.
    other = KnownTruth(20_000, seed=3)
    empty = ~other.Y.any(axis=1)
    rate = model.examine(other.X[empty]).passed_gate.mean()
    n_empty = len(final) - len(positives)
    assert abs((len(pool) - len(positives)) / n_empty - rate) < 4 * np.sqrt(rate / n_empty) + 0.01


def test_a_gated_labeler_is_not_asked_below_its_threshold(truth: KnownTruth) -> None:
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    model = CascadeClassifier(LogisticRegression(), labeler, negative_pool="gated").fit(truth.X, truth.Y)
    threshold = model.predictor_.rules.gate_threshold
    model.predict(truth.X[:100], gate_threshold=min(1.0, threshold * 2))
    with pytest.raises(ConfigError, match="`gate_threshold` must be at least"):
        model.predict(truth.X[:100], gate_threshold=threshold / 2)


@pytest.mark.parametrize("pool", ["positives", "all", "gated"])
def test_a_raised_gate_threshold_keeps_the_sums(truth: KnownTruth, pool: str) -> None:
    """Rows between the fitted threshold and a raised one are no tail: labels are as frequent there as elsewhere."""
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, negative_pool=pool).fit(truth.X, truth.Y)
    other = KnownTruth(50_000, seed=5)
    raised = 5 * model.predictor_.rules.gate_threshold
    between = model.examine(other.X).passed_gate & (model.gate_proba(other.X) < raised)
    assert between.mean() > 0.2
    ratio = model.predict_proba(other.X, gate_threshold=raised).sum(axis=0) / other.Y.sum(axis=0)
    assert (abs(ratio - 1) < 0.2).all()


@pytest.mark.parametrize("seed", [None, -1, "x", True])
def test_a_random_state_that_is_none_is_refused(truth: KnownTruth, seed: object) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), random_state=seed)
    with pytest.raises(ConfigError, match="`random_state`"):
        model.fit(truth.X[:100], truth.Y[:100])


def test_crossing_leaves_each_fold_out_and_ends_on_everything(watched: type[Witness], truth: KnownTruth) -> None:
    X, Y = truth.X[:3000], truth.Y[:3000]
    groups = np.arange(3000) // 6
    labeler = WitnessLabeler(LogisticRegression())
    model = CascadeClassifier(watched(), labeler, negative_pool="positives", calibration_folds=4)
    model.fit(X, Y, groups=groups)
    *fold_gates, final = watched.fits
    assert len(fold_gates) == 4
    assert final == set(X[:, 0].tolist())
    left_out = [final - fold for fold in fold_gates]
    assert sum(map(len, left_out)) == 3000
    assert set().union(*left_out) == final
    group_of = dict(zip(X[:, 0].tolist(), groups.tolist(), strict=True))
    for fold, rows in zip(fold_gates, left_out, strict=True):
        assert not {group_of[x] for x in fold} & {group_of[x] for x in rows}
    for fold, pool in zip(fold_gates, WitnessLabeler.rows, strict=False):
        assert pool < fold
    assert WitnessLabeler.rows[-1] == set(X[Y.any(axis=1), 0].tolist())
    assert model.predictor_.provenance["rows_calibrated"] == 3000


@pytest.mark.parametrize("pool", ["positives", "all", "gated"])
def test_models_that_know_their_rows_by_heart_are_calibrated_by_crossing(truth: KnownTruth, pool: str) -> None:
    """One nearest neighbour answers 0 or 1 for every row it was fitted on; only other rows can correct it."""
    neighbours = KNeighborsClassifier(1)
    model = CascadeClassifier(neighbours, neighbours, negative_pool=pool, calibration_folds=3)
    model.fit(truth.X[:6000], truth.Y[:6000])
    other = KnownTruth(20_000, seed=2)
    ratio = model.predict_proba(other.X).sum(axis=0) / other.Y.sum(axis=0)
    spread = 4 / np.sqrt(truth.Y[:6000].sum(axis=0))
    assert (abs(ratio - 1) < spread).all()


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic", "none"])
def test_every_calibration_is_saved_and_right_for_models_that_need_none(
    truth: KnownTruth, method: str, tmp_path: Path
) -> None:
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, calibration=method).fit(truth.X, truth.Y)
    proba = model.predict_proba(truth.X)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(truth.X), proba)
    held_out = truth.Y.sum(axis=0) / 5
    assert (abs(proba.sum(axis=0) / truth.p_and_any().sum(axis=0) - 1) < 4 / np.sqrt(held_out)).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"calibration": "temperature"}, "`calibration` must be one of"),
        ({"calibration_folds": 1}, "`calibration_folds` must be a whole number of 2 or more"),
        ({"calibration_folds": 2.5}, "`calibration_folds` must be a whole number"),
        ({"calibration_folds": "many"}, "`calibration_folds` must be a whole number of 2 or more, None or 'auto'"),
        ({"negative_pool": "none"}, "`negative_pool` must be one of"),
        ({"coherence": "none"}, "`coherence` must be one of"),
        ({"rejected": "nan"}, "`rejected` must be one of"),
        ({"label_decisions": {"b": "f1"}}, "`label_decisions` must name labels of"),
        ({"label_decisions": {"label_0": {"cost": 1}}}, r"`label_decisions\['label_0'\]` must be 'f1'"),
    ],
)
def test_wishes_that_cannot_be_granted_are_refused_before_any_fit(options: dict[str, Any], sentence: str) -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(ConfigError, match=sentence):
        CascadeClassifier(LogisticRegression(), LogisticRegression(), **options).fit(X, (X > 1).astype(int))


def test_fewer_groups_than_folds_are_refused() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), calibration_folds=5)
    with pytest.raises(DataError, match=r"`calibration_folds` groups \(5\)"):
        model.fit(X, (X > 1).astype(int), groups=np.arange(100) % 3)


def test_too_few_groups_for_the_gated_pool_and_missing_groups_are_refused() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), negative_pool="gated")
    with pytest.raises(DataError, match="at least 3 groups to fit on"):
        model.fit(X, (X > 1).astype(int), groups=np.arange(100) % 2)
    with pytest.raises(DataError, match="`groups` must hold a group on every row"):
        model.fit(X, (X > 1).astype(int), groups=np.array(["a", None] * 50, dtype=object))


@pytest.mark.filterwarnings("ignore:`label_1` differs from the OR")
@pytest.mark.parametrize("labeler", [LogisticRegression(), MultiOutputClassifier(LogisticRegression())], ids=repr)
def test_one_label_to_learn_suits_every_kind_of_labeler(truth: KnownTruth, labeler: Any) -> None:
    Y = truth.Y[:, [1, 4]]
    model = CascadeClassifier(LogisticRegression(), labeler, any_label="label_1").fit(truth.X, Y)
    ratio = model.predict_proba(truth.X).sum(axis=0) / Y.sum(axis=0)
    assert (abs(ratio - 1) < 0.2).all()


@pytest.mark.parametrize(
    ("labeler", "options"),
    [
        (MultiOutputClassifier(LogisticRegression()), {}),
        (MultiOutputClassifier(LogisticRegression()), {"calibration_folds": 3}),
        (BalancedBinaryRelevance(LogisticRegression(), n_bags=2), {}),
    ],
)
def test_without_a_gate_one_model_predicts_every_row(
    truth: KnownTruth, labeler: object, options: dict[str, int], tmp_path: Path
) -> None:
    other = KnownTruth(40_000, seed=1)
    model = CascadeClassifier("none", labeler, **options).fit(truth.X[:40_000], truth.Y[:40_000])
    assert model.labeler_ is None
    prediction = model.examine(other.X)
    assert prediction.passed_gate.all()
    true = other.p_and_any().sum(axis=0)
    # The rules were fitted on 8,000 rows or more: four standard errors of their counts.
    assert (abs(prediction.proba.sum(axis=0) / true - 1) < 4 / np.sqrt(true / 5)).all()
    model.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(other.X), prediction.proba)
    shifted = loaded.adapt(prevalence=0.3).predict_proba(other.X)
    assert (shifted.sum(axis=0) > 2 * prediction.proba.sum(axis=0)).all()


def test_a_policy_for_no_gate_is_refused(truth: KnownTruth) -> None:
    model = CascadeClassifier(
        "none", MultiOutputClassifier(LogisticRegression()), gate_policy={"recall": 0.9, "confidence": 0.9}
    )
    with pytest.raises(ConfigError, match="`gate_policy` needs a gate"):
        model.fit(truth.X[:2000], truth.Y[:2000])


@pytest.mark.parametrize("folds", [None, 3])
def test_a_label_that_cannot_be_predicted_is_named_and_can_be_left_out(
    folds: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A frequent label that is independent of the rows lets most of them pass, for the recall of it and of `any`."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3))
    Y = np.column_stack([X[:, 0] + 0.3 * rng.normal(size=4000) > 1.3, rng.random(4000) < 0.04])
    Y = np.column_stack([Y, Y.any(axis=1)]).astype(np.uint8)
    parts = LogisticRegression(), MultiOutputClassifier(LogisticRegression())
    options = {"label_names": ["seen", "noise", "any"], "calibration_folds": folds}
    opened = CascadeClassifier(*parts, **options).fit(X, Y)
    assert re.search(r"label 'noise' alone opens the gate .* `gate_recall=\{'noise': 0\}`", caplog.text)
    caplog.clear()
    closed = CascadeClassifier(*parts, gate_recall={"noise": 0}, **options).fit(X, Y)
    assert "opens the gate" not in caplog.text
    assert opened.examine(X).passed_gate.mean() > 0.8
    assert closed.examine(X).passed_gate.mean() < 0.3
    assert closed.gate_threshold_.bound[0] >= 0.95
    costs = closed.predictor_.provenance["gate_costs"]
    assert costs["deciding"] in ("seen", "any")
    assert [cost["recall"] for cost in costs["labels"]] == [0.95, 0.0, 0.95]


def test_a_certificate_shows_the_cost_of_each_label_too(truth: KnownTruth) -> None:
    policy = {"recall": 0.9, "accept_bound": True}
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), gate_policy=policy)
    costs = model.fit(truth.X[:20_000], truth.Y[:20_000]).predictor_.provenance["gate_costs"]
    assert model.gate_threshold_.value == min(model.certificate_.threshold, 0.5)
    lost = {row.label: row.misses for row in model.certificate_.labels}
    # Of the label that determines the threshold, exactly the allowed units are lost.
    (deciding,) = [row for row in model.certificate_.labels if row.label == costs["deciding"]]
    assert lost[costs["deciding"]] == max(int(misses_allowed(deciding.units, 0.9)), 0)
    assert costs["share_past_gate"] == max(cost["alone"] for cost in costs["labels"])


def test_a_rare_label_whose_bound_would_cost_too_much_is_named(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 3))
    # The rare label has a few positives that look like empty rows.
    Y = np.column_stack([X[:, 0] > 1.3, (X[:, 1] > 1.9) | (rng.random(5000) < 0.001)]).astype(np.uint8)
    parts = LogisticRegression(), MultiOutputClassifier(LogisticRegression())
    names = ["common", "rare"]
    model = CascadeClassifier(*parts, label_names=names).fit(X, Y)
    assert re.search(
        r"label 'rare': the recall at the gate has a lower bound of .* `gate_recall=\{'rare': 1\}`", caplog.text
    )
    assert model.gate_threshold_.kept[1] < model.gate_threshold_.positives[1]
    caplog.clear()
    all_kept = CascadeClassifier(*parts, label_names=names, gate_recall={"rare": 1}).fit(X, Y)
    assert "lower bound" not in caplog.text
    assert all_kept.gate_threshold_.kept[1] == all_kept.gate_threshold_.positives[1]
