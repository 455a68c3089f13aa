"""Intervals of proportions: against the binomial tails that define them, and by their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cascade.metrics.intervals import clopper_pearson, clustered_interval


@given(n=st.integers(1, 500), share=st.floats(0, 1), outside=st.floats(0.001, 0.3))
def test_bounds_are_where_the_binomial_tails_reach_what_may_be_missed(n: int, share: float, outside: float) -> None:
    found = round(share * n)
    low, high = clopper_pearson(found, n, outside)
    assert low == 0 if found == 0 else binom.sf(found - 1, n, low) == pytest.approx(outside, rel=1e-6)
    assert high == 1 if found == n else binom.cdf(found, n, high) == pytest.approx(outside, rel=1e-6)


@given(seed=st.integers(0, 1000))
def test_rows_on_their_own_give_the_exact_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (rng.random((80, 3)) < [0.02, 0.3, 0.9]).astype(np.uint8)
    exact = np.array(clopper_pearson(y.sum(axis=0), 80, 0.025))
    # The variance is divided by n - 1 units, so that the effective number is one row in n smaller.
    np.testing.assert_allclose(clustered_interval(y, np.ones(80), np.arange(80)), exact, atol=0.01)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_interval_of_clustered_rows_covers_the_truth(weighted: bool) -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(200), 10)
    hits, hits_by_row = 0, 0
    for _ in range(400):
        chance = rng.beta(0.2, 3.8, size=200)
        y = (rng.random(2000) < chance[group])[:, None]
        weight = rng.uniform(0.2, 1.8, size=2000) if weighted else np.ones(2000)
        low, high = clustered_interval(y, weight, group)[:, 0]
        hits += low <= 0.05 <= high
        low, high = clustered_interval(y, weight, np.arange(2000))[:, 0]
        hits_by_row += low <= 0.05 <= high
    # Binomial(400, .95): 366 or fewer has a probability below .002.
    assert hits >= 367
    assert hits_by_row < 330


@pytest.mark.parametrize("n_groups", [3, 6, 12])
def test_few_groups_are_covered_too(n_groups: int) -> None:
    """Without the factor of t the coverage was .79 for three groups and .87 for ten."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(n_groups), 100)
    hits = 0
    for _ in range(300):
        y = (rng.random(len(group)) < rng.beta(0.5, 4.5, size=n_groups)[group])[:, None]
        low, high = clustered_interval(y, np.ones(len(group)), group)[:, 0]
        hits += low <= 0.1 <= high
    # Binomial(300, .95): 272 or fewer has a probability below .001.
    assert hits >= 273


def test_skewed_weights_count_as_few_rows() -> None:
    rng = np.random.default_rng(3)
    weight = np.where(np.arange(500) < 20, 25.0, 0.04)
    hits = 0
    for _ in range(300):
        y = (rng.random(500) < 0.05)[:, None]
        low, high = clustered_interval(y, weight, np.arange(500))[:, 0]
        hits += low <= 0.05 <= high
    assert hits >= 273


def test_groups_that_show_no_variance_count_as_one_row_each() -> None:
    alone = clustered_interval(np.repeat([1, 0], [30, 70])[:, None], np.ones(100), np.zeros(100, dtype=int))
    assert alone[0, 0] < 0.02
    assert alone[1, 0] > 0.97
    for pattern in ([1, 0, 0], [1, 0, 0, 0]):
        y = np.tile(pattern, 150)[:, None]
        low, high = clustered_interval(y, np.ones(len(y)), np.arange(len(y)) // (len(y) // 2))[:, 0]
        assert high - low > 0.8
    sure = clustered_interval(np.ones((300, 1)), rng_weights(300), np.arange(300) // 100)
    assert sure[0, 0] < 0.4


def rng_weights(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.2, 1.8, n)


def test_a_label_that_no_row_has_is_bounded_by_the_number_of_groups() -> None:
    low, high = clustered_interval(np.zeros((300, 1)), np.ones(300), np.arange(300) // 10)
    assert low[0] == 0
    assert high[0] == pytest.approx(1 - 0.025 ** (1 / 30))
    assert clustered_interval(np.zeros((0, 2)), np.ones(0), np.zeros(0, dtype=int)).tolist() == [[0, 0], [1, 1]]
