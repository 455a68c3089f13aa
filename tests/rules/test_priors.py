"""Truth 1: sampling and weighting shift log-odds by a known amount, and only once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance
from cascade.errors import ConfigError
from cascade.rules.probability.prior_correction import sampling_shift, weight_shift
from cascade.utils.log_odds import log_odds, shift_proba

# Within the range in which log-odds are not clipped (1e-7).
shares = st.floats(1e-2, 1.0)


@given(p=st.floats(1e-3, 1 - 1e-3), b=shares, c=shares)
def test_shift_is_bayes_rule_on_the_kept_rows(p: float, b: float, c: float) -> None:
    sampled = p * c / (p * c + (1 - p) * b)
    assert shift_proba(sampled, sampling_shift(b, c)) == pytest.approx(p, rel=1e-9)


@given(p=st.floats(1e-3, 1 - 1e-3), w0=st.floats(0.01, 100), w1=st.floats(0.01, 100))
def test_weights_shift_like_sampling(p: float, w0: float, w1: float) -> None:
    weighted = p * w1 / (p * w1 + (1 - p) * w0)
    assert shift_proba(weighted, weight_shift(w0, w1)) == pytest.approx(p, rel=1e-3, abs=1e-5)


def test_class_1_of_problem_a() -> None:
    shift = sampling_shift(233 / 53_981, 1.0)
    assert float(shift_proba(0.9, shift)) == pytest.approx(0.037, abs=5e-4)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, np.nan])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="kept_negatives"):
        sampling_shift(share, 1.0)


def test_log_odds_are_finite_at_the_ends() -> None:
    assert np.isfinite(log_odds([0.0, 1.0])).all()


def _shifted(label_share: float) -> tuple[np.ndarray, np.ndarray, float]:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60_000, 1))
    intercept = np.log(label_share / (1 - label_share))
    p = expit(X[:, 0] + intercept)
    y = (rng.random(len(X)) < p).astype(int)
    model = BalancedBinaryRelevance(LogisticRegression(), n_bags=5).fit(X, y[:, None])
    return model.predict_proba(X)[:, 0], p, float(model.prior_shift_[0])


@pytest.mark.parametrize("label_share", [0.02, 0.8])
def test_balanced_models_give_true_probabilities(label_share: float) -> None:
    estimated, true, shift = _shifted(label_share)
    # Negatives are dropped from a rare label, positives from one on more than half of the rows.
    assert (shift < 0) == (label_share < 0.5)
    assert estimated.sum() / true.sum() == pytest.approx(1.0, abs=0.03)
    uncorrected = expit(log_odds(estimated) - shift)
    assert abs(uncorrected.sum() / true.sum() - 1) > 0.2


def test_bags_are_averaged_in_log_odds() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 2)), (rng.random((2000, 1)) < 0.1).astype(int)
    model = BalancedBinaryRelevance(LogisticRegression(), n_bags=4).fit(X, y)
    mean = np.mean([log_odds(bag.predict_proba(X)[:, 1]) for bag in model.estimators_[0]], axis=0)
    kept = y.sum() / (len(y) - y.sum())
    np.testing.assert_allclose(model.predict_proba(X)[:, 0], expit(mean + np.log(kept)), rtol=1e-9)


def test_certain_trees_do_not_end_in_infinity() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    Y = (X > 1).astype(int)
    model = BalancedBinaryRelevance(RandomForestClassifier(3), n_bags=3).fit(X, Y)
    assert np.isfinite(model.predict_log_odds(X)).all()


def test_estimators_that_weigh_by_themselves_are_refused() -> None:
    model = BalancedBinaryRelevance(LogisticRegression(class_weight="balanced"))
    with pytest.raises(ConfigError, match="class_weight"):
        model.fit(np.zeros((4, 1)), [[0], [1], [0], [1]])


def test_same_seed_same_models_on_any_number_of_jobs() -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(800, 3)), (rng.random((800, 2)) < 0.2).astype(int)
    one = BalancedBinaryRelevance(RandomForestClassifier(5), n_bags=2, random_state=5).fit(X, Y)
    two = BalancedBinaryRelevance(RandomForestClassifier(5), n_bags=2, random_state=5, n_jobs=2).fit(X, Y)
    other = BalancedBinaryRelevance(RandomForestClassifier(5), n_bags=2, random_state=6).fit(X, Y)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_constant_labels_get_their_share() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    Y = np.column_stack([np.zeros(100), np.ones(100), X[:, 0] > 0]).astype(int)
    proba = BalancedBinaryRelevance(LogisticRegression(), n_bags=1).fit(X, Y).predict_proba(X)
    np.testing.assert_allclose(proba[:, 0], 0.5 / 101)
    np.testing.assert_allclose(proba[:, 1], 100.5 / 101)
