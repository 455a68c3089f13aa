"""Labels that are not known: each counts where it is known, and nowhere else."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.missing import split_missing
from cascade.errors import ConfigError, DataError
from cascade.rules.label_plan import plan_labels
from cascade.rules.probability.calibration import fit_calibration
from cascade.rules.thresholds.certify import certify
from cascade.rules.thresholds.decisions import decision_thresholds
from tests.conftest import KnownTruth

BALANCED = BalancedBinaryRelevance(LogisticRegression(), n_bags=3)
ONE_BY_ONE = MultiOutputClassifier(LogisticRegression())


def hidden(Y: np.ndarray, share: float, seed: int = 3) -> np.ndarray:
    """Y with that share of its entries hidden completely at random."""
    return np.where(np.random.default_rng(seed).random(Y.shape) < share, np.nan, Y)


def cascade(labeler: object = BALANCED, **options: object) -> CascadeClassifier:
    return CascadeClassifier(LogisticRegression(), labeler, **options)


@pytest.mark.parametrize(
    "given",
    [
        np.array([[1, np.nan], [0, 1]]),
        [[1, None], [0, 1]],
        np.ma.masked_array([[1, 1], [0, 1]], mask=[[0, 1], [0, 0]]),
        pd.DataFrame({"a": [1, 0], "b": [None, 1]}),
        pd.DataFrame({"a": [1, 0], "b": [pd.NA, 1]}, dtype="Int64"),
        pd.DataFrame({"a": [True, False], "b": [pd.NA, True]}, dtype="boolean"),
    ],
)
def test_every_way_to_say_that_a_label_is_missing(given: object) -> None:
    values, known = split_missing(given)
    np.testing.assert_array_equal(values.astype(int), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(known, [[True, False], [True, True]])


def test_a_row_is_settled_where_what_is_known_of_it_does_not_depend_on_the_answer() -> None:
    known = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 1]], bool)
    labels = LabelMatrix(np.zeros(known.shape, np.uint8), known)
    np.testing.assert_array_equal(labels.any_known(None), [0, 0, 0, 1])
    np.testing.assert_array_equal(labels.any_known(2), [1, 1, 0, 1])
    # A label that nobody has noted on any row has no say.
    np.testing.assert_array_equal(
        LabelMatrix(np.zeros((2, 2), np.uint8), np.array([[1, 0], [1, 0]], bool)).any_known(None), [1, 1]
    )


def test_any_is_found_on_known_entries_but_not_by_chance(truth: KnownTruth) -> None:
    values, known = split_missing(hidden(truth.Y, 0.3))
    labels, names = values.astype(np.uint8), list("abcde")
    assert find_any_label(LabelMatrix(labels, known), names).index == 4
    # A 0 beside another label's 1 is a stray; where it is not known it is none.
    row = int(np.flatnonzero(known[:, 4] & (labels[:, 4] > 0) & labels[:, :4].any(axis=1))[0])
    labels[row, 4] = 0
    assert f"row {row}" in find_any_label(LabelMatrix(labels, known), names).note
    known[row, 4] = False
    assert find_any_label(LabelMatrix(labels, known), names).index == 4
    # On few rows any column may agree.
    known[np.flatnonzero(known[:, 4])[:-20], 4] = False
    assert find_any_label(LabelMatrix(labels * known, known), names).index is None


@pytest.mark.parametrize(
    ("negative_pool", "labeler"), [("positives", BALANCED), ("all", ONE_BY_ONE), ("gated", ONE_BY_ONE)]
)
@pytest.mark.parametrize(
    "n_labels", [pytest.param(5, id="with any"), pytest.param(4, id="without any", marks=pytest.mark.slow)]
)
def test_hiding_labels_at_random_leaves_sums_right(
    truth: KnownTruth, negative_pool: str, labeler: object, n_labels: int
) -> None:
    other = KnownTruth(40_000, seed=1)
    true = other.p_and_any().sum(axis=0)
    answer = cascade(labeler, negative_pool=negative_pool).fit(truth.X, hidden(truth.Y[:, :n_labels], 0.25))
    said = answer.examine(other.X)
    # 8,000 calibration rows of which three quarters know the label; four standard errors.
    ratio = said.proba.sum(axis=0) / true[:n_labels]
    assert (abs(ratio - 1) < 4 / np.sqrt(true[:n_labels] * 0.75 / 5)).all()
    # The gate is calibrated on rows that know `any`, or all four labels.
    assert abs(said.gate_proba.sum() / true[4] - 1) < 4 / np.sqrt(true[4] * (0.75 if n_labels == 5 else 0.75**4) / 5)


def test_rows_known_only_for_a_positive_would_raise_the_gate(truth: KnownTruth) -> None:
    given = hidden(truth.Y[:, :4], 0.25)
    has_target = (given == 1).any(axis=1) | np.isfinite(given).all(axis=1)
    # What counting such rows would make of the prevalence, and what the gate says.
    assert (given[has_target] == 1).any(axis=1).mean() > 1.5 * truth.p_any.mean()
    model = cascade().fit(truth.X, given)
    assert model.gate_proba(truth.X).mean() == pytest.approx(truth.p_any.mean(), rel=0.2)
    assert model.predictor_.provenance["rows_without_gate_target"] == (~has_target).sum()
    assert model.predictor_.provenance["labels_missing"] == np.isnan(given).sum()


def test_a_known_any_decides_for_the_gate() -> None:
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X: np.ndarray, y: np.ndarray) -> Spy:
            seen.append((X, y))
            return super().fit(X, y)

    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    Y = np.column_stack([X > 0.5, (X > 0.5).any(axis=1)]).astype(float)
    Y[:100, 0] = np.nan
    Y[100:200, 2] = np.nan
    Y[200:300, [0, 2]] = np.nan
    CascadeClassifier(Spy(), BALANCED, any_label="label_2", calibration_folds=2).fit(X, Y)
    rows, target = max(seen, key=lambda fitted: len(fitted[0]))
    # Left out: `any` and a label missing, the other label known to be absent.
    left_out = np.isnan(Y[:, 2]) & np.isnan(Y[:, 0]) & (Y[:, 1] == 0)
    assert 40 < left_out.sum() < 100
    np.testing.assert_array_equal(rows, X[~left_out])
    np.testing.assert_array_equal(target, (X > 0.5).any(axis=1)[~left_out])


@pytest.mark.parametrize("labeler", [BALANCED, ONE_BY_ONE], ids=["balanced", "one-by-one"])
@pytest.mark.parametrize("options", [{}, {"calibration_folds": 3, "calibration": "isotonic", "negative_pool": "gated"}])
def test_floats_without_nan_are_the_same_to_the_bit(
    truth: KnownTruth, labeler: object, options: dict[str, object]
) -> None:
    X, Y = truth.X[:6000], truth.Y[:6000]
    plain, floats = (cascade(labeler, **options).fit(X, given) for given in (Y, Y.astype(np.float64)))
    np.testing.assert_array_equal(plain.predict_proba(X), floats.predict_proba(X))
    assert plain.predictor_.provenance == floats.predictor_.provenance


@pytest.mark.parametrize("options", [{}, {"calibration_folds": 3}, {"gate_policy": {"accept_bound": True}}])
@pytest.mark.parametrize("given", ["all known", "some hidden"])
def test_a_row_of_which_nothing_is_known_changes_nothing(
    truth: KnownTruth, options: dict[str, object], given: str
) -> None:
    X, Y = truth.X[:6000], hidden(truth.Y[:6000], 0.0 if given == "all known" else 0.2)
    Y = Y[:, :4]
    told = np.isfinite(Y).any(axis=1)
    X, Y, patients = X[told], Y[told], np.arange(told.sum()) // 2
    more = np.random.default_rng(0).normal(size=(500, 6))
    at = np.random.default_rng(1).integers(len(X), size=500)
    longer = np.insert(X, at, more, axis=0), np.insert(Y, at, np.nan, axis=0), np.insert(patients, at, 10**6)
    one, other = cascade(**options).fit(X, Y, patients), cascade(**options).fit(*longer)
    np.testing.assert_array_equal(one.predict_proba(truth.X), other.predict_proba(truth.X))
    np.testing.assert_array_equal(one.predict(truth.X), other.predict(truth.X))
    assert one.certificate_ == other.certificate_


@pytest.mark.parametrize("labeler", [BALANCED, ONE_BY_ONE], ids=["balanced", "one-by-one"])
def test_a_label_that_is_known_nowhere_gets_a_finite_answer(truth: KnownTruth, labeler: object) -> None:
    Y = truth.Y[:6000, :4].astype(float)
    Y[:, 1] = np.nan
    with pytest.warns(UserWarning, match="'label_1' (is known on no training row|has no held-out)"):
        model = cascade(labeler).fit(truth.X[:6000], Y)
    answer = model.examine(truth.X)
    assert np.isfinite(answer.proba).all()
    assert np.isfinite(model.decision_function(truth.X)).all()
    # The others are decided as if it were not there.
    alone = cascade(labeler).fit(truth.X[:6000], np.delete(Y, 1, axis=1))
    np.testing.assert_array_equal(np.delete(answer.labels, 1, axis=1), alone.predict(truth.X))


def test_without_a_known_empty_row_every_row_is_examined(truth: KnownTruth) -> None:
    Y = np.where(truth.Y[:6000, :4] == 1, 1, np.nan)
    warnings.filterwarnings("ignore", "label .* always occurs")
    with pytest.warns(UserWarning, match="the gate learns nothing"):
        model = cascade().fit(truth.X[:6000], Y)
    assert model.examine(truth.X).passed_gate.all()
    assert np.isfinite(model.predict_proba(truth.X)).all()


def test_nothing_known_at_all_is_refused(truth: KnownTruth) -> None:
    for model in (cascade(), BALANCED, FlatClassifier(BALANCED)):
        with pytest.raises(DataError, match="a known label on some row"):
            model.fit(truth.X[:100], np.full((100, 2), np.nan))


def test_labelers_that_cannot_take_a_mask_are_refused_before_anything_is_fitted(truth: KnownTruth) -> None:
    for model in (cascade(RandomForestClassifier()), FlatClassifier(RandomForestClassifier())):
        with pytest.raises(ConfigError, match="must take missing labels; use BalancedBinaryRelevance"):
            model.fit(truth.X[:2000], hidden(truth.Y[:2000], 0.2))


def test_each_label_of_a_balanced_labeler_is_fitted_on_the_rows_that_know_it(truth: KnownTruth) -> None:
    X, Y = truth.X[:8000], hidden(truth.Y[:8000], 0.3)
    model = BALANCED.fit(X, Y)
    z = model.predict_log_odds(X)
    for k in (1, 4):
        told = np.isfinite(Y[:, k])
        # Two columns, so that the label's number, which seeds its samples, stays.
        alone = np.repeat(Y[told, k][:, None], 5, axis=1)
        np.testing.assert_allclose(BALANCED.fit(X[told], alone).predict_log_odds(X)[:, k], z[:, k], rtol=1e-9)
        assert model.share_[k] == (np.nansum(Y[:, k]) + 0.5) / (told.sum() + 1)


def test_an_only_label_is_fitted_on_the_rows_that_know_it_whatever_the_estimator(truth: KnownTruth) -> None:
    X, Y = truth.X[:8000], hidden(truth.Y[:8000, 4:], 0.4)
    told, weight = np.isfinite(Y[:, 0]), np.linspace(1, 2, 8000)
    model = FlatClassifier(LogisticRegression(), calibration_folds=2).fit(X, Y, sample_weight=weight)
    alone = LogisticRegression().fit(X[told], Y[told, 0], weight[told] / weight.mean())
    np.testing.assert_allclose(model.estimator_.coef_, alone.coef_, rtol=1e-9)


def test_rules_of_a_label_are_those_of_the_rows_that_know_it() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 2))
    proba = 1 / (1 + np.exp(-z))
    Y, known = (rng.random(z.shape) < proba).astype(np.uint8), rng.random(z.shape) < 0.6
    told = known[:, 1]
    labels, of_told = LabelMatrix(Y * known, known), LabelMatrix(Y[told])
    for method in ("platt", "beta", "isotonic"):
        both, alone = (fit_calibration(*given, None, method) for given in ((z, labels), (z[told], of_told)))
        # Sums over a column of a matrix and over a vector differ in the last digit.
        np.testing.assert_allclose(both(z)[:, 1], alone(z)[:, 1], rtol=1e-9)
    passed, decisions = rng.random(4000) < 0.8, [{"recall": 0.5}, "f1"]
    both = decision_thresholds(decisions, ["a", "b"], proba, passed, labels)
    alone = decision_thresholds(decisions, ["a", "b"], proba[told], passed[told], of_told)
    assert both[1] == alone[1]
    assert both[0] != alone[0]
    plan, alone = plan_labels(labels, None), plan_labels(LabelMatrix(labels.values[told]), None)
    assert plan.share[1] == alone.share[1]
    assert plan.seen_count.sum() == ((Y.any(axis=1)) & known.all(axis=1)).sum()


def test_a_label_hidden_on_some_rows_is_certified_by_its_known_positives(truth: KnownTruth) -> None:
    Y = hidden(truth.Y, 0.3)
    policy = {"recall": 0.8, "accept_bound": True}
    certificate = cascade(gate_policy=policy).fit(truth.X, Y).certificate_
    assert 0 < certificate.labels[4].positives < np.nansum(Y[:, 4])
    full = cascade(gate_policy=policy).fit(truth.X, truth.Y).certificate_
    assert certificate.labels[4].units < 0.8 * full.labels[4].units
    with pytest.raises(DataError, match="only 0 and 1"):
        certify(np.ones(len(Y)), Y, list("abcde"))


def test_flat_models_take_missing_labels(truth: KnownTruth) -> None:
    X, Y = truth.X[:8000], hidden(truth.Y[:8000], 0.3)
    for folds in (None, 3):
        model = FlatClassifier(ONE_BY_ONE, calibration_folds=folds).fit(X, Y)
        ratio = model.predict_proba(truth.X).sum(axis=0) / truth.p_and_any().sum(axis=0)
        assert (abs(ratio - 1) < 4 / np.sqrt(np.nansum(Y, axis=0) * 0.7)).all()
        longer = FlatClassifier(ONE_BY_ONE, calibration_folds=folds).fit(
            np.vstack([X, X[:50]]), np.vstack([Y, np.full((50, 5), np.nan)])
        )
        told = np.isfinite(Y).any(axis=1)
        shorter = FlatClassifier(ONE_BY_ONE, calibration_folds=folds).fit(X[told], Y[told])
        np.testing.assert_array_equal(longer.predict_proba(X), shorter.predict_proba(X))
        np.testing.assert_array_equal(longer.thresholds_, shorter.thresholds_)


def test_whole_vectors_as_seen_need_rows_that_know_all_labels(truth: KnownTruth) -> None:
    X, Y = truth.X[:8000], truth.Y[:8000].astype(float)
    model = cascade().fit(X, hidden(Y, 0.1))
    assert model.predictor_.predict_joint(X[:100], joint="seen").shape == (100, 5)
    Y[np.arange(8000), np.arange(8000) % 4] = np.nan
    model = cascade().fit(X, Y)
    with pytest.raises(ConfigError, match="'seen' needs training rows on which all labels are known"):
        model.predictor_.predict_joint(X[:100], joint="seen")
