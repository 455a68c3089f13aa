"""Another share of rows with a label than in training: what it makes of probabilities, if nothing else changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats

FURTHEST = 4.0
"""Largest shift of log-odds that a model follows: 55 times the odds."""

SHIFTS = np.linspace(-FURTHEST, FURTHEST, 9)
"""Shifts of log-odds for which a cascade is made ready when it is fitted."""


@dataclass(frozen=True)
class PriorShift:
    """From one share of rows with a label to another, p(x | a) being the same for rows with and without.

    p(x | a = 1) stays, so the mix of labels among rows that have one does too.

    Attributes
    ----------
    source : float
        Share among the rows that the probabilities were calibrated on.
    target : float
        Share where the model is used.
    """

    source: float
    target: float

    @property
    def log_odds(self) -> float:
        """What is added to the log-odds of `any`."""
        return float(log_odds(self.target) - log_odds(self.source))

    @property
    def is_none(self) -> bool:
        """Whether a model is used at the share that it was calibrated on."""
        return self.target == self.source

    def to(self, target: float) -> PriorShift:
        """From the same source to another share.

        Raises
        ------
        ConfigError
            If it is no share, or further away than a calibration can be trusted.
        """
        number = isinstance(target, (int, float, np.integer, np.floating)) and not isinstance(target, bool)
        if not (number and 0 < target < 1):
            raise ConfigError(f"`prevalence` must lie between 0 and 1, both excluded. Received {target!r}.")
        moved = PriorShift(self.source, float(target))
        if abs(moved.log_odds) > FURTHEST:
            raise ConfigError(
                f"`prevalence` must have at most 55 times the odds of training's {self.source:.4g}, or a 55th. "
                f"Received {target:.4g}; train on rows of that site."
            )
        return moved

    def any_proba(self, proba: Floats) -> Floats:
        """p(a | x) at the target, from that at the source; any shape.

        References
        ----------
        Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities: a
        simple procedure, Neural Computation 14, formula 2.4.

        Examples
        --------
        >>> PriorShift(0.1, 0.5).any_proba(np.array([0.1])).round(6).tolist()
        [0.5]
        """
        if self.is_none:
            return proba
        with_label, without = self.weights
        return np.asarray(proba * with_label / (proba * with_label + (1 - proba) * without))

    def label_proba(self, proba: Floats, any_proba: Floats) -> Floats:
        """p(y_k | x) at the target (n, L), from those and p(a | x) (n,) at the source.

        A vector of labels belongs to rows with a label, or is the empty one; Bayes' rule weighs the former by
        target / source. So p'(y_k | x) = p(y_k | x) w1 / (p(a | x) w1 + (1 - p(a | x)) w0), whatever rows the labeler
        was trained on. In the quotient p(y_k | x) / p(a | x) nothing changes.

        Examples
        --------
        >>> PriorShift(0.1, 0.5).label_proba(np.array([[0.05]]), np.array([0.1])).round(6).tolist()
        [[0.25]]
        """
        if self.is_none:
            return proba
        with_label, without = self.weights
        return np.asarray(proba * (with_label / (any_proba * with_label + (1 - any_proba) * without))[:, None])

    def undo(self, any_proba: float) -> float:
        """p(a | x) at the source, from that at the target."""
        return float(PriorShift(self.target, self.source).any_proba(np.array(any_proba)))

    @property
    def weights(self) -> tuple[float, float]:
        """What a row with a label, and one without, of the source stands for at the target."""
        return self.target / self.source, (1 - self.target) / (1 - self.source)


@dataclass(frozen=True)
class ByShift:
    """What a shift asks for besides its formula, found on held-out rows weighed as they would be.

    Attributes
    ----------
    thresholds : ndarray of float, shape (9, L)
        Decision thresholds at each of `SHIFTS`.
    offsets : ndarray of float, shape (9, L)
        Log-odds to add to shifted probabilities of rows past the gate, so that their sums are right. The formula
        takes p(y_k | x) and p(a | x) to know the same; a gate that sees less than the labeler does not.
    """

    thresholds: Floats
    offsets: Floats

    def offsets_at(self, shift: float) -> Floats:
        """Offsets (L,) at a shift, on a line between the nearest of `SHIFTS`."""
        first, part = _place(shift)
        line: Floats = (1 - part) * self.offsets[first] + part * self.offsets[first + 1]
        return line

    def thresholds_at(self, shift: float) -> Floats:
        """Thresholds (L,) at a shift, on a line in log-odds; never where the nearer of `SHIFTS` says so."""
        first, part = _place(shift)
        low, high = self.thresholds[first], self.thresholds[first + 1]
        line = expit((1 - part) * log_odds(low) + part * log_odds(high))
        # A fixed number, as of costs, keeps its last digit.
        stays = (low == high) | (np.maximum(low, high) > 1) | (part in (0.0, 1.0))
        chosen: Floats = np.where(stays, low if part < 0.5 else high, line)
        return chosen


def _place(shift: float) -> tuple[int, float]:
    """Number of the last of `SHIFTS` that is not beyond a shift, and the part of the way to the next."""
    place = float(np.interp(shift, SHIFTS, np.arange(len(SHIFTS))))
    first = min(int(place), len(SHIFTS) - 2)
    return first, place - first
