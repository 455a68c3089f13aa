"""Bits: each decision does what it says, small labels lean on their probabilities, and `any` agrees."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.rules.thresholds.decisions import NEVER, PRIOR_POSITIVES, check_decision, decision_thresholds
from tests.conftest import KnownTruth

ALL = np.ones(40, dtype=bool)


def sample(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    proba = rng.random((n, 1)).round(2)
    return proba, (rng.random((n, 1)) < proba).astype(np.uint8)


def choose(decision: Any, proba: np.ndarray, passed: np.ndarray, Y: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(decision_thresholds([decision], ["a"], proba, passed, LabelMatrix(Y))[0])


@pytest.fixture
def own_data_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without leaning on probabilities the thresholds are those of the held-out rows."""
    monkeypatch.setattr("cascade.rules.thresholds.decisions.PRIOR_POSITIVES", 0.0)


@pytest.mark.usefixtures("own_data_alone")
@pytest.mark.parametrize("seed", range(20))
def test_f1_is_the_best_there_is(seed: int) -> None:
    proba, Y = sample(seed)
    passed = np.random.default_rng(seed).random(40) < 0.7
    chosen = choose("f1", proba, passed, Y)
    scores = [f1_score(Y[:, 0], passed & (proba[:, 0] >= t)) for t in np.unique(proba[passed])]
    assert f1_score(Y[:, 0], passed & (proba[:, 0] >= chosen)) == pytest.approx(max(scores))


@pytest.mark.usefixtures("own_data_alone")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_a_wanted_recall_is_had_by_the_highest_threshold(seed: int, share: float) -> None:
    proba, Y = sample(seed)
    chosen = choose({"recall": share}, proba, ALL, Y)
    assert recall_score(Y[:, 0], proba[:, 0] >= chosen) >= share
    higher = proba[proba > proba[proba >= chosen].min()]
    if len(higher):
        assert recall_score(Y[:, 0], proba[:, 0] >= higher.min()) < share


@pytest.mark.usefixtures("own_data_alone")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_a_wanted_precision_is_had_by_the_lowest_threshold(seed: int, share: float) -> None:
    proba, Y = sample(seed)
    chosen = choose({"precision": share}, proba, ALL, Y)
    reached = {t: precision_score(Y[:, 0], proba[:, 0] >= t) >= share for t in np.unique(proba)}
    lowest = min((t for t, enough in reached.items() if enough), default=NEVER)
    assert proba[proba >= chosen].min(initial=NEVER) == lowest
    assert (chosen == NEVER) == (lowest == NEVER)


@given(false_positive=st.floats(0.01, 100), false_negative=st.floats(0.01, 100), p=st.floats(0.001, 0.999))
def test_a_cost_pair_sets_the_bit_whose_expected_cost_is_lower(
    false_positive: float, false_negative: float, p: float
) -> None:
    set_cost, clear_cost = (1 - p) * false_positive, p * false_negative
    assume(abs(set_cost - clear_cost) > 1e-9)
    threshold = choose({"cost": (false_positive, false_negative)}, np.full((1, 1), p), ALL[:1], np.zeros((1, 1)))
    assert (p >= threshold) == (set_cost < clear_cost)


def test_any_that_labels_set_below_its_wanted_precision_is_told(truth: KnownTruth) -> None:
    labeler = MultiOutputClassifier(LogisticRegression())
    rule_options = {"decision": 0.02, "label_decisions": {"label_4": {"precision": 0.6}}}
    lifted = CascadeClassifier(LogisticRegression(), labeler, **rule_options)
    with pytest.warns(UserWarning, match="labels set it too"):
        lifted.fit(truth.X, truth.Y)
    alone = CascadeClassifier(LogisticRegression(), labeler, **rule_options, coherence="any")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone.fit(truth.X, truth.Y)
    other = KnownTruth(30_000, seed=4)
    reached = [precision_score(other.Y[:, 4], model.predict(other.X)[:, 4]) for model in (lifted, alone)]
    assert reached[0] < 0.4
    assert reached[1] > 0.5


def test_any_that_never_decides_for_itself_but_is_set_by_labels_is_told(truth: KnownTruth) -> None:
    labeler = MultiOutputClassifier(LogisticRegression())
    # Held-out rows on which no threshold of `any` has this precision.
    rule_options = {"label_decisions": {"label_4": {"precision": 0.999}}, "calibration_size": 0.2, "merge": "pool"}
    with pytest.warns(match="its bit is never"), pytest.warns(match="labels set it too"):
        CascadeClassifier(LogisticRegression(), labeler, **rule_options).fit(truth.X, truth.Y)


def test_decisions_that_are_no_mapping_are_refused(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), label_decisions=["a"])
    with pytest.raises(ConfigError, match="`label_decisions` must map"):
        model.fit(truth.X[:100], truth.Y[:100])


def test_small_labels_scatter_less_than_their_own_best_f1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five expected positives a sample: the threshold that leans on probabilities varies less and serves better."""
    rng = np.random.default_rng(0)
    big = rng.beta(0.3, 12, 200_000)[:, None]
    big_y = (rng.random(big.shape) < big).astype(np.uint8)
    spread, quality = {}, {}
    for prior in (0.0, PRIOR_POSITIVES):
        monkeypatch.setattr("cascade.rules.thresholds.decisions.PRIOR_POSITIVES", prior)
        draws = np.random.default_rng(1)
        chosen = []
        for _ in range(60):
            rows = draws.integers(len(big), size=200)
            chosen.append(choose("f1", big[rows], np.ones(200, bool), big_y[rows]))
        spread[prior] = np.std(chosen)
        quality[prior] = np.mean([f1_score(big_y[:, 0], big[:, 0] >= threshold) for threshold in chosen])
    assert spread[PRIOR_POSITIVES] < spread[0.0]
    assert quality[PRIOR_POSITIVES] > quality[0.0]


def test_what_cannot_be_had_is_said() -> None:
    proba, Y = np.full((40, 1), 0.1), np.zeros((40, 1), np.uint8)
    Y[:4] = 1
    with pytest.warns(UserWarning, match=r"cannot have precision 0.9: the best threshold has 0.1; its bit is never"):
        assert decision_thresholds([{"precision": 0.9}], ["a"], proba, ALL, LabelMatrix(Y))[0] == NEVER
    half = np.arange(40) % 2 == 0
    with pytest.warns(UserWarning, match=r"cannot have recall 0.9: the gate passes 0.5"):
        assert decision_thresholds([{"recall": 0.9}], ["a"], proba, half, LabelMatrix(Y))[0] == pytest.approx(
            0.1, rel=1e-5
        )


@pytest.mark.parametrize(
    "decision",
    [
        "f2",
        0,
        1,
        True,
        None,
        {},
        {"cost": 3},
        {"cost": [1, 0]},
        {"recall": 1.0},
        {"f1": 1},
        {"cost": [1, 2], "recall": 0.5},
    ],
    ids=repr,
)
def test_a_decision_that_is_none_is_refused(decision: Any) -> None:
    with pytest.raises(ConfigError, match="`decision` must be 'f1', a threshold"):
        check_decision(decision)


@pytest.fixture(scope="module")
def fitted(truth: KnownTruth) -> CascadeClassifier:
    names = ["a", "b", "c", "d", "some"]
    decisions = {"a": {"cost": (1, 9)}, "b": 0.3, "some": {"recall": 0.9}}
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=names, label_decisions=decisions)
    return model.fit(truth.X, truth.Y)


def test_each_label_is_decided_its_own_way(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    thresholds = fitted.predictor_.rules.thresholds
    assert thresholds[:2].tolist() == [0.1, 0.3]
    other = KnownTruth(20_000, seed=5)
    found = (fitted.predictor_.examine(other.X).proba[:, 4] >= thresholds[4])[other.Y[:, 4] > 0].mean()
    # Binomial with about 1,000 positives here and there.
    assert abs(found - 0.9) < 4 * np.sqrt(2 * 0.09 / other.Y[:, 4].sum())


@pytest.mark.parametrize("coherence", ["lift", "labels", "any"])
def test_any_agrees_with_the_labels_in_the_direction_asked_for(fitted: CascadeClassifier, coherence: str) -> None:
    X = np.random.default_rng(0).normal(scale=1.5, size=(4000, 6))
    lift = fitted.predictor_
    lift_bits = lift.predict(X)
    model = type(lift)(lift.gate, lift.labeler, replace(lift.rules, coherence=coherence), lift.signature)
    bits, proba = model.predict(X), model.predict_proba(X)
    some, any_bit = bits[:, :4].any(axis=1), bits[:, 4] > 0
    assert (any_bit >= some).all()
    if coherence == "lift":
        assert (any_bit & ~some).any()
    else:
        np.testing.assert_array_equal(any_bit, some)
    if coherence == "labels":
        np.testing.assert_array_equal(bits[:, :4], lift_bits[:, :4])
    if coherence == "any":
        np.testing.assert_array_equal(any_bit, (proba[:, 4] >= lift.rules.thresholds[4]) & model.examine(X).passed_gate)


def test_a_label_that_is_never_set_is_not_set_for_any_either(fitted: CascadeClassifier) -> None:
    X = np.random.default_rng(0).normal(scale=1.5, size=(4000, 6))
    lift = fitted.predictor_
    model = type(lift)(lift.gate, lift.labeler, replace(lift.rules, coherence="any"), lift.signature)
    names = lift.label_names
    some = model.predict(X, thresholds=dict.fromkeys(names[:3], 2.0))
    assert not some[:, :3].any()
    np.testing.assert_array_equal(some[:, 3], some[:, 4])
    none = model.predict(X, thresholds=dict.fromkeys(names[:4], 2.0))
    assert not none[:, :4].any()
    np.testing.assert_array_equal(none[:, 4], some[:, 4])


def test_hard_zeros_for_rejected_rows_are_an_option(truth: KnownTruth) -> None:
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, rejected="zero").fit(truth.X, truth.Y)
    answer = model.examine(truth.X)
    assert (answer.proba[~answer.passed_gate] == 0).all()
    assert (answer.proba[answer.passed_gate] > 0).all()


def test_the_share_of_labels_among_rejected_rows_lies_in_its_interval(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), gate_recall=0.8)
    rules = model.fit(truth.X, truth.Y).predictor_.rules
    other = KnownTruth(200_000, seed=9)
    rejected = ~model.examine(other.X).passed_gate
    share = other.Y[rejected].mean(axis=0)
    low, high = rules.rejected_interval
    # Five intervals of 95 %: that none misses has a probability of about .77; the seeds are fixed.
    assert ((low <= share) & (share <= high)).sum() >= 4
    proba = model.predict_proba(other.X)[rejected].mean(axis=0)
    assert ((low <= proba) & (proba <= high)).sum() >= 4
