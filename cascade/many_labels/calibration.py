"""Calibration of many labels at once: one slope for all of them and an intercept for each, fitted in chunks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from cascade.rules.probability.calibration import SLOPE_SPREAD
from cascade.utils.types import Floats, Floats32

Chunks = Callable[[], Iterator[tuple[Floats32, Any]]]
"""A pass over rows: log-odds (m, L) with the labels of the same rows, CSR (m, L); called once for each pass."""

INTERCEPT_SPREAD = 5.0
"""Standard deviation of the prior of an intercept around that of all labels: one without a positive stays finite, and
the sum of a label's probabilities is off by less than half a row."""
MOST_PASSES = 10
NEAR = 0.02
"""Standard errors from the best intercepts at which the search ends."""
LEAST_SLOPE = 0.05
LONGEST = 0.5
"""Step of the slope; the log-likelihood is not a parabola far from its top."""


@dataclass(frozen=True)
class SharedSlope:
    """logit p_k = slope * z_k + intercept_k.

    A slope for each label would take two numbers from labels that have few positives; one slope takes its number from
    all of them.

    Attributes
    ----------
    slope : float
    intercept : ndarray of float32, shape (L,)
    """

    slope: float
    intercept: Floats32

    def __call__(self, z: Floats32) -> Floats32:
        """Calibrate log-odds of shape (m, L); float32, in a new array."""
        answer: Floats32 = z * np.float32(self.slope)
        answer += self.intercept
        return answer


@dataclass
class _Sums:
    """Gradient and second derivatives of the log-likelihood, without the prior."""

    slope: float
    intercept: Floats
    slope_slope: float
    slope_intercept: Floats
    intercept_intercept: Floats


def fit_shared_slope(chunks: Chunks, n_labels: int) -> SharedSlope:
    """Fit slope and intercepts by Newton's method, one pass over the rows for each step.

    Parameters
    ----------
    chunks : callable
        Gives an iterator of log-odds, float32 (m, L), and labels, CSR (m, L), of rows that no fit has touched.
    n_labels : int

    Returns
    -------
    SharedSlope

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines; the slope here is common to all labels.

    Examples
    --------
    >>> from scipy import sparse
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(20_000, 2)).astype("float32")
    >>> Y = sparse.csr_array(rng.random((20_000, 2)) < expit(2 * z - 1))
    >>> fitted = fit_shared_slope(lambda: iter([(z, Y)]), 2)
    >>> round(fitted.slope, 1), fitted.intercept.round(1).tolist()
    (2.0, [-1.0, -1.0])
    """
    slope, common, own = 1.0, 0.0, np.zeros(n_labels)
    for _ in range(MOST_PASSES):
        found = _sums(chunks, SharedSlope(slope, (common + own).astype(np.float32)))
        slope_step, common_step, own_step = _newton(found, slope, own)
        slope += slope_step
        common += float(np.clip(common_step, -2.0, 2.0))
        own = own + np.clip(own_step, -2.0, 2.0)
        # A step in standard errors of the intercept.
        step = np.abs(common_step + own_step) * np.sqrt(found.intercept_intercept + INTERCEPT_SPREAD**-2)
        if np.max(step) < NEAR:
            break
    return SharedSlope(slope, (common + own).astype(np.float32))


def _sums(chunks: Chunks, now: SharedSlope) -> _Sums:
    n_labels = len(now.intercept)
    found = _Sums(0.0, np.zeros(n_labels), 0.0, np.zeros(n_labels), np.zeros(n_labels))
    for z, Y in chunks():
        p = expit(now(z))
        found.intercept += np.asarray(Y.sum(axis=0), dtype=np.float64).ravel() - p.sum(axis=0, dtype=np.float64)
        found.slope += float(Y.multiply(z).sum()) - float(np.einsum("nk,nk->k", p, z).sum(dtype=np.float64))
        p *= 1 - p
        found.intercept_intercept += p.sum(axis=0, dtype=np.float64)
        p *= z
        found.slope_intercept += p.sum(axis=0, dtype=np.float64)
        found.slope_slope += float(np.einsum("nk,nk->k", p, z).sum(dtype=np.float64))
    return found


def _newton(found: _Sums, slope: float, own: Floats) -> tuple[float, float, Floats]:
    """Solve one system for the slope, the common intercept and each label's own deviation from it.

    The deviations meet each other only through the first two, so they are eliminated, which leaves two equations.
    """
    pull = INTERCEPT_SPREAD**-2
    below = found.intercept_intercept + pull
    ahead = (found.intercept - pull * own) / below
    slope_slope = found.slope_slope + SLOPE_SPREAD**-2 - float((found.slope_intercept**2 / below).sum())
    slope_common = float((found.slope_intercept * pull / below).sum())
    common_common = float((found.intercept_intercept * pull / below).sum())
    slope_ahead = found.slope - (slope - 1) / SLOPE_SPREAD**2 - float((found.slope_intercept * ahead).sum())
    common_ahead = float((found.intercept - found.intercept_intercept * ahead).sum())
    determinant = slope_slope * common_common - slope_common**2
    wanted = (slope_ahead * common_common - common_ahead * slope_common) / max(determinant, 1e-12)
    # The intercepts follow the step that is taken, which the slope's bounds may shorten.
    slope_step = float(np.clip(wanted, max(-LONGEST, LEAST_SLOPE - slope), LONGEST))
    common_step = (common_ahead - slope_common * slope_step) / max(common_common, 1e-12)
    deviation = ahead - (found.slope_intercept * slope_step + found.intercept_intercept * common_step) / below
    return slope_step, common_step, deviation
