"""How well bits match labels, with rows that have none counted like all others; undefined is NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import ConfigError
from cascade.labels import Labels
from cascade.metrics import mean_defined, ratio

Floats = NDArray[np.float64]


def label_f_score(Y: Labels, bits: Labels, beta: float = 1.0) -> Floats:
    """F-beta of each label, shape (L,); NaN where it neither occurs nor is predicted.

    Examples
    --------
    >>> label_f_score(np.array([[1, 0], [0, 0]], np.uint8), np.array([[1, 0], [0, 0]], np.uint8), beta=2)
    array([ 1., nan])
    """
    hits = (Y & bits).sum(axis=0, dtype=np.float64)
    true, said = Y.sum(axis=0, dtype=np.float64), bits.sum(axis=0, dtype=np.float64)
    return ratio((1 + beta**2) * hits, beta**2 * true + said)


def importance_weighted_f2(Y: Labels, bits: Labels, importance: ArrayLike | None = None) -> float:
    """Mean of the labels' F2 weighted by how much each matters; equal weights by default.

    References
    ----------
    Haurum & Moeslund (2021), Sewer-ML, arXiv:2103.10895, where a weight is the economic impact of a defect class.
    """
    n_labels = Y.shape[1]
    weight = np.ones(n_labels) if importance is None else np.asarray(importance, dtype=np.float64)
    if weight.shape != (n_labels,) or not (weight >= 0).all() or not weight.any():
        raise ConfigError(f"`importance` must have one weight of 0 or more per label ({n_labels}).")
    score = label_f_score(Y, bits, beta=2.0)
    defined = np.isfinite(score)
    total = float(weight[defined].sum())
    return float(score[defined] @ weight[defined] / total) if total else float("nan")


def normal_f1(Y: Labels, bits: Labels) -> float:
    """F1 of "this row has no label", the rows that a gate is there to find (Sewer-ML's F1 of the normal class)."""
    empty, said = ~Y.any(axis=1), ~bits.any(axis=1)
    total = int(empty.sum() + said.sum())
    return 2 * int((empty & said).sum()) / total if total else float("nan")


def subset_accuracy(Y: Labels, bits: Labels) -> float:
    """Share of rows whose whole vector is right."""
    return float((bits == Y).all(axis=1).mean()) if len(Y) else float("nan")


def hamming_loss(Y: Labels, bits: Labels) -> float:
    """Share of single bits that are wrong."""
    return float((bits != Y).mean()) if Y.size else float("nan")


def samples_f1(Y: Labels, bits: Labels) -> float:
    """Mean over rows of the F1 of the row's labels, where an empty row that is predicted empty scores 1.

    Compare it with `samples_f1(Y, zeros)`, which is the share of empty rows: what saying nothing scores.

    Examples
    --------
    >>> Y = np.array([[1, 1], [0, 0], [0, 0], [0, 0]], np.uint8)
    >>> samples_f1(Y, Y), samples_f1(Y, np.zeros_like(Y))
    (1.0, 0.75)
    """
    total = Y.sum(axis=1, dtype=np.float64) + bits.sum(axis=1, dtype=np.float64)
    score = np.divide(2.0 * (Y & bits).sum(axis=1), total, out=np.ones(len(Y)), where=total > 0)
    return float(score.mean()) if len(Y) else float("nan")


def macro_f1(Y: Labels, bits: Labels) -> float:
    """Mean F1 of the labels for which it is defined."""
    return mean_defined(label_f_score(Y, bits))


def ledger(Y: Labels, bits: Labels, passed: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Where each label's positives went, and where its false alarms come from; counts of shape (L,).

    Parameters
    ----------
    Y, bits : ndarray of 0/1, shape (n, L)
    passed : ndarray of bool, shape (n,)

    Returns
    -------
    dict
        `lost_at_gate` (not examined), `lost_at_labeler` (examined, not set) and `found` add up to the positives;
        `false_on_empty` and `false_on_labeled` to the false alarms on rows without and with some label.
    """
    positive, on = Y.astype(bool), bits.astype(bool)
    empty = ~np.asarray(Y.any(axis=1))
    masks = {
        "lost_at_gate": positive & ~passed[:, None],
        "lost_at_labeler": positive & passed[:, None] & ~on,
        "found": positive & on,
        "false_on_empty": on & empty[:, None],
        "false_on_labeled": on & ~positive & ~empty[:, None],
    }
    return {name: mask.sum(axis=0, dtype=np.int64) for name, mask in masks.items()}
