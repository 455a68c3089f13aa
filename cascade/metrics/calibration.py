"""Metrics of calibration: error in equal-mass bins, and slope and intercept of the calibration line."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.metrics.metric import Columns, Metric, ratio
from cascade.metrics.outcome import Outcome
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats

BINS = 15


def _excess_in_bins(outcome: Outcome) -> Iterable[Columns]:
    labels = outcome.labels
    for k, (y, p) in enumerate(zip(outcome.Y.T, outcome.proba.T, strict=True)):
        rows = labels.rows_knowing(k)
        # Rows on which the label is not known keep zeros, so they add to no bin and not to the positives.
        columns = np.zeros((len(p), BINS + 1))
        columns[rows] = _bins_of_label(y[rows], p[rows])
        yield columns


def _bins_of_label(y: NDArray[np.uint8], p: Floats) -> Floats:
    """Put p - y of each row into the column of its bin, and y last; bins have n / 15 rows each, except for ties."""
    # Equal probabilities share a bin: otherwise the order of rows would determine the error of a constant prediction.
    # Bins are cut before any bootstrap draw; a draw only weighs their rows.
    rank = np.searchsorted(np.sort(p), p)
    columns = np.zeros((len(p), BINS + 1))
    columns[np.arange(len(p)), rank * BINS // max(len(p), 1)] = p - y
    columns[:, BINS] = y
    return columns


def _calibration_error(sums: Floats) -> Floats:
    return ratio(np.abs(sums[:BINS]).sum(axis=0), sums[BINS])


CALIBRATION_ERROR = Metric("calibration_error", _excess_in_bins, _calibration_error, 0.0)
"""Expected calibration error over prevalence: sum over bins abs(sum p - sum y) / sum y.

The error itself is sum over bins (n_b / n) abs(mean p - mean y) (Naeini et al. 2015, with the equal-mass bins of
Nguyen & O'Connor 2015). The error of a rare label is small for any low prediction, hence the division by prevalence:
predicting 0 everywhere scores 1. The metric is never below abs(sum ratio - 1). Noise adds to it: a calibrated
prediction scores more than 0, and bootstrap draws of it are biased upwards.
"""


def calibration_line(Y: Labels | LabelMatrix, proba: Floats) -> tuple[Floats, Floats]:
    """Return the slope and intercept of calibration per label: logit P(y = 1) = intercept + slope * logit p.

    Both are fitted together by maximum likelihood. A slope below 1 means that probabilities are too extreme.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L), or LabelMatrix
        Only known entries count.
    proba : ndarray of float, shape (n, L)

    Returns
    -------
    slope, intercept : ndarray of float, shape (L,)
        1 and 0 where the probabilities equal the labels, which is the maximum of the likelihood. Otherwise NaN where
        a label has only one class, or where the probabilities of the classes do not overlap: the likelihood then
        has no maximum.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression.
    Albert & Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> p = rng.beta(1, 9, size=(50_000, 1))
    >>> Y = (rng.random(p.shape) < p).astype(np.uint8)
    >>> slope, intercept = calibration_line(Y, p)
    >>> bool(abs(slope[0] - 1) < 0.1), bool(abs(intercept[0]) < 0.2)
    (True, True)
    """
    labels = LabelMatrix.of(Y)
    chosen = [labels.rows_knowing(k) for k in range(labels.shape[1])]
    lines = [_line(labels.values[rows, k], proba[rows, k]) for k, rows in enumerate(chosen)]
    slope, intercept = np.array(lines, dtype=np.float64).reshape(-1, 2).T
    return slope, intercept


def _line(y: NDArray[np.uint8], p: Floats) -> tuple[float, float]:
    positives, negatives = p[y > 0], p[y == 0]
    if not (len(positives) and len(negatives)):
        return np.nan, np.nan
    # A perfect prediction separates the classes too, so this has to come before the check of separation.
    if negatives.max() == 0 and positives.min() == 1:
        return 1.0, 0.0
    z = log_odds(p)
    of_positives, of_negatives = z[y > 0], z[y == 0]
    # Equality counts as separation: classes that only touch have no finite slope either (Albert & Anderson).
    if of_positives.min() >= of_negatives.max() or of_negatives.min() >= of_positives.max():
        return np.nan, np.nan
    # Imported late: loading a model needs the metrics at k, but not scikit-learn.
    from sklearn.linear_model import LogisticRegression

    # Centred log-odds make slope and intercept nearly uncorrelated, which keeps the Newton steps well conditioned.
    centre = z.mean()
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit((z - centre)[:, None], y)
    slope = float(fitted.coef_[0, 0])
    return slope, float(fitted.intercept_[0]) - slope * float(centre)
