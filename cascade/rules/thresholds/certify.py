"""The gate's certificate: a threshold at which every label's recall has a lower bound with stated confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.labels import Labels, check_labels, name_labels
from cascade.data.splits import group_numbers
from cascade.errors import CertificateError, ConfigError, DataError
from cascade.rules.thresholds.between_scores import Cuts
from cascade.rules.thresholds.certificate import (
    Certificate,
    Claim,
    LabelCertificate,
    check_provable,
    label_certificate,
    level_of,
    misses_allowed,
    recall_bound,
)
from cascade.utils.types import Floats


def certify(
    gate: ArrayLike,
    Y: ArrayLike | Any,
    names: Sequence[str],
    groups: ArrayLike | None = None,
    recall: float = 0.95,
    confidence: float = 0.95,
    claim: Claim = "joint",
    accept_bound: bool = False,
    other_scores: ArrayLike = (),
) -> Certificate:
    """Find the highest gate threshold at which the recall of every label is proven.

    Parameters
    ----------
    gate : array-like of float, shape (n,)
        Probabilities of the finished gate for rows that nothing else has used: no fit, no early stopping, no
        calibration, no choice of a model.
    Y : array-like or sparse matrix of 0/1, shape (n, L)
    names : sequence of str, length L
    groups : array-like, shape (n,), optional
        Rows of a group (patient, part) depend on each other, so the group is the unit: it counts as kept for a
        label when *all* its rows with the label pass. Without groups each row is a unit.
    recall, confidence : float in (0, 1)
    claim : {"joint", "per_label"}
        "joint": one statement, that the recall of every certified label is at least `recall`. "per_label": a
        bound for every label, rare ones included, which all hold at once; each is tested at (1 - confidence) / L.
    accept_bound : bool, default=False
        What to do with a label that has too few units to prove `recall` even with no miss. False raises an error.
        True leaves it out of the certified labels, but the threshold still keeps every one of its units.
    other_scores : array-like of float, shape (m,), default=()
        The gate's probabilities of further rows, such as those of its calibration. They prove nothing, but the
        threshold is on none of them either.

    Returns
    -------
    Certificate
        The threshold is half-way in log-odds between the lowest score that has to pass and the next lower one. Without
        any positive it is 0: every row passes.

    Raises
    ------
    CertificateError
        If a label has too few units and `accept_bound` is false. The message holds the table.
    ConfigError, DataError
        If an option is out of its range, or the arrays do not fit together.

    Notes
    -----
    *Procedure.* Fixed-sequence testing of Learn then Test, with candidates from the safest threshold upward. At each,
    every label has the null hypothesis "its recall is below `recall`", with the binomial tail as p-value. The result
    is the last candidate before the first at which some null is not rejected. Misses only grow with the threshold. So
    with m the most misses that n units allow, label k's nulls are rejected up to T_k, its unit score with m smaller
    ones, and not above. The result is T = min T_k, found by sorting. Between two scores nothing changes, so it
    suffices to try scores. Ties need no special case: misses are scores strictly below the threshold. T itself would
    be on a score, where rounding in another runtime can reject every row that shares it. So the threshold is moved
    half-way to the next lower score, which only lets more rows pass.

    *One label.* Let t* be the upper end of the thresholds at which k's recall is at least r. T_k > t* means that at
    thresholds just above t*, where the recall is below r, there were at most m misses. This has a probability of at
    most 1 - confidence.

    *All labels, without a correction.* The claim is an intersection, each part of which is tested at the full
    level (Berger 1982). Let j be the label with the smallest t*. If any label's recall at T is below r, then so
    is j's. As T <= T_j and recall falls with the threshold, j's recall at T_j is below r too, which is the case of
    one label.

    *Lower is safe.* The argument used only T <= T_j. So the minimum of T and any other threshold is valid too, however
    the other was found; for instance the threshold of labels that are not certified and allow no miss.

    *Which labels take part* follows from numbers of units alone, never from misses. With `accept_bound=False` it is
    always every label, and the above is exact. With True a joint claim holds at its confidence for a set that does not
    vary. Chance may decide whether a label has the number of units needed, and its units may also be units of other
    labels. The error is then at most (1 - confidence) plus the chance of the rarer set. "per_label" divides by all L
    labels, whichever take part, and is exact in either case.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan & Lei (2021), Learn then Test, arXiv:2110.01052.
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24.

    Examples
    --------
    >>> gate = np.linspace(0, 1, 1001)
    >>> certificate = certify(gate, gate[:, None] > 0.8, names=["bleed"])
    >>> round(certificate.threshold, 3), certificate.labels[0].misses, certificate.holds_at(0.5)
    (0.805, 4, True)
    """
    if claim not in get_args(Claim):
        raise ConfigError(f"`claim` must be 'joint' or 'per_label'. Received {claim!r}.")
    check_provable(recall, confidence)
    labels = check_labels(Y)
    named = name_labels(names, labels.shape[1])
    scores = _check_gate(gate, len(labels))
    units = _units(scores, labels, group_numbers(groups, len(labels)))
    level = level_of(claim, confidence, len(named))
    lowest = _lowest(_highest(units, recall, level))
    threshold = Cuts.of(np.append(scores, other_scores)).at_or_below(lowest) if lowest else 0.0
    certificate = Certificate(
        recall,
        confidence,
        claim,
        unit="row" if groups is None else "group",
        rows=len(labels),
        threshold=threshold,
        share_past_gate=float((scores >= threshold).mean()),
        labels=tuple(
            _of_label(name, int(column.sum()), unit, threshold, recall, level)
            for name, column, unit in zip(named, labels.T, units, strict=True)
        ),
    )
    if not accept_bound:
        _refuse_unsupported(certificate)
    return certificate


def certified_thresholds(
    gate: Floats, Y: Labels, groups: ArrayLike | None, recall: float, confidence: float, claim: Claim
) -> Floats:
    """Return the highest threshold that each label allows; `certify` with the same arguments uses the lowest.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
    Y : ndarray of 0/1, shape (n, L)
    groups : array-like, shape (n,), or None
    recall, confidence : float in (0, 1)
    claim : {"joint", "per_label"}

    Returns
    -------
    ndarray of float, shape (L,)
        Infinite for a label without positives.
    """
    units = _units(gate, Y, group_numbers(groups, len(Y)))
    return _highest(units, recall, level_of(claim, confidence, Y.shape[1]))


def certified_recall(
    passed: NDArray[np.bool_], Y: Labels, groups: ArrayLike | None = None, confidence: float = 0.95
) -> float:
    """Return the recall that is proven of every label, as one statement, at a gate that was fixed beforehand.

    Parameters
    ----------
    passed : ndarray of bool, shape (n,)
        Whether each row passed the gate; rows that nothing else has used.
    Y : ndarray of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
        The unit is then the group, kept when all its rows with the label passed.
    confidence : float in (0, 1)

    Returns
    -------
    float
        The smallest of the labels' Clopper-Pearson bounds. Labels without a positive are left out, since nothing is
        known of them; 0 where no label has one.

    Examples
    --------
    >>> certified_recall(np.ones(59, bool), np.ones((59, 1), np.uint8)).__round__(4)
    0.9505
    """
    number = group_numbers(groups, len(Y))
    # With 0 and 1 as scores, a group's lowest score is 1 exactly when all its rows with the label passed.
    units = _units(passed.astype(np.float64), Y, number)
    # The minimum needs no correction for the number of labels: it is too high only if the bound of the label with the
    # lowest recall is.
    bounds = [recall_bound(int(unit.sum()), len(unit), confidence) for unit in units if len(unit)]
    return min(bounds, default=0.0)


def _check_gate(gate: ArrayLike, n_rows: int) -> Floats:
    scores = np.asarray(gate, dtype=np.float64)
    if scores.shape != (n_rows,) or not n_rows:
        raise DataError(f"`gate` must have one value per row of `Y` ({n_rows}). Received shape {scores.shape}.")
    # Negated as a whole so that NaN, for which both comparisons are false, is refused.
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"`gate` must hold probabilities, 0 to 1. Received {scores[row]} at row {row}.")
    return scores


def _units(scores: Floats, Y: Labels, number: NDArray[np.intp]) -> list[Floats]:
    """Return the scores of each label's units."""
    positives = [np.flatnonzero(column) for column in Y.T]
    return [_unit_scores(scores[rows], number[rows]) for rows in positives]


def _unit_scores(scores: Floats, number: NDArray[np.intp]) -> Floats:
    """Return the lowest score of each group, ascending: all rows of a group pass exactly when that one does."""
    _, place = np.unique(number, return_inverse=True)
    lowest = np.full(place.max(initial=-1) + 1, np.inf)
    np.minimum.at(lowest, place, scores)
    return np.sort(lowest)


def _highest(units: list[Floats], recall: float, level: float) -> Floats:
    """Return the highest threshold that each label allows, infinite for a label without units."""
    allowed = misses_allowed([len(unit) for unit in units], recall, level)
    # A label that cannot be certified allows no miss, which keeps its recall as high as can be shown. `most` is below
    # the number of units, since n or fewer misses have probability 1, so the index always exists.
    each = [unit[max(most, 0)] if len(unit) else np.inf for unit, most in zip(units, allowed.tolist(), strict=True)]
    return np.array(each, dtype=np.float64)


def _lowest(highest: Floats) -> float:
    lowest = float(highest.min(initial=np.inf))
    return lowest if np.isfinite(lowest) else 0.0


def _of_label(
    name: str, positives: int, unit: Floats, threshold: float, recall: float, level: float
) -> LabelCertificate:
    # The left side of `searchsorted` counts scores strictly below: a row at the threshold passes.
    return label_certificate(name, positives, len(unit), int(np.searchsorted(unit, threshold)), recall, level)


def _refuse_unsupported(certificate: Certificate) -> None:
    short = [row for row in certificate.labels if not row.certified]
    if short:
        more = f" and {len(short) - 1} more labels have too few" if len(short) > 1 else ""
        raise CertificateError(
            f"`recall` of {certificate.recall!r} needs {short[0].needed} held-out {certificate.unit}s with each label; "
            f"{short[0].label!r} has {short[0].units}{more}. Hold out more (`size`), lower `recall`, or set "
            f"`accept_bound` in `gate_policy` to accept what can be proven.\n{certificate.table()}"
        )
