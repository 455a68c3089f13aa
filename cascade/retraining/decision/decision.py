"""Promote the challenger, keep the champion, or ask a person: decided on the same held-out groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from cascade.data.splits import group_numbers
from cascade.errors import DataError
from cascade.metrics import AUROC, Outcome, macro
from cascade.metrics.bootstrap import metric_interval
from cascade.retraining.decision.candidate import Candidate
from cascade.retraining.decision.decision_text import first_words, table, words
from cascade.retraining.decision.guards import guards, label_guards
from cascade.retraining.decision.paired import Compared, Pair
from cascade.retraining.decision.policy import Policy
from cascade.retraining.decision.reasons import Reason, speed_reason, wanted_reason, without_figures
from cascade.retraining.decision.speed import SpeedChange
from cascade.utils.types import Rows

PromotionAnswer = Literal["promote", "keep", "ask"]

CHANCE = 0.5
"""AUROC of random scores."""
FEWEST_GROUPS = 10
"""Held-out groups with a label that intervals by group need. With four groups, equal models are promoted in 6 % of
the draws and with two in 20 %, where 2.5 % is meant; from ten groups on, in 3 to 5 %."""


@dataclass(frozen=True)
class PromotionDecision:
    """What to do with a challenger, and why.

    Attributes
    ----------
    answer : {"promote", "keep", "ask"}
        With "ask" the champion serves until a person has decided.
    sentence : str
    reasons : tuple of Reason
        What was required of the challenger comes first, then the guards.
    rows, groups : int
        Number of held-out rows and groups.
    policy : Policy
    """

    answer: PromotionAnswer
    sentence: str
    reasons: tuple[Reason, ...]
    rows: int
    groups: int
    policy: Policy

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal decision."""
        return asdict(self) | {"reasons": [asdict(reason) for reason in self.reasons]}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> PromotionDecision:
        """Make a decision from the result of `to_json`."""
        reasons = tuple(Reason(**reason) for reason in body["reasons"])
        return cls(**{**body, "reasons": reasons, "policy": Policy(**body["policy"])})

    def table(self) -> str:
        """Return the reasons as a Markdown table, with the sentence below."""
        return table(self.reasons, self.sentence)


def decide(
    champion: Candidate,
    challenger: Candidate,
    groups: ArrayLike | None = None,
    policy: Policy | None = None,
    any_label: str | None = None,
    questions: Sequence[str] = (),
    speed: SpeedChange | None = None,
) -> PromotionDecision:
    """Compare a challenger with the champion and apply the policy.

    * "promote": the challenger is shown to be better in the policy's metric, and shown not to be worse than any guard
      allows.
    * "keep": the challenger is not shown to be better, or the difference of a guard is itself beyond its margin.
    * "ask": anything else. This includes labels that only one of the models has, too few groups for intervals, and
      `questions`.

    Parameters
    ----------
    champion, challenger : Candidate
        Of the same n rows in the same order; labels that only one of them has are not compared.
    groups : array-like, shape (n,), optional
        Rows of a group are resampled together. Without groups each row is its own group.
    policy : Policy, optional
    any_label : str, optional
        Name of the label that is on where any is.
    questions : sequence of str
        What a person must judge before a promotion, such as unusual data.
    speed : SpeedChange, optional
        Of the two models, see `measure_in_turns`; without it they are not judged by speed.

    Returns
    -------
    PromotionDecision

    Raises
    ------
    DataError
        If the two have no label in common, or their true labels differ.

    Notes
    -----
    All guards must pass, each at the full confidence. This is an intersection-union test, which needs no correction
    for the number of guards.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24.

    Examples
    --------
    >>> import numpy as np
    >>> from cascade.metrics import Outcome
    >>> rng = np.random.default_rng(0)
    >>> Y = (rng.random((4000, 1)) < 0.1).astype(np.uint8)
    >>> poor, good = (Y + rng.normal(size=Y.shape) * noise for noise in (1.0, 0.5))
    >>> models = [Candidate(("a",), Outcome(Y, 1 / (1 + np.exp(-z)), Y, np.ones(4000, bool))) for z in (poor, good)]
    >>> decide(*models, policy=Policy(calibration_error=None)).answer
    'promote'
    """
    policy = policy or Policy()
    shared = tuple(name for name in champion.label_names if name in challenger.label_names)
    if not shared:
        raise DataError("champion and challenger must share a label to be compared. Received none in common.")
    group = group_numbers(groups, len(champion.outcome))
    any_index = shared.index(any_label) if any_label in shared else None
    pair = Pair(champion.of(shared), challenger.of(shared), group, policy.draws, policy.confidence)
    # The required metric must come first: `words` writes the sentence around it.
    reasons = [
        _wanted(pair, policy, len(shared), any_index),
        *guards(pair, policy),
        *([] if policy.speed is None or speed is None else [speed_reason(speed, policy.speed)]),
        *label_guards(pair, shared, policy),
        *_one_sided(champion, challenger),
        *_few_groups(pair.outcomes[0], group),
        *(without_figures("data", None, "open", sentence) for sentence in questions),
    ]
    answer = _verdict(reasons)
    rows, n_groups = len(group), int(group.max()) + 1
    return PromotionDecision(answer, words(answer, reasons), tuple(reasons), rows, n_groups, policy)


def decide_first(
    challenger: Candidate, groups: ArrayLike | None = None, policy: Policy | None = None, questions: Sequence[str] = ()
) -> PromotionDecision:
    """Decide on a first model, which must be better than chance since there is no champion.

    Parameters are those of `decide`.

    Examples
    --------
    >>> import numpy as np
    >>> from cascade.metrics import Outcome
    >>> rng = np.random.default_rng(0)
    >>> Y = (rng.random((2000, 1)) < 0.1).astype(np.uint8)
    >>> guess = Candidate(("a",), Outcome(Y, rng.random(Y.shape), Y, np.ones(2000, bool)))
    >>> decide_first(guess).answer
    'keep'
    """
    policy = policy or Policy()
    group = group_numbers(groups, len(challenger.outcome))
    metric = macro(AUROC)
    value = float(metric(challenger.outcome)[0])
    low, high = metric_interval(metric, challenger.outcome, group, policy.draws, policy.confidence)
    # Chance is a constant, so the interval of the difference is that of the metric, moved.
    values = Compared(CHANCE, value, value - CHANCE, float(low[0]) - CHANCE, float(high[0]) - CHANCE)
    reasons = [
        # Without the policy's margin, which is a gain over a champion.
        wanted_reason(metric.name, values, 0.0),
        *_few_groups(challenger.outcome, group),
        *(without_figures("data", None, "open", sentence) for sentence in questions),
    ]
    answer = _verdict(reasons)
    rows, n_groups = len(group), int(group.max()) + 1
    return PromotionDecision(answer, first_words(answer, reasons), tuple(reasons), rows, n_groups, policy)


def _wanted(pair: Pair, policy: Policy, n_labels: int, any_index: int | None) -> Reason:
    metric = policy.wanted(n_labels, any_index)
    return wanted_reason(policy.metric, pair.gain(metric).of(), policy.margin)


def _one_sided(champion: Candidate, challenger: Candidate) -> list[Reason]:
    new = [name for name in challenger.label_names if name not in champion.label_names]
    gone = [name for name in champion.label_names if name not in challenger.label_names]
    return [
        *(
            without_figures("labels", name, "open", f"label {name!r} is new: the champion does not predict it.")
            for name in new
        ),
        *(
            without_figures("labels", name, "open", f"label {name!r} is gone: the challenger does not predict it.")
            for name in gone
        ),
    ]


def _few_groups(outcome: Outcome, group: Rows) -> list[Reason]:
    # Groups without a label hardly change a metric of rare labels, so they give its interval no certainty.
    n_groups = len(np.unique(group[outcome.Y.any(axis=1)]))
    if n_groups >= FEWEST_GROUPS:
        return []
    sentence = f"{n_groups} held-out groups have a label, and intervals need {FEWEST_GROUPS}; hold out more groups."
    return [without_figures("groups", None, "open", sentence)]


def _verdict(reasons: Sequence[Reason]) -> PromotionAnswer:
    verdicts = {reason.verdict for reason in reasons}
    # A failure outweighs an open question: no person needs to look at a challenger that is kept out anyway.
    return "keep" if "failed" in verdicts else "ask" if "open" in verdicts else "promote"
