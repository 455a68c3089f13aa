"""Metrics at k against scikit-learn and against counting row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import ndcg_score

from cascade.errors import DataError
from cascade.metrics.top_k import at_k, propensities, top_columns


@st.composite
def ranked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels of up to 30 rows, some without any; scores without ties; k."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, n_labels = draw(st.integers(2, 30)), draw(st.integers(2, 12))
    Y = (rng.random((n, n_labels)) < draw(st.sampled_from([0.05, 0.3, 0.9]))).astype(np.uint8)
    return Y, rng.permuted(np.tile(np.arange(n_labels) / n_labels, (n, 1)), axis=1), draw(st.integers(1, n_labels))


@given(ranked())
def test_columns_are_those_of_a_full_sort(case: Any) -> None:
    _, scores, k = case
    np.testing.assert_array_equal(top_columns(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


@given(ranked())
def test_figures_are_those_of_counting(case: Any) -> None:
    Y, scores, k = case
    found, some = at_k(sparse.csr_array(Y), top_columns(scores, k)), Y.any(axis=1)
    if not some.any():
        assert found.rows == 0
        assert np.isnan([found.precision, found.recall, found.ndcg]).all()
        return
    first = [set(np.argsort(-row)[:k].tolist()) for row in scores]
    true = [set(np.flatnonzero(y).tolist()) for y in Y]
    pairs = [(f, t) for f, t in zip(first, true, strict=True) if t]
    assert found.precision == pytest.approx(np.mean([len(f & t) / k for f, t in pairs]))
    assert found.recall == pytest.approx(np.mean([len(f & t) / len(t) for f, t in pairs]))
    assert found.best_precision == pytest.approx(np.mean([min(k, len(t)) / k for _, t in pairs]))
    assert found.ndcg == pytest.approx(ndcg_score(Y[some], scores[some], k=k))
    inverse = 1 / propensities(Y.sum(axis=0), len(Y))
    best = sum(sum(sorted((inverse[j] for j in t), reverse=True)[:k]) for t in true)
    gained = sum(inverse[j] for f, t in zip(first, true, strict=True) for j in f & t)
    assert found.propensity_precision == pytest.approx(gained / best)


@given(ranked())
def test_a_perfect_ranking_reaches_the_best_there_is(case: Any) -> None:
    Y, scores, k = case
    if Y.any():
        found = at_k(Y, top_columns(Y + scores / 2, k))
        assert found.precision == pytest.approx(found.best_precision)
        assert found.recall == pytest.approx(found.best_recall)
        assert found.ndcg == pytest.approx(1)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="one row per row"):
        at_k(np.eye(3), np.zeros((2, 1), dtype=int))
    with pytest.raises(DataError, match="numbers of labels"):
        at_k(np.eye(3), np.full((3, 1), 3))


def test_a_stored_zero_of_a_sparse_matrix_is_no_label() -> None:
    stored = sparse.csr_array((np.array([0, 1, 1]), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3))
    columns = np.array([[2, 0], [1, 0]])
    assert at_k(stored, columns) == at_k(stored.toarray(), columns)
    assert at_k(stored, columns).precision == 0.5
    # The caller's matrix keeps its order and its zero.
    assert (stored.indices.tolist(), stored.data.tolist()) == ([2, 0, 1], [0, 1, 1])
