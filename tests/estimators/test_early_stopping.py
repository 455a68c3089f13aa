"""Validation rows for early stopping: only where they are enough, and always whole groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cascade import KerasClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.estimators.early_stopping import FEWEST_POSITIVES, split_validation


def labels(n: int, *positives: int) -> np.ndarray:
    Y = np.zeros((n, len(positives)), np.uint8)
    for k, count in enumerate(positives):
        Y[np.random.default_rng(k).permutation(n)[:count], k] = 1
    return Y


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_a_rare_label_turns_early_stopping_off(form: object) -> None:
    enough, few = labels(20_000, 1500, 4000), labels(20_000, 500, 4000)
    rows, held = split_validation(LabelMatrix(form(enough)), None, "auto", seed=0)
    assert sorted([*rows, *held]) == list(range(20_000))
    assert enough[held].sum(axis=0).min() >= FEWEST_POSITIVES
    rows, held = split_validation(LabelMatrix(form(few)), None, "auto", seed=0)
    assert (len(rows), len(held)) == (20_000, 0)
    assert len(split_validation(LabelMatrix(form(few)), None, 0.1, seed=0)[1]) == 2000


def test_groups_stay_whole() -> None:
    groups = np.arange(20_000) // 4
    rows, held = split_validation(LabelMatrix(labels(20_000, 2000)), groups, "auto", seed=0)
    assert len(held)
    assert not set(groups[rows]) & set(groups[held])


@pytest.mark.parametrize("size", ["some", 1.0, -0.1, True, None])
def test_other_sizes_are_refused(size: object) -> None:
    X = np.zeros((10, 2), np.float32)
    with pytest.raises(ConfigError, match=r"`validation_size` must be 'auto' or in \[0, 1\)"):
        KerasClassifier("mlp", validation_size=size).fit(X, np.arange(10) % 2)
