"""The choice and the curve, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import DataError
from cascade.tuning.choice import SAME_COST, choose
from cascade.tuning.trial import CASCADE, FLAT, Judgement, Setting, Trial

MARGIN = 0.005


def judgement(quality: float, operations: float, seed: int = 0, spread: float = 0.01) -> Judgement:
    draws = quality + spread * np.random.default_rng(seed).normal(size=200)
    return Judgement(quality, draws, operations, 0.3, np.array([0.95, np.nan]))


def trial(number: int, kind: str, one: Judgement | None) -> Trial:
    return Trial(number, Setting(kind, {"width": number}), one, pruned=None if one is not None else "too slow")


def searched(*models: tuple[str, float, float]) -> list[Trial]:
    return [trial(n, kind, judgement(quality, cost)) for n, (kind, quality, cost) in enumerate(models)]


@st.composite
def searches(draw: st.DrawFn) -> list[Trial]:
    figures = st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 3), st.booleans())
    kinds = draw(st.lists(st.sampled_from([FLAT, CASCADE]), min_size=1, max_size=12))
    trials = [trial(0, FLAT, judgement(0.5, 20.0))]
    for number, kind in enumerate(kinds, start=1):
        quality, cost, seed, pruned = draw(figures)
        one = judgement(0.4 + quality / 200, float(cost), seed, 0.005 * seed)
        trials.append(trial(number, kind, None if pruned else one))
    return trials


@given(searches(), st.booleans())
def test_the_choice_is_the_cheapest_that_is_not_worse(trials: list[Trial], maximise: bool) -> None:
    choice, sign = choose(trials, maximise, MARGIN), 1 if maximise else -1
    judged = {each.number: each.judgement for each in trials if each.judgement is not None}
    flat = judged[choice.flat.number]
    assert choice.flat.setting.kind == FLAT
    assert all(sign * (flat.quality - judged[t.number].quality) >= 0 for t in trials if is_flat(t))
    good = {choice.flat.number}
    for number, one in judged.items():
        if np.quantile(sign * (one.draws - flat.draws), 0.025) >= -MARGIN:
            good.add(number)
    least = min(judged[number].operations for number in good)
    near = [number for number in good if judged[number].operations <= SAME_COST * least]
    flat_ones = [number for number in near if trials[number].setting.kind == FLAT]
    assert choice.chosen.number in (flat_ones or near)
    best = max(sign * judged[number].quality for number in flat_ones or near)
    assert sign * judged[choice.chosen.number].quality == best
    assert choice.pays == (not flat_ones)


def is_flat(one: Trial) -> bool:
    return one.setting.kind == FLAT and one.judgement is not None


@given(searches(), st.booleans())
def test_the_curve_has_every_quality_and_cost_that_nothing_exceeds(trials: list[Trial], maximise: bool) -> None:
    sign = 1 if maximise else -1
    points = {t.number: (sign * t.judgement.quality, -t.judgement.operations) for t in trials if t.judgement}
    curve = choose(trials, maximise).curve
    best = {point for point in points.values() if not any(exceeds(other, point) for other in points.values())}
    assert {points[number] for number in curve} == best
    assert len(curve) == len(best)
    assert [points[number][1] for number in curve] == sorted((cost for _, cost in best), reverse=True)


def exceeds(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] >= other[1]


def test_a_cascade_that_is_as_good_at_half_of_the_cost_pays() -> None:
    choice = choose(searched((FLAT, 0.8, 100), (CASCADE, 0.8, 50), (CASCADE, 0.7, 20)), maximise=True)
    assert (choice.chosen.number, choice.pays) == (1, True)


def test_no_cascade_pays_where_a_smaller_flat_model_is_as_good_and_cheaper() -> None:
    choice = choose(searched((FLAT, 0.8, 100), (CASCADE, 0.8, 50), (FLAT, 0.799, 40)), maximise=True)
    assert (choice.flat.number, choice.chosen.number, choice.pays) == (0, 2, False)


def test_a_better_cascade_that_costs_more_than_the_flat_model_is_not_chosen() -> None:
    choice = choose(searched((FLAT, 0.8, 100), (CASCADE, 0.9, 110)), maximise=True)
    assert choice.chosen is choice.flat
    assert choice.curve == [0, 1]


def test_of_nearly_equal_costs_the_better_one_is_chosen() -> None:
    choice = choose(searched((FLAT, 0.8, 100), (CASCADE, 0.8, 50), (CASCADE, 0.82, 50.5)), maximise=True)
    assert choice.chosen.number == 2


def test_a_cascade_that_saves_next_to_nothing_does_not_pay() -> None:
    choice = choose(searched((FLAT, 0.8, 100), (CASCADE, 0.82, 97)), maximise=True)
    assert (choice.chosen.number, choice.pays) == (0, False)


def test_without_a_flat_model_nothing_is_chosen() -> None:
    with pytest.raises(DataError, match="no flat model could be fitted; the first failed with: too slow"):
        choose([trial(0, FLAT, None)], maximise=True)
