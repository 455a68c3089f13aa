"""What is tried next, and what ends early: functions of the trials before, and of nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("optuna")

from cascade.tuning.ledger import NAME, opened
from cascade.tuning.plan import next_setting
from cascade.tuning.pruning import reason_to_prune
from cascade.tuning.search import Budget
from cascade.tuning.space import Space
from cascade.tuning.trial import CASCADE, FLAT, Judgement, Setting, Trial

POOL = "cascade.negative_pool"
SPACE = Space(
    labeler={"labeler.width": (24, 16), "labeler.rate": (0.004, 0.002)},
    cascade={"gate.width": (16, 8, 24), "gate.depth": (4, None), POOL: ("gated", "all")},
    sizes=("labeler.width",),
    refinements=({"labeler.rate": 0.002},),
    recipes=({}, {"gate.width": 8}),
    preview={POOL: "all"},
)


def judged(setting: Setting) -> Judgement:
    """A quality and a cost that depend on the setting alone."""
    rng = random.Random(setting.key)
    quality, operations = rng.uniform(0.5, 0.9), rng.uniform(1, 100)
    draws = np.array([quality, float("nan"), quality + 0.01])
    return Judgement(quality, draws, operations, 0.4, np.array([0.9, float("nan")]))


def tried(n_trials: int, seed: int = 0, before: list[Trial] | None = None) -> list[Trial]:
    trials = list(before or [])
    while len(trials) < n_trials:
        setting = next_setting(SPACE, trials, seed, maximise=True)
        if setting is None:
            break
        pruned = "dull" if len(trials) % 4 == 3 else None
        one = judged(setting)
        trials.append(Trial(len(trials), setting, None if pruned else one, one, pruned, 1.5))
    return trials


@pytest.mark.parametrize(("better", "refined"), [(24, True), (16, True), (24, False), (16, False)])
def test_it_begins_with_flat_models_and_goes_on_with_cascades_of_the_best(better: int, refined: bool) -> None:
    def quality(setting: Setting) -> float:
        wanted = {"labeler.width": better, "labeler.rate": 0.002 if refined else 0.004}
        return sum(setting.values[key] == value for key, value in wanted.items()) / 2

    def with_quality(setting: Setting, number: int) -> Trial:
        return Trial(number, setting, replace(judged(setting), quality=quality(setting)))

    trials: list[Trial] = []
    for number in range(5):
        setting = next_setting(SPACE, trials, 0, maximise=True)
        assert setting is not None
        trials.append(with_quality(setting, number))
    first = [trial.setting for trial in trials]
    assert first[:3] == [
        *(Setting(FLAT, {"labeler.width": width, "labeler.rate": 0.004}) for width in SPACE.labeler["labeler.width"]),
        Setting(FLAT, {"labeler.width": better, "labeler.rate": 0.002}),
    ]
    best = {"labeler.width": better, "labeler.rate": 0.002 if refined else 0.004}
    assert first[3:] == [Setting(CASCADE, {**SPACE.start(), **best, **recipe}) for recipe in SPACE.recipes]


def test_every_setting_is_tried_once_and_a_labeler_first_as_a_flat_model() -> None:
    trials = tried(200)
    keys = [trial.setting.key for trial in trials]
    assert len(set(keys)) == len(keys) == 4 + SPACE.n_cascades
    for trial in trials:
        before = {each.setting.key for each in trials[: trial.number]}
        assert trial.setting.kind == FLAT or SPACE.flat_of(trial.setting).key in before


@settings(max_examples=10)
@given(st.integers(0, 20), st.integers(0, 3))
def test_a_search_goes_on_as_if_it_had_not_been_interrupted(done: int, seed: int) -> None:
    whole = [trial.setting for trial in tried(20, seed)]
    assert [trial.setting for trial in tried(20, seed, tried(done, seed))] == whole


def test_another_seed_tries_other_settings() -> None:
    assert [trial.setting for trial in tried(20, seed=0)] != [trial.setting for trial in tried(20, seed=1)]


def test_a_ledger_returns_the_trials_that_it_was_given(tmp_path: Path) -> None:
    trials = tried(12)
    with opened(tmp_path, "one", SPACE, maximise=True) as ledger:
        for trial in trials[:7]:
            ledger.add(trial)
    with opened(tmp_path, "one", SPACE, maximise=True) as ledger:
        for trial in trials[7:]:
            ledger.add(trial)
        stored = ledger.trials()
    assert [replace(trial, judgement=None, first=None) for trial in stored] == [
        replace(trial, judgement=None, first=None) for trial in trials
    ]
    for one, other in zip(stored, trials, strict=True):
        for name in ("judgement", "first"):
            given_, found = getattr(other, name), getattr(one, name)
            assert (given_ is None) == (found is None)
            if found is not None:
                np.testing.assert_array_equal(found.draws, given_.draws)
                np.testing.assert_array_equal(found.recalls, given_.recalls)
                assert (found.quality, found.operations) == (given_.quality, given_.operations)
    with opened(tmp_path, "another", SPACE, maximise=True) as ledger:
        assert ledger.trials() == []
    assert (tmp_path / NAME).exists()


def flat(operations: float) -> Trial:
    return Trial(0, Setting(FLAT, {}), Judgement(0.8, np.array([0.8]), operations, 1.0, np.array([1.0])))


def cascade(number: int, quality: float, operations: float) -> Trial:
    one = Judgement(quality, np.array([quality]), operations, 0.3, np.array([1.0]))
    return Trial(number, Setting(CASCADE, {}), one, one)


@pytest.mark.parametrize(
    ("quality", "operations", "reason"),
    [
        (0.9, 100.0, "it needs more arithmetic per row than every flat model"),
        (0.7, 60.0, "trials 1, 2, 3 were better and cheaper"),
        (0.7, 45.0, None),
        (0.85, 60.0, None),
    ],
)
def test_a_cascade_ends_early_where_others_are_better_and_cheaper(
    quality: float, operations: float, reason: str | None
) -> None:
    before = [flat(100.0), *(cascade(number, 0.8, 40.0 + 5 * number) for number in (1, 2, 3))]
    first = cascade(4, quality, operations).first
    assert first is not None
    assert reason_to_prune(first, before, maximise=True) == reason


def test_a_loss_is_better_where_it_is_smaller() -> None:
    before = [flat(100.0), *(cascade(number, 0.8, 40.0) for number in (1, 2, 3))]
    for quality, ends in ((0.7, False), (0.9, True)):
        first = cascade(4, quality, 60.0).first
        assert first is not None
        assert (reason_to_prune(first, before, maximise=False) is not None) == ends


@pytest.fixture
def timed() -> Callable[..., list[Trial]]:
    def make(*seconds: float, kind: str = FLAT) -> list[Trial]:
        return [Trial(number, Setting(kind, {}), None, seconds=each) for number, each in enumerate(seconds)]

    return make


def test_a_budget_ends_by_trials_and_before_a_trial_that_would_take_too_long(
    timed: Callable[..., list[Trial]],
) -> None:
    assert Budget(3).allows(timed(500.0, 500.0))
    assert not Budget(3).allows(timed(1.0, 1.0, 1.0))
    # A tenth for what comes after the trials, and twice the longest flat model for the first cascade.
    assert Budget(40, minutes=1.0).allows(timed(14.0, 14.0))
    assert not Budget(40, minutes=1.0).allows(timed(14.0, 15.0))
    assert Budget(40, minutes=1.0).allows([*timed(10.0), *timed(20.0, kind=CASCADE)])
    assert not Budget(40, minutes=1.0).allows([*timed(10.0), *timed(25.0, kind=CASCADE)])
    assert Budget(40, minutes=1.0).allows([])
