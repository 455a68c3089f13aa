"""Metrics in chunks against scikit-learn on whole matrices, and the generator of many labels against its truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit
from sklearn.metrics import average_precision_score

from cascade.datasets.many_labels import counts_like_problem_c, draw_by_count, draw_fixed_number
from cascade.errors import ConfigError
from cascade.metrics.streamed import StreamedCounts, StreamedRanking, example_average_precision

WIDTH = 32 / 639


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_streamed_figures_are_those_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = np.round((rng.normal(size=(50, 4)) * 3 + 16) / WIDTH) * WIDTH - 16
    Y = (rng.random(z.shape) < expit(z - 2) * [1, 1, 0.1, 0]).astype(np.uint8)
    ranking, counts = StreamedRanking(4), StreamedCounts(4)
    for part in np.array_split(np.arange(50), 4):
        p = expit(z[part])
        ranking.add(z[part], sparse.csr_array(Y[part]))
        counts.add(p, Y[part], p >= 0.5)
    bins = np.rint((z + 16) / WIDTH)
    found = ranking.average_precision()
    for k in range(4):
        if Y[:, k].any():
            assert found[k] == pytest.approx(average_precision_score(Y[:, k], bins[:, k]))
        else:
            assert np.isnan(found[k])
    if Y.any():
        assert ranking.micro_average_precision() == pytest.approx(average_precision_score(Y.ravel(), bins.ravel()))
        assert ranking.macro_average_precision() == pytest.approx(np.nanmean(found))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.where(Y.any(axis=0), expit(z).sum(axis=0) / Y.sum(axis=0), np.nan)
    np.testing.assert_allclose(counts.sum_ratio(), expected)
    assert counts.empty_predictions == (expit(z) < 0.5).all(axis=1).sum()
    rows = example_average_precision(expit(z), sparse.csr_array(Y))
    for row in range(50):
        if Y[row].any():
            assert rows[row] == pytest.approx(average_precision_score(Y[row], expit(z[row])))
        else:
            assert np.isnan(rows[row])


def test_labels_are_as_frequent_and_as_probable_as_the_truth_says() -> None:
    count = np.array([50.0, 400.0, 4000.0])
    drawn = draw_by_count(20_000, count, n_features=30, seed=3)
    p = drawn.proba(np.arange(20_000)).astype(np.float64)
    np.testing.assert_allclose(p.sum(axis=0), count, rtol=0.2)
    spread = np.sqrt((p * (1 - p)).sum(axis=0))
    assert (abs(drawn.Y.sum(axis=0) - p.sum(axis=0)) < 4 * spread).all()
    # Among the rows that are surest by the truth, labels are as frequent as it says.
    most_probable = np.argsort(-p[:, 2])[:2000]
    assert drawn.Y[most_probable, [2]].mean() == pytest.approx(p[most_probable, 2].mean(), abs=0.04)


def test_rows_of_a_fixed_number_are_drawn_by_the_ratio_of_their_chances() -> None:
    drawn = draw_fixed_number(4000, 6, 1, n_features=30, slope=1.0, seed=1)
    z = drawn.log_odds(np.arange(4000)).astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    spread = np.sqrt((p * (1 - p)).sum(axis=0))
    assert (abs(drawn.Y.sum(axis=0) - p.sum(axis=0)) < 4 * spread).all()
    with pytest.raises(ConfigError, match="`proba` is not known"):
        drawn.proba(np.arange(3))
    assert (draw_fixed_number(500, 40, 10, n_features=30).Y.sum(axis=1) == 10).all()


def test_counts_are_those_of_problem_c() -> None:
    count = counts_like_problem_c(80_000, 7_900)
    assert count.min() == 900
    assert count.max() == 12_000
    assert count.sum() / 80_000 == pytest.approx(130, abs=0.1)


def test_a_stored_zero_of_a_sparse_matrix_is_no_label_in_the_ranking_of_a_row() -> None:
    stored = sparse.csr_array((np.array([1, 0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 3))
    proba = np.array([[0.2, 0.9, 0.1]])
    assert example_average_precision(proba, stored).tolist() == [0.5]
    assert example_average_precision(proba, stored.toarray()).tolist() == [0.5]
