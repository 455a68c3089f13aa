"""Whole vectors against brute force, and the band in which a human looks."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.errors import ConfigError
from cascade.rules.thresholds.joint import all_vectors, cheapest, independent_joint, likeliest, seen_joint
from cascade.rules.thresholds.triage import refer_band, triage
from tests.conftest import KnownTruth

shares = st.lists(st.floats(0.02, 0.98), min_size=3, max_size=3)


@settings(max_examples=60)
@given(shares=shares, any_proba=st.floats(0.05, 1.0))
def test_the_independent_joint_has_the_marginals_that_it_was_given(shares: list[float], any_proba: float) -> None:
    proba = any_proba * np.array([shares])
    joint = independent_joint(proba, np.array([any_proba]))
    assert joint.sum() == pytest.approx(any_proba)
    if sum(shares) > 1.001:
        np.testing.assert_allclose(joint @ all_vectors(3), proba, rtol=1e-6)
        # Given some label, odds multiply as they do for independent labels.
        cell = {tuple(s): p for s, p in zip(all_vectors(3).tolist(), joint[0], strict=True)}
        assert cell[1, 1, 1] * cell[0, 0, 1] == pytest.approx(cell[1, 0, 1] * cell[0, 1, 1], rel=1e-6)


@settings(max_examples=60)
@given(shares=shares, any_proba=st.floats(0.05, 0.99), costs=st.lists(st.floats(0.1, 20), min_size=8, max_size=8))
def test_the_cheapest_vector_is_that_of_brute_force(shares: list[float], any_proba: float, costs: list[float]) -> None:
    p, pairs = any_proba * np.array(shares), np.array(costs).reshape(4, 2)

    def expected(vector: tuple[int, ...]) -> float:
        chances, bits = [*p, any_proba], [*vector, max(vector)]
        return sum(
            (1 - chance) * false_positive if bit else chance * false_negative
            for chance, bit, (false_positive, false_negative) in zip(chances, bits, pairs, strict=True)
        )

    found = cheapest(p[None], np.array([any_proba]), *pairs[:3].T, tuple(pairs[3]))[0]
    best = min(expected(vector) for vector in product((0, 1), repeat=3))
    assert expected(tuple(found)) == pytest.approx(best)


def test_the_seen_joint_is_bayes_on_data_whose_labels_are_tilted() -> None:
    """Where rows differ from the training mix by each label's odds alone, the tilt is exact."""
    vectors, counts = np.array([[1, 0], [0, 1], [1, 1]], np.uint8), np.array([500, 300, 200])
    at_rest = seen_joint(np.array([[700.5, 500.5]]) / 1001, np.ones(1), vectors, counts)
    np.testing.assert_allclose(at_rest[0], [0.5, 0.3, 0.2], rtol=1e-2)
    assert likeliest(np.array([[0.3, 0.2, 0.1]]), vectors, np.array([0.6])).tolist() == [[0, 0]]
    assert likeliest(np.array([[0.5, 0.2, 0.1]]), vectors, np.array([0.8])).tolist() == [[1, 0]]


@pytest.fixture(scope="module")
def fitted(truth: KnownTruth) -> CascadeClassifier:
    return CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression())).fit(truth.X, truth.Y)


@pytest.mark.parametrize("joint", ["independent", "seen"])
def test_the_likeliest_vector_is_right_more_often_than_thresholds(fitted: CascadeClassifier, joint: str) -> None:
    other = KnownTruth(20_000, seed=7)
    X = other.X * 1.5
    p = 1 / (1 + np.exp(-(1.5 * X[:, :4] + other.intercepts)))
    Y = (np.random.default_rng(0).random(p.shape) < p).astype(np.uint8)
    bits = fitted.predictor_.predict_joint(X, joint=joint)
    np.testing.assert_array_equal(bits[:, 4], bits[:, :4].any(axis=1))
    right = (bits[:, :4] == Y).all(axis=1).mean()
    assert right > (fitted.predict(X)[:, :4] == Y).all(axis=1).mean()


def test_costs_reach_the_vectors_and_nonsense_is_refused(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    predictor = fitted.predictor_
    few = predictor.predict_joint(truth.X[:2000], costs={"label_3": (50, 1)})
    many = predictor.predict_joint(truth.X[:2000], costs={"label_3": (1, 50)})
    assert (few[:, 3] <= many[:, 3]).all()
    assert few[:, 3].sum() < many[:, 3].sum()
    with pytest.raises(ConfigError, match="`costs` must name labels"):
        predictor.predict_joint(truth.X[:5], costs={"b": (1, 1)})
    with pytest.raises(ConfigError, match="`costs` must be pairs of positive numbers"):
        predictor.predict_joint(truth.X[:5], costs={"label_3": (0, 1)})
    with pytest.raises(ConfigError, match="`joint` must be 'independent' or 'seen'"):
        predictor.predict_joint(truth.X[:5], joint="all")
    with pytest.raises(ConfigError, match="`costs` must be 'vector' or a mapping"):
        predictor.predict_joint(truth.X[:5], costs="vectors")
    alone = CascadeClassifier(LogisticRegression(), LogisticRegression()).fit(truth.X[:2000], truth.Y[:2000, 4:])
    with pytest.raises(ConfigError, match="at least one label besides `any`"):
        alone.predictor_.predict_joint(truth.X[:5])
    with pytest.raises(ConfigError, match="at most 12 labels"):
        all_vectors(13)


@given(
    false_positive=st.floats(0.1, 10), false_negative=st.floats(0.1, 10), refer=st.floats(0.01, 10), p=st.floats(0, 1)
)
def test_the_band_refers_exactly_where_a_look_is_cheapest(
    false_positive: float, false_negative: float, refer: float, p: float
) -> None:
    low, high = refer_band(false_positive, false_negative, refer)
    answer = int(triage(np.array([[p]]), low, high)[0, 0])
    cost = {0: p * false_negative, 1: (1 - p) * false_positive, -1: refer}
    assert cost[answer] <= min(cost.values()) + 1e-9


def test_a_model_refers_rows(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    answer = fitted.predictor_.triage(truth.X[:2000], 0.02, 0.5)
    proba = fitted.predict_proba(truth.X[:2000])
    np.testing.assert_array_equal(answer == -1, (proba >= 0.02) & (proba < 0.5))
    with pytest.raises(ConfigError, match="`low` must be at most `high`"):
        fitted.predictor_.triage(truth.X[:5], 0.6, 0.5)
    with pytest.raises(ConfigError, match="`refer` must be a positive cost"):
        refer_band(1, 1, 0)


@pytest.mark.parametrize("bounds", [([0.1, 0.2], 0.5), (0.1, [0.5] * 7), ([[0.1] * 5], 0.5)])
def test_triage_bounds_of_another_length_are_refused(bounds: tuple[Any, Any]) -> None:
    with pytest.raises(ConfigError, match="one per label"):
        triage(np.full((3, 5), 0.3), *bounds)
