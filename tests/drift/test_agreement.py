"""Two estimates of one share together: as precise as one from all rows."""

from __future__ import annotations

import numpy as np
import pytest

from cascade.drift.agreement import Estimate, LabelAgreement, agreement


def test_a_pooled_estimate_is_that_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.3, 1.0, size=(12_000, 1))
    Y = (rng.random(p.shape) < p).astype(np.uint8)
    parts = slice(0, 3000), slice(3000, None)
    (first,), (second,) = (agreement(Y[part], p[part], np.arange(len(Y[part]))) for part in parts)
    (whole,) = agreement(Y, p, np.arange(len(Y)))
    pooled = first.pooled(second)
    for figure in ("confirmed", "counted"):
        one, other = getattr(pooled, figure), getattr(whole, figure)
        assert one.value == pytest.approx(other.value, rel=0.005)
        assert np.log(one.high / one.low) == pytest.approx(np.log(other.high / other.low), rel=0.1)
    # How well a model separates is that of the model itself.
    assert pooled.found == first.found


def test_a_figure_that_one_side_lacks_is_that_of_the_other() -> None:
    estimate = Estimate(0.9, 0.8, 1.0)
    lacking, having = LabelAgreement(None, None, None), LabelAgreement(None, estimate, None)
    assert lacking.pooled(having).confirmed == having.pooled(lacking).confirmed == estimate
    assert lacking.pooled(having).counted is None
