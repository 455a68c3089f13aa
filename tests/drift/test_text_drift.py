"""Drift of text and categories: known shifts are found, and where nothing changed there is no finding."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from cascade import CascadeClassifier, CascadePredictor
from cascade.data.readers.dataset import Dataset
from cascade.drift import DriftReport, TrainingProfile, compare_profiles, profile_of
from cascade.drift.text.measures import script_of, words_of
from cascade.drift.text.vocabulary import MOST_HASHES, hash_of, make_vocabulary
from cascade.errors import DataError
from cascade.estimators.encoding.encoder import make_encoder
from cascade.retraining.checks.limits import Limits
from cascade.retraining.checks.unseen import check_unseen, histogram_pairs
from cascade.retraining.checks.validation import validate_data
from cascade.retraining.memory.record import record_of
from cascade.retraining.memory.row_hashes import RowHashes

SEEDS = range(20)
WORDS = np.array([f"word{k}" for k in range(3000)])
CHANCE = 1 / np.arange(1, 3001) / (1 / np.arange(1, 3001)).sum()
SITES, SITE_CHANCE = np.array(list("abcdefgh"), object), np.array([30, 25, 20, 10, 8, 4, 2, 1]) / 100


@cache
def frame(seed: int, n: int = 1000) -> pd.DataFrame:
    """Texts of frequent and rare words, 3 % of them empty, and sites, of which some are on one row only."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(WORDS[rng.choice(3000, rng.poisson(8) + 1, p=CHANCE)]) for _ in range(n)]
    site = rng.choice(SITES, n, p=SITE_CHANCE)
    site[rng.random(n) < 0.003] = f"rare {seed}"
    comment = np.where(rng.random(n) < 0.03, "", np.array(texts, object))
    built = np.datetime64("2024-01-01", "s") + rng.integers(0, 900, n) * np.timedelta64(1, "D")
    return pd.DataFrame({"comment": comment, "site": site, "age": rng.normal(size=n), "built": built})


@cache
def trained(seed: int) -> TrainingProfile:
    return profile_of(frame(2 * seed))


Change = Callable[[pd.DataFrame, np.ndarray], pd.DataFrame]


def compared(seed: int, change: Change) -> DriftReport:
    X = frame(2 * seed + 1)
    draws = np.random.default_rng(seed).random(len(X))
    return compare_profiles(trained(seed), profile_of(change(X, draws), like=trained(seed)))


def rewritten(old: str, new: str, share: float = 1.0) -> Change:
    def change(X: pd.DataFrame, draws: np.ndarray) -> pd.DataFrame:
        return X.assign(comment=X["comment"].where(draws >= share, X["comment"].str.replace(old, new)))

    return change


SHIFTS: dict[str, tuple[Change, str]] = {
    "new site": (lambda X, u: X.assign(site=X["site"].where(u > 0.08, "new")), "share of new categories of 'site'"),
    "other mix": (lambda X, u: X.assign(site=X["site"].where(u > 0.4, "h")), "category 'site'"),
    "empty": (
        lambda X, u: X.assign(comment=X["comment"].where(u > 0.1, " ")),
        "share of empty texts of 'comment'",
    ),
    "longer": (lambda X, u: X.assign(comment=X["comment"] + " " + X["comment"]), "feature 'comment, words'"),
    "other words": (rewritten("word1", "other1"), "feature 'comment, unknown words'"),
    "script": (rewritten("word", "слово", 0.3), "share of new categories of 'comment, script'"),
}


def test_nothing_is_found_where_nothing_drifted() -> None:
    assert sum(compared(seed, lambda X, u: X).verdict != "none" for seed in SEEDS) <= 1


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_known_shift_is_found_and_named(shift: str) -> None:
    change, what = SHIFTS[shift]
    found = [{each.what for each in compared(seed, change).drifted()} for seed in SEEDS]
    assert sum(what in names for names in found) >= 19


def test_groups_that_share_their_site_and_words_are_no_drift() -> None:
    """Each patient has an own site on eight rows: new patients have new sites as often as left-out ones did."""

    def grouped(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        X, group = frame(seed), np.arange(1000) // 8
        own = np.where(group % 25 == 0, [f"{seed} {one}" for one in group], X["site"].to_numpy(object))
        return X.assign(site=own, comment=X["comment"] + [f" patient{seed}x{one}" for one in group]), group

    verdicts = []
    for seed in SEEDS:
        (first, group), (second, _) = grouped(2 * seed), grouped(2 * seed + 1)
        profile = profile_of(first, groups=group)
        verdicts.append(compare_profiles(profile, profile_of(second, groups=group, like=profile)).verdict)
    assert sum(verdict != "none" for verdict in verdicts) <= 1


def test_a_list_of_texts_is_measured_as_a_column_is() -> None:
    texts = frame(0)["comment"].tolist()
    profile = profile_of(texts)
    assert [each.name for each in profile.histograms] == ["length", "words", "unknown words", "script"]
    other = profile_of([text.replace("word1", "other1") for text in frame(1)["comment"]], like=profile)
    assert {each.what for each in compare_profiles(profile, other).drifted()} == {"feature 'unknown words'"}


def test_a_profile_is_small_and_has_no_text() -> None:
    X = frame(0).assign(comment=[f"patient Mbeki {k}" for k in range(1000)], site="Nairobi ward 7")
    profile = trained(0)
    body = json.dumps(profile.to_json(), allow_nan=False)
    assert TrainingProfile.from_json(json.loads(body)) == profile
    assert len(body) < 20_000
    text = json.dumps(profile_of(X).to_json())
    assert "Mbeki" not in text
    assert "Nairobi" not in text
    # A name in the texts of fewer than five rows is not even kept as a hash.
    words = next(each for each in profile_of(X).vocabularies if each.kind == "words")
    assert set(words.hashes) == {hash_of("patient"), hash_of("mbeki")}


def test_a_vocabulary_keeps_the_most_frequent_and_no_more() -> None:
    counts = {f"v{k}": 1 + (k < MOST_HASHES // 2) for k in range(3 * MOST_HASHES)}
    vocabulary, depth = make_vocabulary("site", "category", counts)
    assert set(vocabulary.hashes) == {hash_of(f"v{k}") for k in range(MOST_HASHES // 2)}
    assert depth == 0


def test_a_forged_vocabulary_is_refused() -> None:
    body = json.loads(json.dumps(trained(0).to_json()))
    good = body["vocabularies"][0]
    many = base64.b64encode(np.arange(MOST_HASHES + 1, dtype="<u4").tobytes()).decode()
    for change in ({"kind": "rumour"}, {"hashes": "?"}, {"hashes": "AAA="}, {"hashes": many}, {"column": 3},
                   {"hashes": base64.b64encode(bytes(8)).decode()}):  # fmt: skip
        with pytest.raises(DataError):
            TrainingProfile.from_json(body | {"vocabularies": [good | change]})
    # A profile of an earlier release has none, and its columns of text are not compared.
    del body["vocabularies"]
    body["histograms"] = [each for each in body["histograms"] if each["name"] in ("age", "built")]
    earlier = TrainingProfile.from_json(body)
    assert len(profile_of(frame(1), like=earlier).histograms) == 2


def test_dates_do_not_depend_on_their_unit_and_missing_ones_are_counted() -> None:
    X = frame(0)[["built", "site"]]
    profile = profile_of(X)
    again = profile_of(X.assign(built=X["built"].astype("datetime64[ns]").dt.tz_localize("UTC")), like=profile)
    assert again.histogram("feature", "built") == profile.histogram("feature", "built")
    gone = profile_of(X.assign(built=X["built"].where(X.index % 2 == 0)), like=profile)
    assert gone.histogram("feature", "built").counts[-1] == 500


def test_words_and_scripts_of_what_is_no_text() -> None:
    assert (words_of(float("nan")), script_of(None)) == ([], "")
    assert (script_of("Ελλάδα 1"), script_of("日本")) == ("GREEK", "CJK")


def unseen(seed: int, change: Change) -> dict[str, str]:
    X = change(frame(2 * seed + 1), np.random.default_rng(seed).random(1000))
    data = Dataset(X, np.zeros((1000, 1), np.uint8), ("l",), None, np.arange(1000).astype(str))
    pairs = histogram_pairs(RowHashes(data), np.arange(1000), trained(seed))
    return {each.code: each.answer for each in check_unseen(pairs, trained(seed), Limits())}


def test_a_retraining_asks_about_new_categories_scripts_and_empty_texts() -> None:
    assert not any(unseen(seed, lambda X, u: X) for seed in SEEDS)
    for seed in SEEDS[:8]:
        assert unseen(seed, SHIFTS["new site"][0]) == {"new-category": "warn"}
        assert unseen(seed, SHIFTS["script"][0]) == {"new-category": "ask"}
        assert unseen(seed, SHIFTS["empty"][0]) == {"empty-text": "warn"}
        assert unseen(seed, lambda X, u: X.assign(comment=X["comment"].where(u > 0.3))) == {"empty-text": "ask"}


def test_a_model_of_raw_columns_keeps_a_profile_that_a_retraining_uses(tmp_path: Path) -> None:
    """From the fit through the folder to the validation of other data."""
    X = frame(0)
    Y = np.column_stack([X["age"] > 1, X["site"] == "b"]).astype(np.uint8)
    encoder = make_encoder({"comment": "text", "site": "category", "age": "number", "built": "date"})
    gate = make_pipeline(encoder, LogisticRegression())
    labeler = make_pipeline(clone(encoder), MultiOutputClassifier(LogisticRegression()))
    model = CascadeClassifier(gate, labeler, label_names="ab", calibration_folds=None).fit(X, Y)
    model.save(tmp_path / "model")
    champion = CascadePredictor.load(tmp_path / "model")
    profile = champion.profile
    assert profile is not None
    assert {each.kind for each in profile.vocabularies} == {"words", "script", "category"}

    def dataset(X: pd.DataFrame, start: int) -> Dataset:
        ids = np.array([f"row {start + row}" for row in range(len(X))])
        return Dataset(X, Y, ("a", "b"), ids, ids)

    first = dataset(X, 0)
    held = np.arange(1000) % 5 == 0
    record = record_of(first, held, champion.predict_proba(X[held]))
    changed = frame(1).assign(comment=frame(1)["comment"].str.replace("word", "слово"))
    new = dataset(changed, 1000)
    findings = validate_data(new, np.arange(1000) % 5 == 0, record, champion)
    assert ("ask", "new-category") in {(each.answer, each.code) for each in findings}
