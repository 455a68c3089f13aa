"""Features made from labels are named; others are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cascade.lint.leakage import label_like_features


@given(seed=st.integers(0, 1000))
def test_copies_of_labels_and_of_any_are_named_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((200, 3)) < 0.1).astype(np.uint8)
    Y[0] = 1
    noise = (rng.random(200) < 0.3).astype(float)
    noise[Y.any(axis=1).argmax()] = 0
    X = np.column_stack([rng.normal(size=200), noise, np.ones(200), np.zeros(200), Y[:, 1], Y.any(axis=1)])
    names = ["sensor", "noise", "always", "never", "copy", "some"]
    assert label_like_features(X, names, Y, ["a", "b", "c"]) == [
        "feature `copy` equals label `b`",
        "feature `some` is 1 on every row that has a label",
    ]
    assert label_like_features(X, names, np.zeros((200, 3), np.uint8), ["a", "b", "c"]) == []
