"""Weights of labels and combinations: laws, and sense on labels that never occur and on empty rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cascade.errors import ConfigError
from cascade.estimators.label_weights import combination_weights, label_weights
from cascade.metrics.intervals import effective_rows


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    """Up to 60 rows of 3 labels, some rare, absent or on every row; rows may all be empty."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return (rng.random((draw(st.integers(1, 60)), 3)) < rng.choice([0.0, 0.05, 0.5, 1.0], 3)).astype(np.uint8)


@given(Y=labels(), method=st.sampled_from(["balanced", "effective"]), temper=st.floats(0, 1))
def test_weights_are_finite_average_to_one_and_never_favour_the_larger_class(
    Y: np.ndarray, method: str, temper: float
) -> None:
    weights = label_weights(Y, method, temper, beta=0.99)
    positive = Y.sum(axis=0)
    assert (weights > 0).all()
    np.testing.assert_allclose((Y * weights[:, 1] + (1 - Y) * weights[:, 0]).mean(axis=0), 1)
    rare = (positive > 0) & (positive <= len(Y) / 2)
    assert (weights[rare, 1] >= weights[rare, 0] * (1 - 1e-12)).all()
    constant = (positive == 0) | (positive == len(Y))
    assert (weights[constant] == 1).all()


@given(Y=labels())
def test_balanced_classes_weigh_the_same_in_all(Y: np.ndarray) -> None:
    weights, positive = label_weights(Y), Y.sum(axis=0)
    both = (positive > 0) & (positive < len(Y))
    np.testing.assert_allclose((positive * weights[:, 1])[both], ((len(Y) - positive) * weights[:, 0])[both])
    np.testing.assert_array_equal(label_weights(sparse.csr_array(Y)), weights)


def test_effective_numbers_lie_between_no_weighting_and_balance() -> None:
    Y = np.zeros((10_000, 1), np.uint8)
    Y[:10] = 1
    ratio = [
        float(np.divide(*label_weights(Y, "effective", beta=beta)[0, ::-1])) for beta in (0.0, 0.9, 0.999, 0.9999999)
    ]
    assert ratio[0] == 1
    assert ratio == sorted(ratio)
    assert ratio[1] == pytest.approx((1 - 0.9**9990) / (1 - 0.9**10))
    assert ratio[3] == pytest.approx(999, rel=0.01)


def test_importance_counts_a_label_more_without_tilting_it() -> None:
    Y = (np.random.default_rng(0).random((500, 3)) < 0.1).astype(np.uint8)
    plain, weighed = label_weights(Y), label_weights(Y, importance=[1, 1, 6])
    np.testing.assert_allclose(weighed, plain * [[1], [1], [6]])


@given(Y=labels(), gamma=st.floats(0, 1), cap=st.floats(1.1, 50))
def test_combinations_weigh_at_most_the_cap_and_one_on_average(Y: np.ndarray, gamma: float, cap: float) -> None:
    weight = combination_weights(Y, gamma, cap)
    assert weight.mean() == pytest.approx(1)
    assert weight.max() <= weight.min() * cap * (1 + 1e-9)
    same = (Y[:, None] == Y[None]).all(axis=2)
    assert (weight[:, None] == weight[None])[same].all()


def test_gamma_one_gives_every_combination_the_same_weight_in_all() -> None:
    Y = np.repeat(np.array([[0, 0], [1, 0], [1, 1]], np.uint8), [700, 250, 50], axis=0)
    weight = combination_weights(Y, gamma=1, cap=1e9)
    totals = [weight[:700].sum(), weight[700:950].sum(), weight[950:].sum()]
    np.testing.assert_allclose(totals, 1000 / 3)
    assert effective_rows(weight) == pytest.approx(1000**2 / (weight**2).sum())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "inverse"}, "`method` must be one of"),
        ({"temper": 2}, "`temper` must be in"),
        ({"beta": 1}, "`beta` must be in"),
        ({"importance": [1, 2]}, "`importance` must be one positive number per label"),
        ({"importance": [1, 0, 1]}, "`importance` must be one positive number per label"),
    ],
)
def test_weights_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        label_weights(np.eye(3, dtype=np.uint8), **options)


@pytest.mark.parametrize(("options", "name"), [({"gamma": 2}, "gamma"), ({"cap": 1}, "cap")])
def test_combination_weights_that_make_no_sense_are_refused(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must"):
        combination_weights(np.eye(3, dtype=np.uint8), **options)
