"""Thresholds between neighbouring scores, so that rounding in another runtime moves no group of equal rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from cascade.utils.types import Floats, Rows

NEAR = 1e-5
"""Log-odds within which scores count as equal: kernels round equal rows differently by up to a tenth of this."""

LOWEST, HIGHEST = 1e-300, 1 - 2**-53
"""Probabilities with finite log-odds."""


@dataclass(frozen=True)
class Cuts:
    """The thresholds that separate the scores of some rows.

    Attributes
    ----------
    score : ndarray of float, shape (m,)
        Distinct scores in descending order.
    threshold : ndarray of float, shape (m,)
        Half-way in log-odds between each score and the next lower one, rounded to float32.
    best : ndarray of int, shape (m,)
        For each score, the score at or below it whose threshold has the widest gap, within `NEAR`.
    """

    score: Floats
    threshold: Floats
    best: Rows

    @classmethod
    def of(cls, scores: Floats) -> Cuts:
        """Find the cuts of probabilities (n,).

        Examples
        --------
        >>> Cuts.of(np.array([0.9, 0.5, 0.1, 0.5])).threshold.round(3).tolist()
        [0.75, 0.25, 0.1]
        """
        score = np.unique(scores)[::-1]
        z = np.asarray(logit(np.clip(score, LOWEST, HIGHEST)), dtype=np.float64)
        # Nothing is known of rows below the lowest score, so its threshold is only as far below as rounding needs.
        below = np.append(z[1:], z[-1:] - NEAR)
        threshold = _in_float32(np.asarray(expit((z + below) / 2), dtype=np.float64), score)
        width = np.where(threshold < score, z - below, 0.0)
        return cls(score, threshold, _widest(z, width))

    def at_or_below(self, score: float) -> float:
        """Return the best threshold that all rows with at least this score pass."""
        # Searched from the lowest score up: the lowest that is not below the given one.
        number = len(self.score) - 1 - int(np.searchsorted(self.score[::-1], score))
        return float(self.threshold[self.best[number]]) if number >= 0 else score

    def capped(self, highest: float) -> float:
        """Return `highest` where no score is near it, and otherwise a threshold below it."""
        z = logit(np.clip(self.score, LOWEST, HIGHEST))
        near = np.flatnonzero(np.abs(z - logit(highest)) < NEAR)
        # Below the last of them, since the middle of a gap above it could exceed `highest`.
        return float(self.threshold[near[-1]]) if len(near) else highest


def _in_float32(threshold: Floats, score: Floats) -> Floats:
    """Round thresholds to float32 where rows rounded to float32 keep their sides; elsewhere return the score itself."""
    rounded = threshold.astype(np.float32)
    # Rounded down first where rounding went past the score that has to pass.
    rounded = np.where(rounded > score, np.nextafter(rounded, np.float32(0)), rounded)
    fails = np.append(score[1:], -np.inf).astype(np.float32)
    return np.where(rounded > fails, rounded.astype(np.float64), score)


def _widest(z: Floats, width: Floats) -> Rows:
    """Return for each score the number of the widest gap among the scores from it down to `NEAR` below it."""
    numbers = np.arange(len(z))
    last = np.searchsorted(-z, NEAR - z, side="right") - 1
    # Range maxima by a sparse table: `widest` holds the maxima of all runs of 1, 2, 4, ... scores. A range is the union
    # of two overlapping runs. Equal widths go to the higher score.
    level = np.log2(last - numbers + 1).astype(np.intp)
    best, widest = numbers.copy(), numbers
    for power in range(int(level.max(initial=0)) + 1):
        rows = np.flatnonzero(level == power)
        best[rows] = _wider(widest[rows], widest[last[rows] - 2**power + 1], width)
        widest = _wider(widest[: -(2**power)], widest[2**power :], width)
    return best


def _wider(first: Rows, second: Rows, width: Floats) -> Rows:
    return np.where(width[second] > width[first], second, first)
