"""Labels with the mask of the known ones: selections agree with NumPy's, and copy nothing that is not selected."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix

rng = np.random.default_rng(0)
KNOWN = rng.random((50, 4)) < 0.7
VALUES = ((rng.random(KNOWN.shape) < 0.3) & KNOWN).astype(np.uint8)
COLUMNS = np.array([3, 1])
ROWS = [slice(None), slice(5, 9), np.array([7, 2, 2]), VALUES[:, 0] > 0]


@pytest.mark.parametrize("rows", ROWS, ids=["all", "slice", "numbers", "mask"])
@pytest.mark.parametrize("columns", [None, COLUMNS], ids=["all", "two"])
def test_a_part_has_the_values_and_the_mask_of_its_rows_and_columns(rows: object, columns: np.ndarray | None) -> None:
    part = LabelMatrix(VALUES, KNOWN).part(rows, columns)
    values, known = (array[rows] if columns is None else array[rows][:, columns] for array in (VALUES, KNOWN))
    np.testing.assert_array_equal(part.values, values)
    np.testing.assert_array_equal(part.known, known)
    of_sparse = LabelMatrix(sparse.csr_array(VALUES)).part(rows, columns)
    np.testing.assert_array_equal(of_sparse.values.toarray(), values)
    assert of_sparse.known is None


def test_a_part_without_a_missing_label_has_no_mask() -> None:
    assert LabelMatrix(VALUES, KNOWN).part(KNOWN.all(axis=1)).known is None


def test_nothing_is_copied_where_all_labels_are_known() -> None:
    labels, weight = LabelMatrix(VALUES), np.ones(50)
    assert np.shares_memory(labels.part(slice(None)).values, VALUES)
    assert labels.masked() is VALUES
    assert labels.weight_of(weight, 1) is weight
    assert labels.rows_knowing(1) == slice(None)
    assert labels.any_known(0) is None
    assert LabelMatrix.of(labels) is labels


def test_counts_are_those_of_the_known_entries() -> None:
    labels, weight = LabelMatrix(VALUES, KNOWN), rng.random(50)
    np.testing.assert_array_equal(labels.rows_per_label(), KNOWN.sum(axis=0))
    np.testing.assert_allclose(labels.weight_per_label(weight), (weight[:, None] * KNOWN).sum(axis=0))
    assert labels.n_missing == np.ma.count_masked(labels.masked()) == (~KNOWN).sum()
    assert len(labels) == len(VALUES)


def test_rows_with_a_label_are_the_same_in_both_forms() -> None:
    dense, compressed = LabelMatrix(VALUES), LabelMatrix(sparse.csr_array(VALUES))
    np.testing.assert_array_equal(dense.has_label(), VALUES.any(axis=1))
    np.testing.assert_array_equal(compressed.has_label(), VALUES.any(axis=1))
