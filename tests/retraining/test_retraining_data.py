"""New data against what is remembered of the champion's: identity, split, schema, rows, labels, agreement."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.data.readers.dataset import Dataset
from cascade.data.readers.pixels import PixelOptions
from cascade.data.rows import BLOCK
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.drift.agreement import Estimate, agreement
from cascade.errors import DataError, ModelRefusedError
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.checks.validation import new_rows, validate_data
from cascade.retraining.memory.arrivals import FEWEST_GROUPS, Arrivals
from cascade.retraining.memory.held_out import held_out_rows
from cascade.retraining.memory.record import TrainingRecord, record_of
from cascade.retraining.memory.row_hashes import RowHashes, Seen, content_hashes, hashes_of
from tests.estimators.test_encoding import table as mixed_table

ROWS = 3000


def batch(seed: int = 0, rows: int = ROWS) -> Dataset:
    drawn = draw(rows, seed)
    patients = np.array([f"{seed}-{number}" for number in drawn.groups])
    return Dataset(drawn.X, drawn.Y, LABEL_NAMES, patients, np.array([f"{seed}-{row}" for row in range(rows)]))


def together(*batches: Dataset) -> Dataset:
    X, Y, groups, ids = (
        np.concatenate([getattr(each, name) for each in batches]) for name in ("X", "Y", "groups", "ids")
    )
    return Dataset(X, Y, LABEL_NAMES, groups, ids)


def remembered(data: Dataset, seed: int = 0) -> tuple[TrainingRecord, Any]:
    held = held_out_rows(data, None, 0.25, seed)
    return record_of(data, held, draw(len(data), 0).p[held]), held


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    return remembered(batch())[0]


def found(data: Dataset, record: TrainingRecord | None, held: Any = None) -> dict[str, DataFinding]:
    held = held_out_rows(data, record, 0.25, 0) if held is None else held
    # The most serious of each kind, which comes first.
    return {finding.code: finding for finding in reversed(validate_data(data, held, record))}


@settings(max_examples=30)
@given(st.sets(st.text("aé1", max_size=3)), st.sets(st.text("aé1", max_size=3)))
def test_what_was_seen_is_found_again_and_nothing_else(kept: set[str], asked: set[str]) -> None:
    seen = Seen.from_json(Seen.of(hashes_of(kept)).to_json())
    names = sorted(asked | kept)
    assert seen.holds(hashes_of(names)).tolist() == [name in kept for name in names]


def test_content_is_the_same_in_any_precision_and_container() -> None:
    X = draw(50, 0).X
    assert (content_hashes(X) == content_hashes(X.astype(np.float64))).all()
    assert (content_hashes(X) == content_hashes(np.asfortranarray(X))).all()
    assert len(np.unique(content_hashes(X))) == 50
    assert len(content_hashes(["a text", "another"])) == 2


def test_a_record_survives_json_and_holds_no_name(record: TrainingRecord) -> None:
    text = json.dumps(record.to_json(), allow_nan=False)
    again = TrainingRecord.from_json(json.loads(text))
    assert again.to_json() == record.to_json()
    assert (again.label_names, again.signature, again.prevalence) == (
        record.label_names,
        record.signature,
        record.prevalence,
    )
    assert '"0-17"' not in text
    assert len(text) < 50 * ROWS


@pytest.mark.parametrize("change", [{"protocol": 1}, {"training": {}}, {"labels": None}, {"held_out": {"groups": "?"}}])
def test_an_odd_record_is_refused(change: dict[str, Any], record: TrainingRecord) -> None:
    with pytest.raises(ModelRefusedError, match="training record"):
        TrainingRecord.from_json(record.to_json() | change)


@settings(max_examples=15)
@given(st.integers(0, 5), st.integers(0, 5), st.floats(0.1, 0.5))
def test_a_side_once_taken_is_kept(first_seed: int, second_seed: int, size: float) -> None:
    first = batch(rows=300)
    record, held = remembered(first, first_seed)
    grown = together(first, batch(1, 200))
    again = held_out_rows(grown, record, size, second_seed)
    assert (again[:300] == held).all()
    assert new_rows(RowHashes(grown).keys, record).tolist() == [False] * 300 + [True] * 200
    assert grown.groups is not None
    assert not np.isin(grown.groups[again], grown.groups[~again]).any()
    assert 0 < again[300:].sum() < 200


def test_rows_without_groups_are_known_by_name_and_else_by_content() -> None:
    for blind in (replace(batch(rows=300), groups=None), replace(batch(rows=300), groups=None, numbered=True)):
        record, held = remembered(blind)
        turned = blind.part(np.arange(300)[::-1])
        assert (held_out_rows(turned, record, 0.3, 1) == held[::-1]).all()


def test_clean_data_have_nothing_to_say_against_them(record: TrainingRecord) -> None:
    assert {finding.answer for finding in found(batch(1), record).values()} <= {"warn"}
    assert not found(together(batch(), batch(1)), record).keys() & {"overlap", "duplicates", "rows-lost"}


def test_a_spoilt_arrival_does_not_hide_among_good_ones_since_the_champion(record: TrainingRecord) -> None:
    spoilt = batch(3)
    assert spoilt.Y is not None
    spoilt.Y[:, 2] = 0
    data = together(batch(), batch(1), spoilt, batch(2))
    held = held_out_rows(data, record, 0.25, 0)
    assert "label-vanished" not in found(data, record, held)
    arrival = np.repeat(np.arange(4), ROWS)
    (vanished,) = [f for f in validate_data(data, held, record, arrival=arrival) if f.code == "label-vanished"]
    assert vanished.sentence.endswith(f"This concerns {ROWS} of {3 * ROWS} new rows, the first of them '3-0'.")


def test_one_arrival_or_none_is_examined_as_without_arrivals(record: TrainingRecord) -> None:
    for data in (together(batch(), batch(1)), batch()):
        held = held_out_rows(data, record, 0.25, 0)
        arrival = np.arange(len(data)) // ROWS
        assert validate_data(data, held, record, arrival=arrival) == validate_data(data, held, record)


def test_arrivals_of_few_groups_are_joined_until_they_can_be_judged(record: TrainingRecord) -> None:
    """A month of days, of which ten in a row lost a label: too few rows each, and too many good ones in all."""
    days = [batch(seed, 144) for seed in range(1, 31)]
    for day in days[10:20]:
        assert day.Y is not None
        day.Y[:, 4] = 0
    data = together(batch(), *days)
    assert data.groups is not None
    assert len(np.unique(days[0].groups)) < FEWEST_GROUPS
    arrival = np.concatenate([np.zeros(ROWS, int), np.repeat(np.arange(1, 31), 144)])
    held = held_out_rows(data, record, 0.25, 0)
    assert "label-vanished" not in found(data, record, held)
    assert "label-vanished" in {f.code for f in validate_data(data, held, record, arrival=arrival)}


def test_new_rows_of_known_groups_are_new(record: TrainingRecord) -> None:
    data = together(batch(), replace(batch(1), groups=batch().groups))
    assert new_rows(RowHashes(data).keys, record).tolist() == [False] * ROWS + [True] * ROWS
    assert data.Y is not None
    data.Y[ROWS:, 2] = 0
    assert found(data, record)["label-vanished"].answer == "refuse"


@pytest.mark.parametrize(("changed", "answer"), [(20, "warn"), (400, "ask")])
def test_other_labels_on_the_champions_rows_are_told(changed: int, answer: str, record: TrainingRecord) -> None:
    data = together(batch(), batch(1))
    assert data.Y is not None
    data.Y[:changed, 2] ^= 1
    told = found(data, record)["relabelled"]
    assert (told.answer, told.sentence) == (
        answer,
        f"{changed} of the {ROWS} rows of the champion's data have other labels now.",
    )
    assert "relabelled" not in found(together(batch(), batch(1)), record)


def test_a_label_that_is_gone_from_all_rows_is_refused(record: TrainingRecord) -> None:
    data = batch()
    assert data.Y is not None
    data.Y[:, 1] = 0
    assert found(data, record)["label-vanished"].answer == "refuse"


def test_labels_that_are_not_known_are_not_missed() -> None:
    known = np.ones(batch().Y.shape, bool)
    known[: ROWS // 2, 3] = False
    record, _ = remembered(replace(batch(), known=known, Y=batch().Y * known))
    share = batch().Y[ROWS // 2 :, 3].mean()
    assert record.prevalence[3].value == pytest.approx(share)
    nowhere = np.ones(known.shape, bool)
    nowhere[:, 3] = False
    data = together(batch(), batch(1))
    unknown = np.concatenate([known, nowhere])
    data = replace(data, known=unknown, Y=data.Y * unknown)
    told = validate_data(data, held_out_rows(data, record, 0.25, 0), record)
    assert not [f for f in told if f.code in ("label-vanished", "prevalence") and "label_4" in f.sentence]


@given(st.lists(st.sets(st.integers(0, 12)), max_size=6))
def test_a_row_belongs_to_the_run_that_saw_it_first(runs: list[set[int]]) -> None:
    arrivals, first = Arrivals(), dict[int, int]()
    for rows in runs:
        number = max(first.values(), default=-1) + 1
        first |= dict.fromkeys(rows - first.keys(), number)
        arrivals = arrivals.grown(np.array(sorted(rows, reverse=True), np.uint64))
        asked = np.arange(13, dtype=np.uint64)
        assert arrivals.of(asked).tolist() == [first.get(row, -1) for row in range(13)]


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[1]", b"{}", b"\xff", b'{"protocol": 1, "keys": "@", "numbers": ""}']
)
def test_arrivals_survive_their_file_and_a_damaged_one_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "arrivals.json"
    assert not len(Arrivals.read(path).keys)
    kept = Arrivals().grown(RowHashes(batch(rows=200)).keys).grown(RowHashes(batch(1, 100)).keys)
    kept.write(path)
    again = Arrivals.read(path)
    assert (again.keys == kept.keys).all()
    assert (again.numbers == kept.numbers).all()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"arrivals\.json` does not record which rows arrived together .*; remove it"):
        Arrivals.read(path)


def test_a_row_is_its_name_and_what_it_holds() -> None:
    data = batch(rows=300)
    keys = RowHashes(data).keys
    assert len(np.unique(keys)) == 300
    assert (RowHashes(data.part(np.arange(300)[::-1])).keys == keys[::-1]).all()
    assert data.Y is not None
    assert (RowHashes(replace(data, groups=None, Y=1 - data.Y)).keys == keys).all()
    renamed = replace(data, ids=np.array([f"other-{row}" for row in range(300)]))
    for other in (renamed, replace(data, X=data.X + 1)):
        assert not np.isin(RowHashes(other).keys, keys).any()
    assert (RowHashes(replace(data, numbered=True)).keys == RowHashes(replace(renamed, numbered=True)).keys).all()


def images(shape: tuple[int, ...] = (8, 8, 1), seed: int = 0) -> Dataset:
    pixels = np.random.default_rng(seed).integers(0, 255, size=(ROWS, *shape), dtype=np.uint8)
    return replace(batch(seed), X=pixels, pixels=PixelOptions.of("rsna", None))


def test_a_table_of_text_alone_is_checked_against_the_champion() -> None:
    X, Y = mixed_table(1200)
    ids = np.array([f"row {row}" for row in range(1200)])
    whole = Dataset(X[["comment"]], Y, ("a", "b"), ids, ids, kinds={"comment": "text"})
    first = whole.part(np.arange(600))
    held = np.arange(600) % 5 == 0
    record = record_of(first, held, 0.9 * Y[:600][held] + 0.05)
    findings = validate_data(whole, held_out_rows(whole, record, 0.2, 0), record)
    assert not [finding for finding in findings if finding.answer in ("refuse", "ask")]


def test_what_does_not_fit_the_champion_is_answered_by_name(record: TrainingRecord) -> None:
    data = batch(1)
    assert data.Y is not None
    gone = replace(data, Y=data.Y[:, 1:], label_names=LABEL_NAMES[1:])
    assert found(gone, record)["label-removed"].answer == "refuse"
    extra = replace(data, Y=np.column_stack([data.Y, data.Y[:, 0]]), label_names=(*LABEL_NAMES, "new"))
    assert found(extra, record)["label-added"].answer == "ask"
    fewer = found(replace(data, X=data.X[:, :5]), record)["shape"]
    assert (fewer.answer, "give the same features" in fewer.sentence) == ("refuse", True)
    named = replace(record, signature=replace(record.signature, feature_names=tuple("abcdef")))
    other = found(replace(data, feature_names=tuple("abcdeg")), named)["features"]
    assert (other.answer, "'f' is in one only" in other.sentence) == ("refuse", True)

    of_images = remembered(images())[0]
    assert found(images((16, 16, 1), 1), of_images)["shape"].answer == "refuse"
    assert "read in colour, those of the champion were grey" in found(images((8, 8, 3), 1), of_images)["shape"].sentence
    assert found(replace(images(seed=1), X=images(seed=1).X / 255), of_images)["dtype"].answer == "refuse"
    smaller = replace(images(seed=1), pixels=PixelOptions.of("rsna", 8))
    assert found(smaller, of_images)["pixels"].answer == "refuse"


def test_hashing_images_measures_them_a_few_at_a_time() -> None:
    data = images((32, 32, 1))
    tracemalloc.start()
    try:
        hashes = RowHashes(data)
        measured = hashes.measures(np.arange(ROWS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pixels = data.X.reshape(ROWS, -1)
    np.testing.assert_allclose(measured.values, np.column_stack([pixels.mean(axis=1), pixels.std(axis=1)]))
    # 64-bit floats of a whole block, several times, would be 25 times its pixels.
    assert peak < 10 * BLOCK * 32 * 32


def test_a_constant_image_and_an_image_on_both_sides_are_answered() -> None:
    record = remembered(images())[0]
    data = images(seed=1)
    data.X[41] = 7
    constant = found(data, record)["constant-image"]
    assert (constant.answer, "1 images are of one grey value (first: row 41)" in constant.sentence) == ("refuse", True)
    data = images(seed=1)
    held = held_out_rows(data, record, 0.25, 0)
    data.X[np.flatnonzero(held)[0]] = data.X[np.flatnonzero(~held)[0]]
    twice = found(data, record, held)
    assert (twice["duplicates"].answer, twice["duplicates-held-out"].answer) == ("warn", "ask")
    data.X[np.flatnonzero(held)[1]] = images().X[np.flatnonzero(~remembered(images())[1])[0]]
    assert found(data, record, held)["overlap-content"].answer == "ask"


def test_the_champions_patients_may_not_change_sides(record: TrainingRecord) -> None:
    data = batch()
    held = held_out_rows(data, record, 0.25, 0)
    turned = found(data, record, ~held)
    assert turned["overlap"].answer == "refuse"
    assert turned["overlap-held-out"].answer == "warn"
    assert "split" not in turned
    broken = held.copy()
    broken[np.flatnonzero(held)[0]] = False
    assert found(data, None, broken)["split"].answer == "refuse"


def test_numbers_that_are_none_are_refused_unless_missing_ones_are_allowed(record: TrainingRecord) -> None:
    data = batch(1)
    data.X[5, 2] = np.nan
    held = held_out_rows(data, record, 0.25, 0)
    assert "row 5 holds a number that is NaN or infinite (feature 2)" in found(data, record)["not-finite"].sentence
    allowed = {each.code for each in validate_data(data, held, record, allow_missing=True)}
    assert "not-finite" not in allowed
    data.X[6, 1] = np.inf
    assert "row 6" in {e.code: e.sentence for e in validate_data(data, held, record, allow_missing=True)}["not-finite"]


def test_data_without_labels_and_one_sided_data_are_refused(record: TrainingRecord) -> None:
    with pytest.raises(DataError, match="must have labels"):
        validate_data(replace(batch(), Y=None), np.ones(ROWS, bool))
    known = batch().part(np.flatnonzero(~held_out_rows(batch(), record, 0.25, 0)))
    with pytest.raises(DataError, match="others to hold out"):
        held_out_rows(known, record, 0.25, 0)


def test_prevalence_is_told_when_the_whole_interval_is_beyond(record: TrainingRecord) -> None:
    data = batch(1, rows=6000)
    assert data.Y is not None
    positive = data.Y.any(axis=1)

    def with_empty(share: float) -> DataFinding | None:
        rows = np.flatnonzero(positive | (np.random.default_rng(0).random(6000) < share))
        return found(data.part(rows), record).get("prevalence")

    assert with_empty(1.0) is None
    told, asked = with_empty(0.5), with_empty(0.2)
    assert told is not None
    assert asked is not None
    assert (told.answer, asked.answer) == ("warn", "ask")


def test_lost_annotations_and_mixed_up_labels_show_and_a_change_of_prevalence_does_not() -> None:
    """The champion here is the truth itself: p(y | x) of the rows before anything happened to them."""
    base = draw(20_000, 0)
    before = agreement(base.Y, base.p, base.groups)
    refused = {"clean": 0, "more": 0, "half as many": 0, "lost": 0, "mixed": 0}
    for seed in range(1, 11):
        new = draw(3000, seed)
        rng = np.random.default_rng(seed)
        lost = new.Y.copy()
        lost[rng.random(len(lost)) < 0.5, 4] = 0
        fewer = new.Y.any(axis=1) | (rng.random(3000) < 0.5)
        rarer = ~new.Y.any(axis=1) | (rng.random(3000) < 0.5)
        every = np.ones(3000, bool)
        kinds = {
            "clean": (new.Y, every),
            "more": (new.Y, fewer),
            "half as many": (new.Y, rarer),
            "lost": (lost, every),
            "mixed": (new.Y[rng.permutation(3000)], every),
        }
        for name, (Y, rows) in kinds.items():
            now = agreement(Y[rows], new.p[rows], np.unique(new.groups[rows], return_inverse=True)[1])
            refused[name] += any(_left(*pair) < 0.75 for pair in zip(now, before, strict=True))
    assert refused["clean"] == refused["more"] == 0
    assert refused["half as many"] <= 1
    assert refused["lost"] >= 9
    assert refused["mixed"] == 10


def _left(now: Any, before: Any) -> float:
    pairs = [(now.found, before.found), (now.confirmed, before.confirmed)]
    return min((one.over(other).high for one, other in pairs if one and other), default=1.0)


def test_the_quotient_of_two_shares_holds_its_interval() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        shares = []
        for truth, n in ((0.3, 400), (0.6, 300)):
            value = rng.binomial(n, truth) / n
            error = 1.96 * np.sqrt(value * (1 - value) / n)
            shares.append(Estimate(value, value - error, value + error))
        quotient = shares[0].over(shares[1])
        covered += quotient.low <= 0.5 <= quotient.high
    assert 0.92 <= covered / 400 <= 0.98
