"""Coherent probabilities are the nearest ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from cascade.coherence import coherent

rows = st.lists(st.floats(0, 1), min_size=2, max_size=6)


@given(row=rows)
def test_any_is_at_least_each_label_and_the_sum_stays(row: list[float]) -> None:
    proba = np.array([row])
    found = coherent(proba, len(row) - 1)
    assert (found[:, -1:] >= found).all()
    np.testing.assert_allclose(found.sum(), proba.sum(), atol=1e-12)
    np.testing.assert_array_equal(coherent(found, len(row) - 1), found)
    if (proba[:, -1:] >= proba).all():
        np.testing.assert_array_equal(found, proba)


@given(seed=st.integers(0, 300))
def test_no_coherent_row_is_nearer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = rng.random(4)
    apart = np.column_stack([-np.eye(3), np.ones(3)])
    nearest = minimize(
        lambda p: ((p - row) ** 2).sum(),
        np.full(4, 0.5),
        jac=lambda p: 2 * (p - row),
        method="SLSQP",
        constraints=LinearConstraint(apart, 0, np.inf),
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(coherent(row[None], 3)[0], nearest.x, atol=1e-5)
