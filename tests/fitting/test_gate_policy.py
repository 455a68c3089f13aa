"""The guarantee in a cascade: rows that nothing else sees, refusals before any training, and what voids it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.data.splits import random_groups
from cascade.errors import CertificateError, ConfigError
from cascade.fitting.fit_rules import fit_rules
from cascade.fitting.gate import fit_gate_rules
from cascade.fitting.rehearsal import MOST_ROWS
from cascade.rules.thresholds.certificate import misses_allowed
from cascade_pipelines.models import show
from tests.conftest import KnownTruth

POLICY = {"recall": 0.8, "confidence": 0.9}


class Witness(LogisticRegression):
    """Notes the rows that each fit is given, by their first feature, which is unique."""

    fits: ClassVar[list[set[float]]] = []

    def fit(self, X: np.ndarray, y: np.ndarray) -> Witness:
        # Fewer rows are a rehearsal.
        if len(X) > MOST_ROWS:
            self.fits.append(set(X[:, 0].tolist()))
        return super().fit(X, y)


@pytest.fixture(scope="module")
def certified(truth: KnownTruth) -> CascadeClassifier:
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    # A labeler of the pool "gated" cannot be used below the threshold that it was trained behind.
    model = CascadeClassifier(LogisticRegression(), labeler, gate_policy=POLICY, negative_pool="positives")
    return model.fit(truth.X, truth.Y)


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("pool", ["positives", "gated"])
def test_rows_that_prove_are_used_for_nothing_else(
    truth: KnownTruth, monkeypatch: pytest.MonkeyPatch, folds: int | None, pool: str
) -> None:
    calibrated = []

    def watched_gate(held: Any, *arguments: Any) -> Any:
        calibrated.append(len(held.Y))
        return fit_gate_rules(held, *arguments)

    def watched_rules(*arguments: Any) -> Any:
        calibrated.append(len(arguments[3].Y))
        return fit_rules(*arguments)

    monkeypatch.setattr("cascade.fitting.fit.fit_gate_rules", watched_gate)
    monkeypatch.setattr("cascade.fitting.fit.fit_rules", watched_rules)
    Witness.fits.clear()
    labeler = BalancedBinaryRelevance(Witness(), n_bags=1)
    groups = np.arange(20_000) // 4
    model = CascadeClassifier(
        Witness(), labeler, gate_policy={"recall": 0.5}, negative_pool=pool, calibration_folds=folds
    ).fit(truth.X[:20_000], truth.Y[:20_000], groups=groups)
    kept = random_groups(groups, 20_000, 0.2, 0)
    assert model.certificate_.rows == kept.sum()
    assert not set().union(*Witness.fits) & set(truth.X[:20_000][kept, 0].tolist())
    assert max(calibrated) <= (~kept).sum()


def test_the_certificate_counts_what_the_served_gate_loses(certified: CascadeClassifier, truth: KnownTruth) -> None:
    kept = random_groups(None, len(truth.Y), 0.2, 0)
    passed = certified.examine(truth.X[kept]).passed_gate
    for k, row in enumerate(certified.certificate_.labels):
        positive = truth.Y[kept, k] > 0
        assert (row.units, row.misses) == (positive.sum(), (positive & ~passed).sum())
        assert row.misses <= misses_allowed(row.units, POLICY["recall"], POLICY["confidence"])
    assert certified.certificate_.holds_at(certified.predictor_.rules.gate_threshold)


def test_what_the_data_cannot_prove_is_refused_before_any_fit(truth: KnownTruth) -> None:
    Witness.fits.clear()
    model = CascadeClassifier(Witness(), MultiOutputClassifier(Witness()), gate_policy={"recall": 0.99})
    with pytest.raises(CertificateError, match="label_0"):
        model.fit(truth.X[:4000], truth.Y[:4000])
    assert not Witness.fits
    model.set_params(gate_policy={"recall": 0.99, "accept_bound": True}).fit(truth.X[:4000], truth.Y[:4000])
    assert not any(row.certified for row in model.certificate_.labels[:1])


def test_a_raised_threshold_voids_it_and_a_lower_one_does_not(certified: CascadeClassifier, truth: KnownTruth) -> None:
    threshold = certified.predictor_.rules.gate_threshold
    certified.predict(truth.X[:50], gate_threshold=threshold / 2)
    with pytest.warns(UserWarning, match="certificate does not hold"):
        certified.predict(truth.X[:50], gate_threshold=(1 + certified.certificate_.threshold) / 2)


def test_it_travels_with_the_model_and_is_shown(certified: CascadeClassifier, tmp_path: Path) -> None:
    certified.save(tmp_path / "model")
    assert CascadePredictor.load(tmp_path / "model").certificate == certified.certificate_
    facts, text = show(tmp_path / "model", tmp_path)
    assert facts["certificate"]["recall"] == POLICY["recall"]
    assert "voids this" in text
    assert "label_4" in text


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"recal": 0.9}, "`gate_policy` must have keys of"),
        ({"recall": 1}, "`recall` must lie between 0 and 1"),
        (0.95, "`gate_policy` must be a mapping"),
        ({"recall": "high"}, "`gate_policy.recall` must be a number"),
        ({"accept_bound": "no"}, "`gate_policy.accept_bound` must be true or false"),
        ({"size": 1.0}, "`gate_policy.size` must lie between"),
        ({"claim": "both"}, r"`gate_policy.claim` must be"),
    ],
)
def test_policies_that_make_no_sense_are_refused(policy: Any, sentence: str, truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), gate_policy=policy)
    with pytest.raises(ConfigError, match=sentence):
        model.fit(truth.X[:500], truth.Y[:500])


def test_weights_and_guarantees_do_not_go_together(truth: KnownTruth) -> None:
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), gate_policy=POLICY)
    with pytest.raises(ConfigError, match="cannot be combined with `sample_weight`"):
        model.fit(truth.X[:500], truth.Y[:500], sample_weight=np.ones(500))
