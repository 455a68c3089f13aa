"""A champion's mean probability of a label in three classes of rows, from which positives can be counted unseen.

The classes of label k are the rows with it, the rows with another label only, and the rows without a label. If only the
shares of these classes change, the mean probability of new rows is the same mixture of the three means. A difference
means that rows are in another class than their labels say: annotations were lost, or were set without a cause. It is
used wherever the champion separates the classes, also for labels whose probability never reaches 0.5.

References
----------
Lipton, Wang & Smola (2018), Detecting and correcting for label shift with black box predictors, ICML, section 4
(here with mean probabilities in place of predicted classes, and with three classes).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.utils.types import Floats, Rows

CLASSES = 3
FEWEST_POSITIVES = 20
"""Positives of a label that its class means need, in the champion's held-out rows."""


@dataclass(frozen=True)
class ClassMeans:
    """Mean probability of one label in each class, with standard errors by groups.

    Attributes
    ----------
    means, errors : tuple of 3 floats, or None
        None for a class without rows.
    positives : int
        Rows of the first class.
    """

    means: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    positives: int

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> ClassMeans:
        """Make an object from the result of `to_json`."""
        means, errors = (tuple(None if one is None else float(one) for one in body[key]) for key in ("means", "errors"))
        if len(means) != CLASSES or len(errors) != CLASSES:
            raise ValueError(f"class means must be {CLASSES}")
        return cls(means, errors, int(body["positives"]))


@dataclass(frozen=True)
class Counted:
    """Positives of a label as annotated and as estimated from probabilities, as shares of the rows.

    Attributes
    ----------
    annotated, estimated : float
    error : float
        Standard error of `estimated`, given the annotations.
    """

    annotated: float
    estimated: float
    error: float

    def bounds(self, z: float) -> tuple[float, float]:
        """Return the ends of the interval of annotated over estimated positives, `z` standard errors wide each."""
        low, high = (max(self.estimated + sign * z * self.error, 0.0) for sign in (-1, 1))
        return (self.annotated / high if high else np.inf), (self.annotated / low if low else np.inf)


def class_means(labels: Labels | LabelMatrix, proba: Floats, group: Rows) -> tuple[ClassMeans, ...]:
    """Return the class means of each label, on rows that the model was not fitted to.

    Parameters
    ----------
    labels : ndarray of 0/1, shape (n, L), or LabelMatrix
    proba : ndarray of float, shape (n, L)
    group : ndarray of int, shape (n,)
        Number of each row's group, from 0.
    """
    matrix = LabelMatrix.of(labels)
    found = []
    for k, (number, known) in enumerate(_classes(matrix)):
        means: list[float | None] = [None] * CLASSES
        errors: list[float | None] = [None] * CLASSES
        for which in range(CLASSES):
            rows = np.flatnonzero(known & (number == which))
            if len(rows):
                mean = float(proba[rows, k].mean())
                means[which], errors[which] = mean, _error_of_mean(proba[rows, k] - mean, group[rows])
        found.append(ClassMeans(tuple(means), tuple(errors), int((known & (number == 0)).sum())))
    return tuple(found)


def count_positives(
    labels: Labels | LabelMatrix, proba: Floats, group: Rows, before: tuple[ClassMeans, ...]
) -> tuple[Counted | None, ...]:
    """Estimate the positives of each label from probabilities of new rows.

    Parameters
    ----------
    labels : ndarray of 0/1, shape (n, L), or LabelMatrix
        Annotations of the new rows.
    proba : ndarray of float, shape (n, L)
    group : ndarray of int, shape (n,)
    before : tuple of ClassMeans, length L
        Of the same model, on its held-out rows.

    Returns
    -------
    tuple of Counted or None
        None where the class means do not determine a number, as for a label of few held-out positives.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(0.2, 1.0, size=(20000, 1))
    >>> Y = (rng.random(p.shape) < p).astype(np.uint8)
    >>> before, rows = class_means(Y[:10000], p[:10000], np.arange(10000)), np.arange(10000)
    >>> lost = Y[10000:] * (rng.random((10000, 1)) < 0.5)
    >>> (counted,) = count_positives(lost, p[10000:], rows, before)
    >>> round(counted.annotated / counted.estimated, 1)
    0.5
    """
    matrix = LabelMatrix.of(labels)
    each = zip(_classes(matrix), proba.T, before, strict=True)
    return tuple(
        _counted(number[known], p[known], group[known], former) if known.any() else None
        for (number, known), p, former in each
    )


def _counted(number: Rows, p: Floats, group: Rows, before: ClassMeans) -> Counted | None:
    shares = np.bincount(number, minlength=CLASSES) / len(number)
    means = np.array([np.nan if mean is None else mean for mean in before.means])
    errors = np.array([np.nan if error is None else error for error in before.errors])
    present = shares > 0
    if before.positives < FEWEST_POSITIVES or np.isnan(means[present]).any() or not present[1:].any():
        return None
    # Rows that lost the label are in one of the other classes; these are weighted as they occur.
    others = present & (np.arange(CLASSES) > 0)
    separation = means[0] - shares[others] @ means[others] / shares[others].sum()
    # Probabilities that do not separate the classes would divide by noise.
    if separation <= 4 * np.hypot(errors[0], errors[others].max()):
        return None
    # Per row, what its probability exceeds the mean of its class by. Only the spread within classes is noise.
    excess = p - means[number]
    error = np.hypot(_error_of_mean(excess - excess.mean(), group), np.sqrt(np.nansum((shares * errors) ** 2)))
    annotated = float(shares[0])
    return Counted(annotated, annotated + float(excess.mean() / separation), float(error / separation))


def _classes(matrix: LabelMatrix) -> list[tuple[Rows, NDArray[np.bool_]]]:
    """Return for each label the class of each row, and a mask of the rows whose class is known."""
    Y = matrix.values > 0
    known = np.ones(Y.shape, bool) if matrix.known is None else matrix.known
    some, all_known = (Y & known).any(axis=1), known.all(axis=1)
    # A row with the label has a known class whatever else is unknown; without any positive, all must be known.
    return [(np.where(Y[:, k], 0, np.where(some, 1, 2)), known[:, k] & (some | all_known)) for k in range(Y.shape[1])]


def _error_of_mean(residual: Floats, group: Rows) -> float:
    """Return the standard error of a mean from residuals summed by group."""
    sums = np.bincount(np.unique(group, return_inverse=True)[1], residual)
    n_groups = len(sums)
    if n_groups < 2:
        # One group shows no variance between groups: its mean could be anywhere in [0, 1].
        return 1.0 if len(residual) else 0.0
    return float(np.sqrt((sums**2).sum() * n_groups / (n_groups - 1)) / len(residual))
