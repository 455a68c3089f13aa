"""Prior shift: probabilities where another share of rows has a label than in training, all else being equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats

FURTHEST = 4.0
"""Largest shift of log-odds that a model can be adapted to: 55 times the odds."""

SHIFTS = np.linspace(-FURTHEST, FURTHEST, 9)
"""Shifts of log-odds for which thresholds and offsets are computed when a cascade is fitted."""


@dataclass(frozen=True)
class PriorShift:
    """Change from one share of rows with a label to another, p(x | a) staying the same for rows with and without.

    As p(x | a = 1) stays, so does the mix of labels among rows with a label.

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
        """The number that is added to the log-odds of `any`."""
        return float(log_odds(self.target) - log_odds(self.source))

    @property
    def is_none(self) -> bool:
        """Whether a model is used at the share that it was calibrated on."""
        # Compared exactly: then nothing is computed, and adapting a model to its own share changes no bit.
        return self.target == self.source

    def to(self, target: float) -> PriorShift:
        """Return the shift from the same source to another share.

        Raises
        ------
        ConfigError
            If it is not a share, or too far away for a calibration to remain valid.
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
        """Return p(a | x) at the target from p(a | x) at the source; any shape.

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
        # In probabilities rather than log-odds: these clip at 1e-7, which would raise the smallest probabilities.
        return np.asarray(proba * with_label / (proba * with_label + (1 - proba) * without))

    def label_proba(self, proba: Floats, any_proba: Floats) -> Floats:
        """Return p(y_k | x) at the target (n, L) from p(y_k | x) and p(a | x) (n,) at the source.

        A row with label k is a row with a label, so Bayes' rule weighs it by w1 = target / source, and rows without a
        label by w0 (see `weights`). Hence p'(y_k | x) = p(y_k | x) w1 / (p(a | x) w1 + (1 - p(a | x)) w0), for every
        negative pool. The quotient p(y_k | x) / p(a | x) does not change.

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
        """Return p(a | x) at the source from p(a | x) at the target."""
        return float(PriorShift(self.target, self.source).any_proba(np.array(any_proba)))

    @property
    def weights(self) -> tuple[float, float]:
        """Importance weights w1 of a source row with a label and w0 of one without, which represent the target."""
        return self.target / self.source, (1 - self.target) / (1 - self.source)


@dataclass(frozen=True)
class ByShift:
    """What a shift needs besides its formula, fitted on held-out rows weighted as they would be at the target.

    Attributes
    ----------
    thresholds : ndarray of float, shape (9, L)
        Decision thresholds at each of `SHIFTS`.
    offsets : ndarray of float, shape (9, L)
        Log-odds to add to shifted probabilities of rows past the gate, so that their sums are right. The formula
        assumes that p(y_k | x) and p(a | x) use the same information, but a gate may see less than the labeler.
    """

    thresholds: Floats
    offsets: Floats

    def offsets_at(self, shift: float) -> Floats:
        """Return the offsets (L,) at a shift, interpolated linearly between the nearest of `SHIFTS`."""
        first, part = _place(shift)
        line: Floats = (1 - part) * self.offsets[first] + part * self.offsets[first + 1]
        return line

    def thresholds_at(self, shift: float) -> Floats:
        """Return the thresholds (L,) at a shift, interpolated linearly in log-odds between the nearest of `SHIFTS`.

        Where one of the two is above 1, that is never, the threshold of the nearer one is taken.
        """
        first, part = _place(shift)
        low, high = self.thresholds[first], self.thresholds[first + 1]
        line = expit((1 - part) * log_odds(low) + part * log_odds(high))
        # No interpolation where both agree, so that a fixed number or a cost threshold keeps its last digit; where one
        # is never, since there is no probability halfway to it; and at a grid point, which is exact.
        stays = (low == high) | (np.maximum(low, high) > 1) | (part in (0.0, 1.0))
        chosen: Floats = np.where(stays, low if part < 0.5 else high, line)
        return chosen


def _place(shift: float) -> tuple[int, float]:
    """Return the number of the last of `SHIFTS` that is not beyond a shift, and the part of the way to the next."""
    place = float(np.interp(shift, SHIFTS, np.arange(len(SHIFTS))))
    # At the last grid point the pair is the last two, with a part of 1, so that `first + 1` exists.
    first = min(int(place), len(SHIFTS) - 2)
    return first, place - first
