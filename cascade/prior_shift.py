"""Another share of rows with a label than in training: what it makes of probabilities, if nothing else changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError
from cascade.priors import log_odds

Floats = NDArray[np.float64]

FURTHEST = 4.0
"""Largest shift of log-odds that a model follows: 55 times the odds."""


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
        if self.target == self.source:
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
        if self.target == self.source:
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
