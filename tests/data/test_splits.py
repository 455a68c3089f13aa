"""Splits never tear a group apart and spread rare labels as evenly as arithmetic allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from cascade import BalancedBinaryRelevance, GroupedMultilabelSplit
from cascade.data.splits import fold_shares, grouped_folds, grouped_holdout, random_groups
from cascade.datasets.phantom.patients import plan_patients
from cascade.datasets.phantom.table import combination_counts
from cascade.errors import ConfigError, DataError


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 40))
def test_groups_stay_whole_and_every_row_has_a_fold(seed: int, n_splits: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=200)
    Y = (rng.random((200, 3)) < [0.02, 0.1, 0.3]).astype(np.uint8)
    folds = grouped_folds(Y, groups, n_splits, seed)
    assert ((folds >= 0) & (folds < n_splits)).all()
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(20, 200))
def test_rows_of_one_label_are_spread_to_within_one(seed: int, n_splits: int, n: int) -> None:
    Y = np.random.default_rng(seed).integers(2, size=(n, 1)).astype(np.uint8)
    folds = grouped_folds(Y, None, n_splits, seed)
    for side in (Y[:, 0] == 0, Y[:, 0] == 1):
        counts = np.bincount(folds[side], minlength=n_splits)
        assert counts.max() - counts.min() <= 1


@given(st.integers(0, 200))
def test_sparse_labels_give_the_same_folds(seed: int) -> None:
    Y = (np.random.default_rng(seed).random((80, 5)) < 0.1).astype(np.uint8)
    np.testing.assert_array_equal(grouped_folds(Y, None, 3, seed), grouped_folds(sparse.csr_array(Y), None, 3, seed))


def problem_a() -> tuple[np.ndarray, np.ndarray]:
    combinations, counts, _ = combination_counts()
    patients = plan_patients(combinations, counts, seed=0)
    groups = np.repeat([patient.number for patient in patients], [len(patient.labels) for patient in patients])
    return np.vstack([patient.labels for patient in patients]), groups


def test_a_holdout_holds_its_share_of_each_label_of_problem_a() -> None:
    Y, groups = problem_a()
    held = grouped_holdout(Y, groups, 0.2, seed=1)
    assert not set(groups[held]) & set(groups[~held])
    share = Y[held].sum(axis=0) / Y.sum(axis=0)
    assert (abs(share - 0.2) < 0.01).all()


def test_folds_of_problem_a_are_more_even_than_those_of_scikit_learn_and_no_group_straddles() -> None:
    Y, groups = problem_a()
    ours = np.empty(len(Y), dtype=int)
    theirs = np.empty(len(Y), dtype=int)
    for fold, (_, test) in enumerate(GroupedMultilabelSplit(5).split(Y, Y, groups)):
        ours[test] = fold
    for fold, (_, test) in enumerate(GroupKFold(5).split(Y, Y, groups)):
        theirs[test] = fold
    uneven = [abs(fold_shares(Y, folds, 5) - 0.2).max() for folds in (ours, theirs)]
    assert uneven[0] < 0.01 < uneven[1]
    assert all(len(set(ours[groups == group])) == 1 for group in np.unique(groups)[:200])


def test_the_splitter_serves_cross_validation() -> None:
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(600, 3)), np.repeat(np.arange(100), 6)
    Y = (X[:, :2] > 1).astype(int)
    model = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    splitter = GroupedMultilabelSplit(3)
    assert splitter.get_n_splits() == 3
    proba = cross_val_predict(model, X, Y, groups=groups, cv=splitter, method="predict_proba")
    assert proba.shape == Y.shape


def test_labels_in_too_few_groups_are_named() -> None:
    Y = np.zeros((30, 2), int)
    Y[:2, 0] = 1
    Y[::2, 1] = 1
    with pytest.warns(UserWarning, match=r"1 labels are found in fewer groups than 3 folds.*columns \[0\]"):
        list(GroupedMultilabelSplit(3).split(Y, Y))
    groups = np.repeat([0, 1, 2, 3], [24, 2, 2, 2])
    with pytest.warns(UserWarning, match="more than 0.05 from even"):
        list(GroupedMultilabelSplit(3).split(Y, Y[:, 1:], groups))
    with pytest.raises(ConfigError, match="`y` must be given"):
        list(GroupedMultilabelSplit(3).split(Y))


def test_the_seed_decides() -> None:
    Y = np.zeros((50, 2), np.uint8)
    first, again, other = (grouped_holdout(Y, None, 0.3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_small_side_gets_groups_of_the_usual_size() -> None:
    """A side of one fifth must not be left with the small groups: what is proven there would not hold elsewhere."""
    rng = np.random.default_rng(0)
    sizes = rng.geometric(0.15, size=600)
    groups = np.repeat(np.arange(600), sizes)
    Y = (rng.random((len(groups), 2)) < [0.05, 0.2]).astype(np.uint8)
    held = [sizes[np.unique(groups[grouped_holdout(Y, groups, 0.2, seed)])].mean() for seed in range(20)]
    # The mean of 120 of the 600 sizes has this standard error; 20 seeds average it.
    error = sizes.std() / np.sqrt(120 * 20)
    assert abs(np.mean(held) - sizes.mean()) < 4 * error


def test_random_groups_are_whole_and_each_as_likely_as_any_other() -> None:
    groups = np.repeat(np.arange(50), np.arange(1, 51))
    times = np.zeros(50)
    for seed in range(400):
        held = random_groups(groups, len(groups), 0.2, seed)
        drawn = np.unique(groups[held])
        assert held.sum() == sum(np.sum(groups == group) for group in drawn)
        assert len(drawn) == 10
        times[drawn] += 1
    # Binomial(400, .2): 4.5 standard deviations, over 50 groups.
    assert abs(times - 80).max() < 4.5 * 8


def test_targets_and_groups_that_cannot_be_split_are_refused() -> None:
    Y = sparse.csr_array(np.eye(6, 2))
    with pytest.raises(DataError, match="at least `n_splits` groups"):
        next(GroupedMultilabelSplit(3).split(Y, Y, np.arange(6) % 2))
    with pytest.raises(DataError, match="only 0 and 1"):
        next(GroupedMultilabelSplit(3).split(Y, 2 * Y))
    twice = sparse.coo_array((np.ones(2), ([0, 0], [0, 0])), shape=(6, 1))
    with pytest.raises(DataError, match="only 0 and 1"):
        next(GroupedMultilabelSplit(3).split(twice, twice))
