"""Sums of probabilities that are right after the projection onto coherent rows."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from cascade.data.label_matrix import LabelMatrix
from cascade.rules.probability.calibration import AnyCalibration
from cascade.rules.probability.coherence import coherent
from cascade.utils.types import Floats

LARGEST_OFFSET = 2.0
"""Largest shift of a column's log-odds, up or down: a larger one would distort the single rows."""
LARGEST_STEP = 0.5
TOLERANCE = 1e-6
"""Difference of a sum that is left, as a share of the wanted sum."""
MOST_ROUNDS = 50


def match_sums(calibration: AnyCalibration, merged: Floats, labels: LabelMatrix, weight: Floats) -> AnyCalibration:
    """Shift a calibration so that the sum of each column is right after the projection.

    The projection raises `any` and lowers the labels above it, so the sums of a calibration are wrong after it. Each
    round is a step of Newton's method per column. It takes the slope before the projection, which is not smaller.

    Parameters
    ----------
    calibration : calibration of C columns
    merged : ndarray of float, shape (m, C)
        Log-odds before the calibration, the last column of `any`.
    labels : LabelMatrix
        Of m rows and C columns. Only known entries count.
    weight : ndarray of float, shape (m,)

    Returns
    -------
    calibration
        Columns without both classes keep theirs.
    """
    z, last = calibration(merged), merged.shape[1] - 1
    counts = labels.weight_of_entries(weight)
    wanted, total = (counts * labels.values).sum(axis=0), counts.sum(axis=0)
    columns = (wanted > 0) & (wanted < total)
    offsets = np.zeros(last + 1)
    for _ in range(MOST_ROUNDS):
        proba = expit(z + offsets)
        excess = (counts * coherent(proba, last)).sum(axis=0) - wanted
        if not (np.abs(excess) > TOLERANCE * wanted)[columns].any():
            break
        slope = (counts * proba * (1 - proba)).sum(axis=0)
        step = np.clip(-excess / np.maximum(slope, np.finfo(float).tiny), -LARGEST_STEP, LARGEST_STEP)
        offsets[columns] = np.clip(offsets + step, -LARGEST_OFFSET, LARGEST_OFFSET)[columns]
    return calibration.shifted(offsets)
