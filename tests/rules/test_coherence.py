"""Coherent probabilities are the nearest ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from cascade.data.label_matrix import LabelMatrix
from cascade.fitting.fit_rules import fit_rules
from cascade.fitting.gate import HeldOut, fit_gate_rules
from cascade.fitting.options import RuleOptions
from cascade.rules.label_plan import planned
from cascade.rules.probability.coherence import coherent
from cascade.rules.rules import Scores

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


def test_any_has_the_right_sum_after_it_has_met_the_labels() -> None:
    """A gate that knows little and labels that are all but known: `any` is lifted on most of its rows."""
    rng = np.random.default_rng(0)
    n = 4000
    Y = (rng.random((n, 3)) < [0.1, 0.05, 0.0]).astype(np.uint8)
    Y[:, 2] = Y.any(axis=1)
    gate_z = rng.normal(Y[:, 2], 2.0)
    labeler_z = rng.normal(6.0 * Y[:, :2] - 3.0, 1.5)
    plan = planned(LabelMatrix(Y), 2, np.array([0, 1]), np.full(3, 0.1))
    held = HeldOut(LabelMatrix(Y), np.ones(n), np.arange(n), gate_z, np.empty((n, 0)))
    rule_options = RuleOptions(negative_pool="all")
    gate_rules = fit_gate_rules(held, rule_options, ("a", "b", "any"), 2)
    rules = fit_rules(("a", "b", "any"), plan, gate_rules, held, lambda rows: labeler_z[rows], rule_options)
    gate = rules.gate_proba(gate_z)
    passed = gate >= rules.gate_threshold
    scores = Scores(gate_z, passed, labeler_z[passed], np.empty((n, 0)))
    proba = rules.proba(scores)[passed]
    met = proba[:, 2] <= proba[:, :2].max(axis=1)
    assert met.mean() > 0.05
    np.testing.assert_allclose(proba[:, 2].sum(), Y[passed, 2].sum(), rtol=1e-4)
