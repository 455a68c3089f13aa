"""The stacked merge: exact on known truth, close to the merge of the pool where positives are few."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError, ModelRefusedError
from cascade.rules.probability.stack import fit_rejected_stack, fit_stack, noisy_or
from cascade.store.manifest import NAME
from tests.conftest import KnownTruth
from tests.store.test_store import forge


def test_two_independent_measurements_add_up() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((200_000, 1)) < 0.1
    z = [rng.normal(np.where(truth, 1.0, -1.0) * strength) * 2 * strength for strength in (0.7, 1.0)]
    # Of two normal measurements with means of plus and minus s and a variance of 1, the log-odds are 2 s x plus the
    # prior's, so those of both together are the sum with the prior counted once.
    stack = fit_stack(z[0] + logit(0.1), [z[1]], LabelMatrix(truth.astype(np.uint8)), np.ones(len(truth)))
    assert stack.weights[0, 0] == pytest.approx(1, abs=0.02)
    assert stack.intercept[0] == pytest.approx(0, abs=0.03)


@given(seed=st.integers(0, 5000), rows=st.integers(2, 60))
def test_a_few_rejected_rows_without_a_positive_keep_their_base(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    base, feature = rng.normal(-8, 1, (rows, 5)), rng.normal(0, 2, (rows, 5))
    stack = fit_rejected_stack(base, feature, LabelMatrix(np.zeros((rows, 5), np.uint8)), np.ones(rows))
    # Without a positive the rows say only that their probabilities are small, which they are.
    np.testing.assert_allclose(stack(base, [feature]), base, atol=0.3)


def test_the_weight_of_rejected_rows_is_found_where_there_are_positives() -> None:
    rng = np.random.default_rng(2)
    base, feature = rng.normal(-4, 1, (40_000, 5)), rng.normal(size=(40_000, 5))
    Y = (rng.random(base.shape) < expit(base + 0.6 * feature)).astype(np.uint8)
    stack = fit_rejected_stack(base, feature, LabelMatrix(Y), np.ones(len(Y)))
    np.testing.assert_allclose(stack.weights, 0.6, atol=0.03)
    # Each intercept has the sum of its own label, but for the prior.
    np.testing.assert_allclose(stack.intercept, 0.0, atol=0.06)


def test_it_agrees_with_ridge_regression() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(4000, 2))
    y = (rng.random(4000) < expit(features @ [1.0, -0.5] - 1)).astype(np.uint8)
    columns = [features[:, :1], features[:, 1:]]
    stack = fit_stack(np.zeros((4000, 1)), columns, LabelMatrix(y[:, None]), np.ones(4000))
    # scikit-learn's C is the variance of the prior, which is 0.5 squared here.
    plain = LogisticRegression(C=0.25, tol=1e-8).fit(features, y)
    np.testing.assert_allclose(stack.weights[:, 0], plain.coef_[0], atol=0.01)
    np.testing.assert_allclose(stack.intercept, plain.intercept_, atol=0.01)


@given(seed=st.integers(0, 5000), positives=st.integers(1, 4))
def test_few_positives_move_the_merge_little(seed: int, positives: int) -> None:
    rng = np.random.default_rng(seed)
    base, feature = rng.normal(-4, 1, (2000, 1)), rng.normal(size=(2000, 1))
    y = np.zeros((2000, 1), np.uint8)
    y[np.argsort(-feature[:, 0])[:positives]] = 1
    stack = fit_stack(base, [feature], LabelMatrix(y), np.ones(2000))
    # The prior of a weight has a standard deviation of 0.5: a feature that separates four positives stays below 1.5.
    assert 0 < stack.weights[0, 0] < 1.5
    # The intercept has no prior, so the probabilities sum to the positives, but for Platt's one row of each class.
    assert expit(stack(base, [feature])).sum() == pytest.approx(positives, abs=1.0)


def test_a_label_without_positives_keeps_its_base() -> None:
    z = np.random.default_rng(2).normal(size=(100, 1))
    stack = fit_stack(z, [z], LabelMatrix(np.zeros((100, 1), np.uint8)), np.ones(100))
    np.testing.assert_array_equal(stack(z, [z]), z)


def test_a_weight_of_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(3)
    base, feature = rng.normal(size=(2, 300, 1))
    y, times = rng.integers(0, 2, (300, 1)).astype(np.uint8), rng.integers(1, 4, 300)
    weighted = fit_stack(base, [feature], LabelMatrix(y), times.astype(float))
    base, feature, y = (np.repeat(values, times, axis=0) for values in (base, feature, y))
    repeated = fit_stack(base, [feature], LabelMatrix(y), np.ones(len(y)))
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-3)
    np.testing.assert_allclose(weighted.intercept, repeated.intercept, atol=1e-3)


@given(st.lists(st.floats(1e-6, 0.999), min_size=1, max_size=6))
def test_noisy_or_is_one_minus_the_product(p: list[float]) -> None:
    proba = np.array([p])
    expected = 1 - np.prod(1 - proba)
    # `log_odds` clips at 1e-7.
    assert expit(noisy_or(logit(proba)))[0, 0] == pytest.approx(expected, abs=2e-7)


@pytest.fixture(scope="module")
def models(truth: KnownTruth) -> dict[str, CascadeClassifier]:
    """A weak gate with label outputs and a labeler of other features' view, by option."""
    gate = ExtraTreesClassifier(30, min_samples_leaf=20, max_features=2, random_state=0)
    labeler = MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=20, random_state=0))
    options: dict[str, dict[str, Any]] = {
        "stacked": {},
        "pool": {"merge": "pool"},
        "share": {"rejected": "share"},
        "any": {"gate_targets": "any"},
    }
    X, Y = truth.X[:20_000], truth.Y[:20_000]
    return {
        name: CascadeClassifier(gate, labeler, negative_pool="gated", calibration_folds=3, **chosen).fit(X, Y)
        for name, chosen in options.items()
    }


@pytest.fixture(scope="module")
def other() -> KnownTruth:
    return KnownTruth(40_000, seed=1)


def expected_log_loss(model: CascadeClassifier, rows: KnownTruth, chosen: Any = slice(None)) -> float:
    """Expectation under the true probabilities, which has no noise of drawn labels."""
    proba = np.clip(model.predict_proba(rows.X)[chosen, :4], 1e-9, 1 - 1e-9)
    p = rows.p[chosen]
    return float(-(p * np.log(proba) + (1 - p) * np.log(1 - proba)).mean())


def test_probabilities_of_the_gate_beat_a_constant_share(
    models: dict[str, CascadeClassifier], other: KnownTruth
) -> None:
    rejected = ~models["stacked"].examine(other.X).passed_gate
    assert (rejected == ~models["share"].examine(other.X).passed_gate).all()
    assert expected_log_loss(models["stacked"], other, rejected) < expected_log_loss(models["share"], other, rejected)


def test_the_stacked_merge_is_no_worse_than_the_pool_alone(
    models: dict[str, CascadeClassifier], other: KnownTruth
) -> None:
    assert expected_log_loss(models["stacked"], other) < expected_log_loss(models["pool"], other)


@pytest.mark.parametrize("name", ["stacked", "any"])
def test_sums_are_right_among_rejected_rows_and_past_the_gate(
    models: dict[str, CascadeClassifier], other: KnownTruth, name: str
) -> None:
    prediction = models[name].examine(other.X)
    for part in (prediction.passed_gate, ~prediction.passed_gate):
        true = other.p[part].sum(axis=0)
        ratio = prediction.proba[part, :4].sum(axis=0) / true
        # The rules were fitted on half as many rows: four standard errors of their counts.
        assert (abs(ratio - 1) < 4 / np.sqrt(true / 2)).all()


def test_the_gate_learns_labels_only_where_it_can(models: dict[str, CascadeClassifier], truth: KnownTruth) -> None:
    assert models["stacked"].predictor_.rules.n_gate_outputs == 5
    assert models["any"].predictor_.rules.n_gate_outputs == 1
    with pytest.raises(ConfigError, match="`gate` must take 5 outputs at once"):
        CascadeClassifier(LogisticRegression(), models["any"].labeler, gate_targets="labels", any_label=None).fit(
            truth.X[:2000], truth.Y[:2000, :4]
        )


@pytest.mark.parametrize(("option", "value"), [("gate_targets", "all"), ("merge", "product"), ("rejected", "own")])
def test_unknown_values_are_refused(truth: KnownTruth, option: str, value: str) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), **{option: value})
    with pytest.raises(ConfigError, match=f"`{option}` must be one of"):
        model.fit(truth.X[:200], truth.Y[:200])


def test_missing_labels_leave_the_gate_with_any_alone(truth: KnownTruth) -> None:
    Y = truth.Y[:4000].astype(float)
    Y[np.random.default_rng(0).random(Y.shape) < 0.1] = np.nan
    gate = ExtraTreesClassifier(10, min_samples_leaf=20, random_state=0)
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(gate, labeler).fit(truth.X[:4000], Y)
    assert model.predictor_.rules.n_gate_outputs == 1
    # One model per label takes missing labels.
    gate = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(gate, labeler).fit(truth.X[:4000], Y)
    assert model.predictor_.rules.n_gate_outputs == 5


def test_a_stack_comes_back_from_its_folder(
    models: dict[str, CascadeClassifier], other: KnownTruth, tmp_path: Path
) -> None:
    X = other.X[:2000]
    models["stacked"].save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), models["stacked"].predict_proba(X))
    # A raised threshold also rejects rows outside of the tail on which the weights of rejected rows were fitted.
    higher = 2 * loaded.gate_threshold
    proba = loaded.predict_proba(X, gate_threshold=higher)
    between = loaded.examine(X).passed_gate & ~loaded.examine(X, gate_threshold=higher).passed_gate
    assert between.any()
    true = other.p[:2000][between].sum(axis=0)
    assert (abs(proba[between, :4].sum(axis=0) - true) < 4 * np.sqrt(true) + 1).all()


@pytest.mark.parametrize(
    "forged",
    [
        {"stack": {"weights": [[0.0] * 5] * 2, "intercept": [0.0] * 5}},
        {"stack": {"weights": [[0.0] * 4] * 3, "intercept": [0.0] * 5}},
        {"stack": {"weights": [[1e999] * 5] * 3, "intercept": [0.0] * 5}},
        {"rejected_stack": {"weights": [[0.0] * 5], "intercept": [0.0] * 5}},
        {"gate_label_calibration": {"low": [1.0] * 3, "high": [1.0] * 3, "intercept": [0.0] * 3}},
        {"gate_label_calibration": None},
    ],
)
def test_stacks_that_no_fit_gives_are_refused(
    models: dict[str, CascadeClassifier], forged: dict[str, Any], tmp_path: Path
) -> None:
    models["stacked"].save(tmp_path / "model")
    rules = json.loads((tmp_path / "model" / NAME).read_text())["rules"]
    forge(tmp_path / "model", rules=rules | forged)
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(tmp_path / "model")
