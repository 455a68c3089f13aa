"""What must not get worse: for all judged labels together, and for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.metrics import AVERAGE_PRECISION, CALIBRATION_ERROR, COUNT_RATIO, GATE_RECALL, macro
from cascade.retraining.decision.paired import Pair, nearness_to_one
from cascade.retraining.decision.policy import Policy
from cascade.retraining.decision.reasons import Reason, guard_reason, without_figures


def judged_labels(pair: Pair, policy: Policy) -> NDArray[np.bool_]:
    """Return a mask of the labels with enough held-out positives to be judged separately, shape (L,)."""
    # Both outcomes have the same true labels, see `Pair`.
    positives = pair.outcomes[0].Y.sum(axis=0, dtype=np.int64)
    return np.asarray(positives >= policy.fewest_positives)


def guards(pair: Pair, policy: Policy) -> Iterator[Reason]:
    """Yield the guards of all judged labels together."""
    judged = judged_labels(pair, policy)
    # Without a judged label the mean would have no weight and be undefined.
    if policy.calibration_error is None or not judged.any():
        return
    # The mask is the weight of the mean, so labels that are not judged do not count.
    metric = macro(CALIBRATION_ERROR, judged, "calibration_error")
    yield guard_reason(metric.name, None, pair.gain(metric).of(), policy.calibration_error)


def label_guards(pair: Pair, names: Sequence[str], policy: Policy) -> Iterator[Reason]:
    """Yield the guards of each judged label, then one reason per label that is not judged."""
    judged = judged_labels(pair, policy)
    # Each gain holds all labels, so the bootstrap runs once per metric and not once per label.
    gains = [
        (AVERAGE_PRECISION.name, policy.average_precision, pair.gain(AVERAGE_PRECISION)),
        (GATE_RECALL.name, policy.gate_recall, pair.gain(GATE_RECALL)),
        (COUNT_RATIO.name, policy.count_ratio, pair.gain(COUNT_RATIO, nearness_to_one)),
    ]
    for k in np.flatnonzero(judged).tolist():
        for guard, margin, gain in gains:
            if margin is not None:
                yield guard_reason(guard, names[k], gain.of(k), margin)
    for k in np.flatnonzero(~judged).tolist():
        yield _too_rare(names[k], int(pair.outcomes[0].Y[:, k].sum()), policy.fewest_positives)


def _too_rare(name: str, positives: int, needed: int) -> Reason:
    sentence = f"label {name!r} is not judged separately: it has {positives} of the {needed} held-out positives needed."
    return without_figures("positives", name, "not judged", sentence)
