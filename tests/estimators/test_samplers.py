"""Samplers: which rows they may draw, what they do to rare labels and to empty rows, and the shift that they cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.special import expit, logit

from cascade.datasets.known_truth import _draw_labels, draw
from cascade.errors import ConfigError, DataError
from cascade.estimators.sampling import (
    check_sampling,
    class_ratios,
    draw_counts,
    draw_rare,
    draw_rows,
    lp_ros,
    lp_rus,
    mix_features,
    ml_ros,
    ml_rus,
    mlsmote,
    rarity_weights,
    resampling_shift,
)
from cascade.estimators.sampling.options import DEFAULTS, SAMPLERS
from cascade.estimators.sampling.sparse_labels import as_sparse, minority_labels
from cascade.metrics.imbalance import imbalance_ratio, mean_imbalance_ratio

MATRICES = st.tuples(st.integers(1, 40), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1]))
)
OVER, UNDER = (ml_ros, lp_ros), (ml_rus, lp_rus)
PROBLEM_A = draw(4000, seed=0).Y[:, :5]


@given(MATRICES, st.sampled_from(sorted(SAMPLERS)), st.integers(0, 5))
def test_rows_exist_repeat_by_seed_and_do_not_depend_on_the_container(Y: np.ndarray, kind: str, seed: int) -> None:
    rows = draw_rows(kind, Y, seed)
    assert rows.dtype.kind == "i"
    assert len(rows)
    assert rows.min() >= 0
    assert rows.max() < len(Y)
    np.testing.assert_array_equal(rows, draw_rows(kind, Y, seed))
    for given_as in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        np.testing.assert_array_equal(rows, draw_rows(kind, given_as(Y), seed))


@pytest.mark.parametrize("kind", sorted(set(SAMPLERS) - {"ml_rus"}))
def test_another_seed_draws_other_rows(kind: str) -> None:
    assert not np.array_equal(draw_rows(kind, PROBLEM_A, 0), draw_rows(kind, PROBLEM_A, 1))


@given(MATRICES, st.sampled_from(OVER), st.floats(0.01, 3.0), st.integers(0, 3))
def test_oversampling_keeps_every_row_and_never_clones_an_empty_one(
    Y: np.ndarray, sampler: Callable[..., Any], share: float, seed: int
) -> None:
    rows = sampler(Y, share, seed)
    np.testing.assert_array_equal(rows[: len(Y)], np.arange(len(Y)))
    clones = rows[len(Y) :]
    assert Y[clones].any(axis=1).all()
    assert len(clones) <= round(share * Y.any(axis=1).sum())


@given(MATRICES, st.floats(0.01, 3.0))
def test_ml_ros_clones_rows_of_minority_labels_alone(Y: np.ndarray, share: float) -> None:
    clones = ml_ros(Y, share)[len(Y) :]
    assert Y[clones][:, minority_labels(as_sparse(Y))].any(axis=1).all()


@given(MATRICES, st.sampled_from(UNDER), st.floats(0.01, 0.9), st.integers(0, 3))
def test_undersampling_keeps_rows_once_in_order_and_every_empty_one(
    Y: np.ndarray, sampler: Callable[..., Any], share: float, seed: int
) -> None:
    rows = sampler(Y, share, seed)
    assert (np.diff(rows) > 0).all()
    assert set(np.flatnonzero(~Y.any(axis=1))) <= set(rows)
    assert len(Y) - len(rows) <= round(share * Y.any(axis=1).sum())


@given(MATRICES, st.floats(0.01, 0.9), st.integers(0, 3))
def test_ml_rus_keeps_every_row_of_a_minority_label(Y: np.ndarray, share: float, seed: int) -> None:
    rare = np.flatnonzero(Y[:, minority_labels(as_sparse(Y))].any(axis=1))
    assert set(rare) <= set(ml_rus(Y, share, seed))


@given(MATRICES, st.floats(0.01, 3.0), st.integers(0, 3))
def test_mean_ir_never_grows_by_ml_ros_where_labels_stand_alone(Y: np.ndarray, share: float, seed: int) -> None:
    alone = Y * (Y.cumsum(axis=1) == 1)
    rows = ml_ros(alone, share, seed)
    before = mean_imbalance_ratio(alone)
    assert not alone.any() or mean_imbalance_ratio(alone[rows]) <= before + 1e-9


def test_mean_ir_may_grow_by_ml_ros_where_a_rare_label_stands_beside_a_frequent_one() -> None:
    frequent_and_rare, others = np.zeros((10, 52), np.uint8), np.eye(52, dtype=np.uint8)[2:].repeat(9, axis=0)
    frequent_and_rare[:, 0], frequent_and_rare[0, 1] = 1, 1
    Y = np.vstack([frequent_and_rare, others])
    assert mean_imbalance_ratio(Y[ml_ros(Y, share=0.01)]) > mean_imbalance_ratio(Y)


def test_ml_ros_stops_where_the_label_is_no_rarer_than_the_mean_was() -> None:
    mean = mean_imbalance_ratio(PROBLEM_A)
    drawn = PROBLEM_A[ml_ros(PROBLEM_A, share=10.0)]
    assert (imbalance_ratio(drawn) <= mean).all()
    assert imbalance_ratio(PROBLEM_A)[0] > mean


def combinations(Y: np.ndarray) -> dict[tuple[int, ...], int]:
    found, count = np.unique(Y, axis=0, return_counts=True)
    return {tuple(row): int(n) for row, n in zip(found.tolist(), count, strict=True) if any(row)}


def test_lp_samplers_move_combinations_towards_their_mean_and_no_further() -> None:
    before = combinations(PROBLEM_A)
    mean = np.mean(list(before.values()))
    over, under = combinations(PROBLEM_A[lp_ros(PROBLEM_A, 10.0)]), combinations(PROBLEM_A[lp_rus(PROBLEM_A, 0.9)])
    for labels, count in before.items():
        assert over[labels] == max(count, int(mean - count) + count)
        assert under[labels] == min(count, count - int(count - mean))


def test_lp_samplers_spend_their_share_evenly() -> None:
    Y = np.repeat(np.eye(4, dtype=np.uint8), [2, 20, 30, 60], axis=0)
    assert sorted(combinations(Y[lp_rus(Y, 12 / 112)]).values()) == [2, 20, 28, 50]
    assert sorted(combinations(Y[lp_ros(Y, 20 / 112)]).values()) == [14, 28, 30, 60]


@given(MATRICES, st.floats(0, 1), st.integers(0, 3))
def test_rare_rows_are_drawn_as_often_as_their_weight_asks(Y: np.ndarray, gamma: float, seed: int) -> None:
    weight = rarity_weights(Y, gamma)
    rows = draw_rare(Y, gamma, seed)
    expected = weight / weight.sum() * len(Y)
    times = np.bincount(rows, minlength=len(Y))
    assert len(rows) == len(Y)
    assert (times >= np.floor(expected - 1e-9)).all()
    assert (times <= np.ceil(expected + 1e-9)).all()
    assert (weight[~Y.any(axis=1)] == 1).all()
    np.testing.assert_allclose(draw_counts(rows, len(Y)), times)


def test_weights_and_ratios_are_those_of_a_calculation_by_hand() -> None:
    Y = np.array([[1, 0]] * 3 + [[1, 1]] + [[0, 0]] * 4, np.uint8)
    assert rarity_weights(Y, 0.5).tolist() == [1, 1, 1, 2, 1, 1, 1, 1]
    drawn = Y[[0, 1, 2, 3, 3, 4, 5, 6, 7]]
    expected = [[4 / 9 * 2, 5 / 9 * 2], [7 / 9 / (7 / 8), 2 / 9 / (1 / 8)]]
    np.testing.assert_allclose(class_ratios(Y, drawn), expected)
    np.testing.assert_allclose(class_ratios(sparse.csr_array(Y), sparse.csr_array(drawn)), expected)
    np.testing.assert_allclose(resampling_shift(class_ratios(Y, drawn)), -np.log([1.25, 2.0]))
    weight = np.array([1, 1, 1, 2, 1, 1, 1, 1.0])
    np.testing.assert_allclose(class_ratios(Y, Y, np.ones(8), weight), expected)


@given(MATRICES, st.sampled_from(sorted(SAMPLERS)))
def test_the_shift_is_finite_for_labels_that_never_or_always_occur(Y: np.ndarray, kind: str) -> None:
    shift = resampling_shift(class_ratios(Y, Y[draw_rows(kind, Y, 0)]))
    assert np.isfinite(shift).all()
    constant = ~Y.any(axis=0) | Y.all(axis=0)
    assert (shift[constant] == 0).all()


def test_a_label_that_the_sample_left_out_counts_half_a_row() -> None:
    Y = np.array([[1], [0], [0], [0]], np.uint8)
    np.testing.assert_allclose(class_ratios(Y, Y[1:]), [[1 / (3 / 4), (0.5 / 3) / (1 / 4)]])
    with pytest.raises(DataError, match="`drawn` must hold rows"):
        class_ratios(Y, Y[:0])


def test_the_shift_is_exact_where_rows_are_drawn_for_one_label() -> None:
    """True odds on the sample are true odds times one number, which the shift takes off on every row."""
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-3, 2, 200_000))
    y = (rng.random(len(p)) < p).astype(np.uint8)[:, None]
    rows = np.concatenate([np.flatnonzero(y[:, 0] > 0), rng.permutation(np.flatnonzero(y[:, 0] == 0))[: y.sum()]])
    shift = resampling_shift(class_ratios(y, y[rows]))[0]
    for low, high in ((-5, -4), (-2, -1), (0, 1)):
        within = rows[(logit(p[rows]) > low) & (logit(p[rows]) < high)]
        assert y[within].mean() == pytest.approx(expit(logit(p[within]) - shift).mean(), abs=0.02)


@pytest.fixture(scope="module")
def outcomes() -> np.ndarray:
    """Labels of 2,000 rows of the generator, each drawn 400 times; shape (2000, 400, 5)."""
    X = np.repeat(draw(2000, seed=0).X, 400, axis=0)
    return _draw_labels(X, np.random.default_rng(1))[:, :5].reshape(2000, 400, 5)


@pytest.mark.parametrize(
    ("labelled", "gamma", "raw", "corrected"),
    [
        (True, 0.5, (2.33, 0.97, 1.07), (0.99, 1.00, 1.02)),
        (True, 1.0, (5.07, 0.93, 1.13), (0.99, 1.03, 1.06)),
        (False, 0.5, (2.60, 1.01, 1.15), (0.94, 0.95, 0.96)),
        (False, 1.0, (6.30, 1.04, 1.33), (0.88, 0.87, 0.90)),
    ],
)
def test_how_good_the_correction_is_for_a_model_that_fits_its_sample_perfectly(
    outcomes: np.ndarray, labelled: bool, gamma: float, raw: tuple[float, ...], corrected: tuple[float, ...]
) -> None:
    """The table of docs/understand/weights.md: the rarest label, then the least and the most of the four others."""
    Y = outcomes.reshape(-1, 5)
    kept = Y.any(axis=1).astype(float) if labelled else np.ones(len(Y))
    drawn = kept * rarity_weights(Y, gamma)
    shift = resampling_shift(class_ratios(Y, Y, kept, drawn))

    def given_x(weight: np.ndarray) -> np.ndarray:
        each = weight.reshape(2000, 400, 1)
        return (each * outcomes).sum(axis=1) / np.maximum(each.sum(axis=1), 1e-12)

    frequency = kept.reshape(2000, 400).sum(axis=1)
    true, learned = given_x(kept), given_x(drawn)
    undone = expit(logit(np.clip(learned, 1e-9, 1 - 1e-9)) + shift)
    for answer, expected in ((learned, raw), (undone, corrected)):
        rarest, *others = (frequency @ answer) / (frequency @ true)
        assert (rarest, min(others), max(others)) == pytest.approx(expected, abs=0.005)


@given(MATRICES, st.integers(1, 6), st.integers(0, 3))
def test_mlsmote_mixes_rows_of_one_minority_label(Y: np.ndarray, k: int, seed: int) -> None:
    X = np.random.default_rng(seed).normal(size=(len(Y), 3))
    new = mlsmote(X, Y, k, seed)
    rare = minority_labels(as_sparse(Y))
    assert len(new.first) == sum(n for n in Y[:, rare].sum(axis=0, dtype=int) if n > 1)
    assert (new.first != new.second).all()
    assert (Y[new.first] & Y[new.second] & new.labels)[:, rare].any(axis=1).all()
    features = mix_features(X, new)
    both = np.stack([X[new.first], X[new.second]])
    assert ((features >= both.min(axis=0) - 1e-12) & (features <= both.max(axis=0) + 1e-12)).all()
    thin = mlsmote(sparse.csr_array(X), sparse.csr_array(Y), k, seed)
    np.testing.assert_array_equal(thin.first, new.first)
    np.testing.assert_array_equal(thin.labels.toarray(), new.labels)
    np.testing.assert_allclose(mix_features(sparse.csr_array(X), thin).toarray(), features)


def test_mlsmote_ranks_labels_by_how_many_of_the_neighbourhood_have_them() -> None:
    X = np.array([[0.0], [1.0], [2.1], *[[50.0]] * 9])
    Y = np.array([[0, 1, 1], [0, 1, 1], [0, 1, 0], *[[1, 0, 1]] * 9], np.uint8)
    new = mlsmote(X, Y, k=2)
    assert new.first.tolist() == [0, 1, 2]
    # Two of three have the third label: more than half.
    assert new.labels.tolist() == [[0, 1, 1]] * 3
    with pytest.raises(ConfigError, match="`k` must be a whole number"):
        mlsmote(X, Y, k=0)
    with pytest.raises(DataError, match="`X` must have 2 axes and 12 rows"):
        mlsmote(X[:5], Y)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("smote", "`sampling` must be one of"),
        ({"share": 0.5}, "`sampling` must be one of"),
        ({"kind": "ml_ros", "gamma": 0.5}, "`sampling` 'ml_ros' must have options of"),
        ({"kind": "rare", "gamma": 1.5}, "`sampling.gamma` must be in"),
        ({"kind": "rare", "gamma": True}, "`sampling.gamma` must be in"),
        ({"kind": "lp_rus", "share": 1.0}, "`sampling.share` must be in"),
        ({"kind": "rare", "paste": -0.1}, "`sampling.paste` must be in"),
    ],
)
def test_options_that_make_no_sense_are_refused(option: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_sampling(option)


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_the_functions_and_the_options_have_the_same_defaults(kind: str) -> None:
    np.testing.assert_array_equal(draw_rows(kind, PROBLEM_A, 0), SAMPLERS[kind](PROBLEM_A))
    for wrong in (0, 11, "much", float("nan")):
        with pytest.raises(ConfigError, match=r"`share`|`gamma`"):
            SAMPLERS[kind](PROBLEM_A, wrong if kind != "rare" else -1)
