"""Another prevalence: what must follow does, what must stay does, and rows that cannot tell are refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from cascade import CascadeClassifier, CascadePredictor
from cascade.datasets.known_truth import draw
from cascade.drift.prevalence import estimate_prevalence
from cascade.errors import ConfigError, DataError
from cascade.rules.probability.merge import POOLS
from cascade.rules.probability.prior_shift import FURTHEST, PriorShift

SITES = (0.03, 0.4)
NOT_PREVALENCE = "change of prevalence alone does not explain|differs from training in more than prevalence"
SPREADS = 4
POOL = draw(60_000, seed=2)
TRAINING = draw(16_000, seed=1)


def learner() -> object:
    return make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=300))


@pytest.fixture(scope="module", params=[(pool, any_label) for pool in POOLS for any_label in ("auto", None)], ids=str)
def fitted(request: pytest.FixtureRequest) -> CascadePredictor:
    """A gate that sees more than nothing and less than the labeler, with and without a column `any`."""
    pool, any_label = request.param
    Y = TRAINING.Y if any_label else TRAINING.Y[:, :5]
    labeler = MultiOutputClassifier(learner())
    model = CascadeClassifier(LogisticRegression(), labeler, negative_pool=pool, any_label=any_label)
    return model.fit(TRAINING.X, Y, groups=TRAINING.groups).predictor_


@pytest.fixture(scope="module")
def certified() -> CascadePredictor:
    wanted = {"recall": 0.9, "confidence": 0.95, "accept_bound": True}
    labeler = MultiOutputClassifier(learner())
    costs = {"label_1": {"cost": [1, 9]}, "label_2": 0.3}
    recipe = {"negative_pool": "positives", "calibration_folds": None}
    model = CascadeClassifier(LogisticRegression(), labeler, gate_policy=wanted, label_decisions=costs, **recipe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(TRAINING.X, TRAINING.Y, groups=TRAINING.groups).predictor_


def site(prevalence: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which such a share has a label, those with and those without as the generator draws them."""
    some, rng = POOL.Y[:, 5] > 0, np.random.default_rng(seed)
    n_with = round(n * prevalence)
    rows = [rng.choice(np.flatnonzero(side), size) for side, size in ((some, n_with), (~some, n - n_with))]
    chosen = np.concatenate(rows)
    return POOL.X[chosen], POOL.Y[chosen]


@pytest.mark.parametrize("prevalence", SITES)
def test_counts_are_right_at_another_prevalence(fitted: CascadePredictor, prevalence: float) -> None:
    """As right as at home: there and here the sums of a label are off by the sampling of its positives."""
    X, Y = site(prevalence)
    Y = Y[:, : len(fitted.labels)]
    home_X, home_Y = site(float((POOL.Y[:, 5] > 0).mean()))
    home = fitted.predict_proba(home_X).sum(axis=0) / home_Y[:, : len(fitted.labels)].sum(axis=0)
    there = fitted.adapt(prevalence=prevalence).predict_proba(X).sum(axis=0) / Y.sum(axis=0)
    n_held = TRAINING.Y[:, : len(fitted.labels)].sum(axis=0) / 5
    error = np.sqrt(1 / Y.sum(axis=0) + 1 / home_Y[:, : len(fitted.labels)].sum(axis=0) + 1 / n_held)
    assert (abs(np.log(there / home)) < SPREADS * error).all(), there / home
    # Without it they would be off by far more than chance.
    assert abs(np.log(fitted.predict_proba(X).sum() / Y.sum())) > 0.25


@pytest.mark.parametrize("prevalence", SITES)
def test_probabilities_are_calibrated_at_another_prevalence(fitted: CascadePredictor, prevalence: float) -> None:
    """Common labels: sums in four bins of probability are within sampling error, and 15 % of a learner's own."""
    X, Y = site(prevalence)
    proba = fitted.adapt(prevalence=prevalence).predict_proba(X)
    for k in range(1, 5):
        for rows in np.array_split(np.argsort(proba[:, k]), 20)[-4:]:
            found, expected = Y[rows, k].sum(), proba[rows, k].sum()
            assert abs(found - expected) < SPREADS * np.sqrt(expected) + 0.15 * expected, (k, found, expected)


def test_adapting_to_its_own_prevalence_changes_nothing(fitted: CascadePredictor) -> None:
    X, own = POOL.X[:3000], fitted.rules.shift
    assert own is not None
    home = fitted.adapt(prevalence=own.source)
    there_and_back = fitted.adapt(prevalence=0.3).adapt(prevalence=own.source)
    once, twice = fitted.adapt(prevalence=0.3), fitted.adapt(prevalence=0.05).adapt(prevalence=0.3)
    for first, second in ((fitted, home), (fitted, there_and_back), (once, twice)):
        a, b = first.examine(X), second.examine(X)
        for name in ("gate_proba", "passed_gate", "proba", "labels"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_who_is_examined_stays(fitted: CascadePredictor, tmp_path: Path) -> None:
    adapted, X = fitted.adapt(prevalence=0.4), POOL.X[:3000]
    before, after = fitted.examine(X), adapted.examine(X)
    np.testing.assert_array_equal(before.passed_gate, after.passed_gate)
    assert (after.gate_proba[after.passed_gate] >= adapted.gate_threshold).all()
    if fitted.rules.plan.any_index is not None:
        assert (after.proba[:, -1:] >= after.proba).all()
    adapted.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.examine(X).proba, after.proba)
    np.testing.assert_array_equal(loaded.predict(X), after.labels)
    assert loaded.provenance["adapted"] == {"prevalence": 0.4, "by": "given"}
    # A threshold of one's own is one on the probability that is shown.
    own = float(np.quantile(after.gate_proba, 0.9))
    np.testing.assert_array_equal(adapted.examine(X, own).passed_gate, after.gate_proba >= own)


def test_the_certificate_still_holds(certified: CascadePredictor) -> None:
    adapted, (X, Y) = certified.adapt(prevalence=0.4), site(0.4)
    assert adapted.certificate == certified.certificate
    answer = adapted.examine(X)
    for k in range(1, 6):
        positives = Y[:, k] > 0
        kept = certified.examine(X).passed_gate[positives].mean()
        assert answer.passed_gate[positives].mean() == kept
        assert kept > 0.9 - SPREADS * np.sqrt(0.09 / positives.sum())


def test_decisions_follow_as_they_were_made(certified: CascadePredictor) -> None:
    """A cost's threshold does not depend on prevalence, nor does a number; that of F1 does, and is better for it."""
    adapted, (X, Y) = certified.adapt(prevalence=0.4), site(0.4)
    before, after = certified.rules.thresholds, adapted.rules.thresholds
    assert [before[1], before[2], after[1], after[2]] == [0.1, 0.3, 0.1, 0.3]
    answer = adapted.examine(X)

    def f1(bits: np.ndarray, k: int) -> float:
        return float(2 * (bits & (Y[:, k] > 0)).sum() / (bits.sum() + Y[:, k].sum()))

    for k in (3, 4):
        own = f1(answer.passed_gate & (answer.proba[:, k] >= after[k]), k)
        curve = [f1(answer.passed_gate & (answer.proba[:, k] >= limit), k) for limit in np.linspace(0.05, 0.9, 60)]
        assert own > max(curve) - 0.02
        assert own >= f1(certified.predict(X)[:, k] > 0, k) - 0.005


@given(st.integers(0, 10**6), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
@settings(max_examples=50)
def test_the_formula_is_that_of_bayes(seed: int, source: float, target: float) -> None:
    """On a made-up joint distribution of x and of the vectors of two labels, where everything can be summed up."""
    rng = np.random.default_rng(seed)
    given_any, given_none = rng.random((7, 3)), rng.random((7, 1))
    given_any, given_none = given_any / given_any.sum(), given_none / given_none.sum()

    def proba(prevalence: float) -> tuple[np.ndarray, np.ndarray]:
        joint = np.hstack([prevalence * given_any, (1 - prevalence) * given_none])
        joint /= joint.sum(axis=1, keepdims=True)
        return joint @ np.array([[1, 0], [0, 1], [1, 1], [0, 0]]), joint[:, :3].sum(axis=1)

    (labels, some), (moved_labels, moved_some), shift = proba(source), proba(target), PriorShift(source, target)
    np.testing.assert_allclose(shift.any_proba(some), moved_some, rtol=1e-9)
    np.testing.assert_allclose(shift.label_proba(labels, some), moved_labels, rtol=1e-9)


def calibrated(prevalence: float, n: int, seed: int, apart: float = 3.0) -> np.ndarray:
    """Answers, true at a prevalence of .1, for rows of another: normal scores `apart` standard deviations."""
    rng = np.random.default_rng(seed)
    x = rng.normal(apart * (rng.random(n) < prevalence))
    return expit(apart * x - apart**2 / 2 + np.log(0.1 / 0.9))


def test_the_estimate_is_where_expectation_maximisation_ends() -> None:
    gate, share = calibrated(0.3, 3000, seed=0), 0.1
    for _ in range(500):
        shift = PriorShift(0.1, share)
        share = float(shift.any_proba(gate).mean())
    assert estimate_prevalence(gate, 0.1, np.arange(3000)).value == pytest.approx(share, abs=1e-9)


def test_the_interval_holds_the_prevalence_as_often_as_it_says() -> None:
    found = [estimate_prevalence(calibrated(0.25, 800, seed), 0.1, np.arange(800)) for seed in range(60)]
    # 57 expected; 52 is three standard deviations below.
    assert sum(each.low <= 0.25 <= each.high for each in found) >= 52
    twice = estimate_prevalence(np.repeat(calibrated(0.25, 800, 0), 4), 0.1, np.repeat(np.arange(800), 4))
    assert twice.high - twice.low == pytest.approx(found[0].high - found[0].low, rel=0.15)


def test_rows_tell_the_prevalence(certified: CascadePredictor) -> None:
    X, _ = site(0.4)
    told = certified.adapt(X).provenance["adapted"]
    # The gate's own error, of a calibration on 2,000 rows, is no part of the interval.
    assert told["prevalence"] == pytest.approx(0.4, abs=0.03)
    assert told["interval"][0] < told["prevalence"] < told["interval"][1]
    assert {check["verdict"] for check in told["checks"]} == {"none"}


def moved_site(n: int, seed: int, moved: float, share: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 12 features, all moved a little in the direction of the classes, at a share with a label."""
    rng = np.random.default_rng([seed, 7])
    X = rng.normal(size=(n if share is None else 10 * n, 12))
    Y = (X.sum(axis=1, keepdims=True) * 0.75 + rng.normal(size=(len(X), 3)) > [3.0, 3.2, 3.4]).astype(int)
    if share is not None:
        some, n_with = Y.any(axis=1), rng.binomial(n, share)
        rows = np.concatenate([np.flatnonzero(some)[:n_with], np.flatnonzero(~some)[: n - n_with]])
        X, Y = X[rows], Y[rows]
    return X + moved, Y


@pytest.fixture(scope="module")
def linear() -> CascadePredictor:
    X, Y = moved_site(6000, 0, 0.0)
    return CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression())).fit(X, Y).predictor_


@pytest.mark.parametrize("moved", [0.1, 0.16, 0.25])
@pytest.mark.parametrize("n", [1000, 4000])
def test_a_small_shift_of_all_features_is_not_taken_for_another_prevalence(
    linear: CascadePredictor, moved: float, n: int
) -> None:
    X, Y = moved_site(n, 1, moved)
    gate = linear.rules.gate_proba(linear.score(X).gate_z)
    # Without the check, the estimate would be this wrong.
    assert estimate_prevalence(gate, linear.rules.prior_shift().source, np.arange(n)).value > 1.4 * Y.any(axis=1).mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((UserWarning, DataError), match=NOT_PREVALENCE):
            linear.adapt(X)


def test_features_that_spread_are_not_taken_for_another_prevalence(linear: CascadePredictor) -> None:
    X, _ = moved_site(4000, 1, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((UserWarning, DataError), match=NOT_PREVALENCE):
            linear.adapt(1.5 * X)


@pytest.mark.parametrize("share", [0.06, None, 0.4])
def test_another_prevalence_alone_is_seldom_warned_of(linear: CascadePredictor, share: float | None) -> None:
    found = 0
    for seed in range(20):
        X, _ = moved_site(1000, seed + 10, 0.0, share)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            linear.adapt(X)
        found += bool(seen)
    # At most 5 % of the draws each for scores, features and labels, and fewer as effects have to be large, too.
    assert found <= 4


def test_a_feature_that_the_gate_hardly_uses_is_warned_of() -> None:
    rng = np.random.default_rng(0)
    X, Y = moved_site(6000, 0, 0.0)
    X = np.column_stack([X, rng.normal(size=6000)])
    labeler = MultiOutputClassifier(LogisticRegression())
    predictor = CascadeClassifier(LogisticRegression(), labeler).fit(X, Y).predictor_
    there, _ = moved_site(2000, 1, 0.0)
    with pytest.warns(UserWarning, match="feature '12': .* beyond the change of prevalence"):
        predictor.adapt(np.column_stack([there, rng.normal(size=2000) + 2.0]))


def test_an_adapted_cascade_takes_its_own_threshold(certified: CascadePredictor, linear: CascadePredictor) -> None:
    """Undoing the shift of a threshold rounds it; given back, the model's own threshold examines the same rows."""
    for predictor, X in ((certified, POOL.X[:500]), (linear, moved_site(500, 3, 0.0)[0])):
        for prevalence in np.linspace(0.03, 0.6, 40):
            there = predictor.adapt(prevalence=prevalence)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = there.examine(X, gate_threshold=there.gate_threshold)
            assert np.array_equal(found.passed_gate, predictor.examine(X).passed_gate)
            if predictor is linear:
                with pytest.raises(ConfigError, match="`gate_threshold` must be at least"):
                    there.examine(X, gate_threshold=np.nextafter(there.gate_threshold, 0))


def test_rows_that_differ_in_more_than_prevalence_are_refused(certified: CascadePredictor) -> None:
    with pytest.raises(DataError, match="more than prevalence"):
        certified.adapt(np.full((400, 6), 0.3) + np.random.default_rng(0).normal(size=(400, 6)) / 50)


def test_another_mix_of_labels_is_told(certified: CascadePredictor) -> None:
    """Two thirds of the rows with the most common label left out: the others' shares rise."""
    X, Y = site(0.3)
    kept = (Y[:, 4] == 0) | (np.arange(len(Y)) % 6 == 0)
    with pytest.warns(UserWarning, match="share among rows with a label of"):
        certified.adapt(X[kept])


def test_rows_that_cannot_tell_are_refused(certified: CascadePredictor) -> None:
    with pytest.raises(DataError, match="must determine the prevalence within a factor of 2"):
        certified.adapt(site(0.02, n=150)[0])
    with pytest.raises(DataError, match="at least 20 rows"):
        certified.adapt(POOL.X[:5])


def test_too_few_rows_are_refused_before_they_are_scored(
    certified: CascadePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CascadePredictor, "score", lambda *given: pytest.fail("scored"))
    with pytest.raises(DataError, match="at least 20 rows"):
        certified.adapt(POOL.X[:5])


def test_what_makes_no_sense_is_refused(certified: CascadePredictor) -> None:
    for wrong in (0.0, 1.0, True, "much"):
        with pytest.raises(ConfigError, match="`prevalence` must lie between"):
            certified.adapt(prevalence=wrong)  # type: ignore[arg-type]
    assert FURTHEST == 4.0
    with pytest.raises(ConfigError, match="train on rows of that site"):
        certified.adapt(prevalence=0.95)
    for given_both in ({}, {"X": POOL.X[:100], "prevalence": 0.3}):
        with pytest.raises(ConfigError, match="exactly one"):
            certified.adapt(**given_both)
    old = replace(certified.rules, shift=None, by_shift=None)
    earlier = CascadePredictor(certified.gate, certified.labeler, old, certified.signature)
    with pytest.raises(ConfigError, match="train it again"):
        earlier.adapt(prevalence=0.3)
    np.testing.assert_array_equal(earlier.predict_proba(POOL.X[:500]), certified.predict_proba(POOL.X[:500]))
