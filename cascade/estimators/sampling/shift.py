"""The shift of log-odds that sampling causes, and how much of it can be corrected.

A model of label k that is trained on a sample learns p(y_k | x) times how often a row with (or without) the label was
drawn, given x. If that depends only on y_k, as when negatives are thinned for one label's model, log-odds move by one
number and the correction is exact. A row with several labels is drawn for all of them at once, so the shift of label k
also depends on its other labels, and thus on x. The number computed here is right on average (prior shift) and an
approximation for each row. Calibration on rows at their natural prevalence corrects what remains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade.errors import DataError
from cascade.rules.probability.prior_correction import sampling_shift
from cascade.utils.types import Floats, Rows


def draw_counts(rows: Rows, n_rows: int) -> Floats:
    """Return how often each row was drawn, over its natural share of the sample.

    Parameters
    ----------
    rows : ndarray of int
        Row numbers that a sampler returned.
    n_rows : int
        Number of rows that it sampled from.

    Returns
    -------
    ndarray of float, shape (n_rows,)
        With mean 1, and 0 for a row that was not drawn.

    Examples
    --------
    >>> draw_counts(np.array([0, 1, 1, 2]), 3).tolist()
    [0.75, 1.5, 0.75]
    """
    count = np.bincount(rows, minlength=n_rows).astype(np.float64)
    return count * (n_rows / max(len(rows), 1))


def class_ratios(Y: Any, drawn: Any, weight: Floats | None = None, drawn_weight: Floats | None = None) -> Floats:
    """Return the share of each label's negatives and positives in a sample, over their natural share.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    drawn : ndarray or sparse matrix of 0/1, shape (m, L)
        Labels of the sampled rows, such as `Y[rows]`.
    weight, drawn_weight : ndarray of float, shapes (n,) and (m,), optional
        Sample weights.

    Returns
    -------
    ndarray of float > 0, shape (L, 2)
        Negatives first. A class without rows in `Y` gets 1; a class without rows in the sample counts half a row.

    Raises
    ------
    DataError

    Examples
    --------
    >>> Y = np.array([[1], [0], [0], [0]], np.uint8)
    >>> class_ratios(Y, Y[[0, 0, 1, 2]]).round(3).tolist()
    [[0.667, 2.0]]
    """
    if Y.shape[1] != drawn.shape[1] or not drawn.shape[0]:
        raise DataError(
            f"`drawn` must hold rows of as many labels as `Y` ({Y.shape[1]}). Received shape {drawn.shape}."
        )
    natural, sampled = _class_weight(Y, weight), _class_weight(drawn, drawn_weight)
    total = sampled.sum(axis=1, keepdims=True)
    # Half a row keeps the log-odds finite where the sample has no row of a class.
    share = np.maximum(sampled / total, 0.5 / drawn.shape[0])
    expected = natural / natural.sum(axis=1, keepdims=True)
    ratio: Floats = np.divide(share, expected, out=np.ones_like(natural), where=natural > 0)
    return ratio


def _class_weight(Y: Any, weight: Floats | None) -> Floats:
    each = np.ones(Y.shape[0]) if weight is None else weight
    positive = np.asarray(each @ Y, dtype=np.float64).ravel()
    # Rounding may put the difference just below 0 where every row is positive.
    return np.column_stack([np.maximum(each.sum() - positive, 0.0), positive])


def resampling_shift(ratios: Floats) -> Floats:
    """Return the log-odds to add to a model that was fitted on a sample; float of shape (L,).

    Parameters
    ----------
    ratios : ndarray of float > 0, shape (L, 2)
        From `class_ratios`. Only the ratio of the two numbers matters, as in `prior_correction.sampling_shift`.

    Examples
    --------
    >>> Y = np.array([[1], [0], [0], [0]], np.uint8)
    >>> resampling_shift(class_ratios(Y, Y[[0, 0, 1, 2]])).round(3).tolist()
    [-1.099]
    """
    # Scaled into (0, 1], as `sampling_shift` takes shares that were kept; its result depends only on the ratio.
    kept = ratios / ratios.max(axis=1, keepdims=True)
    return sampling_shift(kept[:, 0], kept[:, 1])
