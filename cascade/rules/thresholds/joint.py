"""Joint decisions: of all feasible label vectors of a row, the one of least expected cost."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.errors import ConfigError
from cascade.rules.label_plan import MOST_LABELS, LabelPlan
from cascade.rules.thresholds.decisions import is_cost_pair
from cascade.utils.types import Floats

HALVINGS = 60
"""Steps of the bisection: 2**-60 is below the resolution of a float near 1."""


def check_few(n_labels: int) -> None:
    """Raise an error for more labels than joint decisions support."""
    if n_labels > MOST_LABELS:
        raise ConfigError(
            f"joint decisions on whole vectors support at most {MOST_LABELS} labels. Received {n_labels}."
        )


def all_vectors(n_labels: int) -> Labels:
    """Return all 0/1 vectors with at least one 1; shape (2**n_labels - 1, n_labels).

    Raises
    ------
    ConfigError
        If there are more than 12 labels.
    """
    check_few(n_labels)
    return np.array(list(product((0, 1), repeat=n_labels))[1:], dtype=np.uint8).reshape(-1, n_labels)


def independent_joint(proba: Floats, any_proba: Floats) -> Floats:
    """Return the probability of every vector if labels are independent, conditioned on at least one.

    Parameters
    ----------
    proba : ndarray of float, shape (n, K)
        p(y_k | x).
    any_proba : ndarray of float, shape (n,)
        p(a | x).

    Returns
    -------
    ndarray of float, shape (n, 2**K - 1)
        For the rows of `all_vectors`; with 1 - p(a | x) for the empty vector they sum to 1.

    Notes
    -----
    Independent labels of probabilities q_k, conditioned on at least one: P(s) = prod q_k^s_k (1 - q_k)^(1 - s_k) / Z
    with Z = 1 - prod(1 - q_k). The q_k are chosen so that the conditioned marginals q_k / Z equal the given
    r_k = p(y_k | x) / p(a | x), by bisection for Z. If the r_k sum to 1 or less, only vectors of one label remain.

    Examples
    --------
    >>> independent_joint(np.array([[0.3, 0.2]]), np.array([0.4])).round(3)
    array([[0.1, 0.2, 0.1]])
    """
    share = np.clip(proba / np.maximum(any_proba, 1e-12)[:, None], 0.0, 1.0)
    low, high = np.zeros(len(proba)), np.ones(len(proba))
    # 1 - prod(1 - r_k Z) - Z is concave in Z and 0 at Z = 0. It has a positive root, with the sign changing from plus
    # to minus, exactly if the r_k sum to more than 1; otherwise it is never positive and `high` goes to 0.
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = 1 - np.prod(1 - share * middle[:, None], axis=1) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    # `high` rather than `low`, which may be 0. At 2**-60 two labels at once are negligible against one, as they are in
    # the limit, and the division by `total` restores the scale.
    chance = np.clip(share * high[:, None], 1e-300, 1 - 1e-12)
    vectors = all_vectors(proba.shape[1]).astype(np.float64)
    # The product over labels as two matrix products of logarithms: one (n, 2**K - 1) array instead of K of them.
    weight = np.exp(np.log(chance) @ vectors.T + np.log1p(-chance) @ (1 - vectors).T)
    total = np.maximum(weight.sum(axis=1), 1e-300)
    return np.asarray(any_proba[:, None] * weight / total[:, None])


def seen_joint(proba: Floats, any_proba: Floats, vectors: Labels, counts: NDArray[np.int64]) -> Floats:
    """Return the probability of the vectors seen in training, each tilted by the row's probabilities.

    P(s | x, a) is proportional to the share of s in training times a factor for each label in s: its odds for this
    row over its odds among training rows with a label. Vectors that were never seen have probability 0.

    Parameters
    ----------
    proba, any_proba : as in `independent_joint`
    vectors : ndarray of 0/1, shape (S, K)
    counts : ndarray of int, shape (S,)

    Returns
    -------
    ndarray of float, shape (n, S)
    """
    usual = np.clip((counts @ vectors + 0.5) / (counts.sum() + 1.0), 1e-9, 1 - 1e-9)
    share = np.clip(proba / np.maximum(any_proba, 1e-12)[:, None], 1e-9, 1 - 1e-9)
    tilt = np.log(share / (1 - share)) - np.log(usual / (1 - usual))
    score = tilt @ vectors.T.astype(np.float64) + np.log(counts)
    # Softmax: the largest score is subtracted first so that no exponential overflows.
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(any_proba[:, None] * weight / weight.sum(axis=1, keepdims=True))


def likeliest(joint: Floats, vectors: Labels, any_proba: Floats) -> Labels:
    """Return the most probable vector of each row (n, K), which may be the empty one.

    This has the least expected cost if every wrong vector costs the same.
    """
    best = joint.argmax(axis=1)
    # `joint` holds no column for the empty vector, whose probability is 1 - p(a | x). A tie goes to it.
    not_empty = joint[np.arange(len(joint)), best] > 1 - any_proba
    return np.where(not_empty[:, None], vectors[best], 0).astype(np.uint8)


def cheapest(
    proba: Floats, any_proba: Floats, false_positive: Floats, false_negative: Floats, any_costs: tuple[float, float]
) -> Labels:
    """Return the vector of least expected cost of each row (n, K), where `any` is 1 exactly if some label is.

    Costs add up over labels and `any`, so only each label's probability counts and not their dependence. A label is set
    if this lowers the expected cost, or the cheapest one if a missed `any` costs more.

    Examples
    --------
    A label of probability .3 is not worth a false alarm, unless missing `any` costs ten times as much.

    >>> p, one = np.array([[0.3, 0.1]]), np.ones(2)
    >>> cheapest(p, np.array([0.35]), one, one, (1, 1)), cheapest(p, np.array([0.35]), one, one, (1, 10))
    (array([[0, 0]], dtype=uint8), array([[1, 0]], dtype=uint8))
    """
    # Expected cost of a 1 minus that of a 0, per label and for `any`; negative where a 1 is cheaper.
    price = (1 - proba) * false_positive - proba * false_negative
    any_price = (1 - any_proba) * any_costs[0] - any_proba * any_costs[1]
    # The best vector that is not empty has all labels of negative price, or else the one of lowest price. It is taken
    # if it is cheaper than the empty vector, whose price is 0, with `any` included.
    chosen = price < 0
    none = ~chosen.any(axis=1)
    chosen[none, price[none].argmin(axis=1)] = True
    worth = np.where(chosen, price, 0.0).sum(axis=1) + any_price < 0
    return np.asarray(chosen & worth[:, None], dtype=np.uint8)


def cost_pairs(costs: Mapping[str, tuple[float, float]] | None, names: tuple[str, ...]) -> Floats:
    """Return the costs (false positive, false negative) of each label, shape (L, 2); (1, 1) where none is given."""
    given = dict(costs or {})
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ConfigError(f"`costs` must name labels of {list(names)}. Received {unknown[0]!r}.")
    for pair in given.values():
        if not is_cost_pair(pair):
            raise ConfigError(f"`costs` must be pairs of positive numbers, false positive first. Received {given!r}.")
    return np.array([given.get(name, (1.0, 1.0)) for name in names], dtype=np.float64)


def best_vectors(
    plan: LabelPlan, names: tuple[str, ...], proba: Floats, any_proba: Floats, costs: Any, joint: str
) -> Labels:
    """Return the best vectors (n, K) of the learned labels; see `CascadePredictor.predict_joint`."""
    if not len(plan.learned):
        raise ConfigError("joint decisions need at least one label besides `any` that varies. Received none.")
    if isinstance(costs, str) and costs != "vector":
        raise ConfigError(f"`costs` must be 'vector' or a mapping from label to costs. Received {costs!r}.")
    if costs != "vector":
        pairs = cost_pairs(costs, names)
        any_pair = (1.0, 1.0) if plan.any_index is None else pairs[plan.any_index]
        false_positive, false_negative = pairs[plan.learned].T
        return cheapest(proba, any_proba, false_positive, false_negative, (float(any_pair[0]), float(any_pair[1])))
    if joint == "independent":
        return likeliest(independent_joint(proba, any_proba), all_vectors(len(plan.learned)), any_proba)
    if joint == "seen":
        check_few(len(plan.learned))
        if not len(plan.seen):
            raise ConfigError("`joint` 'seen' needs training rows on which all labels are known. There were none.")
        return likeliest(seen_joint(proba, any_proba, plan.seen, plan.seen_count), plan.seen, any_proba)
    raise ConfigError(f"`joint` must be 'independent' or 'seen'. Received {joint!r}.")
