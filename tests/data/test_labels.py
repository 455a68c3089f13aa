"""The label matrix and the column that says `any`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import check_labels, check_sparse_labels
from cascade.datasets.phantom.table import LABELS, full_table
from cascade.errors import ConfigError, DataError
from cascade.rules.label_plan import plan_labels

NAMES = ["a", "b", "c", "any"]


def with_any(findings: np.ndarray) -> np.ndarray:
    return np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8)


def test_problem_a_has_any_in_its_last_column() -> None:
    combinations, counts = full_table()
    assert find_any_label(LabelMatrix(np.repeat(combinations, counts, axis=0)), LABELS).index == 5


def test_a_stray_row_is_reported_and_not_guessed_over() -> None:
    Y = with_any(np.random.default_rng(0).random((5000, 3)) < 0.2)
    row = int(np.flatnonzero(Y[:, 3] == 0)[4])
    Y[row, 3] = 1
    found = find_any_label(LabelMatrix(Y), NAMES)
    assert found.index is None
    assert f"first: row {row}" in found.note
    assert find_any_label(LabelMatrix(Y), NAMES, "any").index == 3


def test_twins_are_not_taken() -> None:
    Y = np.array([[1, 1], [0, 0]], np.uint8)
    assert find_any_label(LabelMatrix(Y), ["a", "b"]).index is None


def test_none_and_unknown_names() -> None:
    Y = with_any(np.eye(3))
    assert find_any_label(LabelMatrix(Y), NAMES, None).index is None
    with pytest.raises(ConfigError, match="any_label"):
        find_any_label(LabelMatrix(Y), NAMES, "nobody")


@given(arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 6)), elements=st.integers(0, 1)))
def test_what_is_found_is_the_or_of_the_others(Y: np.ndarray) -> None:
    names = [f"label_{k}" for k in range(Y.shape[1])]
    index = find_any_label(LabelMatrix(Y), names).index
    if Y.shape[1] == 1:
        assert index == 0
    elif index is not None:
        np.testing.assert_array_equal(Y[:, index].astype(bool), np.delete(Y, index, axis=1).any(axis=1))
    plan = plan_labels(LabelMatrix(Y), index)
    assert index not in plan.learned
    assert ((plan.share > 0) & (plan.share < 1)).all()


def test_wrong_values_are_named_with_row_and_label() -> None:
    with pytest.raises(DataError, match=r"Received .*2.* at row 1, label 0"):
        check_labels([[0, 1], [2, 0]])
    with pytest.raises(DataError, match="one row per row of `X`"):
        check_labels([[0, 1]], n_rows=2)


def test_sparse_labels_are_read() -> None:
    Y = np.array([[0, 1], [1, 0]], np.uint8)
    np.testing.assert_array_equal(check_labels(sparse.csr_matrix(Y)), Y)


@given(seed=st.integers(0, 1000))
def test_sparse_labels_stay_sparse_and_say_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((20, 5)) < 0.2).astype(float)
    for form in (sparse.csr_array(Y), sparse.csc_matrix(Y), sparse.coo_array(Y)):
        kept = form.copy()
        found = check_sparse_labels(form, 20)
        np.testing.assert_array_equal(found.toarray(), check_labels(Y))
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(form.toarray(), kept.toarray())


def test_sparse_labels_that_are_none_are_refused_and_the_place_is_named() -> None:
    Y = sparse.lil_array((4, 3))
    Y[2, 1] = 2
    with pytest.raises(DataError, match=r"Received .*2.* at row 2, label 1"):
        check_sparse_labels(Y)
    twice = sparse.coo_array((np.ones(2), ([3, 3], [0, 0])), shape=(4, 3))
    with pytest.raises(DataError, match="at row 3, label 0"):
        check_sparse_labels(twice)
    with pytest.raises(DataError, match="one row per row"):
        check_sparse_labels(sparse.csr_array((4, 3)), 5)
