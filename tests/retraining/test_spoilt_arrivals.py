"""Arrivals that `benchmarks/spoilt_arrivals.py` spoils: each is refused or left to a person, and clean ones are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.spoilt_arrivals import PICTURES, TABLES, Champion, Pictures, answer, champion_of, table
from cascade.data.readers.dataset import Dataset
from cascade.datasets.known_truth import draw
from cascade.retraining.checks.groups import check_groups
from cascade.retraining.memory.class_means import class_means, count_positives
from cascade.retraining.memory.feature_figures import FeatureFigures, Sample, feature_figures, ranking
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes, hashes_of

Change = Callable[[Dataset, np.random.Generator], Dataset]
pytestmark = pytest.mark.filterwarnings("ignore:label ")


@pytest.fixture(scope="module")
def champion() -> Champion:
    return champion_of(table(0))


@pytest.fixture(scope="module")
def pictures() -> tuple[Pictures, Champion]:
    drawn = Pictures()
    return drawn, champion_of(drawn(0))


def of_a_quarter(change: Change) -> Change:
    """The same fault for a quarter of the groups only."""

    def changed(data: Dataset, rng: np.random.Generator) -> Dataset:
        names = np.unique(data.groups)
        chosen = np.isin(data.groups, rng.choice(names, len(names) // 4, replace=False))
        X = data.X.copy()
        X[chosen] = change(data, rng).X[chosen]
        return replace(data, X=X)

    return changed


def negative_numbers(data: Dataset, _: np.random.Generator) -> Dataset:
    return replace(data, X=-data.X)


def imputed_by_group(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Two of five cells of a feature have a value of their group."""
    X = data.X.copy()
    own = rng.normal(size=len(np.unique(data.groups)))[np.unique(data.groups, return_inverse=True)[1]]
    X[:, 1] = np.where(rng.random(len(X)) < 0.4, own, X[:, 1])
    return replace(data, X=X)


def a_label_repeats_another(data: Dataset, _: np.random.Generator) -> Dataset:
    """A label is set on all rows with a label, as a filled column is."""
    Y = np.array(data.Y)
    Y[:, 2] = Y[:, -1]
    return replace(data, Y=Y)


def half_under_one_patient(data: Dataset, _: np.random.Generator) -> Dataset:
    groups = np.array(data.groups)
    groups[::2] = "unknown"
    return replace(data, groups=groups)


def each_row_alone(data: Dataset, _: np.random.Generator) -> Dataset:
    return replace(data, groups=data.ids)


OTHERS: dict[str, Change] = {
    "a feature constant for a quarter": of_a_quarter(TABLES["one feature constant"]),
    "cells imputed for a quarter": of_a_quarter(TABLES["two fifths of the cells imputed"]),
    "a quarter with the other sign": of_a_quarter(negative_numbers),
    "cells imputed by group": imputed_by_group,
    "a label on every row with a label": a_label_repeats_another,
    "half of the rows under one patient": half_under_one_patient,
    "each row its own patient": each_row_alone,
}


@pytest.mark.parametrize("kind", [*TABLES, *OTHERS])
def test_a_spoilt_arrival_is_refused_or_left_to_a_person(kind: str, champion: Champion) -> None:
    change = (TABLES | OTHERS)[kind]
    answered, codes = answer(champion, change(table(1), np.random.default_rng(1)))
    assert answered in ("refuse", "ask"), codes


@pytest.mark.parametrize("seed", range(2, 8))
def test_a_quarter_of_lost_annotations_is_found_in_every_draw(seed: int, champion: Champion) -> None:
    lost = TABLES["a quarter of one label's annotations lost"]
    assert answer(champion, lost(table(seed), np.random.default_rng(seed)))[0] in ("refuse", "ask")


def test_calibration_rows_make_the_former_figures_more_precise(champion: Champion) -> None:
    """The figures of both kinds of rows, put together from all their rows at once."""
    record, unseen = champion.record, champion.model.agreement
    assert unseen is not None
    for pooled, apart in zip(record.agreement, unseen, strict=True):
        for figure in ("confirmed", "counted"):
            one, other = getattr(pooled, figure), getattr(apart, figure)
            if other is None:
                # Too few confident rows of a rare label.
                assert figure == "confirmed"
                continue
            # Four times as many calibration rows as held-out ones determine most of the result.
            assert other.low <= one.value <= other.high
            # Equal where the held-out rows have too few of a rare label.
            assert np.log(one.high / one.low) <= np.log(other.high / other.low)
            # Calibrated probabilities add up to the labels.
            assert other.value == pytest.approx(1.0, abs=0.1)


def test_inverted_images_of_a_quarter_of_the_patients_are_stopped(pictures: tuple[Pictures, Champion]) -> None:
    drawn, seen = pictures
    assert answer(seen, drawn(1)) == ("pass", [])
    (change,) = PICTURES.values()
    assert answer(seen, change(drawn(1), np.random.default_rng(1)))[0] in ("refuse", "ask")


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_clean_arrival_passes(seed: int, champion: Champion) -> None:
    assert answer(champion, table(seed)) == ("pass", [])


def test_a_record_of_an_earlier_release_is_read_and_its_checks_are_left_out(champion: Champion) -> None:
    body = champion.record.to_json()
    for name in ("largest_group", "class_means", "features"):
        assert body.pop(name) is not None
    for each in body["agreement"]:
        del each["counted"]
    former = replace(champion, record=TrainingRecord.from_json(body))
    assert answer(former, table(1)) == ("pass", [])
    assert answer(former, TABLES["all rows under one patient"](table(1), np.random.default_rng(0)))[0] == "ask"


def test_figures_survive_json_and_the_ranking_is_the_share_of_ordered_pairs(champion: Champion) -> None:
    sample = Sample.of(RowHashes(table(3, 300)))
    figures = feature_figures(sample)
    assert FeatureFigures.from_json(figures.to_json()) == figures
    found = ranking(sample)
    for feature, label in ((0, 5), (3, 1)):
        values, y = sample.measures.values[:, feature], sample.labels[:, label]
        pairs = np.sign(values[y][:, None] - values[~y][None, :])
        assert found[feature, label] == pytest.approx((pairs.mean() + 1) / 2)


def test_positives_are_counted_at_another_prevalence_and_with_lost_annotations() -> None:
    """The model is the truth itself, so the estimate is unbiased whatever happens to the shares of the classes."""
    base = draw(40_000, 0)
    before = class_means(base.Y, base.p, base.groups)
    for kind, expected in (("clean", 1.0), ("fewer empty rows", 1.0), ("half lost", 0.5)):
        ratios = []
        for seed in range(1, 9):
            new, rng = draw(8000, seed), np.random.default_rng(seed)
            rows = np.ones(8000, bool) if kind != "fewer empty rows" else new.Y.any(axis=1) | (rng.random(8000) < 0.5)
            Y = new.Y[rows].copy()
            if kind == "half lost":
                Y[rng.random(len(Y)) < 0.5, 4] = 0
            counted = count_positives(Y, new.p[rows], new.groups[rows], before)[4]
            assert counted is not None
            ratios.append(counted.annotated / counted.estimated)
        assert np.median(ratios) == pytest.approx(expected, rel=0.15)


def test_groups_without_names_are_found_and_groups_of_usual_size_are_not(champion: Champion) -> None:
    usual = hashes_of(table(1).groups.tolist())
    assert not list(check_groups(usual, champion.record))
    assert [one.answer for one in check_groups(None, champion.record)] == ["refuse"]
    assert [one.code for one in check_groups(np.repeat(usual[:1], 500), champion.record)] == ["group-size"]
    assert not list(check_groups(np.empty(0, np.uint64), champion.record))
