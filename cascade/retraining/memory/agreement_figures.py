"""How a champion and new labels agree, in two figures that a mere change of prevalence leaves nearly as they are.

`found` is the mean probability that the champion gives to rows with a label. It depends on p(x | label), so it stays
where only prevalence changes. It falls where images are corrupted, or labels stand on the wrong rows.

`confirmed` is, among rows that the champion is sure of, labels over the sum of probabilities. Lost annotations lower
it in proportion: rows look like the label and do not have it. A change of prevalence by a factor f moves a probability
p by ln f in log-odds only, and near 1 that is little.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.metrics.bootstrap import ratio_interval
from cascade.utils.types import Floats

SURE = 0.5
FEWEST = 20.0
"""Positives, or sum of sure probabilities, below which nothing is said of a label."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval, resampled by group."""

    value: float
    low: float
    high: float

    def over(self, other: Estimate) -> Estimate:
        """Quotient of two shares that were measured apart.

        References
        ----------
        Zou & Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27
        (limits of a difference from the limits of its parts; here of logs).

        Examples
        --------
        >>> round(Share(0.4, 0.3, 0.5).over(Share(0.8, 0.7, 0.9)).high, 2)
        0.65
        """
        own, base = (np.log(np.maximum([s.low, s.value, s.high], 1e-9)) for s in (self, other))
        middle = own[1] - base[1]
        low = middle - np.hypot(own[1] - own[0], base[2] - base[1])
        high = middle + np.hypot(own[2] - own[1], base[1] - base[0])
        return Estimate(*np.exp([middle, low, high]).tolist())


@dataclass(frozen=True)
class LabelAgreement:
    """Both figures of one label; None where too few rows tell."""

    found: Estimate | None
    confirmed: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes an equal one."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> LabelAgreement:
        """Make what `to_json` gave."""
        return cls(*(None if body[key] is None else Estimate(**body[key]) for key in ("found", "confirmed")))


def agreement(labels: Labels | LabelMatrix, proba: Floats, group: NDArray[np.intp]) -> tuple[LabelAgreement, ...]:
    """Compare labels with a model's probabilities on rows that it has not been fitted to, label by label.

    Parameters
    ----------
    labels : ndarray of 0/1, shape (n, L), or LabelMatrix
    proba : ndarray of float, shape (n, L)
    group : ndarray of int, shape (n,)
        Number of each row's group, from 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(0.2, 1.0, size=(5000, 1))
    >>> Y = (rng.random(p.shape) < p).astype(np.uint8)
    >>> lost = Y * (rng.random(Y.shape) < 0.5)
    >>> (whole,), (half,) = (agreement(labels, p, np.arange(5000)) for labels in (Y, lost))
    >>> round(whole.confirmed.value, 1), round(half.confirmed.value, 1)
    (1.0, 0.5)
    >>> abs(whole.found.value - half.found.value) < 0.05
    True
    """
    matrix = LabelMatrix.of(labels)
    known = np.ones(matrix.shape, bool) if matrix.known is None else matrix.known
    y, p = (matrix.values * known).astype(np.float64), proba * known
    sure = p >= SURE
    found = _shares(p * y, y, group)
    confirmed = _shares(y * sure, p * sure, group)
    return tuple(LabelAgreement(*both) for both in zip(found, confirmed, strict=True))


def _shares(above: Floats, below: Floats, group: NDArray[np.intp]) -> list[Estimate | None]:
    low, high = ratio_interval(above, below, group)
    totals = below.sum(axis=0)
    return [
        None if total < FEWEST else Estimate(float(above[:, k].sum() / total), float(low[k]), float(high[k]))
        for k, total in enumerate(totals.tolist())
    ]
