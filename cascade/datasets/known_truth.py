"""Rows whose true p(y_k | x) is known, with problem A's prevalences, to check probabilities against.

A row has some label with logit p(a | x) linear in x. A row with a label has one leading finding, chosen by a softmax.
Each other finding joins it at a rate that depends on a severity, which all findings share. So labels depend on each
other given x, `any` equals the OR of the others, and still every probability is a formula:

    p(y_k | x, a) = lead_k + (1 - lead_k) * (severe * high_k + (1 - severe) * low_k)
    p(y_k | x)    = p(a | x) * p(y_k | x, a)

Logistic regression on x without a transform is the true model of `any` for a gate with all features. With a part of
them it is nearly the true model (probit against logit). It is not the true model of p(y_k | x) or p(y_k | x, a): these
need a nonlinear learner, such as trees or splines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from cascade.data.labels import Labels
from cascade.errors import ConfigError
from cascade.utils.types import Floats

N_FEATURES = 6
LABEL_NAMES = ("label_1", "label_2", "label_3", "label_4", "label_5", "any")

GROUP_SIZE = 8
GROUP_SHARE = 0.3
"""Share of a feature's variance that the rows of a group have in common."""

# Intercepts solve for problem A's prevalences (233, 2607, 1893, 2574, 3403 and 7783 of 54,214 rows); the other
# numbers were chosen for an AUROC of .93 to .97 of every true probability.
ANY_SLOPE = np.array([2.28, 1.92, 1.56, 1.2, 1.44, 1.08])
ANY_INTERCEPT = -4.673
LEAD_SLOPE = np.array(
    [
        [0.45, -0.45, 0.0, 0.45, 0.9, 2.7],
        [1.65, -0.9, 0.0, 0.3, 0.0, -0.45],
        [-1.2, 1.35, -0.3, 0.45, -1.5, 0.15],
        [0.0, -1.05, 1.8, -0.6, 0.45, 0.6],
        [-0.3, 0.6, -0.75, 1.8, 1.05, -1.2],
    ]
)
LEAD_INTERCEPT = np.array([-5.722, 0.024, -0.197, -0.386, 0.559])
SEVERE_SLOPE = np.array([0.8, 0.4, 0.0, -0.4, 0.6, 0.0])
SEVERE_INTERCEPT = -1.5
HIGH = np.array([0.0173, 0.2594, 0.2594, 0.2594, 0.2161])
LOW = np.array([0.0009, 0.0346, 0.0259, 0.0346, 0.0346])


@dataclass(frozen=True)
class Drawn:
    """Rows with labels and the probabilities that these were drawn from.

    Attributes
    ----------
    X : ndarray of float32, shape (n, 6)
    Y : ndarray of 0/1, shape (n, 6)
        Five labels, then `any`.
    p : ndarray of float, shape (n, 6)
        p(y_k | x) in the order of the columns of `Y`.
    groups : ndarray of int, shape (n,)
        Rows of a group have similar features; given the features, rows are independent.
    label_names : tuple of str
    """

    X: NDArray[np.float32]
    Y: Labels
    p: Floats
    groups: NDArray[np.intp]
    label_names: tuple[str, ...] = LABEL_NAMES


def draw(n: int, seed: int) -> Drawn:
    """Draw `n` rows; the same seed gives the same rows.

    Raises
    ------
    ConfigError
        If `n` is below 1 or `seed` below 0.

    Examples
    --------
    >>> rows = draw(50_000, seed=0)
    >>> expected = rows.p.sum(axis=0)
    >>> bool(np.all(abs(rows.Y.sum(axis=0) - expected) < 4 * np.sqrt(expected)))
    True
    >>> bool((rows.p[:, 5:] >= rows.p).all())
    True
    """
    if n < 1 or seed < 0:
        raise ConfigError(f"`n` must be 1 or more and `seed` 0 or more. Received {n} and {seed}.")
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // GROUP_SIZE
    common = rng.normal(size=(groups[-1] + 1, N_FEATURES))[groups]
    separate = rng.normal(size=(n, N_FEATURES))
    # The shares of the variance add up to 1, so each feature is standard normal, as the intercepts assume.
    X = (np.sqrt(GROUP_SHARE) * common + np.sqrt(1 - GROUP_SHARE) * separate).astype(np.float32)
    return Drawn(X, _draw_labels(X, rng), true_proba(X), groups)


def true_proba(X: NDArray[np.floating]) -> Floats:
    """Return p(y_k | x) of the five labels and of `any`, float of shape (n, 6)."""
    any_label, lead, severe = _parts(X)
    joins = severe[:, None] * HIGH + (1 - severe[:, None]) * LOW
    # A finding is on as the leading one, or else by joining it.
    given_any = lead + (1 - lead) * joins
    return np.column_stack([any_label[:, None] * given_any, any_label])


def _parts(X: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Return p(a | x) of shape (n,), each label's probability to lead (n, 5), and that of severity (n,)."""
    # Features are rounded to float32 before the truth is computed from them, so that it fits what models see.
    x = X.astype(np.float64)
    lead = softmax(x @ LEAD_SLOPE.T + LEAD_INTERCEPT, axis=1)
    return expit(x @ ANY_SLOPE + ANY_INTERCEPT), lead, expit(x @ SEVERE_SLOPE + SEVERE_INTERCEPT)


def _draw_labels(X: NDArray[np.floating], rng: np.random.Generator) -> Labels:
    any_label, lead, severe = _parts(X)
    n, n_labels = lead.shape
    has_label = rng.random(n) < any_label
    # The number of cumulated probabilities below a uniform draw. The last one is left out: it may round to less than 1.
    leading = (rng.random((n, 1)) > lead.cumsum(axis=1)[:, :-1]).sum(axis=1)
    # One draw of severity per row: sharing it is what makes labels depend on each other given x.
    rate = np.where((rng.random(n) < severe)[:, None], HIGH, LOW)
    findings = (rng.random((n, n_labels)) < rate) | (np.arange(n_labels) == leading[:, None])
    return np.column_stack([findings & has_label[:, None], has_label]).astype(np.uint8)
