"""The fitted rules that turn log-odds of gate and labeler into merged, coherent probabilities and bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.rules.label_plan import LabelPlan
from cascade.rules.probability.calibration import AnyCalibration, calibrated_proba
from cascade.rules.probability.coherence import coherent
from cascade.rules.probability.merge import FLAT, MERGES
from cascade.rules.probability.prior_shift import ByShift, PriorShift
from cascade.rules.probability.stack import Stack, noisy_or
from cascade.utils.log_odds import log_odds, shift_proba
from cascade.utils.types import Floats, Mask

COHERENCES = ("lift", "labels", "any")
"""What decides where the bit of `any` and those of the labels disagree. "lift": a label sets `any`, which may also be 1
alone. "labels": `any` is exactly the OR of the labels. "any": its bit clears the labels where it is 0, and sets the
label with the largest margin over its threshold where it would be 1 alone."""


PART = 8192
"""Rows that are merged at a time: few enough that what is computed in between stays in the processor's cache."""


def check_coherence(coherence: str) -> str:
    """Return `coherence`, or raise an error if it is not one of `COHERENCES`."""
    if coherence not in COHERENCES:
        raise ConfigError(f"`coherence` must be one of {list(COHERENCES)}. Received {coherence!r}.")
    return coherence


@dataclass(frozen=True)
class Rules:
    """Everything in a cascade besides its two models: plain numbers, fitted on held-out rows.

    Attributes
    ----------
    label_names : tuple of str
        In column order.
    plan : LabelPlan
        Which columns are `any`, learned, or constant.
    negative_pool : str
        Rows the labeler was trained on, which determine the merge; "flat" without a gate.
    gate_calibration, labeler_calibration, merged_calibration : AnyCalibration
        For the gate, for each learned label on the labeler's population, for each of `merged_columns`.
    gate_threshold : float
        Rows with a gate probability of at least this are examined.
    rejected_share : ndarray of float, shape (L,)
        Factor on the gate's probability of a rejected row: positives of each label over the sum of the gate's
        probabilities, both over rejected rows. All 0 if rejected rows get probability 0.
    rejected_interval : ndarray of float, shape (2, L)
        95 % interval of the share of rejected rows that have the label; see `cascade.metrics.intervals`.
    thresholds : ndarray of float, shape (L,)
        Decision thresholds of the bits.
    coherence : str
        Which of `any` and the labels decides where they disagree; see `COHERENCES`.
    shift : PriorShift or None
        From the share of rows with a label where the rules were fitted to that where they are used. Only `thresholds`
        follow it, all other attributes stay as fitted. None where the former is not known.
    by_shift : ByShift or None
        What a shift needs besides its formula.
    gate_label_calibration : AnyCalibration or None
        For the gate's output of each learned label, on all rows. None where the gate predicts `any` alone.
    stack : Stack or None
        Weights of `any`, of the labeler and of the gate's label outputs on top of the merge, for each of
        `merged_columns`. None where the negative pool alone determines the merge.
    rejected_stack : Stack or None
        Weight of the gate's output of each learned label on top of its share among rejected rows. None where these
        rows have the share alone.
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
    gate_label_calibration: AnyCalibration | None = None
    stack: Stack | None = None
    rejected_stack: Stack | None = None

    @property
    def is_flat(self) -> bool:
        """Whether there is no gate: one model predicts `any` and the labels of every row."""
        return self.negative_pool == FLAT

    @property
    def n_gate_outputs(self) -> int:
        """Number of the gate's outputs: `any` and, where it predicts them, the learned labels."""
        return 1 if self.gate_label_calibration is None else 1 + len(self.plan.learned)

    def gate_proba(self, gate_z: Floats) -> Floats:
        """Return the calibrated p(a | x), as fitted, from the gate's log-odds (n,); it determines which rows pass."""
        return calibrated_proba(self.gate_calibration, gate_z)

    def served(self, gate: Floats) -> Floats:
        """Return p(a | x) where the model is used from p(a | x) as fitted."""
        return gate if self.shift is None else self.shift.any_proba(gate)

    @property
    def served_threshold(self) -> float:
        """`gate_threshold` as a probability where the model is used."""
        return float(self.served(np.array(self.gate_threshold)))

    def prior_shift(self) -> PriorShift:
        """Return the shift from the share of rows with a label in training to that where the model is used.

        Raises
        ------
        ConfigError
            If the training's share is not known.
        """
        if self.shift is None:
            raise ConfigError(
                "`adapt` needs a model that keeps its training prevalence; train it again, with rows that have a label "
                "and rows that have none."
            )
        return self.shift

    def at_prevalence(self, prevalence: float) -> Rules:
        """Return the same rules for a site where another share of rows has a label.

        Raises
        ------
        ConfigError
            If `prevalence` is not a share or too far away, or the training's share is not known.
        """
        # Always from the training's share, so that adapting twice equals adapting once.
        shift = self.prior_shift().to(prevalence)
        assert self.by_shift is not None
        return replace(self, shift=shift, thresholds=self.by_shift.thresholds_at(shift.log_odds))

    @property
    def merged_columns(self) -> NDArray[np.intp]:
        """Columns that have a calibration after the merge: the learned labels, then `any` if there is one."""
        last = [] if self.plan.any_index is None else [self.plan.any_index]
        return np.append(self.plan.learned, np.array(last, dtype=np.intp))

    def merge(self, gate: Floats, labeler_z: Floats) -> Floats:
        """Return the probabilities of the merged columns (m, C) by the merge of the negative pool alone.

        `any` is the larger of the gate's probability and that of the most probable label, since the labeler may have
        more information than the gate.
        """
        merged = MERGES[self.negative_pool](gate, np.asarray(expit(self.labeler_calibration(labeler_z))))
        if self.plan.any_index is None:
            return merged
        return np.column_stack([merged, np.maximum(gate, merged.max(axis=1, initial=0.0))])

    def stack_features(self, gate: Floats, base: Floats, labeler_z: Floats, gate_label_z: Floats) -> list[Floats]:
        """Return the features of the stacked merge, each of shape (m, C): `any`, the labeler, the gate's labels.

        `base` has the log-odds of the merge (m, C).
        """
        parts = [self.labeler_calibration(labeler_z)]
        if self.gate_label_calibration is not None:
            parts.append(self.gate_label_calibration(gate_label_z))
        if self.plan.any_index is not None:
            # For `any`, each part gives its probability that some label is present; the labeler's is that of the merge.
            n_learned = len(self.plan.learned)
            some = [noisy_or(base[:, :n_learned]), *map(noisy_or, parts[1:])]
            parts = [np.hstack(pair) for pair in zip(parts, some, strict=True)]
        return [np.broadcast_to(log_odds(gate)[:, None], base.shape), *parts]

    def stacked(self, gate: Floats, labeler_z: Floats, gate_label_z: Floats) -> Floats:
        """Return the log-odds of the merged columns (m, C) for m rows, before the merged calibration."""
        base = log_odds(self.merge(gate, labeler_z))
        if self.stack is None:
            return base
        return self.stack(base, self.stack_features(gate, base, labeler_z, gate_label_z))

    def proba(self, scores: Scores) -> Floats:
        """Return coherent probabilities (n, L) where the model is used."""
        return self._proba(self.gate_proba(scores.gate_z), scores)

    def _proba(self, gate: Floats, scores: Scores) -> Floats:
        proba = np.empty((len(gate), len(self.label_names)))
        for rows, part in scores.parts():
            proba[rows] = self._proba_of_part(gate[rows], part)
        return proba

    def _proba_of_part(self, gate: Floats, scores: Scores) -> Floats:
        passed, gate_label_z = scores.passed, scores.gate_label_z
        # First every column as a share of the gate's probability. Of rows that passed, only the constant columns keep
        # it; the learned ones and `any` are overwritten below.
        proba = gate[:, None] * np.where(passed[:, None], self.plan.share, self.rejected_share)
        self._fill_rejected(proba, ~passed, gate_label_z)
        self._fill_between(proba, gate, ~passed & (gate >= self.gate_threshold), gate_label_z)
        stacked = self.stacked(gate[passed], scores.labeler_z, gate_label_z[passed])
        proba[np.ix_(passed, self.merged_columns)] = expit(self.merged_calibration(stacked))
        # A share among rejected rows may exceed 1, where the gate's probabilities in that tail are too low.
        np.minimum(proba, 1.0, out=proba)
        # Only now: calibration treats each column separately and would break coherence again.
        if self.plan.any_index is not None:
            proba = coherent(proba, self.plan.any_index)
        return self.proba_at(proba, gate, passed)

    def proba_at(self, proba: Floats, gate: Floats, passed: Mask) -> Floats:
        """Return coherent probabilities (n, L) where the model is used from coherent probabilities as fitted."""
        if self.shift is None or self.by_shift is None or not self.shift.log_odds:
            return proba
        # The formula keeps every quotient of a label and `any`, and with it coherence; offsets per label do not.
        moved = self.shift.label_proba(proba, self.any_of(proba, gate))
        moved[passed] = shift_proba(moved[passed], self.by_shift.offsets_at(self.shift.log_odds))
        return moved if self.plan.any_index is None else coherent(moved, self.plan.any_index)

    def any_of(self, proba: Floats, gate: Floats) -> Floats:
        """Return the p(a | x) that belongs to coherent probabilities (n, L): at least that of each label."""
        if self.plan.any_index is not None:
            return proba[:, self.plan.any_index]
        # The gate alone may be below a label, whose shifted probability could then exceed 1.
        most_probable: Floats = np.maximum(gate, proba.max(axis=1))
        return most_probable

    def _fill_rejected(self, proba: Floats, rejected: Mask, gate_label_z: Floats) -> None:
        """Fill in the learned labels of rejected rows from the gate's label outputs, in place."""
        if self.rejected_stack is None or self.gate_label_calibration is None:
            return
        cells = np.ix_(rejected, self.plan.learned)
        base = log_odds(proba[cells])
        feature = self.gate_label_calibration(gate_label_z[rejected]) - base
        proba[cells] = expit(self.rejected_stack(base, [feature]))

    def _fill_between(self, proba: Floats, gate: Floats, between: Mask, gate_label_z: Floats) -> None:
        """Fill in the rows that only a raised gate threshold rejects, in place.

        They are not in the tail on which `rejected_share` was fitted, and labels are more frequent there. So the gate's
        label outputs as calibrated on all rows are used, or else the shares among all rows with a label.
        """
        # All shares 0 means that rejected rows get probability 0, these too.
        if not (between.any() and self.rejected_share.any()):
            return
        usual = self.plan.share.copy()
        if self.plan.any_index is not None:
            usual[self.plan.any_index] = 1.0
        proba[between] = gate[between, None] * usual
        if self.rejected_stack is not None and self.gate_label_calibration is not None:
            proba[np.ix_(between, self.plan.learned)] = expit(self.gate_label_calibration(gate_label_z[between]))

    def margin(self, proba: Floats, passed: Mask) -> Floats:
        """Return the log-odds above the decision threshold (n, L), positive exactly where the rules set the bit."""
        margin = log_odds(proba) - log_odds(self.thresholds)
        # The gate and the agreement with `any` also decide a bit. Where they overrule the threshold, the margin is cut
        # at the smallest number of the bit's sign, so that the sign equals `predict`.
        on = self.bits(proba, passed) > 0
        least = np.finfo(np.float64).tiny
        return np.where(on, np.maximum(margin, least), np.minimum(margin, -least))

    def bits(self, proba: Floats, passed: Mask, thresholds: Floats | None = None) -> NDArray[np.uint8]:
        """Return 0/1 of shape (n, L): only rows that passed can have a 1, and `any` agrees with the labels."""
        limits = self.thresholds if thresholds is None else thresholds
        bits = (proba >= limits) & passed[:, None]
        if self.plan.any_index is not None:
            self._agree(bits, proba, limits, self.plan.any_index)
        return bits.astype(np.uint8)

    def labels(self, scores: Scores, thresholds: Floats | None = None) -> NDArray[np.uint8]:
        """Return the bits of `predict`, of shape (n, L), without the probabilities of rejected rows."""
        bits = np.zeros((len(scores.passed), len(self.label_names)), dtype=np.uint8)
        # No bit of a rejected row is set, and every row is merged alone.
        passed = np.ones(len(scores.labeler_z), dtype=bool)
        rows = Scores(scores.gate_z[scores.passed], passed, scores.labeler_z, scores.gate_label_z[scores.passed])
        bits[scores.passed] = self.predict(rows, thresholds).labels
        return bits

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
        proba = self._proba(gate, scores)
        return Prediction(self.served(gate), scores.passed, proba, self.bits(proba, scores.passed, thresholds))

    def _agree(self, bits: Mask, proba: Floats, limits: Floats, index: int) -> None:
        """Make `any`, which is column `index`, and the labels agree, in place."""
        # `cascade/serving/graph_rules.py` has the same rule as a graph: change both together.
        others = np.flatnonzero(np.arange(len(self.label_names)) != index)
        if self.coherence == "any" and len(others):
            bits[:, others] &= bits[:, [index]]
            # A label whose threshold is never (above 1) is not chosen in place of the others either.
            others = others[limits[others] <= 1]
            if not len(others):
                return
            alone = np.flatnonzero(bits[:, index] & ~bits[:, others].any(axis=1))
            # By margin, not by probability: a rare label with a low threshold would hardly ever be chosen.
            margin = log_odds(proba[np.ix_(alone, others)]) - log_odds(limits[others])
            bits[alone, others[np.argmax(margin, axis=1)]] = True
        elif self.coherence == "labels" and len(others):
            bits[:, index] = bits[:, others].any(axis=1)
        else:
            bits[:, index] = bits.any(axis=1)


@dataclass(frozen=True)
class Prediction:
    """What a cascade predicts for each row.

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
    """Log-odds from the two models, before any rule is applied.

    Attributes
    ----------
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    passed : ndarray of bool, shape (n,)
    labeler_z : ndarray of float, shape (m, K)
        The labeler's log-odds of the learned labels, for the m rows that passed.
    gate_label_z : ndarray of float, shape (n, K) or (n, 0)
        The gate's log-odds of the learned labels; without columns where the gate predicts `any` alone.
    """

    gate_z: Floats
    passed: NDArray[np.bool_]
    labeler_z: Floats
    gate_label_z: Floats

    def parts(self) -> Iterator[tuple[slice, Scores]]:
        """Yield the scores of `PART` rows at a time, with their rows."""
        examined = 0
        for start in range(0, len(self.passed), PART):
            rows = slice(start, start + PART)
            first, examined = examined, examined + int(self.passed[rows].sum())
            yield (
                rows,
                Scores(self.gate_z[rows], self.passed[rows], self.labeler_z[first:examined], self.gate_label_z[rows]),
            )
