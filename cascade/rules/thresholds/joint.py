"""The best whole vector of a row: among all that are feasible, the one of least expected cost."""

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


def check_few(n_labels: int) -> None:
    """Refuse more labels than whole vectors can be weighed for."""
    if n_labels > MOST_LABELS:
        raise ConfigError(f"whole vectors can be weighed for at most {MOST_LABELS} labels. Received {n_labels}.")


def all_vectors(n_labels: int) -> Labels:
    """All 0/1 vectors with at least one 1; shape (2**n_labels - 1, n_labels).

    Raises
    ------
    ConfigError
        If there are more than 12 labels.
    """
    check_few(n_labels)
    return np.array(list(product((0, 1), repeat=n_labels))[1:], dtype=np.uint8).reshape(-1, n_labels)


def independent_joint(proba: Floats, any_proba: Floats) -> Floats:
    """Probability of every vector if labels are independent given that some label is present.

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
    Independent labels with chances q_k, conditioned on at least one: P(s) = prod q_k^s_k (1 - q_k)^(1 - s_k) / Z with
    Z = 1 - prod(1 - q_k). The q_k are found so that the conditioned marginals q_k / Z are the p(y_k | x) / p(a | x)
    given, by bisection for Z; marginals that sum to 1 or less leave only vectors of one label.

    Examples
    --------
    >>> independent_joint(np.array([[0.3, 0.2]]), np.array([0.4])).round(3)
    array([[0.1, 0.2, 0.1]])
    """
    share = np.clip(proba / np.maximum(any_proba, 1e-12)[:, None], 0.0, 1.0)
    low, high = np.zeros(len(proba)), np.ones(len(proba))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = 1 - np.prod(1 - share * middle[:, None], axis=1) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    chance = np.clip(share * high[:, None], 1e-300, 1 - 1e-12)
    vectors = all_vectors(proba.shape[1]).astype(np.float64)
    weight = np.exp(np.log(chance) @ vectors.T + np.log1p(-chance) @ (1 - vectors).T)
    total = np.maximum(weight.sum(axis=1), 1e-300)
    return np.asarray(any_proba[:, None] * weight / total[:, None])


def seen_joint(proba: Floats, any_proba: Floats, vectors: Labels, counts: NDArray[np.int64]) -> Floats:
    """Probability of the vectors seen in training, each tilted by the row's own probabilities.

    P(s | x, a) is proportional to the share of s in training times, for each label, the ratio of its odds for
    this row to its odds among training rows with a label. Vectors never seen have none.

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
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(any_proba[:, None] * weight / weight.sum(axis=1, keepdims=True))


def likeliest(joint: Floats, vectors: Labels, any_proba: Floats) -> Labels:
    """The most probable vector of each row (n, K), the empty one among them: least cost if any error costs the same."""
    best = joint.argmax(axis=1)
    some = joint[np.arange(len(joint)), best] > 1 - any_proba
    return np.where(some[:, None], vectors[best], 0).astype(np.uint8)


def cheapest(
    proba: Floats, any_proba: Floats, false_positive: Floats, false_negative: Floats, any_costs: tuple[float, float]
) -> Labels:
    """The vector of least expected cost of each row (n, K), where `any` is on exactly if some label is.

    Costs add up over labels and `any`, so only each label's probability counts, not how labels go together: a
    label pays for itself, or the cheapest one is set because a missed `any` costs more.

    Examples
    --------
    A label at .3 is not worth a false alarm, until missing `any` costs ten times as much.

    >>> p, one = np.array([[0.3, 0.1]]), np.ones(2)
    >>> cheapest(p, np.array([0.35]), one, one, (1, 1)), cheapest(p, np.array([0.35]), one, one, (1, 10))
    (array([[0, 0]], dtype=uint8), array([[1, 0]], dtype=uint8))
    """
    price = (1 - proba) * false_positive - proba * false_negative
    any_price = (1 - any_proba) * any_costs[0] - any_proba * any_costs[1]
    chosen = price < 0
    none = ~chosen.any(axis=1)
    chosen[none, price[none].argmin(axis=1)] = True
    worth = np.where(chosen, price, 0.0).sum(axis=1) + any_price < 0
    return np.asarray(chosen & worth[:, None], dtype=np.uint8)


def cost_pairs(costs: Mapping[str, tuple[float, float]] | None, names: tuple[str, ...]) -> Floats:
    """Costs (false positive, false negative) of each label, shape (L, 2); (1, 1) where none is given."""
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
    """Best vectors (n, K) of the learned labels; see `CascadePredictor.predict_joint`."""
    if not len(plan.learned):
        raise ConfigError("whole vectors need at least one label besides `any`. Received none.")
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
            raise ConfigError("`joint` 'seen' needs training rows that know all labels. There were none.")
        return likeliest(seen_joint(proba, any_proba, plan.seen, plan.seen_count), plan.seen, any_proba)
    raise ConfigError(f"`joint` must be 'independent' or 'seen'. Received {joint!r}.")
