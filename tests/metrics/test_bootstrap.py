"""Bootstrap intervals against drawing rows one after the other, and against a generator of known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from sklearn import metrics as sk

from cascade.errors import DataError
from cascade.metrics import AUROC, AVERAGE_PRECISION, BRIER, Outcome
from cascade.metrics.bootstrap import metric_draws, metric_interval, paired_difference, ratio_interval, times_drawn

from .test_metrics import EVERY_METRIC, some_outcome


def test_bootstrap_over_groups_is_wider_than_over_rows() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 10)
    y = np.repeat(rng.random(100) < 0.2, 10).astype(float)[:, None]
    p = np.full_like(y, 0.2)
    low, high = ratio_interval(p, y, group)
    row_low, row_high = ratio_interval(p, y, np.arange(1000))
    assert high - low > 2 * (row_high - row_low)


def test_bootstrap_without_any_positive_is_undefined_not_an_error() -> None:
    low, high = ratio_interval(np.ones((5, 2)), np.zeros((5, 2)), np.arange(5))
    assert np.isnan([*low, *high]).all()


def test_bootstrap_covers_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        y = (rng.random((400, 1)) < 0.2).astype(float)
        low, high = ratio_interval(np.full_like(y, 0.2), y, np.arange(400), seed=int(rng.integers(1e9)))
        hits += bool(low[0] <= 1 <= high[0])
    # Binomial(100, .95): 88 or fewer has a probability below .005.
    assert hits >= 89


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_average_precision_of_every_draw_is_that_of_scikit_learn_with_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y, proba = (rng.random((60, 2)) < 0.2).astype(np.uint8), rng.random((60, 2)).round(1)
    group = np.append(rng.integers(15, size=59), 14)
    found = metric_draws(AVERAGE_PRECISION, Outcome(Y, proba, Y, np.ones(60, bool)), group, 4, seed)
    for draw, times in enumerate(next(times_drawn(15, 4, seed)).T):
        assert times.sum() == 15
        for k in range(2):
            weight = times[group]
            if not weight @ Y[:, k]:
                assert np.isnan(found[draw, k])
                continue
            expected = sk.average_precision_score(Y[:, k], proba[:, k], sample_weight=weight)
            assert found[draw, k] == pytest.approx(expected)


def test_an_interval_is_that_of_rows_drawn_by_group_one_after_the_other() -> None:
    outcome, group = some_outcome(5, 300), np.arange(300) // 7
    rng = np.random.default_rng(8)
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    drawn = []
    for _ in range(60):
        rows = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        y, p = outcome.Y[rows, 3], outcome.proba[rows, 3]
        drawn.append([sk.roc_auc_score(y, p), sk.average_precision_score(y, p), sk.brier_score_loss(y, p)])
    expected = np.quantile(drawn, [0.05, 0.95], axis=0).T
    for metric, (low, high) in zip((AUROC, AVERAGE_PRECISION, BRIER), expected, strict=True):
        found = metric_interval(metric, outcome, group, draws=60, confidence=0.9, seed=8)
        assert [found[0][3], found[1][3]] == pytest.approx([low, high]), metric.name


class Binormal:
    """Rows of patients whose scores share a shift and whose labels share a rate; AUROC and AP are known exactly.

    A score is normal around `distance` for positives and around 0 for negatives; the second reader's is noisier.
    """

    prevalence, distance, shift, noise = 0.25, 1.5, 0.7, 1.0

    def __init__(self, seed: int, n_groups: int = 150, size: int = 4) -> None:
        rng = np.random.default_rng(seed)
        self.group = np.repeat(np.arange(n_groups), size)
        rate = rng.choice([0.05, 0.45], n_groups)[self.group]
        y = rng.random(len(rate)) < rate
        score = self.distance * y + self.shift * rng.normal(size=n_groups)[self.group] + rng.normal(size=len(y))
        noisy = score + self.noise * rng.normal(size=len(y))
        self.first, self.second = (self._outcome(y, each) for each in (score, noisy))

    @staticmethod
    def _outcome(y: np.ndarray, score: np.ndarray) -> Outcome:
        Y = y[:, None].astype(np.uint8)
        return Outcome(Y, expit(score)[:, None], Y, np.ones(len(y), bool))

    @classmethod
    def auroc(cls, noise: float) -> float:
        return float(norm.cdf(cls.distance / np.sqrt(2 * (1 + cls.shift**2 + noise**2))))

    @classmethod
    def average_precision(cls) -> float:
        """Precision at the threshold of each recall, over all recalls."""
        spread, q = np.sqrt(1 + cls.shift**2), cls.prevalence

        def precision(recall: float) -> float:
            false_alarms = norm.sf(norm.isf(recall) + cls.distance / spread)
            return q * recall / (q * recall + (1 - q) * false_alarms)

        return float(quad(precision, 0, 1)[0])


def test_intervals_cover_the_truth_as_often_as_promised() -> None:
    hits = np.zeros(3)
    truths = (Binormal.auroc(0), Binormal.average_precision(), Binormal.auroc(0) - Binormal.auroc(Binormal.noise))
    for seed in range(100):
        data = Binormal(seed)
        intervals = [
            metric_interval(AUROC, data.first, data.group, draws=300),
            metric_interval(AVERAGE_PRECISION, data.first, data.group, draws=300),
            paired_difference(AUROC, data.first, data.second, data.group, draws=300)[1:],
        ]
        hits += [low[0] <= truth <= high[0] for (low, high), truth in zip(intervals, truths, strict=True)]
    # Binomial(100, .95): 88 or fewer has a probability below .005.
    assert (hits >= 89).all(), hits


@pytest.mark.parametrize("metric", EVERY_METRIC, ids=lambda metric: metric.name)
def test_a_prediction_does_not_differ_from_itself(metric: Any) -> None:
    outcome = some_outcome(3, 200)
    for part in paired_difference(metric, outcome, outcome, np.arange(200) // 4, draws=50):
        assert (part[np.isfinite(metric(outcome))] == 0).all()


def test_a_difference_turns_round_with_its_sides() -> None:
    data = Binormal(0)
    there = paired_difference(AUROC, data.first, data.second, data.group, draws=200)
    back = paired_difference(AUROC, data.second, data.first, data.group, draws=200)
    assert there[0] == AUROC(data.first) - AUROC(data.second)
    np.testing.assert_array_equal([-there[0], -there[2], -there[1]], back)


def test_pairing_is_narrower_than_two_intervals_apart() -> None:
    data = Binormal(1)
    _, low, high = paired_difference(AUROC, data.first, data.second, data.group, draws=300)
    widths = [np.diff(metric_interval(AUROC, o, data.group, draws=300), axis=0) for o in (data.first, data.second)]
    assert high - low < np.hypot(*widths)


def test_rows_that_do_not_fit_are_refused() -> None:
    Y = np.array([[1, 0], [0, 0]], np.uint8)
    right = Outcome(Y, Y.astype(float), Y, Y.any(axis=1))
    with pytest.raises(DataError, match="labels differ"):
        paired_difference(AUROC, right, Outcome(1 - Y, Y.astype(float), Y, Y.any(axis=1)), np.arange(2))
    with pytest.raises(DataError, match="`group` must have one value per row"):
        metric_interval(AUROC, right, np.arange(3))
