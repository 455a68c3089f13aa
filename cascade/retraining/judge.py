"""One retraining on data in memory: validate, train, compare, decide; nothing is stored and nothing is replaced."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cascade.data.dataset import Dataset
from cascade.errors import CascadeError
from cascade.metrics import Outcome
from cascade.predictor import CascadePredictor
from cascade.retraining.data_finding import DataFinding
from cascade.retraining.decision import Candidate, Decision, decide, decide_first
from cascade.retraining.held_out import held_out_rows
from cascade.retraining.limits import Limits
from cascade.retraining.policy import Policy
from cascade.retraining.record import TrainingRecord, record_of
from cascade.retraining.validation import validate_data

Train = Callable[[Dataset], CascadePredictor]


@dataclass(frozen=True)
class Champion:
    """The model in service, and what is remembered of its data."""

    predictor: CascadePredictor
    record: TrainingRecord


@dataclass(frozen=True)
class Judgement:
    """What became of a retraining.

    Attributes
    ----------
    answer : {"promote", "keep", "ask", "refuse"}
        "refuse" where the data or the training ended it before there was anything to compare.
    sentence : str
    findings : tuple of DataFinding
    decision : Decision or None
    challenger : Champion or None
        What would take the champion's place.
    """

    answer: str
    sentence: str
    findings: tuple[DataFinding, ...]
    decision: Decision | None = None
    challenger: Champion | None = None


def judge_batch(
    data: Dataset,
    train: Train,
    champion: Champion | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
    test_size: float = 0.2,
    seed: int = 0,
) -> Judgement:
    """Validate data, train a challenger on them, and decide.

    Parameters
    ----------
    data : Dataset
        With labels; all that a challenger may learn from, those of the champion included where they are kept.
    train : callable
        From the rows to train on to a fitted predictor.
    champion : Champion, optional
        None for a first model.
    policy, limits : Policy, Limits, optional
    test_size : float
        Share of the new rows that are held out.
    seed : int
    """
    try:
        held = held_out_rows(data, None if champion is None else champion.record, test_size, seed)
        record, predictor = (None, None) if champion is None else (champion.record, champion.predictor)
        findings = tuple(validate_data(data, held, record, predictor, limits))
    except CascadeError as error:
        return Judgement("refuse", str(error), ())
    refused = [finding.sentence for finding in findings if finding.answer == "refuse"]
    if refused:
        return Judgement("refuse", refused[0], findings)
    try:
        trained = train(data.part(np.flatnonzero(~held)))
    except CascadeError as error:
        return Judgement("refuse", f"no challenger could be trained: {error}", findings)
    testing = data.part(np.flatnonzero(held))
    challenger = candidate(trained, testing)
    asked = [finding.sentence for finding in findings if finding.answer == "ask"]
    decision = _decision(challenger, champion, testing, policy, asked)
    return Judgement(
        decision.answer,
        decision.sentence,
        findings,
        decision,
        Champion(trained, record_of(data, held, challenger.outcome.proba)),
    )


def _decision(
    challenger: Candidate, champion: Champion | None, testing: Dataset, policy: Policy | None, asked: Sequence[str]
) -> Decision:
    if champion is None:
        return decide_first(challenger, testing.groups, policy, asked)
    rules = champion.predictor.rules
    any_label = None if rules.plan.any_index is None else rules.labels[rules.plan.any_index]
    return decide(candidate(champion.predictor, testing), challenger, testing.groups, policy, any_label, asked)


def candidate(predictor: CascadePredictor, data: Dataset) -> Candidate:
    """Ask a model about held-out rows, with the labels in its own order; those that it alone knows stay away."""
    assert data.Y is not None
    started = time.monotonic()
    answer = predictor.examine(data.X)
    rate = len(data) / (time.monotonic() - started)
    labels = tuple(label for label in predictor.labels if label in data.label_names)
    own = [predictor.labels.index(label) for label in labels]
    given = [data.label_names.index(label) for label in labels]
    known = None if data.known is None else data.known[:, given]
    outcome = Outcome(data.Y[:, given], answer.proba[:, own], answer.labels[:, own], answer.passed_gate, known)
    return Candidate(labels, outcome, rate)
