"""The stacked merge: a small logistic model of the log-odds that gate and labeler give a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.rules.probability.calibration import smoothed_targets
from cascade.utils.log_odds import log_odds, softplus
from cascade.utils.types import Floats

MERGE_OPTIONS = ("stacked", "pool")
"""How gate and labeler are merged: as the negative pool determines, and with fitted weights on top or without."""

WEIGHT_SPREAD = 0.5
"""Standard deviation of the normal prior of each weight around 0, so that a few positives cannot move the merge."""

REJECTED_SPREAD = 0.3
"""The same for the weight and the intercepts of rejected rows, which have few positives, and whose base has the right
sum on the rows that they are fitted on."""


def check_merge(merge: str) -> str:
    """Return `merge`, or raise an error if it is not one of `MERGE_OPTIONS`."""
    if merge not in MERGE_OPTIONS:
        raise ConfigError(f"`merge` must be one of {list(MERGE_OPTIONS)}. Received {merge!r}.")
    return merge


@dataclass(frozen=True)
class Stack:
    """logit p = base + sum of weight * feature + intercept, one set of weights per column.

    All weights 0 leave the base unchanged: the merge of the negative pool, or the share of a rejected row.

    Attributes
    ----------
    weights : ndarray of float, shape (F, C)
        One row per feature.
    intercept : ndarray of float, shape (C,)
    """

    weights: Floats
    intercept: Floats

    def __call__(self, base: Floats, features: list[Floats]) -> Floats:
        """Return stacked log-odds (m, C) from those of the base and of F features, each (m, C)."""
        z = base + self.intercept
        for weight, feature in zip(self.weights, features, strict=True):
            z += weight * feature
        return z


def noisy_or(z: Floats) -> Floats:
    """Return the log-odds (m, 1) that some label is present, from those of each label (m, K).

    The labels count as independent: p(a) = 1 - prod(1 - p_k).

    References
    ----------
    Pearl (1988), Probabilistic reasoning in intelligent systems, section 4.3.2.

    Examples
    --------
    >>> expit(noisy_or(log_odds([[0.5, 0.2]]))).round(6).tolist()
    [[0.6]]
    """
    # 1 - p = 1 / (1 + exp(z)), so the product is the exponential of a sum and small probabilities keep their digits.
    return log_odds(-np.expm1(-softplus(z).sum(axis=1, keepdims=True)))


def fit_stack(base: Floats, features: list[Floats], labels: LabelMatrix, weight: Floats) -> Stack:
    """Fit the weights of each column on rows that no fit has seen.

    Parameters
    ----------
    base : ndarray of float, shape (m, C)
        Log-odds that the stack starts from.
    features : list of ndarray of float, each of shape (m, C)
        Log-odds, calibrated.
    labels : LabelMatrix
        Of m rows and C columns. Only known entries count.
    weight : ndarray of float, shape (m,)
        How many rows of the population each row represents.

    Returns
    -------
    Stack
        A column without both classes keeps its base. The fewer positives a column has, the closer it stays to it.

    References
    ----------
    Wolpert (1992), Stacked generalization. The prior of the weights is that of ridge regression, and the targets are
    those of Platt (1999).

    Examples
    --------
    Two independent measurements of one label: their log-odds add up.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2, 50_000, 1)) * 2
    >>> Y = (rng.random((50_000, 1)) < expit(z.sum(axis=0))).astype(np.uint8)
    >>> fit_stack(z[0], [z[1]], LabelMatrix(Y), np.ones(50_000)).weights.round(1).tolist()
    [[1.0]]
    """
    columns = [labels.rows_knowing(k) for k in range(labels.shape[1])]
    fitted = [
        _fit_column(
            base[rows, k],
            np.column_stack([feature[rows, k] for feature in features]),
            labels.values[rows, k],
            weight[rows],
        )
        for k, rows in enumerate(columns)
    ]
    table = np.array(fitted, dtype=np.float64).reshape(len(columns), len(features) + 1).T
    return Stack(table[:-1], table[-1])


def _fit_column(base: Floats, features: Floats, y: NDArray[np.uint8], weight: Floats) -> Floats:
    n_features = features.shape[1]
    n_positive, total = float(weight @ y), float(weight.sum())
    if not 0 < n_positive < total:
        return np.zeros(n_features + 1)
    target = smoothed_targets(y, weight)
    # Centred, so that the prior pulls the weights towards the base and leaves the intercept free.
    centre = weight @ features / total
    centred = features - centre

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, intercept = parameters[:-1], parameters[-1]
        score = base + centred @ weights + intercept
        excess = weight * (expit(score) - target)
        pull = weights / WEIGHT_SPREAD**2
        value = weight @ (softplus(score) - target * score) + 0.5 * pull @ weights
        return float(value), np.append(excess @ centred + pull, excess.sum())

    # Imported here because only fitting needs it; a model that is loaded to predict starts faster without it.
    from scipy.optimize import minimize

    best = minimize(loss, np.zeros(n_features + 1), jac=True, method="L-BFGS-B").x
    return np.append(best[:-1], best[-1] - centre @ best[:-1])


def fit_rejected_stack(base: Floats, feature: Floats, labels: LabelMatrix, weight: Floats) -> Stack:
    """Fit one weight for all columns, and an intercept per column, on held-out rows that the gate rejects.

    Parameters
    ----------
    base, feature : ndarray of float, shape (m, K)
    labels : LabelMatrix
        Of m rows and K columns. Only known entries count.
    weight : ndarray of float, shape (m,)

    Returns
    -------
    Stack
        With one feature. Rejected rows have a few positives per label, too few for a weight of each.

    Notes
    -----
    `benchmarks/gate_labels.py` compares this with the base alone.
    """
    # Not Platt's targets: one part in the number of rows is many times the probability of a rejected row.
    counted, target = labels.weight_of_entries(weight), labels.values.astype(np.float64)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        score = base + parameters[0] * feature + parameters[1:]
        excess = counted * (expit(score) - target)
        pull = parameters / REJECTED_SPREAD**2
        value = (counted * (softplus(score) - target * score)).sum() + 0.5 * pull @ parameters
        return float(value), np.append((excess * feature).sum(), excess.sum(axis=0)) + pull

    from scipy.optimize import minimize

    best = minimize(loss, np.zeros(base.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return Stack(np.full((1, base.shape[1]), best[0]), best[1:])
