"""The gate threshold: its bound against exact tests and known truth, what it leaves out, and what labels cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm

from cascade.errors import ConfigError, DataError
from cascade.metrics.intervals import clopper_pearson, effective_rows
from cascade.rules.thresholds.certificate import misses_allowed
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade.rules.thresholds.gate_recall import gate_recalls
from cascade.rules.thresholds.gate_threshold import gate_threshold

NAMES = ("a", "b", "c")


@given(seed=st.integers(0, 5000), recall=st.floats(0.05, 1.0))
def test_the_threshold_is_the_highest_with_the_bound_for_every_label(seed: int, recall: float) -> None:
    rng = np.random.default_rng(seed)
    gate, Y = rng.random(90).round(2), (rng.random((90, 3)) < 0.3).astype(np.uint8)
    found = gate_threshold(gate, Y, recall, margin_rows=1.0).value

    def proven(value: float) -> bool:
        kept, positives = Y[gate >= value].sum(axis=0), Y.sum(axis=0)
        low = [
            binomtest(int(k), int(n), alternative="greater").proportion_ci(0.9, method="exact").low
            for k, n in zip(kept, positives, strict=True)
        ]
        # A label without enough positives has to keep all of them.
        return all(b >= recall - 1e-9 or k == n for b, k, n in zip(low, kept, positives, strict=True))

    assert proven(found)
    assert found <= 0.5
    higher = np.unique(gate[(gate > gate[gate >= found].min(initial=1.0)) & (gate <= 0.5)])
    if len(higher):
        assert not proven(higher[0])


@given(positives=st.integers(1, 3000), recall=st.floats(0.05, 0.999))
def test_independent_positives_may_lose_what_a_certificate_allows(positives: int, recall: float) -> None:
    scores = np.linspace(0.0, 0.4, positives)
    choice = gate_threshold(scores, np.ones((positives, 1), np.uint8), recall, margin_rows=1.0)
    allowed = int(misses_allowed(positives, recall, 0.9))
    assert choice.positives[0] - choice.kept[0] == max(allowed, 0)
    assert (choice.bound[0] < recall - 1e-9) == (allowed < 0)


@given(seed=st.integers(0, 5000), recall=st.floats(0.3, 0.95), scale=st.floats(0.01, 100))
def test_weighted_positives_count_as_kishs_number(seed: int, recall: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    gate, weight = rng.random(200) / 2, rng.integers(0, 5, 200).astype(float)
    Y = np.ones((200, 1), np.uint8)
    found = gate_threshold(gate, Y, recall, weight, margin_rows=1.0).value
    assert found == gate_threshold(gate, Y, recall, scale * weight, margin_rows=1.0).value
    assert found == gate_threshold(gate[weight > 0], Y[weight > 0], recall, weight[weight > 0], margin_rows=1.0).value
    n = effective_rows(weight)

    def bound(value: float) -> float:
        return float(clopper_pearson(weight @ (gate >= value) / weight.sum() * n, n, 0.1)[0])

    counted = gate[weight > 0]
    higher = counted[counted > counted[counted >= found].min()].min()
    assert bound(found) >= recall - 1e-9
    assert bound(higher) < recall


def test_equal_weights_and_groups_of_one_change_nothing() -> None:
    rng = np.random.default_rng(0)
    gate, Y = rng.random(500) / 2, (rng.random((500, 3)) < 0.3).astype(np.uint8)
    plain = gate_threshold(gate, Y, 0.9).value
    assert gate_threshold(gate, Y, 0.9, np.full(500, 7.0), rng.permutation(500)).value == plain


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("units", [60, 300])
def test_the_true_recall_is_seldom_below_the_wanted_one(units: int, rows: int) -> None:
    """Scores are normal with a random effect per group, so the recall at each threshold is known."""
    rng = np.random.default_rng(0)
    group, draws, below = np.repeat(np.arange(units), rows), 400, 0
    spread = 1.0 if rows > 1 else 0.0
    for _ in range(draws):
        z = rng.normal(size=units * rows) + spread * rng.normal(size=units)[group]
        # An increasing function of the score, below 0.5.
        choice = gate_threshold(norm.cdf(z) / 2, np.ones((len(z), 1), np.uint8), 0.9, group=group, margin_rows=1.0)
        below += norm.sf(norm.ppf(2 * choice.value) / np.hypot(1, spread)) < 0.9
    # The variance between groups is estimated, which costs the bound a part of its confidence.
    assert below <= binom.ppf(0.999, draws, 0.1 if rows == 1 else 0.13)


def test_copies_of_a_row_are_no_further_evidence() -> None:
    rng = np.random.default_rng(1)
    scores, times = rng.random(300) / 2, 10
    group = np.repeat(np.arange(300), times)
    alone = gate_threshold(scores, np.ones((300, 1), np.uint8), 0.9).value
    copies = np.repeat(scores, times), np.ones((300 * times, 1), np.uint8)
    grouped, separate = gate_threshold(*copies, 0.9, group=group).value, gate_threshold(*copies, 0.9).value
    assert alone < separate
    # At most one score apart: the variance of the share is estimated.
    assert abs(int((scores < grouped).sum()) - int((scores < alone).sum())) <= 1


def test_positives_of_a_single_group_are_all_kept() -> None:
    gate = np.linspace(0.1, 0.4, 500)
    choice = gate_threshold(gate, np.ones((500, 1), np.uint8), 0.9, group=np.zeros(500, int), margin_rows=1.0)
    # No row is below the lowest score, so the threshold is next to it.
    assert 0.1 * (1 - 1e-5) < choice.value < 0.1
    # One of one is kept: 0.1 = r ** 1.
    assert choice.bound[0] == pytest.approx(0.1)


@settings(max_examples=50)
@given(seed=st.integers(0, 5000), margin_rows=st.floats(0, 1))
def test_the_bound_of_a_label_costs_no_more_rows_than_it_may(seed: int, margin_rows: float) -> None:
    rng = np.random.default_rng(seed)
    # Rounded, as equal scores pass together.
    gate, weight = rng.random(400).round(2), rng.integers(1, 4, 400).astype(float)
    y = rng.random(400) < 0.1 * rng.random() + 0.01
    if not y.any():
        return
    choice = gate_threshold(gate, y[:, None].astype(np.uint8), 0.9, weight, margin_rows=margin_rows)
    free = gate_threshold(gate, y[:, None].astype(np.uint8), 0.9, weight, margin_rows=1.0)
    # The plain recall: the highest score of a positive that keeps it.
    kept = [t for t in gate[y] if weight[y] @ (gate[y] >= t) >= 0.9 * weight[y].sum() - 1e-9]
    plain = min(max(kept), 0.5)
    share = [float(weight @ (gate >= t) / weight.sum()) for t in (plain, choice.value)]
    assert share[1] <= share[0] + margin_rows + 1e-9
    assert free.value <= choice.value <= plain
    # Every positive that fits is kept: the next one would cost more, or is not needed.
    below = gate[y & (gate < choice.value)]
    if choice.value > free.value and len(below):
        assert weight @ (gate >= below.max()) / weight.sum() > share[0] + margin_rows


@given(seed=st.integers(0, 5000))
def test_a_label_with_a_recall_of_0_is_as_if_absent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gate, Y = rng.random(400) / 2, (rng.random((400, 3)) < 0.2).astype(np.uint8)
    Y[:, 2] = Y[:, :2].any(axis=1)
    wanted = gate_recalls({"b": 0}, NAMES)
    # `any` as well, which otherwise would have to keep the rows of b.
    assert gate_threshold(gate, Y, wanted, any_index=2).value == gate_threshold(gate, Y[:, [0, 0]], 0.95).value
    assert gate_threshold(gate, Y, wanted).value == gate_threshold(gate, Y[:, [0, 2]], 0.95).value


def test_without_any_positive_every_row_is_examined() -> None:
    choice = gate_threshold(np.array([0.1, 0.2]), np.array([[0, 0], [0, 1]]), np.array([0.95, 0.0]))
    assert (choice.value, choice.deciding) == (0.0, None)
    assert choice.costs(("a", "b"), np.array([0.1, 0.2]), np.ones(2)).share_past_gate == 1


@pytest.mark.parametrize(
    ("given_recall", "sentence"),
    [
        (0, r"number in \(0, 1\], or map label names to numbers. Received 0"),
        (1.5, "Received 1.5"),
        ("high", "Received 'high'"),
        ([0.9, 0.9, 0.9], "map label names"),
        (True, "Received True"),
        ({"a": 1.5}, r"map label names to numbers in \[0, 1\]. Received 1.5"),
        ({"a": None}, "Received None"),
        ({"d": 0.5}, r"name labels of \['a', 'b', 'c'\]. Received 'd'"),
        ({"a": 0, "b": 0, "c": 0}, "above 0 for at least one label"),
    ],
)
def test_a_wrong_recall_is_named(given_recall: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"`gate_recall` must .*{sentence}"):
        gate_recalls(given_recall, NAMES)


def test_labels_that_are_not_named_keep_the_default() -> None:
    assert gate_recalls({"c": np.float32(0.5)}, NAMES).tolist() == [0.95, 0.95, 0.5]
    assert gate_recalls({}, NAMES).tolist() == [0.95] * 3


def costs_of(seed: int) -> tuple[GateCosts, Mapping[str, Any]]:
    rng = np.random.default_rng(seed)
    parts = {"gate": rng.random(300) * 0.8, "weight": rng.random(300) + 0.1, "wanted": np.array([0.9, 0.5, 0.0])}
    parts["Y"] = (rng.random((300, 3)) < [0.3, 0.3 * rng.random(), 0.2]).astype(np.uint8)
    choice = gate_threshold(parts["gate"], parts["Y"], parts["wanted"], parts["weight"])
    return choice.costs(NAMES, parts["gate"], parts["weight"]), parts


@settings(max_examples=50)
@given(seed=st.integers(0, 5000))
def test_costs_are_the_shares_at_the_thresholds_of_other_labels(seed: int) -> None:
    costs, parts = costs_of(seed)

    def share(columns: list[int]) -> float | None:
        if not parts["Y"][:, columns].any():
            return None
        chosen = gate_threshold(parts["gate"], parts["Y"][:, columns], parts["wanted"][columns], parts["weight"])
        return float(parts["weight"][parts["gate"] >= chosen.value].sum() / parts["weight"].sum())

    first, second, third = costs.labels
    assert costs.share_past_gate == pytest.approx(share([0, 1, 2]))
    assert (first.alone, second.alone, third.alone) == (*map(pytest.approx, (share([0]), share([1]))), None)
    assert (first.without, second.without) == (pytest.approx(share([1])), pytest.approx(share([0])))
    assert third.without == costs.share_past_gate
    deciding = {
        cost.label for cost in costs.labels if cost.without is not None and cost.without < costs.share_past_gate
    }
    assert deciding <= {costs.deciding}
    assert GateCosts.from_json(json.loads(json.dumps(costs.to_json()))) == costs


@given(seed=st.integers(0, 5000))
def test_without_a_label_means_a_recall_of_0(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gate, Y = rng.random(400), (rng.random((400, 4)) < 0.2 * rng.random(4)).astype(np.uint8)
    Y[:, 2] = Y[:, [0, 1, 3]].any(axis=1)
    wanted = np.array([0.95, 0.8, 0.9, 0.0])
    choice = gate_threshold(gate, Y, wanted, any_index=2)
    for k in range(4):
        # 0.0 is the value without any positive, where no share is shown.
        left = gate_threshold(gate, Y, np.where(np.arange(4) == k, 0.0, wanted), any_index=2)
        without = min(choice.without[k], 0.5) if np.isfinite(choice.without[k]) else 0.0
        assert np.array_equal(gate >= left.value, gate >= without)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": None},
        {"labels": [{"label": "a"}]},
        {"share_past_gate": "most"},
        {"deciding": "d"},
        {"deciding": ["a"]},
        {"more": 1},
    ],
)
def test_costs_of_another_program_are_refused(change: dict[str, Any]) -> None:
    body = costs_of(0)[0].to_json()
    with pytest.raises(DataError, match="gate costs"):
        GateCosts.from_json({**body, **change})
    with pytest.raises(DataError, match="gate costs"):
        GateCosts.from_json({**body, "labels": [{**body["labels"][0], "alone": 2.0}, *body["labels"][1:]]})
