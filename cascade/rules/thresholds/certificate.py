"""How much recall a number of independent positives can prove, and the certificate that states it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import ConfigError
from cascade.metrics.intervals import clopper_pearson

Claim = Literal["joint", "per_label"]
Unit = Literal["row", "group"]

ROUNDING = 1e-12
"""Relative difference up to which a probability counts as equal to its level, besides one rounding of a confidence near
1: 1 - 0.95 is 0.050000000000000044."""

NAMED = 5
"""Labels without the requested recall that a statement lists by name."""


def recall_bound(kept: int, positives: int, confidence: float = 0.95) -> float:
    """Return the lower bound of a recall when `kept` of `positives` independent positives were kept.

    Parameters
    ----------
    kept, positives : int
    confidence : float in (0, 1)

    Returns
    -------
    float
        Clopper and Pearson's one-sided bound; 0 without a positive.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> round(recall_bound(47, 47), 3)
    0.938
    """
    if not 0 <= kept <= positives:
        raise ConfigError(f"`kept` must lie between 0 and `positives` ({positives}). Received {kept}.")
    return float(clopper_pearson(kept, positives, 1 - confidence)[0])


def positives_needed(recall: float, confidence: float = 0.95) -> int:
    """Return the fewest independent positives, all of them kept, that prove a recall.

    Parameters
    ----------
    recall, confidence : float in (0, 1)

    Returns
    -------
    int

    Examples
    --------
    >>> positives_needed(0.99)
    299
    """
    check_provable(recall, confidence)
    # At that recall all of n units pass with probability recall**n; n suffices if this is at most 1 - confidence.
    needed = math.ceil(math.log(1 - confidence) / math.log(recall))
    # Where both are equal, the logarithms may be rounded to either side. The powers decide, as in `misses_allowed`.
    while needed > 1 and _proves(needed - 1, recall, confidence):
        needed -= 1
    while not _proves(needed, recall, confidence):
        needed += 1
    return needed


def _proves(positives: int, recall: float, confidence: float) -> bool:
    """Return whether this many positives without a miss prove a recall."""
    return at_most(recall**positives, 1 - confidence)


def at_most(probability: float, level: float) -> bool:
    """Return whether a probability is at most a level, where both may be rounded in the last digits."""
    return probability <= _rounded_up(level)


def _rounded_up(level: float) -> float:
    return level * (1 + ROUNDING) + 2**-52


def misses_allowed(positives: ArrayLike, recall: float, confidence: float = 0.95) -> NDArray[np.int64]:
    """Return the most misses among independent positives with which a recall is still proven.

    Misses among n positives are binomial. "The recall is below r" is rejected when this number of misses or fewer has
    a probability of at most 1 - confidence at r. That is the case exactly when Clopper and Pearson's bound is at
    least r.

    Parameters
    ----------
    positives : array-like of int
    recall, confidence : float in (0, 1)

    Returns
    -------
    ndarray of int, of the shape of `positives`
        -1 where even no miss at all does not prove the recall.

    Examples
    --------
    >>> misses_allowed([58, 59, 1000], recall=0.95).tolist()
    [-1, 0, 38]
    """
    # Imported here because a model without a certificate loads in half the time without it.
    from scipy.stats import binom

    check_provable(recall, confidence)
    n = np.asarray(positives)
    # A little above the level, so that a count whose tail probability equals it is not lost to rounding.
    level = _rounded_up(1 - confidence)
    reaching = binom.ppf(level, n, 1 - recall)
    # `ppf` returns the first count whose tail probability reaches the level. The test needs at most the level, so
    # this count is allowed only if it meets the level exactly, and otherwise one less.
    above = binom.cdf(reaching, n, 1 - recall) > level
    return np.asarray(reaching - above, dtype=np.int64)


def check_provable(recall: float, confidence: float) -> None:
    """Raise an error for a recall or confidence that no number of rows can prove."""
    for name, value in (("recall", recall), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ConfigError(
                f"`{name}` must lie between 0 and 1, both excluded: no data proves a certainty. Received {value!r}."
            )


@dataclass(frozen=True)
class LabelCertificate:
    """What the held-out rows prove of one label's recall at the gate.

    Attributes
    ----------
    label : str
    positives : int
        Rows with the label.
    units : int
        Independent units among them: those rows, or the groups that have one.
    misses : int
        Units that the gate loses.
    bound : float
        Clopper and Pearson's bound for these misses. Exact for a threshold that was fixed beforehand; at a threshold
        chosen on the same rows it is an approximation, good with many units.
    certified : bool
        Whether the units suffice to prove the requested recall.
    best_bound : float
        The largest recall that this number of units can prove, when none is lost.
    needed : int
        Fewest units that can prove the requested recall.
    proven : float
        What the certificate claims, exactly: the requested recall if certified, else `best_bound`.
    """

    label: str
    positives: int
    units: int
    misses: int
    bound: float
    certified: bool
    best_bound: float
    needed: int
    proven: float


def label_certificate(
    label: str, positives: int, units: int, misses: int, recall: float, level: float
) -> LabelCertificate:
    """Compute what a label's counts prove at the confidence `level` of `level_of`."""
    best = recall_bound(units, units, level)
    # From the number of units alone: if misses decided who takes part, the set would depend on the outcome of the test.
    certified = int(misses_allowed(units, recall, level)) >= 0
    return LabelCertificate(
        label,
        positives,
        units,
        misses,
        bound=recall_bound(units - misses, units, level),
        certified=certified,
        best_bound=best,
        needed=positives_needed(recall, level),
        proven=recall if certified else best,
    )


def level_of(claim: Claim, confidence: float, n_labels: int) -> float:
    """Return the confidence at which each label is tested: all of it for a joint claim, else Bonferroni's share."""
    # A joint claim is false only if the part of its hardest label is, so it needs no correction; see `certify`.
    return confidence if claim == "joint" else 1 - (1 - confidence) / n_labels


@dataclass(frozen=True)
class Certificate:
    """The recall that is proven of each label at a gate threshold; what `certify` returns.

    Attributes
    ----------
    recall, confidence : float
        The requested guarantee.
    claim : {"joint", "per_label"}
    unit : {"row", "group"}
        What is counted. A group is kept for a label when all its rows with the label pass.
    rows : int
        Held-out rows.
    threshold : float
        Rows with a gate probability of at least this pass.
    share_past_gate : float
        Share of the held-out rows that pass.
    labels : tuple of LabelCertificate
        In column order.
    """

    recall: float
    confidence: float
    claim: Claim
    unit: Unit
    rows: int
    threshold: float
    share_past_gate: float
    labels: tuple[LabelCertificate, ...]

    def holds_at(self, threshold: float) -> bool:
        """Return whether the claim covers another threshold: only one that lets at least as many rows pass."""
        return threshold <= self.threshold

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `from_json` makes an equal certificate."""
        return {**asdict(self), "labels": [asdict(row) for row in self.labels]}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Certificate:
        """Make a certificate from the result of `to_json`."""
        return cls(**{**body, "labels": tuple(LabelCertificate(**row) for row in body["labels"])})

    def statement(self) -> str:
        """Return the claim in words: what is proven, for which unit, and what voids it."""
        # Numbers by `repr`: a rounded threshold or recall would be another claim than the one that is proven.
        certified = sum(row.certified for row in self.labels)
        if not certified:
            claimed = f"no label has enough {self.unit}s to prove a recall of {self.recall!r}"
        else:
            claimed = f"the recall of {_of(certified, len(self.labels))} is at least {self.recall!r}"
        return (
            f"With confidence {self.confidence!r}, at a gate threshold of {self.threshold!r} or lower, {claimed}"
            f"{self._others()}, in data drawn like these {self.rows} rows, where recall is {RECALL_OF[self.unit]}. "
            "Refitting, recalibrating or quantising the gate, or raising the threshold, voids this. Exports in float32 "
            "are covered up to the rows that rounding changes: at most one in 1,000 of the calibration rows."
        )

    def _others(self) -> str:
        rest = [f"{row.label} {_down(row.proven)}" for row in self.labels if not row.certified]
        if not rest:
            return ", all at once" if len(self.labels) > 1 else ""
        more = f" and {len(rest) - NAMED} more in the table" if len(rest) > NAMED else ""
        how = "all at once" if self.claim == "per_label" else "each of these separately"
        return f"; of the others at least {', '.join(rest[:NAMED])}{more} ({how})"

    def table(self) -> str:
        """Return the labels as a text table, one line per label; bounds are rounded down."""
        head = ["label", "positives", f"{self.unit}s", "lost", "bound", "best", "needed", "proven", "certified"]
        lines = [head, *(_cells(row) for row in self.labels)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
        )


RECALL_OF = {
    "row": "the share of the rows with the label that pass",
    "group": "the share of the groups with the label of which every row with it passes",
}


def _of(certified: int, n_labels: int) -> str:
    if n_labels == 1:
        return "the label"
    return (
        f"each of the {n_labels} labels" if certified == n_labels else f"each of {certified} of the {n_labels} labels"
    )


def _cells(row: LabelCertificate) -> list[str]:
    bounds = (_down(row.bound), _down(row.best_bound), str(row.needed), _down(row.proven))
    return [row.label, str(row.positives), str(row.units), str(row.misses), *bounds, "yes" if row.certified else "no"]


def _down(bound: float) -> str:
    # Rounding to nearest could claim more than is proven. The small addend keeps 0.95 minus a rounding error from
    # becoming 0.949.
    return f"{math.floor(bound * 1000 + 1e-6) / 1000:.3f}"
