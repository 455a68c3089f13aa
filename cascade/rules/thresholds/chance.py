"""Test on held-out rows whether each label is ranked better than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtr

from cascade.data.label_matrix import LabelMatrix
from cascade.metrics.intervals import effective_rows, few_groups
from cascade.utils.types import Floats, Mask, Rows

FALSE_DISCOVERIES = 0.05
"""Expected share of labels at chance among those that the test passes."""

OUTSIDE = 0.05
"""Tail for which a variance from few groups is corrected; the level of a single test."""

BINS = 1000
"""Placements are rounded to this many steps for the exact distribution of their mean."""

MOST_CONVOLVED = 400
"""Number of independent positives up to which this distribution is computed exactly; beyond it is close to normal."""

MAJORITY = 0.5
"""From this share of rows on, a bit that is always set is right at least as often as wrong, without any ranking."""


@dataclass(frozen=True)
class ChanceTest:
    """What held-out rows show about the ranking of each label.

    Attributes
    ----------
    auroc : ndarray of float, shape (L,)
        NaN where the known rows have only one class.
    positives, groups : ndarray of int, shape (L,)
        Rows with the label, and groups that have such a row.
    above : ndarray of bool, shape (L,)
        Labels that are ranked better than chance, or are on at least half of the rows.
    """

    auroc: Floats
    positives: NDArray[np.int64]
    groups: NDArray[np.int64]
    above: Mask


def chance_test(score: Floats, labels: LabelMatrix, weight: Floats, group: Rows) -> ChanceTest:
    """Test whether rows with a label have higher scores than rows without it.

    Parameters
    ----------
    score : ndarray of float, shape (n, L)
        Of rows that no model was fitted on. Nothing that was fitted on their labels may change the ranking: isotonic
        calibration ranks the rows of its own fit better than chance, always.
    labels : LabelMatrix
        Of n rows and L labels. Only known entries count.
    weight : ndarray of float, shape (n,)
    group : ndarray of int, shape (n,)
        Number of each row's group.

    Returns
    -------
    ChanceTest

    Notes
    -----
    The placement of a row is the share of negatives with a lower score, ties counting half. The AUROC is the mean
    placement of the positives. At chance a positive has the placement of any negative, so the distribution of the mean
    of n independent placements is known: the n-fold convolution of that of the negatives, with all its ties. Nothing
    about it is estimated from the positives, so the test holds for few of them, too.

    What is estimated is n = 1 / (1 / e1 + 1 / e0), from the numbers of independent positives and negatives. Rows of a
    group depend on each other: e is the number of independent rows whose mean placement has the variance that the
    groups show, with the factor of `few_groups`. It is at most Kish's number of rows and at least Kish's number of
    groups, which would be right for groups of equal placements.

    The one-sided p-values of all labels are compared by the procedure of Benjamini and Hochberg. A weak label beside
    clear ones is tested at nearly 5 %, while of many labels at chance hardly any passes.

    References
    ----------
    Mann & Whitney (1947), On a test of whether one of two random variables is stochastically larger than the other.
    Benjamini & Hochberg (1995), Controlling the false discovery rate, Journal of the Royal Statistical Society B 57.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> Y = (rng.random((1000, 2)) < 0.03).astype(np.uint8)
    >>> score = np.column_stack([Y[:, 0] + rng.normal(size=1000), rng.normal(size=1000)])
    >>> chance_test(score, LabelMatrix(Y), np.ones(1000), np.arange(1000)).above.tolist()
    [True, False]
    """
    n_labels = labels.shape[1]
    auroc, p_value, share = np.full(n_labels, np.nan), np.ones(n_labels), np.zeros(n_labels)
    positives, groups = np.zeros((2, n_labels), np.int64)
    for k in range(n_labels):
        # Rows of weight 0 have no part in any sum, so they must not count as positives either.
        known = labels.weight_of(weight, k) > 0
        y, w, g = labels.values[known, k] > 0, weight[known], group[known]
        positives[k], groups[k] = y.sum(), len(np.unique(g[y]))
        share[k] = w @ y / max(w.sum(), np.finfo(np.float64).tiny)
        if 0 < positives[k] < len(y):
            placement = _placements(score[known, k], ~y, w)
            auroc[k] = w[y] @ placement[y] / w[y].sum()
            p_value[k] = _p_value(auroc[k], placement[~y], w[~y], _independent(placement, y, w, g))
    above = _discoveries(p_value, FALSE_DISCOVERIES) | (share >= MAJORITY)
    return ChanceTest(auroc, positives, groups, above)


def _placements(score: Floats, negative: Mask, weight: Floats) -> Floats:
    """Return for each row the weighted share of negatives with a lower score; ties count half."""
    order = np.argsort(score[negative], kind="stable")
    ordered, below = score[negative][order], np.append(0.0, np.cumsum(weight[negative][order]))
    first, last = (below[np.searchsorted(ordered, score, side)] for side in ("left", "right"))
    share: Floats = (first + last) / 2 / below[-1]
    return share


def _p_value(auroc: float, at_chance: Floats, weight: Floats, n: int) -> float:
    """Return the probability that the mean of `n` placements, drawn from those of the negatives, reaches the AUROC."""
    if n > MOST_CONVOLVED:
        spread = math.sqrt(float(weight @ (at_chance - 0.5) ** 2) / weight.sum() / n)
        # A spread of 0, of equal scores, comes with an AUROC of exactly 1/2.
        return float(ndtr((0.5 - auroc) / spread)) if spread else 1.0
    share = np.bincount(np.rint(at_chance * BINS).astype(np.intp), weight / weight.sum(), minlength=BINS + 1)
    size = next_fast_len(n * BINS + 1, real=True)
    mean = irfft(rfft(share, size) ** n, size)
    # Rounding moves the sum by up to half a step per draw, so rows at the AUROC itself are found from a little below.
    first = math.ceil(n * auroc * BINS - 0.5 * math.sqrt(n))
    return float(np.clip(mean[max(first, 0) :].sum(), 0.0, 1.0))


def _independent(placement: Floats, y: Mask, weight: Floats, group: Rows) -> int:
    """Return n, the number of independent positives with the same variance of the AUROC at chance, at least 1."""
    positive, negative = (_independent_rows(placement[side], weight[side], group[side]) for side in (y, ~y))
    return max(round(1 / (1 / positive + 1 / negative)), 1)


def _independent_rows(placement: Floats, weight: Floats, group: Rows) -> float:
    """Return the number of independent rows whose weighted mean has the variance that the groups show."""
    group = np.unique(group, return_inverse=True)[1]
    per_group = np.bincount(group, weight)
    fewest, most = effective_rows(per_group), effective_rows(weight)
    residual = weight * (placement - weight @ placement / weight.sum())
    spread = float(residual @ (placement - placement.mean())) / weight.sum()
    n_groups = len(per_group)
    # A single group, or rows without any spread, show no dependence: each group then counts as one row.
    if n_groups == 1 or fewest == most or not spread > 0:
        return fewest
    sums = np.bincount(group, residual)
    variance = float(sums @ sums) * n_groups / (n_groups - 1) / weight.sum() ** 2
    return float(np.clip(few_groups(len(group), n_groups, OUTSIDE) * spread / max(variance, 1e-300), fewest, most))


def _discoveries(p_value: Floats, level: float) -> Mask:
    """Mark the hypotheses that Benjamini and Hochberg's procedure rejects."""
    ordered = np.sort(p_value)
    below = np.flatnonzero(ordered <= level * np.arange(1, len(ordered) + 1) / len(ordered))
    # All up to the largest p-value below its line, also those that are above their own.
    return p_value <= (ordered[below[-1]] if len(below) else -1.0)
