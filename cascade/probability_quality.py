"""How well probabilities match labels, label by label; a perfect prediction has loss 0, undefined is NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.calibration import fit_slope
from cascade.labels import Labels
from cascade.metrics import ratio
from cascade.priors import log_odds

Floats = NDArray[np.float64]

BINS = 10


def label_brier(Y: Labels, proba: Floats) -> Floats:
    """Mean squared difference of probability and label; float of shape (L,)."""
    error = (proba - Y) ** 2
    return np.asarray(error.mean(axis=0)) if len(Y) else np.full(Y.shape[1], np.nan)


def label_stratified_brier(Y: Labels, proba: Floats) -> Floats:
    """Mean of the Brier scores of the label's positives and of its negatives; float of shape (L,).

    On a label of 0.4 % the plain Brier score hardly sees the positives: answering 0 everywhere scores 0.004 there
    and 0.5 here.

    References
    ----------
    Wallace & Dahabreh (2012), Class probability estimates are unreliable for imbalanced data.

    Examples
    --------
    >>> label_stratified_brier(np.array([[1], [0], [0]], np.uint8), np.zeros((3, 1)))
    array([0.5])
    """
    error, positive = (proba - Y) ** 2, Y.astype(np.float64)
    of_positives = ratio((error * positive).sum(axis=0), positive.sum(axis=0))
    of_negatives = ratio((error * (1 - positive)).sum(axis=0), (1 - positive).sum(axis=0))
    return (of_positives + of_negatives) / 2


def label_log_loss(Y: Labels, proba: Floats) -> Floats:
    """Mean log loss with probabilities moved into [1e-7, 1 - 1e-7]; float of shape (L,)."""
    inside = np.clip(proba, 1e-7, 1 - 1e-7)
    loss = -np.where(Y > 0, np.log(inside), np.log1p(-inside))
    return np.asarray(loss.mean(axis=0)) if len(Y) else np.full(Y.shape[1], np.nan)


def label_calibration_error(Y: Labels, proba: Floats) -> Floats:
    """Expected calibration error over ten bins of equally many rows, divided by the label's prevalence.

    The mean distance between a bin's mean probability and its share of positives. On labels that are mostly
    absent any error in absolute terms looks small; divided by the prevalence 1 means as wrong as saying 0.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    proba : ndarray of float, shape (n, L)

    Returns
    -------
    ndarray of float, shape (L,)
        NaN where the label never occurs.

    Examples
    --------
    >>> label_calibration_error(np.array([[1], [0], [0], [0]], np.uint8), np.zeros((4, 1)))
    array([1.])
    """
    return np.array([_calibration_error(y, p) for y, p in zip(Y.T.astype(np.float64), proba.T, strict=True)])


def _calibration_error(y: Floats, proba: Floats) -> float:
    if not y.any():
        return float("nan")
    # Rows of one probability stay in one bin: the order of equal ones must not matter.
    bins = np.searchsorted(np.quantile(proba, np.linspace(0, 1, BINS + 1)[1:-1]), proba, side="right")
    gap = np.bincount(bins, proba - y, minlength=BINS)
    return float(np.abs(gap).sum() / y.sum())


def label_calibration_slope(Y: Labels, proba: Floats) -> Floats:
    """Slope of the logistic regression of the label on the log-odds of its probability; float of shape (L,).

    1 is right, below 1 overconfident, above 1 underconfident. NaN without both classes.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression.
    """
    z = log_odds(proba)
    return np.array([fit_slope(column, y) for column, y in zip(z.T, Y.T, strict=True)])
