"""Features made from labels are named; others are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cascade.lint.leakage import label_like_features, nearly_label_features


@given(seed=st.integers(0, 1000))
def test_copies_of_labels_and_of_any_are_named_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((200, 3)) < 0.1).astype(np.uint8)
    Y[0] = 1
    noise = (rng.random(200) < 0.3).astype(float)
    noise[Y.any(axis=1).argmax()] = 0
    X = np.column_stack([rng.normal(size=200), noise, np.ones(200), np.zeros(200), Y[:, 1], Y.any(axis=1)])
    names = ["sensor", "noise", "always", "never", "copy", "some"]
    assert label_like_features(X, names, Y, ["a", "b", "c"]) == {
        "copy": "feature `copy` equals label `b`",
        "some": "feature `some` is 1 on every row that has a label",
    }
    assert label_like_features(X, names, np.zeros((200, 3), np.uint8), ["a", "b", "c"]) == {}


@given(seed=st.integers(0, 1000))
def test_features_that_nearly_copy_a_label_or_count_labels_are_named_and_strong_ones_are_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((2000, 3)) < [0.02, 0.05, 0.05]).astype(np.uint8)
    flag = Y[:, 1] ^ (rng.random(2000) < 0.001)
    features = {
        "flag": flag,
        "inverted": -Y[:, 2] + rng.normal(0, 0.01, 2000),
        "number of findings": Y.sum(axis=1).astype(float),
        "state": np.where(Y[:, 0] == 1, "worn", np.where(rng.random(2000) < 0.5, "new", "used")),
        # A good sensor, and no copy: an AUROC of .98.
        "sensor": Y[:, 0] + rng.normal(0, 0.35, 2000),
        # A rare event late in a tool's life: an AUROC above .99, but half of the rows there are without it.
        "age": np.where(Y[:, 0] == 1, rng.uniform(0.985, 1, 2000), rng.random(2000)),
        # Each row has its own value, so that values rank any label.
        "serial": np.array([f"n{row}" for row in range(2000)]),
    }
    sentences = nearly_label_features(features, Y, ["a", "b", "c"])
    named = [sentence.split("`")[1] for sentence in sentences]
    # Flipping one row in 1,000 leaves the flag a precision of about .98.
    assert set(named) == {"flag", "inverted", "number of findings", "state"}
    (about,) = [sentence for sentence in sentences if "findings" in sentence]
    assert about == "feature `number of findings` alone ranks the rows with a label with an average precision of 1.00"


def test_a_label_of_nine_rows_is_not_judged_and_unknown_entries_do_not_count() -> None:
    Y = np.zeros((1000, 1), np.uint8)
    Y[:9] = 1
    assert nearly_label_features({"same": Y[:, 0]}, Y, ["a"]) == []
    Y[:40] = 1
    half = Y[:, 0] * np.where(np.arange(1000) % 2, 1.0, -1.0)
    assert nearly_label_features({"half": half}, Y, ["a"]) == []
    known = (np.arange(1000) % 2 == 1)[:, None]
    assert nearly_label_features({"half": half}, Y, ["a"], known) != []
