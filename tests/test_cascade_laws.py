"""Laws of the cascade, on logistic regressions, so that they are checked in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.data.splits import grouped_holdout
from cascade.errors import ConfigError, DataError
from cascade.fitting.fit_rules import fit_rules
from cascade.rules.thresholds.certificate import recall_bound
from tests.conftest import KnownTruth

POSITIVES_HELD_OUT = {"negative_pool": "positives", "calibration_folds": None}
"""The labeler learns from rows with a label, and a fifth of the rows is held out for the rules."""
LABELERS = {
    "balanced": BalancedBinaryRelevance(LogisticRegression(), n_bags=3),
    "one-vs-rest": OneVsRestClassifier(LogisticRegression()),
    "multi-output": MultiOutputClassifier(LogisticRegression()),
}


@pytest.fixture(scope="module", params=sorted(LABELERS))
def fitted(request: pytest.FixtureRequest, truth: KnownTruth) -> CascadeClassifier:
    # A labeler of the pool "gated" cannot be used below its threshold, and these laws are about every threshold.
    model = CascadeClassifier(LogisticRegression(), LABELERS[request.param], **POSITIVES_HELD_OUT)
    return model.fit(truth.X, truth.Y)


def rows(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=2.0, size=(n, 6))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 50))
def test_bits_only_on_rows_that_passed_and_any_at_least_each_label(
    fitted: CascadeClassifier, seed: int, n: int
) -> None:
    answer = fitted.examine(rows(seed, n))
    assert not answer.labels[~answer.passed_gate].any()
    assert np.isfinite(answer.proba).all()
    assert ((answer.proba >= 0) & (answer.proba <= 1)).all()
    assert (answer.proba[:, 4:] >= answer.proba[:, :4]).all()
    assert (answer.labels[:, 4:] >= answer.labels[:, :4]).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_higher_gate_threshold_never_adds_a_label(
    fitted: CascadeClassifier, seed: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    X = rows(seed, 40)
    assert (fitted.predict(X, gate_threshold=high) <= fitted.predict(X, gate_threshold=low)).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3000), cut=st.integers(1, 2999))
def test_chunks_never_change_a_bit_of_the_output(fitted: CascadeClassifier, seed: int, n: int, cut: int) -> None:
    X = rows(seed, n)
    cut = min(cut, n)
    parts = [part for part in (X[:cut], X[cut:]) if len(part)]
    chunked = np.concatenate([fitted.predict_proba(part) for part in parts])
    np.testing.assert_array_equal(chunked, fitted.predict_proba(X))


@pytest.mark.parametrize("coherence", ["lift", "labels", "any"])
def test_many_rows_are_predicted_like_a_few_at_a_time(truth: KnownTruth, coherence: str) -> None:
    model = CascadeClassifier(LogisticRegression(), LABELERS["multi-output"], coherence=coherence).fit(truth.X, truth.Y)
    X = rows(1, 20_000)
    whole, cuts = model.examine(X), np.split(np.arange(len(X)), [1, 700, 9000, 19_999])
    np.testing.assert_array_equal(np.concatenate([model.predict_proba(X[part]) for part in cuts]), whole.proba)
    np.testing.assert_array_equal(np.concatenate([model.predict(X[part]) for part in cuts]), whole.labels)
    np.testing.assert_array_equal(model.predict(X), whole.labels)
    limits = model.predictor_.rules.thresholds / 2
    np.testing.assert_array_equal(
        model.predict(X, thresholds=limits), model.predictor_.examine(X, thresholds=limits).labels
    )


def test_rejected_rows_get_a_small_probability_and_never_reach_the_labeler(
    fitted: CascadeClassifier, truth: KnownTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    # Linear models are computed as one product otherwise, on the same rows.
    monkeypatch.setattr("cascade.estimators.scoring.linear_form", lambda _: None)
    original = type(fitted.labeler_).predict_proba
    monkeypatch.setattr(type(fitted.labeler_), "predict_proba", lambda self, X: seen.append(X) or original(self, X))
    answer = fitted.examine(truth.X)
    examined = {tuple(row) for batch in seen for row in batch}
    assert examined == {tuple(row) for row in truth.X[answer.passed_gate]}
    rejected = answer.proba[~answer.passed_gate]
    assert (rejected > 0).all()
    assert rejected.mean() < answer.proba[answer.passed_gate].mean()


def test_the_gate_keeps_the_wanted_recall_of_every_label(fitted: CascadeClassifier) -> None:
    choice = fitted.gate_threshold_
    bounds = [recall_bound(k, n, 0.9) for k, n in zip(choice.kept.tolist(), choice.positives.tolist(), strict=True)]
    assert min(bounds) >= 0.95
    # The threshold is the highest that does: with one positive less, the label that determines it has a lower bound.
    k = choice.deciding
    assert recall_bound(int(choice.kept[k]) - 1, int(choice.positives[k]), 0.9) < 0.95


@pytest.mark.parametrize("negative_pool", ["positives", "all"])
@pytest.mark.parametrize("name", ["balanced", "one-vs-rest"])
def test_merged_probabilities_sum_to_the_truth(truth: KnownTruth, name: str, negative_pool: str) -> None:
    other = KnownTruth(40_000, seed=1)
    model = CascadeClassifier(LogisticRegression(), LABELERS[name], negative_pool=negative_pool)
    proba = model.fit(truth.X, truth.Y).predict_proba(other.X)
    ratio = proba.sum(axis=0) / np.append(other.p.sum(axis=0), other.p_any.sum())
    # 8,000 calibration rows hold about 48, 180, 180, 290 and 700 positives; four standard errors of each.
    spread = 4 / np.sqrt(np.append(other.p.sum(axis=0), other.p_any.sum()) / 5)
    assert (abs(ratio - 1) < spread).all()


def test_the_wrong_merge_would_count_the_gate_twice(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"], negative_pool="all")
    predictor = model.fit(truth.X, truth.Y).predictor_
    scores = predictor.score(truth.X, gate_threshold=0.0)
    gate = predictor.rules.gate_proba(scores.gate_z)
    right = predictor.rules.merge(gate, scores.labeler_z)[:, :4]
    true = truth.p.sum(axis=0)
    assert (abs(right.sum(axis=0) / true - 1) < 0.15).all()
    assert ((gate[:, None] * right).sum(axis=0) < 0.7 * true).all()


def test_containers_give_the_same_answer(truth: KnownTruth) -> None:
    X, Y = truth.X[:4000], truth.Y[:4000]
    model = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"]).fit(X, Y)
    names = list("abcdef")
    frame = pd.DataFrame(X, columns=names)
    framed = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"]).fit(frame, sparse.csr_matrix(Y))
    np.testing.assert_allclose(framed.predict_proba(frame), model.predict_proba(X))
    with pytest.raises(DataError, match="same order"):
        framed.predict(frame[list("bacdef")])
    thin = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"]).fit(sparse.csr_matrix(X), Y)
    np.testing.assert_allclose(thin.predict_proba(sparse.csr_matrix(X)), model.predict_proba(X), rtol=0.02)


def test_rows_made_on_demand_are_never_asked_for_all_at_once(truth: KnownTruth) -> None:
    class Source:
        largest = 0

        def __len__(self) -> int:
            return 6000

        def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
            self.largest = max(self.largest, len(numbers))
            return truth.X[numbers]

    source = Source()
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"]).fit(truth.X[:6000], truth.Y[:6000])
    model.predictor_.signature = type(model.predictor_.signature)(None, None)
    np.testing.assert_array_equal(model.predict(source), model.predictor_.predict(truth.X[:6000]))
    assert source.largest <= 1024


class Witness(LogisticRegression):
    """Notes the groups that it was fitted on and every row that it was asked about."""

    fitted_groups: ClassVar[list[set[int]]] = []

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Witness:
        self.fitted_groups.append(set(np.asarray(groups).tolist()))
        return super().fit(X, y)


def test_calibration_sees_only_groups_that_no_fit_has_seen(truth: KnownTruth, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrated = {}

    def watched(*arguments: Any) -> Any:
        calibrated["Y"] = arguments[3].Y
        return fit_rules(*arguments)

    monkeypatch.setattr("cascade.fitting.fit.fit_rules", watched)
    Witness.fitted_groups.clear()
    X, Y, groups = truth.X[:4000], truth.Y[:4000], np.arange(4000) // 8
    labeler = BalancedBinaryRelevance(Witness(), n_bags=2)
    CascadeClassifier(Witness(), labeler, **POSITIVES_HELD_OUT).fit(X, Y, groups=groups)
    held = grouped_holdout(Y, groups, 0.2, 0)
    assert set().union(*Witness.fitted_groups) <= set(groups[~held].tolist())
    assert Witness.fitted_groups[0] == set(groups[~held].tolist())
    np.testing.assert_array_equal(calibrated["Y"], Y[held])


def test_overconfident_stages_are_calibrated_on_rows_they_have_not_seen(truth: KnownTruth) -> None:
    """Unpruned trees are certain of every row that they were fitted on; only other rows can correct them."""
    other = KnownTruth(20_000, seed=2)
    forest = RandomForestClassifier(10, random_state=0)
    model = CascadeClassifier(forest, forest).fit(truth.X[:10_000], truth.Y[:10_000])
    predictor = model.predictor_
    ratio = predictor.predict_proba(other.X).sum(axis=0) / other.Y.sum(axis=0)
    spread = 4 / np.sqrt(other.Y.sum(axis=0) / 5)
    assert (abs(ratio - 1) < spread).all()


def test_rejected_rows_get_as_many_labels_as_rejected_rows_have(truth: KnownTruth) -> None:
    """Also where the gate is far off in its tail: a tree of two leaves says the same of all rejected rows."""
    other = KnownTruth(40_000, seed=2)
    for gate in (LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)):
        model = CascadeClassifier(gate, LABELERS["one-vs-rest"], gate_recall=0.6).fit(truth.X, truth.Y)
        answer = model.examine(other.X)
        rejected = ~answer.passed_gate
        expected, true = answer.proba[rejected].sum(axis=0), other.Y[rejected].sum(axis=0)
        # A fifth of as many rows decided the share, with one row added.
        spread = 4 * np.sqrt(true * 6) + 6
        assert (abs(expected - true) < spread).all()


@pytest.mark.parametrize("seed", range(4))
def test_two_groups_are_enough_and_one_is_not(truth: KnownTruth, seed: int) -> None:
    X, Y = truth.X[:4000], truth.Y[:4000]
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"], random_state=seed)
    model.fit(X, Y, groups=np.arange(4000) // 2000)
    assert model.predictor_.provenance["rows_calibrated"] == 2000
    with pytest.raises(DataError, match="at least two groups"):
        model.fit(X, Y, groups=np.zeros(4000))


def test_real_weights_are_taken_by_balanced_models(truth: KnownTruth) -> None:
    weight = np.random.default_rng(0).random(4000)
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"])
    small = model.fit(truth.X[:4000], truth.Y[:4000], sample_weight=weight / weight.sum()).predict_proba(truth.X)
    large = model.fit(truth.X[:4000], truth.Y[:4000], sample_weight=weight).predict_proba(truth.X)
    np.testing.assert_allclose(small, large, rtol=1e-3)


@pytest.mark.parametrize("Y", [np.zeros((200, 3), int), np.ones((200, 3), int)], ids=["all empty", "all full"])
def test_labels_without_variation_are_handled_and_reported(Y: np.ndarray) -> None:
    X = np.random.default_rng(0).normal(size=(200, 2))
    with pytest.warns(UserWarning, match=r"occurs among|equal the OR|no held-out"):
        model = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"]).fit(X, Y)
    proba = model.predict_proba(X)
    assert np.isfinite(proba).all()
    assert (abs(proba - Y) < 0.05).all()


def test_a_label_that_never_and_one_that_always_occurs() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    first = X[:, 0] > 1
    Y = np.column_stack([first, np.zeros(3000), first | (X[:, 1] > 1)]).astype(int)
    with pytest.warns(UserWarning, match="occurs among|no held-out positive") as caught:
        model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"], any_label=None).fit(X, Y)
    said = " ".join(str(warning.message) for warning in caught)
    assert "'label_1' never occurs" in said
    assert "'label_2' always occurs" in said
    assert "'label_1' has no held-out positive to test it against chance; its bit is never set" in said
    # A warning is shown with the line of the caller.
    assert {warning.filename for warning in caught} == {__file__}
    assert model.predict_proba(X)[:, 1].max() < 0.01


def test_one_label_and_one_column(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(1000, 2))
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"]).fit(X, (X[:, :1] > 1).astype(int))
    assert (model.predict(X).shape, model.any_label_) == ((1000, 1), "label_0")
    model.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_labels", [1, 2, 3])
@pytest.mark.parametrize(
    "labeler", [*LABELERS.values(), MLPClassifier((4,), max_iter=100), RandomForestClassifier(10)], ids=repr
)
def test_two_labels_are_not_two_classes(labeler: object, n_labels: int) -> None:
    """Each label's probability must follow its own feature, whatever the layout of predict_proba."""
    X = np.random.default_rng(0).normal(size=(4000, 4))
    Y = (X[:, : n_labels + 1] > 1).astype(int)
    model = CascadeClassifier(LogisticRegression(), labeler).fit(X, Y)
    proba = model.predict_proba(X)
    for k in range(n_labels + 1):
        assert proba[Y[:, k] > 0, k].mean() > 3 * proba[Y[:, k] == 0, k].mean()


def test_forests_answer_in_lists(truth: KnownTruth) -> None:
    model = CascadeClassifier(RandomForestClassifier(10), RandomForestClassifier(10)).fit(
        truth.X[:4000], truth.Y[:4000]
    )
    assert model.predict_proba(truth.X[:10]).shape == (10, 5)


@pytest.mark.parametrize("value", [np.nan, -1.0, "x", [0.5, np.nan, 0.5, 0.5, 0.5]])
def test_thresholds_that_are_no_numbers_are_refused(truth: KnownTruth, value: object) -> None:
    model = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"]).fit(truth.X[:3000], truth.Y[:3000])
    with pytest.raises(ConfigError, match="`thresholds`"):
        model.predict(truth.X[:3], thresholds=value)
    with pytest.raises(ConfigError, match="`gate_threshold`"):
        model.predict(truth.X[:3], gate_threshold=value)
    with pytest.raises(ConfigError, match="whole number"):
        model.predictor_.predict_top_k(truth.X[:3], 1.5)


@pytest.mark.parametrize(
    ("gate", "labeler", "sentence"),
    [
        (LogisticRegression(), LogisticRegression(), "`labeler` must take 4 outputs at once; wrap LogisticRegression"),
        (LinearSVC(), LABELERS["balanced"], "`gate` must have `predict_proba`; LinearSVC has none"),
    ],
)
def test_parts_that_could_only_fail_later_are_refused_at_once(
    truth: KnownTruth, gate: object, labeler: object, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        CascadeClassifier(gate, labeler).fit(truth.X[:3000], truth.Y[:3000])


def test_a_label_that_no_held_out_row_has_is_reported() -> None:
    X = np.random.default_rng(0).normal(size=(600, 3))
    Y = (X[:, :2] > 1).astype(int)
    Y[:, 1] = 0
    Y[:3, 1] = 1
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"], **POSITIVES_HELD_OUT)
    with pytest.warns(UserWarning, match="label 'label_1' has no (positive among|held-out)") as caught:
        model.fit(X, Y, groups=np.maximum(np.arange(600) // 3, 1))
    assert {warning.filename for warning in caught} == {__file__}


def test_thresholds_can_be_given_per_call(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    assert not fitted.predict(truth.X, thresholds=2.0).any()
    by_name = fitted.predict(truth.X, gate_threshold=0.0, thresholds={"label_0": 0.0})
    assert by_name[:, 0].all()
    with pytest.raises(ConfigError, match=r"`thresholds` must have one value per label \(5\). Received 2."):
        fitted.predict(truth.X, thresholds=[0.5, 0.5])
    with pytest.raises(ConfigError, match="nobody"):
        fitted.predict(truth.X, thresholds={"nobody": 0.5})


def test_top_k_is_ordered(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    top = fitted.predictor_.predict_top_k(truth.X[:50], 2)
    proba = fitted.predict_proba(truth.X[:50])
    assert (np.take_along_axis(proba, top, 1)[:, 0] == proba.max(axis=1)).all()
    with pytest.raises(ConfigError, match="`k`"):
        fitted.predictor_.predict_top_k(truth.X, 9)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"negative_pool": "some"}, "negative_pool"),
        ({"gate_recall": 0.0}, "gate_recall"),
        ({"gate_recall": {"label_9": 0.5}}, "`gate_recall` must name labels of .* Received 'label_9'"),
        ({"gate_recall": {"label_0": 0.5}, "gate_policy": {"recall": 0.9}}, "not be a mapping with `gate_policy`"),
        ({"calibration_size": 1.0}, "held-out share"),
        ({"label_names": ["a"]}, "label_names"),
    ],
)
def test_wrong_parameters_are_named(truth: KnownTruth, change: dict, sentence: str) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence):
        CascadeClassifier(DummyClassifier(), DummyClassifier(), **change).fit(truth.X, truth.Y)


def test_rows_without_weight_are_as_if_absent(truth: KnownTruth) -> None:
    X, Y = truth.X[:3000], truth.Y[:3000]
    weight = np.ones(len(Y))
    weight[np.flatnonzero(Y[:, 3] == 0)[5:]] = 0.0
    kept = weight > 0
    model = BalancedBinaryRelevance(LogisticRegression(), n_bags=3)
    weighted = model.fit(X, Y, sample_weight=weight).predict_proba(X)
    np.testing.assert_allclose(weighted, model.fit(X[kept], Y[kept], sample_weight=weight[kept]).predict_proba(X))
    assert np.isfinite(weighted).all()


@pytest.mark.filterwarnings("ignore:label 'label_0' has no positive")
def test_sample_weight_is_refused_by_name_where_it_is_not_taken(truth: KnownTruth) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    model = CascadeClassifier(KNeighborsClassifier(), LABELERS["balanced"])
    with pytest.raises(ConfigError, match="KNeighborsClassifier"):
        model.fit(truth.X[:500], truth.Y[:500], sample_weight=np.ones(500))


def test_integer_weights_are_repeated_rows(truth: KnownTruth) -> None:
    X, Y = truth.X[:6000], truth.Y[:6000]
    weight = np.where(Y[:, 4] > 0, 3.0, 1.0)
    weighted = CascadeClassifier(LogisticRegression(), LABELERS["one-vs-rest"])
    gate_only = CascadeClassifier(LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=1))
    with pytest.raises(ConfigError, match="OneVsRestClassifier"):
        weighted.fit(X, Y, sample_weight=weight)
    proba = gate_only.fit(X, Y, sample_weight=weight).predict_proba(X)
    assert (weight @ proba)[4] / (weight @ Y)[4] == pytest.approx(1.0, abs=0.1)


def test_a_shared_trunk_needs_networks(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), LABELERS["balanced"], share_trunk=True)
    with pytest.raises(ConfigError, match="Received LogisticRegression and BalancedBinaryRelevance"):
        model.fit(truth.X[:2000], truth.Y[:2000])


def test_wrong_rows_are_refused_at_predict_time(fitted: CascadeClassifier) -> None:
    with pytest.raises(DataError, match="5 features, but CascadeClassifier is expecting 6"):
        fitted.predict(np.zeros((3, 5)))
