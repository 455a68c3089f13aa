"""Cascades against a generator whose true p(y_k | x) is known; the large version is benchmarks/known_truth.py."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2
from sklearn.metrics import roc_auc_score

from benchmarks.known_truth import (
    GATES,
    LABELERS,
    LEARNERS,
    calibration_error,
    calibration_slope,
    measure,
    merged_sums,
)
from cascade import CascadeClassifier, CascadePredictor
from cascade.datasets.known_truth import Drawn, draw
from cascade.errors import ConfigError
from cascade.predictor import Scores
from cascade.rules.probability.merge import POOLS
from cascade.utils.log_odds import log_odds

ROWS = 40_000
PROBLEM_A = np.array([233, 2607, 1893, 2574, 3403, 7783]) / 54_214

# Of many figures, each at a fixed seed, one beyond four standard errors is a fault and not chance (6 in 100,000).
SPREADS = 4
STAGES = (
    ("full gate", "balanced, 1 bag"),
    ("weak gate", "multi-output"),
    ("weak gate of labels", "multi-output"),
)
CASES = [(pool, *stages) for pool, stages in product(POOLS, STAGES)]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return draw(200_000, seed=7)


@cache
def fitted(pool: str, gate: str, labeler: str) -> tuple[CascadePredictor, Scores, Drawn]:
    training, testing = draw(ROWS, seed=1), draw(ROWS, seed=2)
    learner = LEARNERS["splines"]()
    model = CascadeClassifier(
        GATES[gate](learner), LABELERS[labeler](learner), negative_pool=pool, calibration_folds=None
    )
    predictor = model.fit(training.X, training.Y, groups=training.groups).predictor_
    return predictor, predictor.score(testing.X), testing


def in_bins(y: np.ndarray, p: np.ndarray, by: np.ndarray, n_bins: int = 20) -> float:
    """Chi-square of labels against probabilities, in bins of `by` that expect equally many positives."""
    order = np.argsort(by, kind="stable")
    cumulated = p[order].cumsum()
    bins = np.minimum((n_bins * cumulated / cumulated[-1]).astype(int), n_bins - 1)
    found, expected = np.bincount(bins, y[order]), np.bincount(bins, p[order])
    return float(((found - expected) ** 2 / np.bincount(bins, (p * (1 - p))[order])).sum())


@pytest.mark.parametrize("label", range(6))
def test_the_stated_probabilities_are_true(drawn: Drawn, label: int) -> None:
    """Given x rows are independent, so the sum over 20 bins of squared z is chi-square with 20 degrees of freedom.

    The rarest label expects 43 positives a bin. Seven ways to make bins: p itself and each feature.
    """
    y, p = drawn.Y[:, label], drawn.p[:, label]
    limit = chi2.isf(1e-4, 20)
    assert all(in_bins(y, p, by) < limit for by in (p, *drawn.X.T))
    # The test can fail: a tenth too little is seen wherever positives are not rare.
    assert label == 0 or in_bins(y, 0.9 * p, p) > limit
    some = drawn.Y[:, 5] > 0
    share = (drawn.p[:, label] / drawn.p[:, 5])[some]
    if label < 5:
        assert in_bins(y[some], share, share) < limit


def test_labels_depend_on_each_other_given_x(drawn: Drawn) -> None:
    """Both are not p_j p_k in bins of p(a | x): a common cause where that is small, one leading finding where large."""
    for j, k in combinations(range(1, 5), 2):
        both = drawn.Y[:, j] & drawn.Y[:, k]
        assert in_bins(both, drawn.p[:, j] * drawn.p[:, k], drawn.p[:, 5]) > 2 * chi2.isf(1e-4, 20)


def test_prevalence_and_separation_are_those_of_problem_a(drawn: Drawn) -> None:
    by_group = np.stack([np.bincount(drawn.groups, p) for p in drawn.p.T])
    spread = np.sqrt(by_group.shape[1]) * by_group.std(axis=1) / drawn.p.sum(axis=0)
    # The generator's intercepts were solved on as many single rows, so they have such an error too.
    assert (abs(drawn.p.mean(axis=0) / PROBLEM_A - 1) < SPREADS * np.sqrt(2) * spread).all()
    auroc = [roc_auc_score(y, p) for y, p in zip(drawn.Y.T, drawn.p.T, strict=True)]
    assert 0.92 < min(auroc) < max(auroc) < 0.97
    np.testing.assert_array_equal(drawn.Y[:, 5], drawn.Y[:, :5].max(axis=1))


def test_draws_repeat_and_differ_by_seed() -> None:
    first, again, other = draw(100, seed=3), draw(100, seed=3), draw(100, seed=4)
    np.testing.assert_array_equal(first.Y, again.Y)
    np.testing.assert_array_equal(first.X, again.X)
    assert (first.X != other.X).any()
    assert first.X.dtype == np.float32
    for n, seed in ((0, 0), (1, -1)):
        with pytest.raises(ConfigError, match="1 or more"):
            draw(n, seed)


def test_measures_of_known_distortions(drawn: Drawn) -> None:
    # Above 1 in 1,000 no doubled log-odds are clipped.
    p = drawn.p[drawn.p[:, 1] > 1e-3, 1]
    assert calibration_error(p, p) == 0
    assert calibration_error(0.8 * p, p) == pytest.approx(0.2)
    assert calibration_slope(p, p) == pytest.approx(1, abs=1e-3)
    assert calibration_slope(expit(2 * log_odds(p)), p) == pytest.approx(0.5, abs=1e-3)


def noise(proba: np.ndarray, n_calibrated: int) -> tuple[float, float]:
    """Standard errors of a slope, and of the calibration error, that a Platt fit on `n_calibrated` rows has.

    With weights w = p (1 - p) and log-odds centred on their weighted mean, intercept and slope have variances 1 / sum w
    and 1 / sum w z^2, independent of each other (Fisher's information); sums over the test rows are scaled to
    `n_calibrated`. The error of a probability is w times that of its log-odds, so the mean error over prevalence is
    at most sum w sqrt(1 / sum w + z^2 / sum w z^2) / sum p in the root mean square.
    """
    z = log_odds(proba)
    w = proba * (1 - proba)
    z = z - w @ z / w.sum()
    scale = n_calibrated / len(z)
    intercept, slope = 1 / (scale * w.sum()), 1 / (scale * w @ z**2)
    return np.sqrt(slope), w @ np.sqrt(intercept + slope * z**2) / proba.sum()


@pytest.mark.parametrize(("pool", "gate", "labeler"), CASES)
def test_probabilities_are_true_within_sampling_error(pool: str, gate: str, labeler: str) -> None:
    predictor, scores, testing = fitted(pool, gate, labeler)
    answer = predictor.decide(scores)
    n_calibrated = predictor.provenance["rows_calibrated"]
    rows = measure(answer.proba, answer.passed_gate, testing, n_calibrated)
    for row, proba in zip(rows, answer.proba.T, strict=True):
        slope, error = noise(proba, n_calibrated)
        assert abs(row["sum_over_true"] - 1) < SPREADS * row["sum_standard_error"], row
        assert abs(row["slope"] - 1) < SPREADS * slope, row
        assert row["calibration_error"] < SPREADS * error, row


@pytest.mark.parametrize("pool", POOLS)
def test_another_pools_merge_is_off(pool: str) -> None:
    """The gate counts twice, or not at all; both merges see the same scores, so their quotient has little chance in it.

    Before its last calibration the right sum has an error of 1 / sqrt(held-out positives), at most: that of the
    labeler's own calibration.
    """
    predictor, scores, testing = fitted(pool, "full gate", "balanced, 1 bag")
    sums = merged_sums(predictor, scores, testing.p)
    right, wrong = np.array(sums["right"]), np.array(sums["wrong"])
    held_out = PROBLEM_A[:5] * predictor.provenance["rows_calibrated"]
    assert (abs(right - 1) < SPREADS / np.sqrt(held_out)).all()
    # Counting the gate twice takes the more, the less sure the gate is on the label's rows: to .4 to .9 of the truth.
    assert ((wrong / right > 1.3) if pool == "positives" else (wrong / right < 0.9)).all(), wrong / right
