"""The gate's certificate is what the literal procedure finds, and is false no more often than it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import binom, binomtest, norm

from cascade.errors import CertificateError, ConfigError, DataError
from cascade.rules.thresholds.certificate import Certificate, misses_allowed, positives_needed, recall_bound
from cascade.rules.thresholds.certify import certified_recall, certify

NAMES = ["first", "second", "third"]


@st.composite
def held_out(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `certify`: few different scores, so that they tie; some labels rare or absent."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n = draw(st.integers(1, 120))
    return {
        "gate": rng.integers(0, draw(st.sampled_from([2, 12, 1000])), n) / 1000,
        "Y": (rng.random((n, 3)) < rng.choice([0.0, 0.05, 0.4, 0.9], 3)).astype(int),
        "names": NAMES,
        "groups": draw(st.sampled_from([None, rng.integers(0, max(n // 3, 1), n)])),
        "recall": draw(st.sampled_from([0.55, 0.72, 0.93])),
        "confidence": draw(st.sampled_from([0.9, 0.95])),
        "claim": draw(st.sampled_from(["joint", "per_label"])),
        "accept_bound": True,
    }


def lost_units(k: int, threshold: float, gate: np.ndarray, Y: np.ndarray, groups: Any) -> tuple[int, int]:
    """Units of label k and those of which some row with the label falls below the threshold, counted one by one."""
    rows = np.flatnonzero(Y[:, k])
    unit = range(len(Y)) if groups is None else groups
    return len({unit[row] for row in rows}), len({unit[row] for row in rows if gate[row] < threshold})


def fixed_sequence(
    gate: np.ndarray, Y: np.ndarray, groups: Any, recall: float, confidence: float, claim: str, **_: Any
) -> float:
    """From the safest threshold upward until a null stands, with scipy's exact test at each step."""
    level = (1 - confidence) / (Y.shape[1] if claim == "per_label" else 1)
    last = 0.0
    for candidate in np.unique(gate):
        for k in range(Y.shape[1]):
            units, lost = lost_units(k, candidate, gate, Y, groups)
            if not units:
                continue
            testable = binomtest(0, units, 1 - recall, alternative="less").pvalue <= level
            if lost and not (testable and binomtest(lost, units, 1 - recall, alternative="less").pvalue <= level):
                return last
        last = float(candidate)
    return last


@given(held_out())
def test_the_threshold_is_that_of_the_literal_procedure(data: dict[str, Any]) -> None:
    assume(data["Y"].any())
    found, lowest = certify(**data).threshold, fixed_sequence(**data)
    scores = np.unique(data["gate"])
    assert scores[scores >= found][0] == lowest
    below = scores[scores < lowest]
    if lowest and len(below) and below[-1]:
        assert logit(found) == pytest.approx((logit(lowest) + logit(below[-1])) / 2, abs=1e-4)


@given(held_out())
def test_each_label_is_counted_as_one_would_by_hand(data: dict[str, Any]) -> None:
    certificate = certify(**data)
    level = data["confidence"] if data["claim"] == "joint" else 1 - (1 - data["confidence"]) / 3
    for k, row in enumerate(certificate.labels):
        units, lost = lost_units(k, certificate.threshold, data["gate"], data["Y"], data["groups"])
        assert (row.label, row.positives, row.units, row.misses) == (NAMES[k], data["Y"][:, k].sum(), units, lost)
        assert row.certified == (units >= positives_needed(data["recall"], level) == row.needed)
        if not units:
            assert row.bound == row.best_bound == row.proven == 0
            continue
        exact = binomtest(units - lost, units, alternative="greater").proportion_ci(level, method="exact")
        assert row.bound == pytest.approx(exact.low, abs=1e-9)
        assert row.bound <= (units - lost) / units
        assert row.best_bound == pytest.approx((1 - level) ** (1 / units))
        assert row.bound >= row.proven - 1e-12
        assert row.certified or lost == 0
    assert certificate.share_past_gate == np.mean(data["gate"] >= certificate.threshold)
    assert certificate.unit == ("row" if data["groups"] is None else "group")


@given(held_out(), st.integers(0, 1000))
def test_the_order_of_the_rows_changes_nothing(data: dict[str, Any], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(data["Y"]))
    groups = None if data["groups"] is None else data["groups"][order]
    assert certify(**data) == certify(**{**data, "gate": data["gate"][order], "Y": data["Y"][order], "groups": groups})


@given(held_out(), st.floats(0, 1))
def test_it_holds_at_lower_thresholds_only_and_there_less_is_lost(data: dict[str, Any], other: float) -> None:
    certificate = certify(**data)
    assert certificate.holds_at(certificate.threshold)
    assert certificate.holds_at(other) == (other <= certificate.threshold)
    assert not certificate.holds_at(float("nan"))
    for k, row in enumerate(certificate.labels):
        units, lost = lost_units(k, min(other, certificate.threshold), data["gate"], data["Y"], data["groups"])
        assert lost <= row.misses
        assert recall_bound(units - lost, units, 0.9) >= recall_bound(units - row.misses, units, 0.9)


@given(held_out())
def test_it_survives_json(data: dict[str, Any]) -> None:
    certificate = certify(**data)
    assert Certificate.from_json(json.loads(json.dumps(certificate.to_json(), allow_nan=False))) == certificate


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.9, 0.95, 0.999]))
def test_one_miss_more_would_not_prove_it(units: int, recall: float, confidence: float) -> None:
    allowed = int(misses_allowed(units, recall, confidence))
    exact = [
        binomtest(units - misses, units, alternative="greater").proportion_ci(confidence, method="exact").low
        for misses in range(max(allowed, 0), min(allowed + 2, units + 1))
    ]
    assert exact[-1] < recall
    assert all(bound >= recall for bound in exact[:-1])
    assert (allowed >= 0) == (units >= positives_needed(recall, confidence))


@given(st.sampled_from([0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 0.99]), st.integers(1, 40))
def test_units_whose_chance_equals_the_level_suffice(recall: float, units: int) -> None:
    confidence = 1 - recall**units
    assume(confidence < 1 - 1e-10)
    assert positives_needed(recall, confidence) == units
    assert misses_allowed([units - 1, units], recall, confidence).tolist() == [-1, 0]


def test_the_table_in_the_documentation_is_right() -> None:
    page = (Path(__file__).parents[2] / "docs" / "understand" / "guarantee.md").read_text(encoding="utf-8")
    rows = [
        list(map(float, row)) for row in re.findall(r"^\| (0\.\d+)" + r" \| (\d+)" * 4 + r" \|$", page, re.MULTILINE)
    ]
    assert len(rows) == 5
    for recall, *needed in rows:
        assert needed == [positives_needed(recall, level) for level in (0.95, 0.99, 1 - 0.05 / 6, 1 - 0.05 / 100)]
        # The least number by definition, without a logarithm.
        assert recall ** needed[0] <= 0.05 < recall ** (needed[0] - 1)


def test_a_label_that_cannot_be_certified_is_refused_or_loses_nothing() -> None:
    gate = np.linspace(0, 1, 2000)
    Y = np.column_stack([gate > 0.5, np.isin(np.arange(2000), [300, *range(1500, 1546)])])
    with pytest.raises(CertificateError, match=r"needs 59 held-out rows with each label; 'rare' has 47\.") as caught:
        certify(gate, Y, ["common", "rare"])
    assert caught.value.exit_status == 5
    accepted = certify(gate, Y, ["common", "rare"], accept_bound=True)
    assert accepted.table() in str(caught.value)
    assert gate[299] < accepted.threshold < gate[300]
    assert accepted.labels[1].misses == 0
    assert "each of 1 of the 2 labels is at least 0.95; of the others at least rare 0.938" in accepted.statement()
    assert certify(gate, Y[:, :1], ["common"]).threshold > 0.5


def test_a_group_is_lost_with_any_of_its_rows() -> None:
    gate = np.tile([0.9, 0.8, 0.1], 100)
    Y = np.ones((300, 1), int)
    Y[2:270:3] = 0
    by_row, by_group = (certify(gate, Y, ["a"], groups, recall=0.8) for groups in (None, np.arange(300) // 3))
    assert by_row.threshold == by_group.threshold == pytest.approx(0.4, abs=1e-7)
    assert by_row.labels[0].units == 210
    assert (by_group.labels[0].units, by_group.labels[0].misses) == (100, 10)
    assert "the groups with the label of which every row with it passes" in by_group.statement()
    stricter = certify(gate, Y, ["a"], np.arange(300) // 3, recall=0.9)
    assert 0.1 * (1 - 1e-5) < stricter.threshold < 0.1


def test_without_a_positive_everything_passes_and_nothing_is_claimed() -> None:
    certificate = certify([0.2, 0.7], np.zeros((2, 1), int), ["a"], accept_bound=True)
    assert (certificate.threshold, certificate.share_past_gate) == (0.0, 1.0)
    assert "no label has enough rows" in certificate.statement()
    with pytest.raises(CertificateError, match="'a' has 0"):
        certify([0.2, 0.7], np.zeros((2, 1), int), ["a"])


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"recall": 1.0}, ConfigError, "`recall` must lie between 0 and 1, both excluded: no data proves a certainty"),
        ({"confidence": 1}, ConfigError, "`confidence` must lie between 0 and 1"),
        ({"recall": float("nan")}, ConfigError, "Received nan"),
        ({"claim": "each"}, ConfigError, "`claim` must be 'joint' or 'per_label'. Received 'each'"),
        ({"gate": [0.1, np.nan]}, DataError, "0 to 1. Received nan at row 1"),
        ({"gate": [0.1, 1.1]}, DataError, "0 to 1. Received 1.1 at row 1"),
        ({"gate": [0.1]}, DataError, r"`gate` must have one value per row of `Y` \(2\)"),
        ({"names": ["a", "b"]}, DataError, "one name per label"),
        ({"groups": [1]}, DataError, "`groups`"),
    ],
)
def test_wrong_use_is_named(change: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        certify(**{"gate": [0.1, 0.2], "Y": [[1], [0]], "names": ["a"], **change})


SETS = 400
# A procedure that is false in 5 % of the sets is above this in one of 10,000 test runs.
LIMIT = binom.isf(1e-4, SETS, 0.05)
SHIFT = np.array([1.5, 2.0, 2.5])


def false_share(claim: str, rows_of_group: int, by_group: bool, prevalence: list[float], **options: Any) -> int:
    """Sets whose claim is false. All rows of a group are alike, so a row's true recall is also the group's."""
    false = 0
    for seed in range(SETS):
        rng = np.random.default_rng([seed, 11])
        kind = rng.choice(4, size=800, p=[*prevalence, 1 - sum(prevalence)])
        z = rng.normal(np.append(SHIFT, 0.0)[kind])
        rows = np.repeat(np.arange(800), rows_of_group)
        Y = kind[rows, None] == np.arange(3)
        found = certify(norm.cdf(z)[rows], Y, NAMES, rows if by_group else None, 0.9, claim=claim, **options)
        true = norm.sf(norm.ppf(found.threshold), loc=SHIFT)
        claimed = [(row.proven if row.certified or claim == "per_label" else 0.0) for row in found.labels]
        false += bool((true < np.array(claimed) - 1e-9).any())
    return false


@pytest.mark.parametrize("rows_of_group", [1, 8])
def test_a_joint_claim_is_false_as_rarely_as_it_says(rows_of_group: int) -> None:
    """Most of the misses are the first label's, so the joint test has no slack to hide behind."""
    assert false_share("joint", rows_of_group, rows_of_group > 1, [0.2, 0.1, 0.1]) <= LIMIT


def test_bounds_of_all_labels_hold_at_once_rare_ones_included() -> None:
    assert false_share("per_label", 1, False, [0.02, 0.1, 0.1], accept_bound=True) <= LIMIT


def test_rows_of_a_group_taken_as_units_claim_too_much() -> None:
    assert false_share("joint", 8, False, [0.2, 0.1, 0.1]) > LIMIT


@given(seed=st.integers(0, 10_000), grouped=st.booleans())
def test_certified_recall_is_the_least_bound_of_groups_that_pass_whole(seed: int, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((60, 3)) < [0.1, 0.5, 0.0]).astype(np.uint8)
    passed, groups = rng.random(60) < 0.8, rng.integers(0, 25, 60)
    bounds = []
    for y in Y.T:
        own = {g: [] for g in (groups[y > 0] if grouped else np.flatnonzero(y))}
        for row in np.flatnonzero(y):
            own[groups[row] if grouped else row].append(passed[row])
        kept, n = sum(all(each) for each in own.values()), len(own)
        if n:
            tail = lambda r, kept=kept, n=n: binom.sf(kept - 1, n, r) - 0.1  # noqa: E731
            bounds.append(brentq(tail, 1e-12, 1 - 1e-12) if kept else 0.0)
    found = certified_recall(passed, Y, groups if grouped else None, confidence=0.9)
    assert found == pytest.approx(min(bounds, default=0.0), abs=1e-6)
