"""Agreement of a champion with new labels, in figures that hardly change when only prevalence changes, and their count.

`found` is the champion's mean probability on the rows with a label. It depends on p(x | label), so it is the same if
only prevalence changes. It falls if images are corrupted, or if labels are on the wrong rows.

`confirmed` is the number of labels over the sum of probabilities, among rows with a probability of 0.5 or more. Lost
annotations lower it in proportion, because rows look like the label and do not have it. A change of prevalence by a
factor f moves a probability p by ln f in log-odds only, which is little near 1.

`counted` is the number of labels over the sum of probabilities, among all rows. It also has a value where no
probability reaches 0.5, but a change of prevalence moves it. It is therefore used only together with
`cascade.retraining.memory.class_means`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.metrics.bootstrap import ratio_interval
from cascade.utils.checks import is_number
from cascade.utils.types import Floats

CONFIDENT = 0.5
"""Probability from which a prediction counts as confident."""
Z95 = 1.96
MOST_SETS = 2000
"""Sets of groups that are resampled at most."""
FEWEST = 20.0
"""Positives, or sum of confident probabilities, that a label needs for a figure."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval, resampled by group."""

    value: float
    low: float
    high: float

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Estimate:
        """Make an estimate from plain data.

        Raises
        ------
        ValueError
            If it is not three numbers, the middle one the value.
        """
        if set(body) != {"value", "low", "high"} or not all(is_number(end) and end >= 0 for end in body.values()):
            raise ValueError(f"an estimate must have a value and the ends of its interval. Received {body!r}.")
        return cls(**body)

    def over(self, other: Estimate) -> Estimate:
        """Return the quotient of two shares of independent rows.

        References
        ----------
        Zou & Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27
        (limits of a difference from the limits of its parts; here of logs).

        Examples
        --------
        >>> round(Estimate(0.4, 0.3, 0.5).over(Estimate(0.8, 0.7, 0.9)).high, 2)
        0.65
        """
        # The floor keeps the log of a share of 0 finite.
        top, base = (np.log(np.maximum([s.low, s.value, s.high], 1e-9)) for s in (self, other))
        middle = top[1] - base[1]
        # A small quotient has a small numerator and a large denominator, so opposite half-widths are combined.
        low = middle - np.hypot(top[1] - top[0], base[2] - base[1])
        high = middle + np.hypot(top[2] - top[1], base[1] - base[0])
        return Estimate(*np.exp([middle, low, high]).tolist())

    def pooled(self, other: Estimate) -> Estimate:
        """Return the mean of two estimates of one share from independent rows, each weighted by its precision.

        Examples
        --------
        >>> round(Estimate(1.0, 0.8, 1.25).pooled(Estimate(1.0, 0.9, 1.11)).low, 2)
        0.91
        """
        logs = [np.log(np.maximum([one.low, one.value, one.high], 1e-9)) for one in (self, other)]
        precision = np.array([1 / max((each[2] - each[0]) ** 2, 1e-12) for each in logs])
        middle = float(precision @ [each[1] for each in logs] / precision.sum())
        # The variance of the mean; each side in the proportion of the more precise estimate.
        narrower = logs[int(np.argmax(precision))]
        factor = 1 / np.sqrt(precision.sum() / precision.max())
        low, high = (float(middle + factor * (end - narrower[1])) for end in (narrower[0], narrower[2]))
        return Estimate(*np.exp([middle, low, high]).tolist())

    def widened(self, z: float) -> Estimate:
        """Return the interval of `z` standard errors on each side instead of 1.96, on the scale of logs."""
        low, middle, high = np.log(np.maximum([self.low, self.value, self.high], 1e-9)).tolist()
        factor = z / Z95
        ends = np.exp([middle + (low - middle) * factor, middle + (high - middle) * factor]).tolist()
        return Estimate(self.value, *ends)


@dataclass(frozen=True)
class LabelAgreement:
    """The figures of one label; None if too few rows determine a figure."""

    found: Estimate | None
    confirmed: Estimate | None
    counted: Estimate | None = None

    def pooled(self, other: LabelAgreement) -> LabelAgreement:
        """Return figures that also count other rows, whose scores are of models like this one.

        `found` is left as it is: it measures how well a model separates, and that of a fold separates less.
        """
        return LabelAgreement(
            self.found, _pooled(self.confirmed, other.confirmed), _pooled(self.counted, other.counted)
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> LabelAgreement:
        """Make an object from the result of `to_json`."""
        # Records of earlier releases have no `counted`.
        figures = (body["found"], body["confirmed"], body.get("counted"))
        return cls(*(None if figure is None else Estimate.from_json(figure) for figure in figures))


def _pooled(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    return one or other if one is None or other is None else one.pooled(other)


def agreement(labels: Labels | LabelMatrix, proba: Floats, group: NDArray[np.intp]) -> tuple[LabelAgreement, ...]:
    """Compare labels with a model's probabilities on rows that it was not fitted to, for each label.

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
    # An unknown label must add to neither sum: as a 0 it would look like a lost annotation.
    y, p = (matrix.values * known).astype(np.float64), proba * known
    confident = p >= CONFIDENT
    found = _shares(p * y, y, group)
    confirmed = _shares(y * confident, p * confident, group)
    counted = _shares(y, p, group)
    return tuple(LabelAgreement(*figures) for figures in zip(found, confirmed, counted, strict=True))


def _shares(above: Floats, below: Floats, group: NDArray[np.intp]) -> list[Estimate | None]:
    # Resampled by group, since rows of one patient agree or disagree together. Sets of groups are as independent as
    # groups, and a few thousand are enough for an interval, where a million would take minutes.
    low, high = ratio_interval(above, below, group % MOST_SETS)
    totals = below.sum(axis=0)
    return [
        None if total < FEWEST else Estimate(float(above[:, k].sum() / total), float(low[k]), float(high[k]))
        for k, total in enumerate(totals.tolist())
    ]
