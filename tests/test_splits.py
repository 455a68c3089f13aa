"""Splits never tear a group apart and spread rare labels as evenly as arithmetic allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cascade.phantom.patients import plan_patients
from cascade.phantom.table import combination_counts
from cascade.splits import grouped_folds, grouped_holdout


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 40))
def test_groups_stay_whole_and_counts_differ_by_at_most_one(seed: int, n_splits: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=200)
    Y = (rng.random((200, 3)) < [0.02, 0.1, 0.3]).astype(np.uint8)
    folds = grouped_folds(Y, groups, n_splits, seed)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    sizes = np.bincount([folds[groups == g][0] for g in np.unique(groups)], minlength=n_splits)
    assert sizes.max() - sizes.min() <= 1


def test_a_holdout_holds_its_share_of_each_label_of_problem_a() -> None:
    combinations, counts, _ = combination_counts()
    patients = plan_patients(combinations, counts, seed=0)
    Y = np.vstack([patient.labels for patient in patients])
    groups = np.repeat([patient.number for patient in patients], [len(patient.labels) for patient in patients])
    held = grouped_holdout(Y, groups, 0.2, seed=1)
    assert not set(groups[held]) & set(groups[~held])
    share = Y[held].sum(axis=0) / Y.sum(axis=0)
    assert (abs(share - 0.2) < 0.05).all()


def test_the_seed_decides() -> None:
    Y = np.zeros((50, 2), np.uint8)
    first, again, other = (grouped_holdout(Y, None, 0.3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
