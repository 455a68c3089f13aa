"""The samples have the raw form that people have, and labels of the stated probabilities."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import chi2
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from cascade.datasets.samples import SAMPLES, inspection, maintenance, moderation, write_sample
from cascade.errors import ConfigError
from cascade.utils.log_odds import log_odds
from cascade_pipelines.cli.app import main

ROWS = {"moderation": 20_000, "maintenance": 40_000, "inspection": 20_000}
"""Images are planned without being drawn."""
MODULES = {"moderation": moderation, "maintenance": maintenance, "inspection": inspection}

Drawn = moderation.Comments | maintenance.Readings | inspection.Shots


@pytest.fixture(scope="module")
def drawn() -> dict[str, Drawn]:
    return {name: MODULES[name].draw(rows, seed=7) for name, rows in ROWS.items()}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    content = b"".join(f"{file.relative_to(path)}".encode() + file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", SAMPLES)
def test_labels_have_the_stated_probabilities(drawn: dict[str, Drawn], name: str) -> None:
    """In bins of p that expect equally many positives, the sum of squared z is chi-square."""
    n_bins = 8
    for y, p in zip(drawn[name].Y.T, drawn[name].p.T, strict=True):
        order = np.argsort(p, kind="stable")
        cumulated = p[order].cumsum()
        bins = np.minimum((n_bins * cumulated / cumulated[-1]).astype(int), n_bins - 1)
        found, expected = np.bincount(bins, y[order]), np.bincount(bins, p[order])
        variance = np.bincount(bins, (p * (1 - p))[order])
        assert ((found - expected) ** 2 / variance).sum() < chi2.isf(1e-4, n_bins)


@pytest.mark.parametrize(
    ("name", "shares", "lowest_auroc"),
    [
        ("moderation", (0.07, 0.011, 0.02, 0.007, 0.022, 0.008), 0.94),
        ("maintenance", (0.0092, 0.016, 0.0031, 0.0061, 0.0124), 0.98),
        ("inspection", (0.047, 0.04, 0.038, 0.031, 0.02), 0.96),
    ],
)
def test_shares_and_separation(
    drawn: dict[str, Drawn], name: str, shares: tuple[float, ...], lowest_auroc: float
) -> None:
    Y, p = drawn[name].Y, drawn[name].p
    np.testing.assert_allclose(p.mean(axis=0), shares, rtol=0.2)
    # Most rows have no label, and some have several.
    assert 0.03 < Y.any(axis=1).mean() < 0.2
    assert (Y.sum(axis=1) > 1).mean() > 0.001
    assert min(roc_auc_score(y, one) for y, one in zip(Y.T, p.T, strict=True)) > lowest_auroc


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    outs = [tmp_path / out for out in ("first.csv", "again.csv", "other.csv")]
    facts = [write_sample(name, out, 60, seed) for out, seed in zip(outs, (3, 3, 4), strict=True)]
    digests = [digest(out) for out in outs]
    assert digests[0] == digests[1] != digests[2]
    assert facts[0] == facts[1]


def test_every_comment_is_read_back_with_its_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The size of blocks changes nothing but the memory.
    expected = moderation.draw(3000, seed=1)
    monkeypatch.setattr(moderation, "BLOCK", 700)
    facts = write_sample("moderation", tmp_path / "comments.csv", 3000, seed=1)
    rows = read(tmp_path / "comments.csv")
    assert tuple(rows[0]) == moderation.COLUMNS
    texts = [row["comment_text"] for row in rows]
    assert texts == expected.texts
    np.testing.assert_array_equal(moderation.true_proba(texts), expected.p)
    labels = [[int(row[label]) for label in moderation.LABEL_NAMES] for row in rows]
    np.testing.assert_array_equal(labels, expected.Y)
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == 3000
    # What makes the comments of a forum hard to read: each is frequent enough to be met in a few hundred rows.
    for found in ("\n", '"', ",", "😀", "ł", "田中", "ß"):
        assert sum(found in text for text in texts) >= 3, found
    assert facts["groups"] == len({row["thread"] for row in rows}) > 500


def test_severe_comments_are_toxic(drawn: dict[str, Drawn]) -> None:
    Y, p = drawn["moderation"].Y, drawn["moderation"].p
    assert (Y[:, 1] <= Y[:, 0]).all()
    assert (p[:, 1] <= p[:, 0]).all()


@pytest.mark.parametrize(
    ("text", "weaker"),
    [
        ("You are such a frobnak.", "You are not such a frobnak."),
        ("You are such a frobnak.", 'She wrote "you are such a frobnak".'),
        ("You are such a frobnak.", "> You are such a frobnak."),
        ("You are such a frobnak.", "This is such a frobnak. You are here."),
        ("YOU ARE SUCH A FR0BN@K.", "You are such a fr0bn@k."),
        ("You are such a frobnak!", "You are such a frobnak."),
    ],
)
def test_what_a_marker_counts_depends_on_its_sentence(text: str, weaker: str) -> None:
    strong, weak = log_odds(moderation.true_proba([text, weaker])[:, 0])
    assert strong > weak + 0.29


def test_tfidf_learns_much_of_the_comments_but_not_all(drawn: dict[str, Drawn]) -> None:
    comments = drawn["moderation"]
    train = np.arange(len(comments.texts)) < 14_000
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    X = vectorizer.fit_transform(comments.texts[:14_000])
    testing = vectorizer.transform(comments.texts[14_000:])
    for k in (0, 2, 4):
        y, p = comments.Y[~train, k], comments.p[~train, k]
        learned = LogisticRegression(C=10, max_iter=500).fit(X, comments.Y[train, k]).predict_proba(testing)[:, 1]
        best = average_precision_score(y, p)
        assert 0.5 < average_precision_score(y, learned) < best - 0.04
        assert roc_auc_score(y, learned) > 0.93


def test_readings_have_cells_that_are_not_numbers(tmp_path: Path) -> None:
    write_sample("maintenance", tmp_path / "machines.csv", 5000, seed=2)
    rows, expected = read(tmp_path / "machines.csv"), maintenance.draw(5000, seed=2)
    assert tuple(rows[0]) == maintenance.COLUMNS
    cells = np.array([[row[sensor] for sensor in maintenance.SENSORS] for row in rows])
    missing = (cells == "") | (cells == "?")
    assert not missing[:, maintenance.COMPLETE].any()
    others = np.delete(np.arange(len(maintenance.SENSORS)), maintenance.COMPLETE)
    # Four standard errors of a share of 25,000 cells.
    for mark, share in (("", maintenance.EMPTY), ("?", maintenance.QUESTION_MARK)):
        assert abs((cells[:, others] == mark).mean() - share) < 4 * np.sqrt(share / 25_000)
    # The truth is that of the values as they are written.
    np.testing.assert_array_equal(cells[~missing].astype(float), expected.sensors[~missing])
    types = np.array([list(maintenance.TYPES).index(row["Type"]) for row in rows])
    sites = np.array([list(maintenance.SITES).index(row["site"]) for row in rows])
    np.testing.assert_array_equal(maintenance.true_proba(expected.sensors, types, sites), expected.p)


def test_the_failure_flag_is_the_or_of_the_failures(tmp_path: Path) -> None:
    facts = write_sample("maintenance", tmp_path / "machines.csv", 5000, seed=2)
    rows = read(tmp_path / "machines.csv")
    Y = np.array([[int(row[label]) for label in maintenance.LABEL_NAMES] for row in rows])
    flag = np.array([int(row[maintenance.ANY]) for row in rows])
    np.testing.assert_array_equal(flag, Y.max(axis=1))
    assert facts["positives"]["any"] == flag.sum() > 0
    assert [row["UDI"] for row in rows] == [str(number) for number in range(1, 5001)]
    assert len({row["Product ID"] for row in rows}) == 5000
    assert all(row["Product ID"].startswith(row["Type"]) for row in rows)
    # Fifty readings per machine, each machine at one site; rows in the order of time.
    assert set(Counter(row["machine"] for row in rows).values()) == {maintenance.MACHINE_ROWS}
    assert len({(row["machine"], row["site"]) for row in rows}) == facts["groups"] == 100
    times = [row["recorded_at"] for row in rows]
    assert times == sorted(times)


def test_images_are_in_sub_folders_and_their_names_in_a_list(tmp_path: Path) -> None:
    facts = write_sample("inspection", tmp_path / "parts", 200, seed=0)
    rows, shots = read(tmp_path / "parts" / inspection.LIST), inspection.draw(200, seed=0)
    assert tuple(rows[0]) == inspection.COLUMNS
    files = {file.name: file for file in (tmp_path / "parts").glob("*/*.png")}
    assert len(rows) == len(files) == 200
    upper, modes, sizes = 0, Counter[str](), Counter[tuple[int, int]]()
    for k, row in enumerate(rows):
        name = row["Image Index"]
        upper += name not in files
        file = files[name.replace(".PNG", ".png")]
        assert file.parent.name == row["Camera"]
        findings = row["Finding Labels"].split("|")
        present = [label for label, y in zip(inspection.LABEL_NAMES, shots.Y[k], strict=True) if y]
        assert findings == (present or [inspection.NO_FINDING])
        with Image.open(file) as image:
            modes[image.mode] += 1
            sizes[image.size] += 1
            np.testing.assert_array_equal(np.asarray(image), inspection.render(shots, k))
    assert 0 < upper < 50
    assert set(modes) == {"L", "I;16"}
    assert modes["I;16"] == sum(row["Camera"] == "camera_3" for row in rows)
    assert len(sizes) > 1
    assert sizes[inspection.SIZE] > 175
    assert facts["groups"] == len({row["Part ID"] for row in rows}) < 125


def test_marks_are_as_visible_as_they_are_strong() -> None:
    shots = inspection.draw(600, seed=5)
    clean = replace(shots, strengths=np.zeros_like(shots.strengths))
    scale = np.where(shots.cameras == inspection.DEEP_CAMERA, 257, 1)
    for row in range(600):
        change = inspection.render(shots, row).astype(float) - inspection.render(clean, row)
        strongest = shots.strengths[row].max()
        visible = abs(change).max() / scale[row]
        # Noise has a standard deviation of 3 grey values, streaks one of 7.
        assert visible == 0 if strongest == 0 else visible > 25 * strongest


def test_bad_options_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "comments.csv"
    for arguments, message in (
        (("photos", out), "must be one of"),
        (("moderation", tmp_path / "comments"), "must end in .csv"),
        (("moderation", out, 0), "1 or more"),
        (("moderation", out, 10, -1), "0 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            write_sample(*arguments)
    monkeypatch.setattr(sys, "argv", ["cascade", "sample", "moderation", str(out), "--rows", "50", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert json.loads(capfd.readouterr().out)["rows"] == len(read(out)) == 50
    with pytest.raises(ConfigError, match="exists already"):
        write_sample("moderation", out)
