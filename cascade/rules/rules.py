"""The numbers that turn two stages' log-odds into merged, coherent probabilities and bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.rules.label_plan import LabelPlan
from cascade.rules.probability.calibration import AnyCalibration, calibrated_proba
from cascade.rules.probability.coherence import coherent
from cascade.rules.probability.merge import MERGES
from cascade.rules.probability.prior_shift import ByShift, PriorShift
from cascade.utils.log_odds import log_odds, shift_proba
from cascade.utils.types import Floats, Mask

COHERENCES = ("lift", "labels", "any")
"""Where the bit of `any` and those of the labels disagree: "lift" sets `any` with each label and lets it stand alone,
"labels" makes it exactly their OR, "any" clears labels without it and sets the surest label where it stands alone."""


def check_coherence(coherence: str) -> str:
    """Return `coherence` if it is one."""
    if coherence not in COHERENCES:
        raise ConfigError(f"`coherence` must be one of {list(COHERENCES)}. Received {coherence!r}.")
    return coherence


@dataclass(frozen=True)
class Rules:
    """Everything a cascade decides beyond its two models; plain numbers, fitted on held-out rows.

    Attributes
    ----------
    label_names : tuple of str
        In column order.
    plan : LabelPlan
        Which columns are `any`, learned, or constant.
    negative_pool : str
        Rows the labeler was trained on; decides the merge.
    gate_calibration, labeler_calibration, merged_calibration : AnyCalibration
        For the gate, for each learned label on the labeler's population, for each of `merged_columns`.
    gate_threshold : float
        Rows with a gate probability of at least this are examined.
    rejected_share : ndarray of float, shape (L,)
        Positives of each label over the sum of the gate's probabilities, among rows that the gate rejects: what
        the gate's probability of such a row is multiplied by. Zeros for hard zeros.
    rejected_interval : ndarray of float, shape (2, L)
        95 % interval of the share of rejected rows that have the label; see `cascade.metrics.intervals`.
    thresholds : ndarray of float, shape (L,)
        Decision thresholds of the bits.
    coherence : str
        Which of `any` and the labels decides where they disagree; see `COHERENCES`.
    shift : PriorShift or None
        From the share of rows with a label where all of this was fitted to that where it is used. Everything above
        stays as fitted, but for `thresholds`. None where the former is not known.
    by_shift : ByShift or None
        What follows a shift besides the formula.
    """

    label_names: tuple[str, ...]
    plan: LabelPlan
    negative_pool: str
    gate_calibration: AnyCalibration
    labeler_calibration: AnyCalibration
    merged_calibration: AnyCalibration
    gate_threshold: float
    rejected_share: Floats
    rejected_interval: Floats
    thresholds: Floats
    coherence: str
    shift: PriorShift | None = None
    by_shift: ByShift | None = None

    def gate_proba(self, gate_z: Floats) -> Floats:
        """Calibrated p(a | x) from the gate's log-odds (n,), as fitted; what passes is decided by it."""
        return calibrated_proba(self.gate_calibration, gate_z)

    def served(self, gate: Floats) -> Floats:
        """p(a | x) where the model is used, from that as fitted."""
        return gate if self.shift is None else self.shift.any_proba(gate)

    @property
    def served_threshold(self) -> float:
        """`gate_threshold` as a probability where the model is used."""
        return float(self.served(np.array(self.gate_threshold)))

    def prior_shift(self) -> PriorShift:
        """From the share of rows with a label in training to that where the model is used.

        Raises
        ------
        ConfigError
            If the former is not known.
        """
        if self.shift is None:
            raise ConfigError(
                "`adapt` needs a model that keeps its training prevalence; train it again, with rows that have a label "
                "and rows that have none."
            )
        return self.shift

    def at_prevalence(self, prevalence: float) -> Rules:
        """The same rules where another share of rows has a label.

        Raises
        ------
        ConfigError
            If that is no share or too far away, or that of the training is not known.
        """
        shift = self.prior_shift().to(prevalence)
        assert self.by_shift is not None
        return replace(self, shift=shift, thresholds=self.by_shift.thresholds_at(shift.log_odds))

    @property
    def merged_columns(self) -> NDArray[np.intp]:
        """Columns that have a calibration after the merge: the learned labels, then `any` if there is one."""
        last = [] if self.plan.any_index is None else [self.plan.any_index]
        return np.append(self.plan.learned, np.array(last, dtype=np.intp))

    def merge(self, gate: Floats, labeler_z: Floats) -> Floats:
        """Merged probabilities of the merged columns (m, K), before their own calibration.

        `any` is the gate's, or that of the surest label: the labeler saw more than the gate.
        """
        merged = MERGES[self.negative_pool](gate, np.asarray(expit(self.labeler_calibration(labeler_z))))
        if self.plan.any_index is None:
            return merged
        return np.column_stack([merged, np.maximum(gate, merged.max(axis=1, initial=0.0))])

    def proba(self, gate: Floats, passed: Mask, labeler_z: Floats) -> Floats:
        """Coherent probabilities (n, L) from gate probabilities as fitted (n,) and passed rows' log-odds (m, K)."""
        proba = gate[:, None] * np.where(passed[:, None], self.plan.share, self.rejected_share)
        self._fill_between(proba, gate, ~passed & (gate >= self.gate_threshold))
        merged = log_odds(self.merge(gate[passed], labeler_z))
        proba[np.ix_(passed, self.merged_columns)] = expit(self.merged_calibration(merged))
        np.minimum(proba, 1.0, out=proba)
        if self.plan.any_index is not None:
            proba = coherent(proba, self.plan.any_index)
        return self.proba_at(proba, gate, passed)

    def proba_at(self, proba: Floats, gate: Floats, passed: Mask) -> Floats:
        """Coherent probabilities (n, L) where the model is used, from those as fitted."""
        if self.shift is None or self.by_shift is None or not self.shift.log_odds:
            return proba
        moved = self.shift.label_proba(proba, self.any_of(proba, gate))
        moved[passed] = shift_proba(moved[passed], self.by_shift.offsets_at(self.shift.log_odds))
        return moved if self.plan.any_index is None else coherent(moved, self.plan.any_index)

    def any_of(self, proba: Floats, gate: Floats) -> Floats:
        """p(a | x) that goes with coherent probabilities (n, L): the gate's, or what the labels made of it."""
        if self.plan.any_index is not None:
            return proba[:, self.plan.any_index]
        most_probable: Floats = np.maximum(gate, proba.max(axis=1))
        return most_probable

    def _fill_between(self, proba: Floats, gate: Floats, between: Mask) -> None:
        """Give rows that only a raised threshold rejects the labels' usual shares: those of the tail are too small."""
        if between.any() and self.rejected_share.any():
            usual = self.plan.share.copy()
            if self.plan.any_index is not None:
                usual[self.plan.any_index] = 1.0
            proba[between] = gate[between, None] * usual

    def margin(self, proba: Floats, passed: Mask) -> Floats:
        """Log-odds above the decision threshold (n, L), with the sign of the bit that the rules set."""
        margin = log_odds(proba) - log_odds(self.thresholds)
        on = self.bits(proba, passed) > 0
        least = np.finfo(np.float64).tiny
        return np.where(on, np.maximum(margin, least), np.minimum(margin, -least))

    def bits(self, proba: Floats, passed: Mask, thresholds: Floats | None = None) -> NDArray[np.uint8]:
        """0/1 of shape (n, L): only rows that passed get a bit, and `any` agrees with the labels."""
        limits = self.thresholds if thresholds is None else thresholds
        bits = (proba >= limits) & passed[:, None]
        if self.plan.any_index is not None:
            self._agree(bits, proba, limits, self.plan.any_index)
        return bits.astype(np.uint8)

    def predict(self, scores: Scores, thresholds: Floats | None = None) -> Prediction:
        """Turn the scores of n rows into probabilities and bits.

        Parameters
        ----------
        scores : Scores
            From gate and labeler.
        thresholds : ndarray of float, shape (L,), optional
            Decision thresholds to use instead of the fitted ones.

        Returns
        -------
        Prediction
        """
        gate = self.gate_proba(scores.gate_z)
        proba = self.proba(gate, scores.passed, scores.labeler_z)
        return Prediction(self.served(gate), scores.passed, proba, self.bits(proba, scores.passed, thresholds))

    def _agree(self, bits: Mask, proba: Floats, limits: Floats, index: int) -> None:
        """Make `any`, which is column `index`, and the labels agree, in place."""
        labels = np.flatnonzero(np.arange(len(self.label_names)) != index)
        if self.coherence == "any" and len(labels):
            bits[:, labels] &= bits[:, [index]]
            bare = np.flatnonzero(bits[:, index] & ~bits[:, labels].any(axis=1))
            margin = log_odds(proba[np.ix_(bare, labels)]) - log_odds(limits[labels])
            # A label whose bit is never set does not stand in for the others either.
            most_probable = np.argmax(np.where(limits[labels] > 1, -np.inf, margin), axis=1)
            bits[bare, labels[most_probable]] = True
        elif self.coherence == "labels" and len(labels):
            bits[:, index] = bits[:, labels].any(axis=1)
        else:
            bits[:, index] = bits.any(axis=1)


@dataclass(frozen=True)
class Prediction:
    """What a cascade says of each row.

    Attributes
    ----------
    gate_proba : ndarray of float, shape (n,)
        Calibrated probability that the row has a label.
    passed_gate : ndarray of bool, shape (n,)
        Whether the labeler examined the row.
    proba : ndarray of float, shape (n, L)
    labels : ndarray of 0/1, shape (n, L)
    """

    gate_proba: Floats
    passed_gate: NDArray[np.bool_]
    proba: Floats
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Scores:
    """What the two models say, before any rule.

    Attributes
    ----------
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    passed : ndarray of bool, shape (n,)
    labeler_z : ndarray of float, shape (m, K)
        The labeler's log-odds of the learned labels, for the m rows that passed.
    """

    gate_z: Floats
    passed: NDArray[np.bool_]
    labeler_z: Floats
