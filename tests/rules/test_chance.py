"""Labels at chance: the test against it, and default decisions that set no bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, roc_auc_score
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.rules.thresholds.chance import FALSE_DISCOVERIES, chance_test
from cascade.rules.thresholds.decisions import MOST_BITS, NEVER, decision_thresholds
from tests.conftest import KnownTruth

DRAWS = 400


def share_above(draws: int, positives: int, per_group: int, shift: float, n: int = 1200) -> float:
    """Return the share of draws in which a label passes; all rows of a group have nearly the same score."""
    rng, above = np.random.default_rng(positives), 0
    group = np.arange(n) // per_group
    for _ in range(draws):
        y = np.isin(group, rng.choice(n // per_group, positives, replace=False))
        score = rng.normal(size=n // per_group)[group] + 0.1 * rng.normal(size=n) + shift * y
        labels = LabelMatrix(y[:, None].astype(np.uint8))
        above += int(chance_test(score[:, None], labels, np.ones(n), group).above[0])
    return above / draws


@pytest.mark.parametrize("per_group", [1, 4])
@pytest.mark.parametrize("positives", [1, 3, 10])
def test_a_label_at_chance_passes_at_most_as_often_as_stated(positives: int, per_group: int) -> None:
    # Three standard errors of 400 draws above the level. Rows alone, without their groups, pass three times as often.
    assert share_above(DRAWS, positives, per_group, shift=0.0) < FALSE_DISCOVERIES + 3 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_ten_groups_of_a_good_label_pass() -> None:
    # An AUROC of .92: two standard normals, two apart.
    assert share_above(100, positives=10, per_group=4, shift=2.0) > 0.98


def test_of_many_labels_at_chance_hardly_any_draw_passes_one() -> None:
    rng, any_above = np.random.default_rng(0), 0
    for _ in range(200):
        Y = (rng.random((1000, 10)) < 0.02).astype(np.uint8)
        any_above += int(
            chance_test(rng.normal(size=Y.shape), LabelMatrix(Y), np.ones(1000), np.arange(1000)).above.any()
        )
    assert any_above / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@given(seed=st.integers(0, 1000), repeats=st.integers(1, 3))
def test_the_auroc_is_that_of_scikit_learn_with_ties_weights_and_missing_labels(seed: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    y, score, weight = rng.random(60) < 0.3, rng.integers(0, 8, 60) / 8, rng.integers(0, 1 + repeats, 60).astype(float)
    known = rng.random(60) < 0.8
    y[:2], known[:2], weight[:2] = [True, False], True, 1.0
    labels = LabelMatrix((y & known)[:, None].astype(np.uint8), known[:, None])
    found = chance_test(score[:, None], labels, weight, np.arange(60))
    counted = known & (weight > 0)
    assert found.auroc[0] == pytest.approx(roc_auc_score(y[counted], score[counted], sample_weight=weight[counted]))
    assert found.positives[0] == found.groups[0] == (y & counted).sum()


@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_and_the_scale_of_scores_and_weights_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, score, group = rng.random((80, 3)) < 0.2, rng.normal(size=(80, 3)), np.arange(80) // 3
    first = chance_test(score, LabelMatrix(y.astype(np.uint8)), np.ones(80), group)
    order = rng.permutation(80)
    moved = LabelMatrix(y[order].astype(np.uint8))
    other = chance_test(np.exp(score[order]), moved, np.full(80, 7.0), group[order])
    np.testing.assert_allclose(first.auroc, other.auroc)
    np.testing.assert_array_equal(first.above, other.above)


def test_without_positives_nothing_is_above_chance_and_a_majority_needs_no_ranking() -> None:
    Y = np.column_stack([np.zeros(50), np.ones(50), np.arange(50) % 4 > 0]).astype(np.uint8)
    found = chance_test(np.zeros(Y.shape), LabelMatrix(Y), np.ones(50), np.arange(50))
    assert found.above.tolist() == [False, True, True]
    assert np.isnan(found.auroc[:2]).all()


def test_f1_sets_no_bit_that_would_be_one_of_many_more_than_there_are_positives() -> None:
    """A plateau: of 1,000 rows past the gate some have the label, and nothing says which."""
    passed = np.arange(4000) < 1000
    for positives, floods in ((1000 / MOST_BITS - 1, True), (1000 / MOST_BITS, False)):
        y = np.arange(4000) < positives
        proba = np.where(passed, positives / 1000, 0.0)[:, None]
        labels = LabelMatrix(y[:, None].astype(np.uint8))
        if floods:
            with pytest.warns(UserWarning, match=r"label 'a' is too uncertain for F1: .* 10.1 bits per positive"):
                chosen = decision_thresholds(["f1"], ["a"], proba, passed, labels)
            assert chosen[0] == NEVER
        else:
            assert decision_thresholds(["f1"], ["a"], proba, passed, labels)[0] == pytest.approx(proba[0, 0], rel=1e-5)
        # What is requested is done, at any precision.
        for decision in ({"cost": (1, 99)}, {"recall": 0.9}, 0.02, {"precision": 0.09}):
            assert decision_thresholds([decision], ["a"], proba, passed, labels)[0] <= positives / 1000


def with_noise_label(truth: KnownTruth, n: int) -> np.ndarray:
    """Return labels of which the second has nothing to do with the rows."""
    Y = truth.Y[:n].copy()
    Y[:, 1] = np.random.default_rng(1).random(n) < 0.01
    Y[:, 4] = Y[:, :4].any(axis=1)
    return Y


@pytest.fixture(scope="module")
def noisy(truth: KnownTruth) -> CascadeClassifier:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()))
    with pytest.warns(UserWarning, match=r"label 'label_1' is (not ranked better than chance|too uncertain)") as caught:
        model.fit(truth.X, with_noise_label(truth, 40_000))
    assert {warning.filename for warning in caught} == {__file__}, "shown with the line of the caller"
    assert len(caught) == 1
    return model


def test_a_label_without_any_relation_to_the_rows_is_never_set_and_the_others_are(
    noisy: CascadeClassifier, truth: KnownTruth
) -> None:
    rules = noisy.predictor_.rules
    assert (rules.thresholds > 1).tolist() == [False, True, False, False, False]
    bits = noisy.predict(truth.X)
    assert bits.any(axis=0).tolist() == [True, False, True, True, True]
    # Its probabilities are those of every other label: near its share.
    proba = noisy.predict_proba(truth.X)[:, 1]
    assert 0.8 < proba.sum() / with_noise_label(truth, 40_000)[:, 1].sum() < 1.25


@pytest.mark.parametrize("decision", [{"cost": (1, 99)}, {"recall": 0.5}, 0.009])
def test_a_requested_decision_is_used_at_chance_too(truth: KnownTruth, decision: Any) -> None:
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_decisions={"label_1": decision})
    model.fit(truth.X, with_noise_label(truth, 40_000))
    assert model.predict(truth.X)[:, 1].any()


@pytest.mark.parametrize("coherence", ["lift", "labels", "any"])
def test_bits_agree_where_a_label_is_never_set(noisy: CascadeClassifier, truth: KnownTruth, coherence: str) -> None:
    fitted = noisy.predictor_
    model = CascadePredictor(fitted.gate, fitted.labeler, replace(fitted.rules, coherence=coherence), fitted.signature)
    bits = model.predict(truth.X)
    assert not bits[:, 1].any()
    some, any_bit = bits[:, :4].any(axis=1), bits[:, 4] > 0
    assert (any_bit >= some).all()
    if coherence != "lift":
        np.testing.assert_array_equal(any_bit, some)
    # Thresholds of a single call set it again.
    assert model.predict(truth.X, thresholds={"label_1": 0.01})[:, 1].any()


def test_a_saved_model_is_never_set_either_and_a_site_keeps_it_so(
    noisy: CascadeClassifier, truth: KnownTruth, tmp_path: Any
) -> None:
    noisy.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(truth.X), noisy.predict(truth.X))
    source = loaded.rules.prior_shift().source
    assert loaded.adapt(prevalence=source / 3).rules.thresholds[1] > 1


@pytest.mark.parametrize("calibration", ["none", "isotonic"])
def test_the_flat_model_and_the_cascade_agree_on_chance(truth: KnownTruth, calibration: str) -> None:
    """Isotonic calibration ranks the rows that it was fitted on above chance; the test is of the raw ranking."""
    model = FlatClassifier(MultiOutputClassifier(DummyClassifier(strategy="stratified")), calibration=calibration)
    with pytest.warns(UserWarning, match="label '1' is not ranked better than chance"):
        model.fit(truth.X[:8000], truth.Y[:8000, 1:3])
    assert not model.predict(truth.X).any()


def test_a_label_that_f1_sets_has_the_precision_it_promises(noisy: CascadeClassifier) -> None:
    other = KnownTruth(40_000, seed=6)
    bits = noisy.predict(other.X)
    for k in (0, 2, 3):
        assert precision_score(other.Y[:, k], bits[:, k]) > 1 / MOST_BITS
        assert bits[:, k].sum() < MOST_BITS * other.Y[:, k].sum()
