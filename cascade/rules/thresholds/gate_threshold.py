"""The gate's threshold: the highest at which a lower bound of every label's recall reaches the requested one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc

from cascade.data.labels import Labels
from cascade.metrics.intervals import clopper_pearson, clustered_share, effective_rows
from cascade.rules.thresholds.between_scores import Cuts
from cascade.rules.thresholds.certificate import at_most
from cascade.rules.thresholds.gate_costs import GateCosts, LabelCost
from cascade.utils.types import Floats, Mask, Rows

CONFIDENCE = 0.9
"""Confidence of the lower bound of each label's recall; docs/understand/guarantee.md has the figures for others."""

MARGIN_ROWS = 0.1
"""Largest share of the rows that a label's bound may cost, beyond those that pass for its plain recall."""

HIGHEST_GATE_THRESHOLD = 0.5
"""A row that is more likely than not to have a label is always examined."""


@dataclass(frozen=True)
class GateThreshold:
    """The gate's threshold, and what each label contributes to it on the rows on which it was chosen.

    Attributes
    ----------
    value : float
        Rows with a gate probability of at least this are examined.
    wanted : ndarray of float, shape (L,)
        Requested recall; 0 for a label without influence on the threshold.
    positives, kept : ndarray of int, shape (L,)
        Positives of each label among these rows, and those past the gate.
    highest : ndarray of float, shape (L,)
        The highest threshold that each label allows; infinite for a label without positives or influence.
    without : ndarray of float, shape (L,)
        The highest threshold that all other labels allow; infinite if no other has positives and influence.
    bound : ndarray of float, shape (L,)
        Lower bound of the recall at `value`, with confidence 0.9; NaN where `highest` is infinite or certified.
    """

    value: float
    wanted: Floats
    positives: NDArray[np.int64]
    kept: NDArray[np.int64]
    highest: Floats
    without: Floats
    bound: Floats

    @property
    def deciding(self) -> int | None:
        """Column of the label that determines the threshold; None where none does."""
        lowest = int(np.argmin(self.highest))
        return lowest if self.highest[lowest] < HIGHEST_GATE_THRESHOLD else None

    def costs(self, names: tuple[str, ...], gate: Floats, weight: Floats) -> GateCosts:
        """Return the share of rows that pass because of each label.

        Parameters
        ----------
        names : tuple of str, length L
        gate : ndarray of float, shape (n,)
            Gate probabilities of the rows on which the threshold was chosen.
        weight : ndarray of float, shape (n,)
        """

        def passing(threshold: float) -> float | None:
            # An infinite threshold is none: nothing would determine which rows pass.
            past = gate >= min(threshold, HIGHEST_GATE_THRESHOLD)
            return float(weight @ past / weight.sum()) if np.isfinite(threshold) else None

        share = float(weight @ (gate >= self.value) / weight.sum())
        labels = tuple(
            LabelCost(
                label=name,
                recall=float(self.wanted[k]),
                positives=int(self.positives[k]),
                kept=int(self.kept[k]),
                bound=None if np.isnan(self.bound[k]) else float(self.bound[k]),
                alone=passing(float(self.highest[k])),
                without=passing(float(self.without[k])),
            )
            for k, name in enumerate(names)
        )
        return GateCosts(share, None if self.deciding is None else names[self.deciding], labels)


def gate_threshold(
    gate: Floats,
    Y: Labels,
    recall: float | Floats,
    weight: Floats | None = None,
    group: Rows | None = None,
    any_index: int | None = None,
    confidence: float = CONFIDENCE,
    margin_rows: float = MARGIN_ROWS,
) -> GateThreshold:
    """Return the highest threshold at which the recall of every label has a lower bound of at least `recall`.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        Gate probabilities of held-out rows.
    Y : ndarray of 0/1, shape (n, L)
        Only positives count, so a missing label may be 0.
    recall : float in (0, 1], or ndarray of float in [0, 1], shape (L,)
        A label with 0 has no influence on the threshold.
    weight : ndarray of float, shape (n,), optional
        How many rows of the population each row represents.
    group : ndarray of int, shape (n,), optional
        Number of each row's group, whose rows depend on each other. Default: all rows are independent.
    any_index : int, optional
        Column that equals the OR of the others. Rows that are in it only because of labels with a recall of 0 do not
        count for it.
    confidence : float in (0, 1), default=0.9
        Of each label's bound.
    margin_rows : float, default=0.1
        Largest share of the rows that the bound of a label may let pass besides those of its plain recall.

    Returns
    -------
    GateThreshold
        Without any positive the threshold is 0, and every row is examined. It is at most 0.5, so that a row that is
        more likely than not to have a label is always examined.

    Notes
    -----
    The bound is Clopper and Pearson's, one-sided. Of n independent positives, up to m may be rejected, where
    P(Binomial(n, 1 - recall) <= m) <= 1 - confidence. Equivalently, the threshold is an order statistic of the
    positives' scores. Positives with weights or in groups count as fewer: Kish's number, or the number of independent
    positives that would estimate this recall with the same variance (Korn & Graubard 1998).

    The threshold is placed half-way in log-odds between that score and the next lower one of any row. On a score that
    many rows share, rounding in another runtime would reject all of them.

    The threshold is the lowest over the labels, whose recall is too low only if that of the label with the lowest best
    threshold is (see `certify`). So the confidence needs no correction for the number of labels.

    If even no loss proves the recall, as for fewer than 45 positives at 0.95, the threshold keeps all of them. One
    positive with an unusually low score could then let nearly all rows pass. So the bound of a label may cost
    `margin_rows`: the threshold stops there, at or below that of the plain recall, and proves less than requested.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> gate_threshold(np.array([0.9, 0.4, 0.1]), np.array([[1, 0], [0, 1], [0, 0]]), recall=1.0).value.__round__(3)
    0.214
    """
    wanted = np.broadcast_to(np.asarray(recall, dtype=np.float64), Y.shape[1:])
    weights = np.ones(len(gate)) if weight is None else weight
    groups = np.arange(len(gate)) if group is None else group
    counted = _counted(Y, wanted, any_index) & (weights > 0)[:, None]
    rows = _Rows(gate, weights, groups, 1 - confidence, margin_rows)
    # Label by label: on the recall of `any` alone, the gate could reject all rows of a rare label.
    pairs = list(zip(counted.T, wanted.tolist(), strict=True))
    highest = np.array([rows.highest(positive, recall) for positive, recall in pairs])
    without = _lowest_of_others(highest)
    if any_index is not None:
        for k, positive in _any_without(counted, any_index):
            of_any = rows.highest(positive, float(wanted[any_index]))
            without[k] = np.delete(highest, [k, any_index]).min(initial=of_any)
    # Without rows of weight 0, which have no effect on anything.
    value = _between(highest, gate[weights > 0])
    bound = np.array([rows.bound(positive, recall, value) for positive, recall in pairs])
    return GateThreshold(value, wanted, *_counts(value, gate, Y), highest, without, bound)


def certified_threshold(highest: Floats, certifying: Floats, gate: Floats, Y: Labels, recall: float) -> GateThreshold:
    """Return the lowest of the labels' certified thresholds (L,), at most 0.5, with the counts on other rows.

    Parameters
    ----------
    highest : ndarray of float, shape (L,)
        The highest threshold of each label, infinite without positives; see `certified_thresholds`.
    certifying : ndarray of float, shape (m,)
        Gate probabilities of the rows of the certificate.
    gate : ndarray of float, shape (n,)
        Those of the other rows. The threshold is between two of all these probabilities.
    Y : ndarray of 0/1, shape (n, L)
    recall : float
        The certificate's.
    """
    wanted, unknown = np.full(Y.shape[1], recall), np.full(Y.shape[1], np.nan)
    value = _between(highest, np.concatenate([certifying, gate]))
    return GateThreshold(value, wanted, *_counts(value, gate, Y), highest, _lowest_of_others(highest), unknown)


def no_threshold(Y: Labels) -> GateThreshold:
    """Return the threshold of a model without a gate, past which every row is, with the counts of labels (n, L)."""
    positives, nothing = Y.sum(axis=0, dtype=np.int64), np.full(Y.shape[1], np.inf)
    return GateThreshold(0.0, np.zeros(Y.shape[1]), positives, positives, nothing, nothing, np.full(Y.shape[1], np.nan))


def _between(highest: Floats, gate: Floats) -> float:
    """Return the lowest of the labels' thresholds, moved between two probabilities of the gate."""
    if not np.isfinite(highest).any():
        return 0.0
    cuts = Cuts.of(gate)
    return min(cuts.at_or_below(float(highest.min())), cuts.capped(HIGHEST_GATE_THRESHOLD))


def _lowest_of_others(highest: Floats) -> Floats:
    return np.array([np.delete(highest, k).min(initial=np.inf) for k in range(len(highest))])


def _counts(value: float, gate: Floats, Y: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return Y.sum(axis=0, dtype=np.int64), Y[gate >= value].sum(axis=0, dtype=np.int64)


def _counted(Y: Labels, wanted: Floats, any_index: int | None) -> NDArray[np.bool_]:
    """Mark the positives (n, L) that the threshold has to keep a share of."""
    counted = (Y > 0) & (wanted > 0)
    if any_index is not None:
        others = np.arange(Y.shape[1]) != any_index
        # Otherwise a label with a recall of 0 would still open the gate, as a part of `any`.
        only_ignored = (Y[:, others & (wanted == 0)] > 0).any(axis=1) & ~counted[:, others].any(axis=1)
        counted[only_ignored, any_index] = False
    return counted


def _any_without(counted: Mask, any_index: int) -> Iterator[tuple[int, Mask]]:
    """Yield each other label with the rows (n,) that would count for `any` if that label had a recall of 0."""
    others = np.flatnonzero(np.arange(counted.shape[1]) != any_index)
    single = counted[:, others].sum(axis=1) == 1
    for k in others[counted[:, others].any(axis=0)]:
        yield int(k), counted[:, any_index] & ~(single & counted[:, k])


class _Rows:
    """The rows on which the threshold is chosen.

    Parameters
    ----------
    gate, weight : ndarray of float, shape (n,)
    group : ndarray of int, shape (n,)
    outside : float
        Probability that a label's bound is too high.
    margin_rows : float
        See `gate_threshold`.
    """

    def __init__(self, gate: Floats, weight: Floats, group: Rows, outside: float, margin_rows: float) -> None:
        self.gate, self.weight, self.group = gate, weight, group
        self.outside, self.margin_rows = outside, margin_rows
        self._scores, place = np.unique(gate, return_inverse=True)
        # Share of the rows at or above each score; equal scores pass together.
        self._shares = np.cumsum(np.bincount(place, weight)[::-1])[::-1] / weight.sum()

    def highest(self, positive: Mask, recall: float) -> float:
        """Return the highest threshold that a label with these positives allows, infinite without any."""
        if not positive.any():
            return np.inf
        scores, weight = self.gate[positive], self.weight[positive]
        plain = _keep(scores, weight, recall)
        effective = self._independent(positive, recall)
        # No number of positives proves a recall of 1, and few prove no other: then all of them are kept.
        provable = recall < 1 and at_most(recall**effective, self.outside)
        share = 1 - _losses_allowed(effective, recall, self.outside) / effective if provable else 1.0
        # The lowest positive above the limit, since only other rows pass between two of them.
        limit = float(scores[scores >= self._limit(plain)].min())
        return max(_keep(scores, weight, share), limit)

    def bound(self, positive: Mask, recall: float, threshold: float) -> float:
        """Return the lower bound of the recall of a label with these positives, NaN without any."""
        if not positive.any():
            return np.nan
        weight, effective = self.weight[positive], self._independent(positive, recall)
        kept = min(float(weight @ (self.gate[positive] >= threshold) / weight.sum()), 1.0)
        return float(clopper_pearson(kept * effective, effective, self.outside)[0])

    def _limit(self, plain: float) -> float:
        """Return how far down the bound may bring the threshold of the plain recall."""
        first = np.searchsorted(self._scores, min(plain, HIGHEST_GATE_THRESHOLD))
        share = self._shares[first] if first < len(self._shares) else 0.0
        # Shares fall as scores rise, so the first that is small enough has the lowest score.
        within = np.flatnonzero(self._shares <= share + self.margin_rows + 1e-12)
        return min(plain, float(self._scores[within[0]])) if len(within) else plain

    def _independent(self, positive: Mask, recall: float) -> float:
        """Return the number of independent positives that these are worth."""
        scores, weight, group = self.gate[positive], self.weight[positive], self.group[positive]
        n_groups = len(np.unique(group))
        if n_groups == len(group):
            return effective_rows(weight)
        if n_groups == 1:
            return 1.0
        # At the threshold of the plain recall: what counts is whether the rows of a group are lost together there.
        kept = (scores >= _keep(scores, weight, recall)).astype(np.float64)
        return float(clustered_share(kept[:, None], weight, group, self.outside)[1][0])


def _losses_allowed(positives: float, recall: float, outside: float) -> float:
    """Return `misses_allowed` for a number of positives, and of losses, that need not be whole."""
    # The binomial distribution function as an incomplete beta function, which falls to the level only once.
    expected = positives * (1 - recall)
    return float(brentq(lambda m: betainc(positives - m, m + 1, recall) - outside, 0.0, expected))


def _keep(scores: Floats, weight: Floats, share: float) -> float:
    """Return the highest score that keeps a share of the weight."""
    order = np.argsort(-scores, kind="stable")
    kept = np.cumsum(weight[order])
    # The small slack keeps a product such as 0.55 * 100 = 55.00000000000001 from requiring one positive more.
    last = int(np.searchsorted(kept, share * kept[-1] - 1e-9))
    return float(scores[order][min(last, len(scores) - 1)])
