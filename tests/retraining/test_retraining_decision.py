"""The decision: its figures against an independent computation, its verdicts, and how often it errs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import expit
from sklearn.metrics import average_precision_score

from benchmarks import policy_curve
from benchmarks.policy_curve import Case, collapse
from cascade.config.retraining import DataLimitsConfig, PromotionConfig
from cascade.errors import ConfigError, DataError
from cascade.metrics import AVERAGE_PRECISION, COUNT_RATIO, LOG_LOSS, Outcome, macro
from cascade.metrics.bootstrap import times_drawn
from cascade.retraining.checks.limits import Limits
from cascade.retraining.decision.candidate import Candidate
from cascade.retraining.decision.decision import PromotionDecision, decide, decide_first
from cascade.retraining.decision.paired import Pair, nearness_to_one
from cascade.retraining.decision.policy import Policy
from cascade.retraining.decision.speed import PROBES, ROUNDS, SpeedChange, measure_in_turns
from cascade.utils.log_odds import log_odds

ROWS = 3000
GROUP = np.arange(ROWS) // 6
LABELS = ("a", "b", "any")
QUICK = Policy(fewest_positives=100, draws=100)


def truth() -> Any:
    rng = np.random.default_rng(0)
    findings = rng.random((ROWS, 2)) < [0.08, 0.05]
    return np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8)


def candidate(strength: Any, seed: int = 1, labels: tuple[str, ...] = LABELS) -> Candidate:
    """A model whose scores of a label's rows lie `strength` above those of others."""
    Y = truth()
    z = np.asarray(strength) * Y + np.random.default_rng(seed).normal(size=Y.shape)
    bits = (z > np.quantile(z, 1 - Y.mean(axis=0), axis=0).diagonal()).astype(np.uint8)
    # What such scores mean: normal ones, a `strength` apart.
    proba = expit(log_odds(Y.mean(axis=0)) + strength * (z - np.asarray(strength) / 2))
    return Candidate(labels, Outcome(Y, proba, bits, z[:, 2] > 0.5))


def reasons(decision: PromotionDecision, guard: str) -> dict[str | None, str]:
    return {reason.label: reason.verdict for reason in decision.reasons if reason.guard == guard}


def test_the_interval_is_that_of_scikit_learns_figures_on_the_drawn_groups() -> None:
    first, second = candidate(2.0), candidate(2.3, seed=2)
    found = Pair(first.outcome, second.outcome, GROUP, draws=20).gain(macro(AVERAGE_PRECISION))
    drawn = []
    for times in times_drawn(int(GROUP.max()) + 1, 20, 0):
        for weight in times[GROUP].T:
            both = [
                average_precision_score(one.outcome.Y, one.outcome.proba, average="macro", sample_weight=weight)
                for one in (first, second)
            ]
            drawn.append(both[1] - both[0])
    assert np.allclose([found.low[0], found.high[0]], np.quantile(drawn, [0.025, 0.975]))


def test_what_one_gains_the_other_loses_and_a_loss_counts_the_other_way_round() -> None:
    first, second = candidate(2.0).outcome, candidate(2.3, seed=2).outcome
    there, back = Pair(first, second, GROUP, 50), Pair(second, first, GROUP, 50)
    for metric, scale in ((AVERAGE_PRECISION, None), (LOG_LOSS, None), (COUNT_RATIO, nearness_to_one)):
        gain, loss = there.gain(metric, scale), back.gain(metric, scale)
        assert np.allclose(gain.gain, -loss.gain)
        assert np.allclose(gain.low, -loss.high)
    better = there.gain(LOG_LOSS)
    assert (np.sign(better.gain) == np.sign(better.champion - better.challenger)).all()


def test_a_model_never_takes_its_own_place() -> None:
    same = candidate(2.0)
    decision = decide(same, same, GROUP, QUICK)
    assert decision.answer == "keep"
    assert all(reason.difference == 0 for reason in decision.reasons if reason.difference is not None)


def test_who_is_better_and_loses_nothing_is_promoted() -> None:
    decision = decide(
        candidate(2.0),
        candidate(3.0, seed=2),
        GROUP,
        QUICK,
        any_label="any",
        speed=SpeedChange(100.0, 90.0, -0.1, -0.2, 0.0),
    )
    assert decision.answer == "promote", decision.table()
    assert {reason.verdict for reason in decision.reasons} == {"passed"}
    assert {reason.guard for reason in decision.reasons} == {
        "macro_average_precision",
        "calibration_error",
        "speed",
        "average_precision",
        "gate_recall",
        "count_ratio",
    }


def test_a_label_that_collapses_keeps_the_champion_however_good_the_mean() -> None:
    decision = decide(candidate(1.5), candidate([1.0, 4.0, 4.0], seed=2), GROUP, QUICK)
    assert reasons(decision, "macro_average_precision") == {None: "passed"}
    assert reasons(decision, "average_precision")["a"] == "failed"
    assert decision.answer == "keep"
    assert decision.sentence.startswith("Keep the champion: average precision of a is worse by more than 0.1")


@pytest.mark.parametrize(
    ("low", "high", "verdict", "answer"),
    [
        (-0.60, -0.51, "failed", "keep"),
        (-0.71, -0.20, "not judged", "promote"),
        (-0.49, 0.10, "passed", "promote"),
    ],
)
def test_speed_decides_only_beyond_noise(low: float, high: float, verdict: str, answer: str) -> None:
    champion, better = candidate(2.0), candidate(3.0, seed=2)
    decision = decide(champion, better, GROUP, QUICK, speed=SpeedChange(100.0, 45.0, -0.55, low, high))
    assert reasons(decision, "speed") == {None: verdict}
    assert decision.answer == answer
    assert reasons(decide(champion, better, GROUP, QUICK), "speed") == {}


class Machine:
    """A clock, and models that take as long as they are said to; every call is logged."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, list[str]()

    def model(self, name: str, seconds: Callable[[int], float]) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds(self.calls.count(name))
            self.calls.append(name)

        return call


def test_a_cold_first_call_and_a_machine_that_slows_down_change_nothing() -> None:
    """The first call takes a hundred times as long, and by the end everything takes twice as long."""
    machine = Machine()

    def cold(call: int) -> float:
        return 100.0 if call == 0 else 1.0 + machine.now / 40

    warm = machine.model("champion", lambda call: 1.0 + machine.now / 40)
    speed = measure_in_turns(warm, machine.model("challenger", cold), 1000, lambda: machine.now)
    assert -0.1 < speed.low <= speed.change <= speed.high < 0.1
    assert machine.calls[:2] == ["champion", "challenger"]
    turns = [machine.calls[at : at + 2] for at in range(2 + 2 * PROBES, len(machine.calls), 2)]
    assert len(turns) == ROUNDS
    assert all(set(turn) == {"champion", "challenger"} for turn in turns)
    assert [turn[0] for turn in turns[:3]] == ["challenger", "champion", "challenger"]


def test_a_process_that_is_halted_after_each_burst_does_not_slow_one_model_only() -> None:
    """Both take 1 ms; every 20 ms of work, the scheduler halts the process for 50 ms."""
    machine = Machine()
    worked = [0.0]

    def shared(call: int) -> float:
        worked[0] += 0.001
        if worked[0] < 0.02:
            return 0.001
        worked[0] = 0.0
        return 0.051

    models = (machine.model("champion", shared), machine.model("challenger", shared))
    speed = measure_in_turns(*models, 1000, lambda: machine.now)
    assert (speed.low, speed.high) == pytest.approx((0.0, 0.0))


def test_one_disturbed_round_does_not_widen_the_interval() -> None:
    machine = Machine()
    steady = machine.model("champion", lambda call: 1.0)
    halted = machine.model("challenger", lambda call: 30.0 if call == 6 else 1.25)
    speed = measure_in_turns(steady, halted, 1000, lambda: machine.now)
    assert (speed.champion, speed.challenger) == (1000.0, 800.0)
    assert (speed.low, speed.change, speed.high) == pytest.approx((-0.2, -0.2, -0.2))


def test_rare_labels_are_named_as_not_judged_also_where_the_challenger_is_promoted() -> None:
    rare = replace(QUICK, fewest_positives=200)
    decision = decide(candidate(2.0), candidate(3.0, seed=2), GROUP, rare)
    assert reasons(decision, "positives") == {"b": "not judged"}
    assert "b" not in reasons(decision, "average_precision")
    assert decision.answer == "promote"
    assert decision.sentence.endswith("no guard fails; not judged: b.")


def test_too_few_groups_with_a_label_are_left_to_a_person() -> None:
    champion, better = candidate(2.0), candidate(3.0, seed=2)
    for groups in (np.arange(ROWS) % 4, np.where(truth()[:, 2] > 0, np.arange(ROWS) % 9, GROUP + 9)):
        decision = decide(champion, better, groups, QUICK)
        assert (decision.answer, reasons(decision, "groups")) == ("ask", {None: "open"})
        assert decide_first(better, groups, QUICK).answer == "ask"
    assert decide(champion, better, np.arange(ROWS) % 10, QUICK).answer == "promote"


def test_labels_that_come_or_go_and_odd_data_are_left_to_a_person() -> None:
    champion, better = candidate(2.0), candidate(3.0, seed=2, labels=("a", "c", "any"))
    decision = decide(champion, better, GROUP, QUICK, questions=["the data are unusual."])
    assert decision.answer == "ask"
    assert reasons(decision, "labels") == {"c": "open", "b": "open"}
    assert reasons(decision, "data") == {None: "open"}
    assert set(reasons(decision, "average_precision")) == {"a", "any"}
    with pytest.raises(DataError, match="must share a label"):
        decide(champion, candidate(3.0, labels=("x", "y", "z")), GROUP, QUICK)


def test_what_is_neither_shown_to_be_sound_nor_beyond_its_margin_is_left_to_a_person() -> None:
    narrow = replace(QUICK, average_precision=0.01, gate_recall=None, count_ratio=None, calibration_error=None)
    decision = decide(candidate([2.0, 2.0, 2.0]), candidate([2.0, 4.0, 4.0], seed=1), GROUP, narrow)
    found = {reason.label: reason for reason in decision.reasons if reason.guard == "average_precision"}["a"]
    assert found.verdict == "passed"  # The same scores of this label: no difference, however narrow the margin.
    decision = decide(candidate([2.0, 2.0, 2.0]), candidate([2.02, 4.0, 4.0], seed=2), GROUP, narrow)
    assert reasons(decision, "average_precision")["a"] == "open"
    assert decision.answer == "ask"


def test_different_rows_are_refused() -> None:
    first, second = candidate(2.0), candidate(2.0)
    turned = replace(second, outcome=replace(second.outcome, Y=second.outcome.Y[::-1].copy()))
    with pytest.raises(DataError, match="same rows in the same order"):
        decide(first, turned, GROUP, QUICK)


def test_a_first_model_must_beat_chance() -> None:
    assert decide_first(candidate(2.0), GROUP, QUICK).answer == "promote"
    assert decide_first(candidate(0.0), GROUP, QUICK).answer == "keep"
    assert decide_first(candidate(2.0), GROUP, QUICK, questions=["unusual."]).answer == "ask"


@pytest.mark.parametrize("strength", [1.0, 2.0, 3.0])
def test_a_decision_survives_json_and_its_table_has_every_reason(strength: float) -> None:
    decision = decide(candidate(2.0), candidate(strength, seed=2), GROUP, QUICK)
    assert PromotionDecision.from_json(json.loads(json.dumps(decision.to_json(), allow_nan=False))) == decision
    lines = decision.table().splitlines()
    assert len(lines) == 2 + len(decision.reasons) + 2
    assert lines[-1] == decision.sentence
    assert {line.count("|") for line in lines[:-2]} == {lines[0].count("|")}


def test_the_config_has_the_policys_defaults_and_refuses_other_keys() -> None:
    assert PromotionConfig().policy() == Policy()
    assert DataLimitsConfig().limits() == Limits()
    assert PromotionConfig.model_validate({"speed": None, "margin": 0.01}).policy() == Policy(speed=None, margin=0.01)
    for wrong in ({"margins": 1}, {"metric": "f1"}, {"draws": 10}, {"confidence": 1}):
        with pytest.raises(ValidationError):
            PromotionConfig.model_validate(wrong)
    for invalid in ({"metric": "f1"}, {"margin": -1.0}, {"speed": float("nan")}, {"draws": 1}, {"confidence": 1.0}):
        with pytest.raises(ConfigError, match="must"):
            Policy(**invalid)  # type: ignore[arg-type]


def test_the_short_operating_curve_errs_as_seldom_as_it_should() -> None:
    """The long one is `benchmarks/policy_curve.py`; equal models may be promoted once in 20."""
    quick = Policy(draws=100, fewest_positives=100)
    nothing = (0.0,) * 6

    def promoted(case: Case, runs: int) -> int:
        return [policy_curve.run(case, quick, seed).answer for seed in range(runs)].count("promote")

    assert promoted(Case("equal", nothing, rows=3000), 20) <= 3
    assert promoted(Case("a label collapses", collapse(), rows=6000), 8) == 0
    assert promoted(Case("better by .06", (0.06,) * 6, rows=10_000), 5) >= 4
