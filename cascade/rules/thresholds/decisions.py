"""Decision thresholds, one per label, chosen on held-out rows of natural prevalence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.utils.checks import is_number
from cascade.utils.types import Floats

DecisionOption = str | float | Mapping[str, Any]

NEVER = 2.0
"""A threshold that no probability reaches."""

PRIOR_POSITIVES = 20.0
"""A label's probabilities count as much as this many held-out positives when its threshold is chosen."""


def check_decision(decision: Any, name: str = "decision") -> None:
    """Raise an error if `decision` is not a valid decision."""
    if decision == "f1" or _is_share(decision):
        return
    if isinstance(decision, Mapping) and len(decision) == 1:
        (kind, value), *_ = decision.items()
        if kind in ("precision", "recall") and _is_share(value):
            return
        if kind == "cost" and is_cost_pair(value):
            return
    raise ConfigError(
        f"`{name}` must be 'f1', a threshold in (0, 1), or one of {{cost: [false positive, false negative]}}, "
        f"{{precision: share}}, {{recall: share}}. Received {decision!r}."
    )


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 < value < 1


def is_cost_pair(value: Any) -> bool:
    """Return whether `value` is a pair of positive costs."""
    pair = isinstance(value, (Sequence, np.ndarray)) and np.shape(value) == (2,)
    return pair and all(is_number(cost) and cost > 0 for cost in value)


def each_decision(
    decision: DecisionOption, label_decisions: Mapping[str, DecisionOption] | None, names: Sequence[str]
) -> list[DecisionOption]:
    """Return one validated decision per label: that of `label_decisions`, or the common one."""
    check_decision(decision)
    if not isinstance(label_decisions, (Mapping, type(None))):
        raise ConfigError(f"`label_decisions` must map label names to decisions. Received {label_decisions!r}.")
    by_name = dict(label_decisions or {})
    unknown = sorted(set(by_name) - set(names), key=str)
    if unknown:
        raise ConfigError(f"`label_decisions` must name labels of {list(names)}. Received {unknown[0]!r}.")
    for name, given in by_name.items():
        check_decision(given, f"label_decisions[{name!r}]")
    return [by_name.get(name, decision) for name in names]


def cost_threshold(false_positive: float, false_negative: float) -> float:
    """Return the probability from which setting a bit has the lower expected cost: C_FP / (C_FP + C_FN).

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning.

    Examples
    --------
    If a missed finding costs nine times a false alarm, the bit is set from a probability of one in ten.

    >>> cost_threshold(1, 9)
    0.1
    """
    return false_positive / (false_positive + false_negative)


def decision_thresholds(
    decisions: Sequence[DecisionOption],
    names: Sequence[str],
    proba: Floats,
    passed: NDArray[np.bool_],
    labels: LabelMatrix,
    weight: Floats | None = None,
    calibrated: bool = True,
) -> Floats:
    """Choose each label's threshold, given that only rows past the gate can have the bit set.

    Parameters
    ----------
    decisions : sequence of decisions, length L
    names : sequence of str, length L
    proba : ndarray of float, shape (n, L)
        Merged probabilities.
    passed : ndarray of bool, shape (n,)
    labels : LabelMatrix
        Of n rows and L labels. Only known entries count.
    weight : ndarray of float, shape (n,), optional
    calibrated : bool, default=True
        Whether the probabilities are used as well; if not, each threshold is chosen on the labels alone.

    Returns
    -------
    ndarray of float, shape (L,)
        2 means never: no threshold gives the requested precision.

    Notes
    -----
    A fixed number and a cost pair need no data. The others are chosen as if each row's label were
    s * y + (1 - s) * p with s = m / (m + 20) for m held-out positives. The threshold of a label with few positives
    relies on its calibrated probabilities instead of following the noise of a few rows, that of a frequent label on its
    own data. For F1 without any positive this is the threshold of largest expected F1.

    References
    ----------
    Lipton, Elkan & Narayanaswamy (2014), Thresholding classifiers to maximize F1 score.
    """
    weights = np.ones(len(labels)) if weight is None else weight
    prior = PRIOR_POSITIVES if calibrated else 0.0
    chosen = [labels.rows_knowing(k) for k in range(labels.shape[1])]
    return np.array(
        [
            _threshold(decision, name, proba[rows, k], passed[rows], labels.values[rows, k], weights[rows], prior)
            for k, (decision, name, rows) in enumerate(zip(decisions, names, chosen, strict=True))
        ]
    )


def _threshold(
    decision: DecisionOption,
    name: str,
    proba: Floats,
    passed: NDArray[np.bool_],
    y: NDArray[np.uint8],
    weight: Floats,
    prior: float,
) -> float:
    if is_number(decision):
        return float(decision)  # type: ignore[arg-type]
    if isinstance(decision, Mapping) and "cost" in decision:
        return cost_threshold(*decision["cost"])
    # Nothing to choose by: no examined row, no probability above 0, or no positive where probabilities are not used.
    if not passed.any() or not (weight @ proba > 0) or not (prior or y.any()):
        return 0.5
    # Positives are counted without weights: how noisy a threshold is depends on the number of rows behind it.
    trust = float(y.sum() / (y.sum() + prior)) if y.any() else float(not prior)
    curve = _Curve(proba, passed, trust * y + (1 - trust) * proba, weight)
    if isinstance(decision, str):
        return curve.best_f1()
    assert isinstance(decision, Mapping)
    (kind, share), *_ = decision.items()
    choose: Callable[[float, str], float] = curve.with_precision if kind == "precision" else curve.with_recall
    return choose(float(share), name)


class _Curve:
    """Counts at every threshold, from the highest probability down: rows set, positives among them, all positives."""

    def __init__(self, proba: Floats, passed: NDArray[np.bool_], target: Floats, weight: Floats) -> None:
        examined = np.flatnonzero(passed)
        order = examined[np.argsort(-proba[examined], kind="stable")]
        score = proba[order]
        # A threshold takes all rows of one probability at once, so only the last row of each tie is a candidate.
        last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
        self.score = score[last]
        self.predicted = np.cumsum(weight[order])[last]
        self.true_positive = np.cumsum((weight * target)[order])[last]
        # Over all rows, not only those past the gate: a positive that the gate rejects is a missed one.
        self.positive = float(weight @ target)

    def best_f1(self) -> float:
        # F1 = 2 TP / (predicted + positive); the factor 2 moves no maximum. The first of equal ones is the highest.
        return float(self.score[np.argmax(self.true_positive / (self.predicted + self.positive))])

    def with_recall(self, wanted: float, name: str) -> float:
        # The small slack keeps a product such as 0.55 * 100 = 55.00000000000001 from requiring one positive more.
        enough = self.true_positive >= wanted * self.positive - 1e-9
        if not enough.any():
            warnings.warn(
                f"label {name!r} cannot have recall {wanted}: the gate passes "
                f"{self.true_positive[-1] / self.positive:.3g} of its positives; every row past the gate gets the bit.",
                stacklevel=2,
            )
            return float(self.score[-1])
        return float(self.score[np.argmax(enough)])

    def with_precision(self, wanted: float, name: str) -> float:
        # Precision is not monotone in the threshold: of all that have enough, the lowest has the largest recall.
        enough = np.flatnonzero(self.true_positive >= wanted * self.predicted - 1e-9)
        if not len(enough):
            best = float((self.true_positive / self.predicted).max())
            warnings.warn(
                f"label {name!r} cannot have precision {wanted}: the best threshold has {best:.3g}; its bit is never "
                "set.",
                stacklevel=2,
            )
            return NEVER
        return float(self.score[enough[-1]])
