"""Profiles of training data and their comparison: silent where nothing changed, and shifts of known size are found."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.drift import TrainingProfile, compare_profiles, profile_of
from cascade.drift.counts import cells_of, quantile_edges
from cascade.drift.effects import share_ratio, smirnov_distance, stability_index
from cascade.drift.measures import measure
from cascade.errors import ConfigError, DataError, ModelRefusedError

ROWS = 1000
GROUP_SIZE = 8


def rows_of(seed: int, grouped: bool, n: int = ROWS, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and labels, of groups that share half of each feature's variance."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // (GROUP_SIZE if grouped else 1)
    common, own = rng.normal(size=(groups[-1] + 1, 4))[groups], rng.normal(size=(n, 4))
    X = np.sqrt(0.5) * common + np.sqrt(0.5) * own + shift * np.array([1, 0, 0, 0])
    Y = X[:, [1]] + rng.normal(size=(n, 3)) > [1, 2, 2.5]
    X[:, 2] = np.round(X[:, 2])
    X[rng.random(n) < 0.03, 3] = np.nan
    return X, Y, groups


def compared(seed: int, grouped: bool, shift: float = 0.0) -> str:
    training = profile_of(*rows_of(2 * seed, grouped))
    return compare_profiles(training, profile_of(*rows_of(2 * seed + 1, grouped, shift=shift), like=training)).verdict


@pytest.mark.parametrize("grouped", [False, True])
def test_nothing_is_found_where_nothing_drifted(grouped: bool) -> None:
    assert sum(compared(seed, grouped) != "none" for seed in range(100)) <= 5


@pytest.mark.parametrize("grouped", [False, True])
def test_shifts_of_known_size_are_found(grouped: bool) -> None:
    """The index of normal distributions .5 apart is .25 and of such .8 apart .64: beyond moderate, and beyond large."""
    assert sum(compared(seed, grouped, 0.5) != "none" for seed in range(20)) >= 19
    assert sum(compared(seed, grouped, 0.8) == "large" for seed in range(20)) >= 19


def test_the_index_of_normal_distributions_is_their_squared_distance() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=400_000), rng.normal(0.5, 1, size=400_000)
    edges = quantile_edges(first, bins=200)
    counts = [np.bincount(cells_of(side, edges), minlength=len(edges) + 2) for side in (first, second)]
    assert stability_index(*(side.astype(float) for side in counts)) == pytest.approx(0.25, abs=0.01)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_in_a_bin_for_each_value_the_distance_is_that_of_the_samples(first: list[int], second: list[int]) -> None:
    counts = [np.bincount(side, minlength=10).astype(float) for side in (first, second)]
    below = [[np.mean(np.array(side) <= value) for value in range(10)] for side in (first, second)]
    assert smirnov_distance(*counts) == pytest.approx(np.abs(np.subtract(*below)).max())
    assert stability_index(*counts) == pytest.approx(stability_index(*counts[::-1]))


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        found = rng.binomial([800, 1200], [0.02, 0.05]) / [800, 1200]
        _, low, high = share_ratio((found[0], 800.0), (found[1], 1200.0), 0.025)
        held += low <= 2.5 <= high
    # 380 expected, with a standard deviation of 4.4; Clopper and Pearson's bounds only ever hold it more often.
    assert held >= 367
    assert share_ratio((0.0, 100.0), (0.1, 100.0), 0.025)[::2] == (np.inf, np.inf)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda X, Y: (np.column_stack([np.full(len(X), 7.0), X[:, 1:]]), Y), "feature '0'"),
        (lambda X, Y: (np.column_stack([X[:, :2], X[:, 2] + 1, X[:, 3]]), Y), "feature '2'"),
        (lambda X, Y: (np.where(np.arange(len(X))[:, None] % 5 == 0, np.nan, X), Y), "feature '1'"),
        (lambda X, Y: (X.astype(np.uint8), Y), "type of a row"),
        (lambda X, Y: (X, Y & (np.arange(len(Y)) % 3 == 0)[:, None]), "prevalence of 'label_0'"),
    ],
)
def test_what_changed_is_named(change: object, what: str) -> None:
    X, Y, groups = rows_of(0, grouped=True, n=4000)
    X[:, 0] = 3.0
    X[:, 3] = 1.0
    training = profile_of(X, Y, groups)
    report = compare_profiles(training, profile_of(*change(X, Y), groups, like=training))  # type: ignore[operator]
    assert {finding.what for finding in report.drifted() if finding.verdict == "large"} >= {what}
    assert what in report.table()
    assert report.to_json()["verdict"] == "large"


def test_a_profile_survives_json_and_a_forged_one_is_refused() -> None:
    profile = profile_of(*rows_of(0, grouped=True))
    body = json.loads(json.dumps(profile.to_json(), allow_nan=False))
    assert TrainingProfile.from_json(body) == profile
    forged = [
        [], body | {"rows": -1}, body | {"scored": "fitted"}, body | {"shares": [{}]},
        body | {"histograms": [body["histograms"][0] | {"edges": [2.0, 1.0]}]},
        body | {"histograms": [body["histograms"][0] | {"counts": [1]}]},
        body | {"shares": [body["shares"][0] | {"effective": 1e9}]},
        body | {"shares": [body["shares"][0] | {"kind": "rumour"}]},
        body | {"shares": [body["shares"][0] | {"found": 10**6}]},
    ]  # fmt: skip
    for wrong in forged:
        with pytest.raises(DataError):
            TrainingProfile.from_json(wrong)


def test_profiles_in_other_bins_are_not_compared() -> None:
    first, second = (profile_of(rows_of(seed, grouped=False)[0]) for seed in (0, 1))
    with pytest.raises(DataError, match="like=reference"):
        compare_profiles(first, second)
    with pytest.raises(ConfigError, match="`level`"):
        compare_profiles(first, first, level=1.0)


def test_a_profile_of_many_columns_stays_small() -> None:
    X = sparse.random(400, 10_000, density=0.01, format="csr", random_state=0)
    profile = profile_of(X)
    assert len(profile.histograms) == 258
    assert len(json.dumps(profile.to_json())) < 200_000
    np.testing.assert_allclose(measure(X, np.arange(400)).values[:, -2], X.toarray().mean(axis=1))


def test_images_and_texts_are_measured() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(300, 8, 8, 1), dtype=np.uint8)
    measured = measure(images, np.arange(300))
    assert measured.names == ("brightness", "contrast")
    np.testing.assert_allclose(measured.values[:, 0], images.reshape(300, -1).mean(axis=1))
    np.testing.assert_allclose(measured.values[:, 1], images.reshape(300, -1).std(axis=1))
    texts = measure(["a", "four"], np.arange(2))
    assert (texts.names, texts.values.tolist()) == (("length",), [[1.0], [4.0]])
    training = profile_of(images)
    dark = compare_profiles(training, profile_of(images // 2, like=training))
    assert {finding.what for finding in dark.drifted()} == {"feature 'brightness'", "feature 'contrast'"}


@pytest.fixture(scope="module")
def fitted() -> CascadePredictor:
    X, Y, groups = rows_of(0, grouped=True, n=4000)
    model = CascadeClassifier(
        LogisticRegression(), MultiOutputClassifier(LogisticRegression()), label_names="abc", calibration_folds=None
    )
    return model.fit(X[:, :3], Y, groups).predictor_


def test_a_model_keeps_what_its_held_out_rows_say(fitted: CascadePredictor) -> None:
    Y = rows_of(0, grouped=True, n=4000)[1]
    profile = fitted.profile
    assert profile is not None
    assert (profile.rows, profile.groups, profile.scored) == (4000, 500, "held-out")
    assert [profile.share("prevalence of", name).found for name in "abc"] == Y.sum(axis=0).tolist()
    n_held = fitted.provenance["rows_calibrated"]
    assert profile.histogram("gate score").rows == n_held
    by_class = [profile.histogram(f"gate score {side} a label") for side in ("with", "without")]
    assert sum(np.array(each.counts) for each in by_class).tolist() == list(profile.histogram("gate score").counts)
    # Rows that nobody has seen score as the held-out ones did; those fitted on may not.
    new = rows_of(5, grouped=True, n=4000)
    report = compare_profiles(profile, profile_of(new[0][:, :3], *new[1:], predictor=fitted, like=profile))
    assert report.verdict == "none"
    assert len(report.findings) == 2 + 3 + 3 + 3 + 2 * (3 + 3)


def test_the_profile_is_saved_and_a_forged_one_refused(
    fitted: CascadePredictor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    named = fitted.described(("u", "v", "w"), {})
    named.save(folder / "good")
    loaded = CascadePredictor.load(folder / "good").profile
    assert loaded == named.profile
    assert [each.name for each in loaded.histograms if each.kind == "feature"] == ["u", "v", "w"]
    forged = replace(fitted.profile, rows=-1)
    fitted.provenance["profile"], kept = forged.to_json(), fitted.provenance["profile"]
    fitted.save(folder / "bad")
    fitted.provenance["profile"] = kept
    with pytest.raises(ModelRefusedError):
        CascadePredictor.load(folder / "bad")


def test_folds_are_told_apart_from_held_out_rows() -> None:
    X, Y, groups = rows_of(0, grouped=True, n=800)
    model = CascadeClassifier(
        LogisticRegression(), MultiOutputClassifier(LogisticRegression()), calibration_folds=3
    ).fit(X[:, :3], Y, groups)
    assert model.predictor_.profile.scored == "out-of-fold"
    assert model.predictor_.profile.histogram("gate score").rows == 800
