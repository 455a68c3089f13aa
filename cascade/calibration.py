"""Platt calibration on rows of natural prevalence, with a slope that stays near 1 where data is short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]

SLOPE_SPREAD = 0.25
"""Standard deviation of the prior of the slope around 1: a few rare positives cannot turn the scale over."""


@dataclass(frozen=True)
class Calibration:
    """logit p = slope * z + intercept, one pair per column; 1 and 0 leave a column as it is.

    Attributes
    ----------
    slope, intercept : ndarray of float, shape (L,)
    """

    slope: Floats
    intercept: Floats

    @classmethod
    def identity(cls, n_columns: int) -> Calibration:
        """Change nothing."""
        return cls(np.ones(n_columns), np.zeros(n_columns))

    def __call__(self, z: Floats) -> Floats:
        """Calibrate log-odds `z` of shape (n, L)."""
        return z * self.slope + self.intercept


def fit_calibration(z: Floats, Y: NDArray[np.uint8], weight: Floats | None = None) -> Calibration:
    """Fit one Platt calibration per column.

    Parameters
    ----------
    z : ndarray of float, shape (n, L)
        Log-odds on rows that no fit, sampler or early stopping has touched.
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,), optional
        How many rows of the population each row stands for.

    Returns
    -------
    Calibration
        A column without both classes is left as it is.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines: the targets (n1 + 1) / (n1 + 2) and
    1 / (n0 + 2) keep the likelihood finite when the classes separate.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(20_000, 1))
    >>> Y = (rng.random((20_000, 1)) < expit(z - 1)).astype(np.uint8)
    >>> round(float(fit_calibration(z, Y).intercept[0]), 1)
    -1.0
    """
    weights = np.ones(len(z)) if weight is None else weight
    fitted = [_fit_column(column, y, weights) for column, y in zip(z.T, Y.T, strict=True)]
    slope, intercept = np.array(fitted, dtype=np.float64).reshape(-1, 2).T
    return Calibration(slope, intercept)


def _fit_column(z: Floats, y: NDArray[np.uint8], weight: Floats) -> tuple[float, float]:
    n_positive, n_negative = float(weight @ y), float(weight @ (1 - y.astype(np.float64)))
    if not n_positive or not n_negative:
        return 1.0, 0.0
    target = np.where(y, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, intercept = parameters
        score = slope * z + intercept
        excess = weight * (expit(score) - target)
        pull = (slope - 1) / SLOPE_SPREAD**2
        value = weight @ (np.logaddexp(0, score) - target * score) + 0.5 * pull * (slope - 1)
        return float(value), np.array([excess @ z + pull, excess.sum()])

    start = np.array([1.0, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])
