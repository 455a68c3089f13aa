"""Calibration of many labels: one slope for all labels and an intercept per label, fitted in chunks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from cascade.rules.probability.calibration import SLOPE_SPREAD
from cascade.utils.types import Floats, Floats32

Chunks = Callable[[], Iterator[tuple[Floats32, Any]]]
"""Returns one pass over the rows: log-odds (m, L) and the labels of the same rows, CSR (m, L); called once per pass."""

INTERCEPT_SPREAD = 5.0
"""Standard deviation of the prior of an intercept around the common one. It keeps the intercept of a label without a
positive finite, and changes the sum of a label's probabilities by less than half a row."""
MOST_PASSES = 10
NEAR = 0.02
"""The search ends when steps of all intercepts are below this many standard errors."""
LEAST_SLOPE = 0.05
LONGEST = 0.5
"""Largest step of the slope, since the log-likelihood is no parabola far from its maximum."""


@dataclass(frozen=True)
class SharedSlope:
    """logit p_k = slope * z_k + intercept_k.

    Labels with few positives cannot support a slope of their own, so all labels share one.

    Attributes
    ----------
    slope : float
    intercept : ndarray of float32, shape (L,)
    """

    slope: float
    intercept: Floats32

    def __call__(self, z: Floats32) -> Floats32:
        """Return calibrated log-odds (m, L), float32 in a new array."""
        # A float64 scalar of NumPy would turn the whole chunk into float64.
        calibrated: Floats32 = z * np.float32(self.slope)
        calibrated += self.intercept
        return calibrated


@dataclass
class _Sums:
    """Gradient and second derivatives of the log-likelihood, without the prior."""

    slope: float
    intercept: Floats
    slope_slope: float
    slope_intercept: Floats
    intercept_intercept: Floats


def fit_shared_slope(chunks: Chunks, n_labels: int) -> SharedSlope:
    """Fit slope and intercepts by Newton's method, with one pass over the rows per step.

    Parameters
    ----------
    chunks : callable
        Returns an iterator of log-odds, float32 (m, L), and labels, CSR (m, L), of rows that were used in no fit.
    n_labels : int

    Returns
    -------
    SharedSlope

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines; here the slope is common to all labels.

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
    slope, common, deviation = 1.0, 0.0, np.zeros(n_labels)
    for _ in range(MOST_PASSES):
        sums = _sums(chunks, SharedSlope(slope, (common + deviation).astype(np.float32)))
        slope_step, common_step, deviation_step = _newton(sums, slope, deviation)
        slope += slope_step
        # Bounded, since a full step may overshoot where nearly all probabilities are 0 or 1.
        common += float(np.clip(common_step, -2.0, 2.0))
        deviation = deviation + np.clip(deviation_step, -2.0, 2.0)
        # The root of the second derivative is one over the standard error, so this is a step in standard errors.
        step = np.abs(common_step + deviation_step) * np.sqrt(sums.intercept_intercept + INTERCEPT_SPREAD**-2)
        if np.max(step) < NEAR:
            break
    return SharedSlope(slope, (common + deviation).astype(np.float32))


def _sums(chunks: Chunks, calibration: SharedSlope) -> _Sums:
    n_labels = len(calibration.intercept)
    sums = _Sums(0.0, np.zeros(n_labels), 0.0, np.zeros(n_labels), np.zeros(n_labels))
    for z, Y in chunks():
        # Chunks are float32 and sums float64: millions of small terms would be lost in float32.
        p = expit(calibration(z))
        sums.intercept += np.asarray(Y.sum(axis=0), dtype=np.float64).ravel() - p.sum(axis=0, dtype=np.float64)
        sums.slope += float(Y.multiply(z).sum()) - float(np.einsum("nk,nk->k", p, z).sum(dtype=np.float64))
        # In place from here on, p being p (1 - p) and then z p (1 - p): a chunk is the largest array there is.
        p *= 1 - p
        sums.intercept_intercept += p.sum(axis=0, dtype=np.float64)
        p *= z
        sums.slope_intercept += p.sum(axis=0, dtype=np.float64)
        sums.slope_slope += float(np.einsum("nk,nk->k", p, z).sum(dtype=np.float64))
    return sums


def _newton(sums: _Sums, slope: float, deviation: Floats) -> tuple[float, float, Floats]:
    """Solve one Newton system for the slope, the common intercept and each label's deviation from it."""
    # The block of the deviations is diagonal, since each label has its own. Eliminating them (Schur complement) leaves
    # two equations, whatever the number of labels.
    precision = INTERCEPT_SPREAD**-2
    diagonal = sums.intercept_intercept + precision
    alone = (sums.intercept - precision * deviation) / diagonal
    slope_slope = sums.slope_slope + SLOPE_SPREAD**-2 - float((sums.slope_intercept**2 / diagonal).sum())
    slope_common = float((sums.slope_intercept * precision / diagonal).sum())
    common_common = float((sums.intercept_intercept * precision / diagonal).sum())
    slope_gradient = sums.slope - (slope - 1) / SLOPE_SPREAD**2 - float((sums.slope_intercept * alone).sum())
    common_gradient = float((sums.intercept - sums.intercept_intercept * alone).sum())
    determinant = slope_slope * common_common - slope_common**2
    # The bound keeps the division finite where no label has a probability between 0 and 1.
    full_step = (slope_gradient * common_common - common_gradient * slope_common) / max(determinant, 1e-12)
    # The slope may take less than its full step. The intercepts are then solved for the step that it takes.
    slope_step = float(np.clip(full_step, max(-LONGEST, LEAST_SLOPE - slope), LONGEST))
    common_step = (common_gradient - slope_common * slope_step) / max(common_common, 1e-12)
    deviation_step = alone - (sums.slope_intercept * slope_step + sums.intercept_intercept * common_step) / diagonal
    return slope_step, common_step, deviation_step
