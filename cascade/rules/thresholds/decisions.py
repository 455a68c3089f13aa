"""Decision thresholds, one per label, chosen on held-out rows of natural prevalence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.rules.thresholds.between_scores import Cuts
from cascade.rules.thresholds.chance import ChanceTest
from cascade.utils.checks import is_number
from cascade.utils.types import Floats

DecisionOption = str | float | Mapping[str, Any]

NEVER = 2.0
"""A threshold that no probability reaches."""

PRIOR_POSITIVES = 20.0
"""A label's probabilities count as much as this many held-out positives when its threshold is chosen."""

MOST_BITS = 10.0
"""Most bits per positive that the F1 threshold may set. Beyond this fewer than one bit in ten is right, and the
threshold is below 1/11: a missed positive would count like more than ten false alarms, a cost that only a user can
state."""

INSTEAD = "its bit is never set. For bits, give it a cost, a precision, a recall or a threshold in `label_decisions`."


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
    chance: ChanceTest | None = None,
    stacklevel: int = 2,
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
    chance : ChanceTest, optional
        Which labels are ranked better than chance; default all.
    stacklevel : int, default=2
        As in `warnings.warn`: 2 shows warnings with the line of the caller.

    Returns
    -------
    ndarray of float, shape (L,)
        2 means never: no threshold gives the requested precision, or F1 has no basis.

    Warns
    -----
    UserWarning
        For each label whose bit is never set, and each whose recall is out of reach.

    Notes
    -----
    A fixed number and a cost pair need no data. The others are chosen as if each row's label were
    s * y + (1 - s) * p with s = m / (m + 20) for m held-out positives. The threshold of a label with few positives
    relies on its calibrated probabilities instead of following the noise of a few rows, that of a frequent label on its
    own data. For F1 without any positive this is the threshold of largest expected F1.

    A chosen threshold is half-way in log-odds between two neighbouring probabilities of examined rows. On one of them,
    rounding in another runtime could change the bits of all rows that share it.

    References
    ----------
    Lipton, Elkan & Narayanaswamy (2014), Thresholding classifiers to maximize F1 score.
    """
    weights = np.ones(len(labels)) if weight is None else weight
    prior = PRIOR_POSITIVES if calibrated else 0.0
    thresholds = np.empty(labels.shape[1])
    for k, (decision, name) in enumerate(zip(decisions, names, strict=True)):
        if decision == "f1" and chance is not None and not chance.above[k]:
            thresholds[k], problem = NEVER, _at_chance(chance, k)
        else:
            rows = labels.rows_knowing(k)
            thresholds[k], problem = _threshold(
                decision, proba[rows, k], passed[rows], labels.values[rows, k], weights[rows], prior
            )
        if problem:
            warnings.warn(f"label {name!r} {problem}", stacklevel=stacklevel)
    return thresholds


def _at_chance(chance: ChanceTest, k: int) -> str:
    """Return the warning for a label that is not ranked better than chance, without its name."""
    if not chance.positives[k]:
        return f"has no held-out positive to test it against chance; {INSTEAD}"
    return (
        f"is not ranked better than chance on held-out rows (AUROC {chance.auroc[k]:.3g}, positives: "
        f"{chance.positives[k]}, groups with one: {chance.groups[k]}); {INSTEAD}"
    )


def _threshold(
    decision: DecisionOption,
    proba: Floats,
    passed: NDArray[np.bool_],
    y: NDArray[np.uint8],
    weight: Floats,
    prior: float,
) -> tuple[float, str]:
    """Return one label's threshold, and the warning without its name where the decision cannot be met."""
    if is_number(decision):
        return float(decision), ""  # type: ignore[arg-type]
    if isinstance(decision, Mapping) and "cost" in decision:
        return cost_threshold(*decision["cost"]), ""
    # Nothing to choose by: no examined row, no probability above 0, or no positive where probabilities are not used.
    if not (passed & (weight > 0)).any() or not (weight @ proba > 0) or not (prior or y.any()):
        return 0.5, ""
    # Positives are counted without weights: how noisy a threshold is depends on the number of rows behind it.
    trust = float(y.sum() / (y.sum() + prior)) if y.any() else float(not prior)
    curve = _Curve(proba, passed, trust * y + (1 - trust) * proba, weight)
    if isinstance(decision, str):
        return curve.best_f1(int(y.sum()))
    assert isinstance(decision, Mapping)
    (kind, share), *_ = decision.items()
    choose: Callable[[float], tuple[float, str]] = curve.with_precision if kind == "precision" else curve.with_recall
    return choose(float(share))


class _Curve:
    """Counts at every threshold, from the highest down: rows set, positives among them, all positives."""

    def __init__(self, proba: Floats, passed: NDArray[np.bool_], target: Floats, weight: Floats) -> None:
        examined = np.flatnonzero(passed & (weight > 0))
        order = examined[np.argsort(-proba[examined], kind="stable")]
        score = proba[order]
        # A threshold takes all rows of one probability at once, so only the last row of each tie is a candidate. Of
        # probabilities that differ by rounding, only the widest gap is one.
        cuts = Cuts.of(score)
        candidates = np.unique(cuts.best)
        last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)[candidates]
        self.threshold = cuts.threshold[candidates]
        self.predicted = np.cumsum(weight[order])[last]
        self.true_positive = np.cumsum((weight * target)[order])[last]
        # Over all rows, not only those past the gate: a positive that the gate rejects is a missed one.
        self.positive = float(weight @ target)

    def best_f1(self, n_positives: int) -> tuple[float, str]:
        # F1 = 2 TP / (predicted + positive); the factor 2 moves no maximum. The first of equal ones is the highest.
        best = int(np.argmax(self.true_positive / (self.predicted + self.positive)))
        # The small slack keeps ten times a sum such as 99.99999999999999 from being less than 1,000.
        if self.predicted[best] <= MOST_BITS * self.positive * (1 + 1e-9):
            return float(self.threshold[best]), ""
        return NEVER, (
            f"is too uncertain for F1: its best threshold, {self.threshold[best]:.3g}, has precision "
            f"{self.true_positive[best] / self.predicted[best]:.3g} and sets "
            f"{self.predicted[best] / self.positive:.3g} bits per positive (positives: {n_positives}); {INSTEAD}"
        )

    def with_recall(self, wanted: float) -> tuple[float, str]:
        # The small slack keeps a product such as 0.55 * 100 = 55.00000000000001 from requiring one positive more.
        enough = self.true_positive >= wanted * self.positive - 1e-9
        if enough.any():
            return float(self.threshold[np.argmax(enough)]), ""
        return float(self.threshold[-1]), (
            f"cannot have recall {wanted}: the gate passes {self.true_positive[-1] / self.positive:.3g} of its "
            "positives; every row past the gate gets the bit."
        )

    def with_precision(self, wanted: float) -> tuple[float, str]:
        # Precision is not monotone in the threshold: of all that have enough, the lowest has the largest recall.
        enough = np.flatnonzero(self.true_positive >= wanted * self.predicted - 1e-9)
        if len(enough):
            return float(self.threshold[enough[-1]]), ""
        best = float((self.true_positive / self.predicted).max())
        return NEVER, f"cannot have precision {wanted}: the best threshold has {best:.3g}; its bit is never set."
