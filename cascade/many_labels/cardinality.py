"""Predict the number of labels of a row from its summed probabilities and, for a network, a head on its trunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from cascade.data.rows import subset
from cascade.many_labels.calibration import SharedSlope
from cascade.many_labels.scoring import raw_chunks
from cascade.utils.types import Floats, Floats32, ProbabilityEstimator, Rows

LEAST_LOG = -5.0
PENALTY = 1e-3
"""Ridge penalty of the regression. Without it, coefficients of two correlated features may grow with opposite signs."""


@dataclass(frozen=True)
class Cardinality:
    """Expected number of labels, exp(intercept + of_sum * ln(sum of probabilities) + of_head * head).

    Attributes
    ----------
    intercept, of_sum, of_head : float
    head : fitted estimator or None
        Its log-odds are the logarithm of a number of labels; None if the model is not a network.
    """

    intercept: float
    of_sum: float
    of_head: float
    head: ProbabilityEstimator | None = None

    def __call__(self, X: Any, rows: Rows, z: Floats32) -> Floats:
        """Return the expected number for rows with calibrated log-odds z (m, L): float of shape (m,), at most L."""
        features = _features(self.head, X, rows, z)
        number = np.exp(self.intercept + features @ np.array([self.of_sum, self.of_head]))
        return np.minimum(np.asarray(number, dtype=np.float64), z.shape[1])


def fit_cardinality(
    estimator: ProbabilityEstimator, X: Any, Y: Any, fitting: Rows, held_out: Rows, calibration: SharedSlope
) -> Cardinality:
    """Train a head on the rows of the model's fit, and weight head and summed probabilities on held-out rows.

    Parameters
    ----------
    estimator : fitted multi-label classifier
    X : rows, n of them
    Y : ndarray or CSR matrix of 0/1, shape (n, L)
    fitting, held_out : ndarray of int
        Rows of the estimator's fit, and rows that it has not seen.
    calibration : SharedSlope

    Returns
    -------
    Cardinality
        A Poisson regression of the number of labels of the held-out rows.
    """
    number = np.asarray(Y.sum(axis=1), dtype=np.float64).ravel()
    head = _head(estimator, X, fitting, number) if hasattr(estimator, "network_") else None
    features = np.concatenate(
        [_features(head, X, rows, calibration(z)) for rows, z in raw_chunks(estimator, X, held_out, Y.shape[1])]
    )
    # A Poisson regression without a single count has no finite intercept.
    if not number[held_out].any():
        return Cardinality(LEAST_LOG, 0.0, 0.0, head)
    from sklearn.linear_model import PoissonRegressor

    regression = PoissonRegressor(alpha=PENALTY, max_iter=1000).fit(features, number[held_out])
    return Cardinality(float(regression.intercept_), float(regression.coef_[0]), float(regression.coef_[1]), head)


def _head(estimator: Any, X: Any, rows: Rows, number: Floats) -> ProbabilityEstimator:
    # Brings Keras, which models without a network do without.
    from cascade.estimators.neural.cardinality import fit_counter

    return fit_counter(estimator, subset(X, rows, estimator), number[rows])


def _features(head: ProbabilityEstimator | None, X: Any, rows: Rows, z: Floats32) -> Floats:
    most = np.log(z.shape[1])
    # Both features are logarithms of a number of labels, bounded so that a single extreme row cannot dominate.
    summed = np.log(np.maximum(expit(z).sum(axis=1, dtype=np.float64), np.exp(LEAST_LOG)))
    if head is None:
        return np.column_stack([summed, np.zeros(len(z))])
    predicted = [part[:, 0] for _, part in raw_chunks(head, X, rows, 1)]
    return np.column_stack([summed, np.clip(np.concatenate(predicted).astype(np.float64), LEAST_LOG, most)])
