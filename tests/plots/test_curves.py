"""Curves against scikit-learn and plain counting; displays after scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.metrics import precision_recall_curve as reference_curve
from sklearn.multiclass import OneVsRestClassifier

from cascade import CascadeClassifier
from cascade.errors import ConfigError, DataError
from cascade.metrics import Outcome
from cascade.plots import CalibrationDisplay, GateCurveDisplay, PrecisionRecallDisplay
from cascade.plots.curves import gate_curve, precision_recall_curve, reliability_curve, threshold_grid
from tests.conftest import KnownTruth

LABELS = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "any")


@pytest.fixture(autouse=True)
def without_screen() -> Iterator[None]:
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted(truth: KnownTruth) -> CascadeClassifier:
    labeler = OneVsRestClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=LABELS)
    return model.fit(truth.X[:6000], truth.Y[:6000])


def outcome_of(truth: KnownTruth, rows: slice) -> Outcome:
    Y = truth.Y[rows]
    return Outcome(Y, truth.p_and_any()[rows], Y, np.ones(len(Y), dtype=bool))


def test_the_gate_curve_counts_what_passes(truth: KnownTruth) -> None:
    gate, Y, groups = truth.p_any[:3000].round(3), truth.Y[:3000], np.arange(3000) // 4
    grid = threshold_grid(gate, Y.any(axis=1), own=0.0625)
    assert 0.0625 in grid
    assert grid[0] == 0
    assert (np.diff(grid) > 0).all()
    curve = gate_curve(gate, Y, LABELS, grid, groups)
    for place, threshold in enumerate(grid):
        passed = gate >= threshold
        assert curve.passed[place] == passed.sum()
        assert curve.kept[place].tolist() == Y[passed].sum(axis=0).tolist()
    assert (curve.recall[0] == 1).all()
    assert ((curve.low <= curve.recall) & (curve.recall <= curve.high)).all()
    assert (curve.low[0] < 1).all(), "an interval is sensible also where nothing is lost"


def test_a_label_that_never_occurs_has_no_recall(truth: KnownTruth) -> None:
    Y = truth.Y[:500].copy()
    Y[:, 0] = 0
    curve = gate_curve(truth.p_any[:500], Y, LABELS, [0.0, 0.1])
    assert np.isnan(curve.recall[:, 0]).all()
    assert np.isnan(curve.low[:, 0]).all()
    outcome = Outcome(Y, truth.p_and_any()[:500], Y, np.ones(500, dtype=bool))
    assert np.isnan(precision_recall_curve(outcome, 0, "epidural", np.arange(500)).precision).all()
    assert (reliability_curve(outcome, 0, "epidural", np.arange(500)).observed == 0).all()


def test_precision_at_each_recall_is_that_of_scikit_learn(truth: KnownTruth) -> None:
    outcome = outcome_of(truth, slice(0, 4000))
    outcome = Outcome(outcome.Y, outcome.proba.round(2), outcome.bits, outcome.passed)
    for k, name in enumerate(LABELS):
        curve = precision_recall_curve(outcome, k, name, np.arange(4000) // 5)
        precision, recall, _ = reference_curve(outcome.Y[:, k], outcome.proba[:, k])
        wanted = [precision[recall >= share - 1e-9][-1] for share in curve.recall]
        assert curve.precision == pytest.approx(wanted)
        assert curve.average_precision == pytest.approx(average_precision_score(outcome.Y[:, k], outcome.proba[:, k]))
        assert (curve.low <= curve.high).all()
        assert np.mean((curve.low <= curve.precision) & (curve.precision <= curve.high)) > 0.9


def test_true_probabilities_lie_in_their_intervals_and_wrong_ones_do_not(truth: KnownTruth) -> None:
    outcome = outcome_of(truth, slice(0, 20_000))
    group = np.arange(20_000)
    held = []
    for k, name in enumerate(LABELS):
        curve = reliability_curve(outcome, k, name, group)
        held += ((curve.low <= curve.predicted) & (curve.predicted <= curve.high)).tolist()
        mass = curve.rows * curve.predicted
        assert mass.max() < 1.5 * mass.min(), "every bin expects about as many positives"
        assert curve.rows.sum() == 20_000
        assert curve.rows @ curve.observed == pytest.approx(outcome.Y[:, k].sum())
    assert np.mean(held) > 0.9
    halved = Outcome(outcome.Y, outcome.proba / 2, outcome.bits, outcome.passed)
    wrong = reliability_curve(halved, 4, "any", group)
    assert np.mean(wrong.low > wrong.predicted) > 0.9


def test_what_is_not_known_counts_nowhere(truth: KnownTruth) -> None:
    whole = outcome_of(truth, slice(0, 2000))
    known = np.ones(whole.Y.shape, dtype=bool)
    known[1000:, 1] = False
    hidden = Outcome(whole.Y * known, whole.proba, whole.bits * known, whole.passed, known)
    first = whole.part(np.arange(1000))
    for draw in (precision_recall_curve, reliability_curve):
        one, other = draw(hidden, 1, "b", np.arange(2000)), draw(first, 1, "b", np.arange(1000))
        for name in ("precision", "predicted", "observed"):
            if hasattr(one, name):
                assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_displays_keep_axes_figure_and_lines(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    X, Y, groups = truth.X[6000:8000], truth.Y[6000:8000], np.arange(2000) // 4
    for display in (GateCurveDisplay, PrecisionRecallDisplay, CalibrationDisplay):
        shown = display.from_predictor(fitted, X, Y, groups)
        assert shown.figure_ is shown.ax_.figure
        assert len(shown.lines_) == len(LABELS)
        axes = matplotlib.figure.Figure().add_subplot()
        again = display.from_predictor(fitted.predictor_, X, Y, groups, labels=["any"], ax=axes)
        assert again.ax_ is axes
        assert len(again.lines_) == 1
        assert shown.plot(ax=axes) is shown
        with pytest.raises(ConfigError, match="must be of"):
            display.from_predictor(fitted, X, Y, labels=["nothing"])


def test_displays_show_the_figures_of_the_curves(fitted: CascadeClassifier, truth: KnownTruth) -> None:
    X, Y = truth.X[6000:8000], truth.Y[6000:8000]
    predictor = fitted.predictor_
    shown = GateCurveDisplay.from_predictor(predictor, X, Y, labels=["any"])
    passed = predictor.gate_proba(X) >= shown.threshold
    at = np.searchsorted(shown.curve.thresholds, predictor.rules.gate_threshold)
    assert shown.lines_[0].get_ydata()[at] == pytest.approx(Y[passed, 4].sum() / Y[:, 4].sum())
    precision = PrecisionRecallDisplay.from_scores(predictor.predict_proba(X), Y, LABELS)
    ap = average_precision_score(Y[:, 1], predictor.predict_proba(X)[:, 1])
    assert precision.lines_[1].get_label() == f"intraparenchymal (AP {ap:.3f})"


def test_displays_refuse_scores_that_do_not_fit(truth: KnownTruth) -> None:
    Y = truth.Y[:10]
    with pytest.raises(DataError, match="`gate_proba` must have one value per row"):
        GateCurveDisplay.from_scores(truth.p_any[:9], Y)
    with pytest.raises(DataError, match="`proba` must have one value per label"):
        CalibrationDisplay.from_scores(truth.p[:10], Y)


def test_displays_take_labels_that_are_missing(truth: KnownTruth) -> None:
    Y, proba = truth.Y[:600].astype(float), truth.p_and_any()[:600]
    Y[300:, 1] = np.nan
    shown = PrecisionRecallDisplay.from_scores(proba, Y)
    assert shown.curves[1].label == "label_1"
    assert shown.curves[1].prevalence == pytest.approx(truth.Y[:300, 1].mean())
