"""The two stages: fit a gate and a labeler on given rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags

from cascade.data.rows import makes_batches, subset
from cascade.errors import ConfigError
from cascade.estimators.fit_on_rows import (
    check_takes_missing,
    fit_encoder,
    fit_labels,
    fresh,
    takes_missing,
)
from cascade.fitting.training_set import TrainingSet
from cascade.rules.label_plan import LabelPlan
from cascade.utils.types import Rows

logger = logging.getLogger(__name__)

EXIT = "exit"
GATE_TARGETS = ("auto", "any", "labels")
"""What a gate learns: whether some label is present, or this and each label."""
PRETRAIN = ("none", "all")
FINE_TUNED = {"warm_start", "learning_rate", "epochs"}
"""Parameters of a labeler that can be fine-tuned."""
FINE_TUNING_RATE = 1.0
"""Learning rate of the fine-tuning on the pool, as a share of that of the pretraining."""
FINE_TUNING_EPOCHS = 1.0
"""Epochs of the fine-tuning, as a share of those of the pretraining."""


@dataclass(frozen=True)
class Stages:
    """The two unfitted models of a cascade.

    Attributes
    ----------
    gate, labeler : unfitted estimators
        Without a gate there is no labeler either: `gate` predicts the labels of all rows.
    share_trunk : bool
        Start the labeler from the gate's trunk.
    random_state : int
    pretrain : {"none", "all"}
        Rows that a labeler network is trained on before it is fine-tuned on its pool.
    gate_targets : {"auto", "any", "labels"}
        Whether the gate learns each label beside `any`. "auto": where it can.

    A gate with the attribute `is_exit` is an exit of the labeler's network, and fits the labeler, too.
    """

    gate: Any
    labeler: Any
    share_trunk: bool
    random_state: int
    pretrain: str = "none"
    gate_targets: str = "auto"

    def __post_init__(self) -> None:
        """Validate the options."""
        for name, given, known in (
            ("pretrain", self.pretrain, PRETRAIN),
            ("gate_targets", self.gate_targets, GATE_TARGETS),
        ):
            if given not in known:
                raise ConfigError(f"`{name}` must be one of {list(known)}. Received {given!r}.")

    def check(self, plan: LabelPlan, missing: bool) -> None:
        """Raise an error for a stage that would otherwise fail only after the other one was trained."""
        if is_exit(self.gate) and (self.share_trunk or self.pretrain == "none"):
            option, value = ("share_trunk", True) if self.share_trunk else ("pretrain", "none")
            raise ConfigError(
                f"`{option}` must have its default with `gate='exit'`, where gate and labeler are trained as one "
                f"network on all rows. Received {value!r}."
            )
        if self.share_trunk:
            _check_trunk(self.gate, self.labeler)
        n_labels = len(plan.learned)
        n_outputs = 1 + len(self.gate_labels(plan, missing))
        stages = (
            [("labeler", self.gate, n_outputs)]
            if self.labeler is None
            else [
                ("gate", self.gate, n_outputs),
                ("labeler", self.labeler, n_labels),
            ]
        )
        for role, estimator, outputs in stages:
            _check_stage(estimator, role, outputs)
            if missing and outputs > 1:
                check_takes_missing(estimator, role)

    def gate_labels(self, plan: LabelPlan, missing: bool) -> Rows:
        """Return the columns that the gate learns beside `any`: those of the labeler, or none."""
        if self.labeler is None:
            return plan.learned
        able = _takes_labels(self.gate) and (takes_missing(self.gate) or not missing)
        # A single label is what `any` is already, so a second output would learn the same target.
        if len(plan.learned) > 1 and (self.gate_targets == "labels" or (self.gate_targets == "auto" and able)):
            return plan.learned
        return plan.learned[:0]

    def fit_gate(self, examples: TrainingSet, rows: Rows, plan: LabelPlan, fold: tuple[int, ...] = ()) -> Any:
        """Fit a gate on `rows`; `fold` seeds a gate of one fold, and is empty for the final gate."""
        with_target = _with_gate_target(examples, rows, fold)
        columns = self.gate_labels(plan, examples.known is not None)
        target = examples.gate_target(with_target, columns)
        has_label = target.values[:, 0]
        role = "flat model" if self.labeler is None else "gate"
        learned = f", {len(columns)} labels" if len(columns) else ""
        n_with_label = has_label.sum(dtype=np.int64)
        logger.info("%s%s: %d rows, %d with a label%s", role, _named(fold), len(with_target), n_with_label, learned)
        if not has_label.any() or has_label.all():
            # A target of one class cannot be learned: every row gets its prior, 0 or 1. The estimator ignores X, so a
            # column of zeros is enough.
            prior = target.values if len(target) else np.zeros((1, target.shape[1]), dtype=np.int64)
            return DummyClassifier(strategy="prior").fit(np.zeros((len(prior), 1)), prior)
        # Gate and labeler of each fold have separate seed sequences, so none depends on the order of fits. A flat model
        # has that of the labeler, which may begin as one; a gate of the same network must not begin as the same one.
        seed = [self.random_state, int(self.labeler is None), *fold]
        if not is_exit(self.gate) or not len(plan.learned):
            # Without labels to learn there is no labeler whose network could have an exit, so that network is the gate.
            gate = fresh(self.labeler if is_exit(self.gate) else self.gate, seed)
            return fit_labels(gate, examples.X, with_target, target, **examples.extra(with_target))
        gate = fresh(self.gate, seed)
        logger.info("labeler%s: %d rows, %d labels, in the same training", _named(fold), len(rows), len(plan.learned))
        # The labeler learns from every row, also where it is not known whether the row has a label.
        target = examples.gate_target(rows, np.concatenate([columns, plan.learned]))
        return fit_labels(gate, examples.X, rows, target, n_gate_outputs=1 + len(columns), **examples.extra(rows))

    def fit_labeler(
        self, examples: TrainingSet, rows: Rows, pool: Rows, plan: LabelPlan, gate: Any, fold: tuple[int, ...] = ()
    ) -> Any:
        """Fit a labeler on the rows `pool` out of the fitting rows; return None where there is no label to learn.

        A network can be pretrained on all fitting rows, since rows without a label teach it too. Where its outputs are
        separate, it begins as the flat model, with `any` as another output that is then left out. Its probabilities are
        those of the last phase, so prior correction and merge follow the pool with and without pretraining.
        """
        if self.labeler is None or not len(plan.learned):
            return None
        labeler = fresh(self.labeler, [self.random_state, 1, *fold])
        if has_encoder(labeler):
            return self._fit_encoded(labeler, examples, rows, pool, plan, gate, fold)
        trunk = gate if self.share_trunk else None

        def fit(part: Rows, phase: str = "") -> Any:
            logger.info("labeler%s%s: %d rows, %d labels", _named(fold), phase, len(part), len(plan.learned))
            labels = examples.labels.part(part, plan.learned)
            return fit_labels(labeler, examples.X, part, labels, trunk=trunk, **examples.extra(part))

        # Balanced bags of networks make batches, too, but each bag has its own rows and cannot be tuned on the pool.
        is_tuned = labeler.get_params(deep=False).keys() >= FINE_TUNED
        whole = len(pool) == len(rows)
        if is_exit(self.gate) and hasattr(gate, "labeler_"):
            take_fit(labeler, gate.labeler_)
        elif self.pretrain == "none" or not is_tuned:
            return fit(pool)
        elif self._begins_flat(labeler, examples, rows):
            logger.info("labeler%s: from the flat model of all rows", _named(fold))
            flat = replace(self, gate=self.labeler, labeler=None).fit_gate(examples, rows, plan, fold)
            labeler.take_outputs(flat, first=1)
        elif whole:
            return fit(pool)
        else:
            self.pretrained(labeler, rows, plan, gate, fold, lambda: fit(rows, ", pretraining"))
        return labeler if whole else self._fine_tuned(labeler, lambda: fit(pool, ", fine-tuning"))

    def _fit_encoded(
        self,
        labeler: Any,
        examples: TrainingSet,
        rows: Rows,
        pool: Rows,
        plan: LabelPlan,
        gate: Any,
        fold: tuple[int, ...],
    ) -> Any:
        """Fit a network behind an encoder: the encoder on all fitting rows, then the network on what it makes."""
        encoder, (name, network) = labeler[:-1], labeler.steps[-1]
        # As in a pipeline: some encoders learn from the labels, and give a row of `fit_transform` numbers that do not
        # depend on its own labels.
        made = fit_encoder(encoder, subset(examples.X, rows, encoder), examples.labels.part(rows, plan.learned))
        encoded = examples.part(made, rows)
        place = np.zeros(len(examples.labels), np.intp)
        place[rows] = np.arange(len(rows))
        # Stages of this class, since others may share fits by keys that do not name the encoder.
        stages = Stages(self.gate, network, self.share_trunk, self.random_state, self.pretrain, self.gate_targets)
        fitted = stages.fit_labeler(encoded, place[rows], place[pool], plan, gate, fold)
        return type(labeler)([*encoder.steps, (name, fitted)])

    def pretrained(
        self, labeler: Any, rows: Rows, plan: LabelPlan, gate: Any, fold: tuple[int, ...], fit: Callable[[], object]
    ) -> None:
        """Pretrain a labeler network on `rows` by calling `fit`; a subclass may take its weights from elsewhere."""
        fit()

    def _begins_flat(self, labeler: Any, examples: TrainingSet, rows: Rows) -> bool:
        """Whether the labeler can begin as the flat model on the same rows, which then is one training with it."""
        if self.share_trunk or not getattr(labeler, "outputs_are_separate", False):
            return False
        has_label = examples.Y[rows].any(axis=1)
        # Where labels are missing, the flat model is fitted on fewer rows than a labeler can learn from.
        return examples.known is None and bool(has_label.any()) and not has_label.all()

    def _fine_tuned(self, labeler: Any, fit: Callable[[], Any]) -> Any:
        """Train a fitted labeler network further by calling `fit`."""
        given = labeler.get_params(deep=False)
        labeler.set_params(
            warm_start=True,
            learning_rate=FINE_TUNING_RATE * given["learning_rate"],
            epochs=math.ceil(FINE_TUNING_EPOCHS * given["epochs"]),
        )
        return fit().set_params(**given)


def is_exit(gate: Any) -> bool:
    """Return whether a gate, fitted or not, is an exit of the labeler's network; "exit" is one by its name."""
    return gate == EXIT if isinstance(gate, str) else getattr(gate, "is_exit", False)


def take_fit(model: Any, fitted: Any) -> None:
    """Give a model all that a fit has set in another one, and none of its parameters."""
    vars(model).update({name: value for name, value in vars(fitted).items() if name.endswith("_")})


def has_encoder(estimator: Any) -> bool:
    """Return whether an estimator is a network behind transformers."""
    return hasattr(estimator, "steps") and len(estimator.steps) > 1 and makes_batches(estimator.steps[-1][1])


def _check_trunk(gate: Any, labeler: Any) -> None:
    """Refuse a trunk that both models cannot share."""
    if labeler is not None and not (makes_batches(gate) and makes_batches(labeler)):
        kinds = [
            "a network behind an encoder" if has_encoder(model) else type(model).__name__ for model in (gate, labeler)
        ]
        raise ConfigError(
            f"`share_trunk` needs Keras networks as gate and labeler, which see the same rows. Received {kinds[0]} and "
            f"{kinds[1]}."
        )


def _takes_labels(estimator: Any) -> bool:
    """Whether scikit-learn's tags of an estimator say that it takes several labels at once."""
    if not hasattr(estimator, "__sklearn_tags__"):
        return False
    tags = get_tags(estimator)
    return bool(tags.target_tags.multi_output or (tags.classifier_tags and tags.classifier_tags.multi_label))


def _with_gate_target(examples: TrainingSet, rows: Rows, fold: tuple[int, ...]) -> Rows:
    kept = examples.with_gate_target(rows)
    if len(kept) < len(rows):
        n_left = len(rows) - len(kept)
        logger.info("gate%s: %d rows left out, with a missing label and no positive", _named(fold), n_left)
    return kept


def _named(fold: tuple[int, ...]) -> str:
    return f" of fold {fold[-1]}" if fold else ""


def _without_probabilities(estimator: Any) -> str:
    """Return what has no probabilities in an estimator, and what helps."""
    last, kind = estimator, type(estimator).__name__
    while hasattr(last, "steps") or hasattr(getattr(last, "estimator", None), "fit"):
        last = last.steps[-1][1] if hasattr(last, "steps") else last.estimator
    found = type(last).__name__
    name = kind if last is estimator else f"{found} in {kind}"
    if found in ("SVC", "NuSVC"):
        # Calibrated, it could be fitted and not saved.
        return f"{name} has none. Use LinearSVC in CalibratedClassifierCV."
    if hasattr(last, "decision_function"):
        return f"{name} has none. Wrap {found} in CalibratedClassifierCV."
    if hasattr(last, "voting"):
        return f"{name} has none. Set `voting='soft'`."
    if hasattr(last, "final_estimator"):
        return f"{name} has none. Set its `final_estimator`, such as LogisticRegression()."
    return f"{name} has none. Use a classifier that has, such as LogisticRegression."


def _check_stage(estimator: Any, role: str, n_labels: int) -> None:
    kind = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise ConfigError(f"`{role}` must have `predict_proba`; {_without_probabilities(estimator)}")
    # By scikit-learn's tags. An estimator without tags is not rejected in advance.
    if n_labels > 1 and hasattr(estimator, "__sklearn_tags__") and not _takes_labels(estimator):
        raise ConfigError(
            f"`{role}` must take {n_labels} outputs at once; wrap {kind} in BalancedBinaryRelevance or "
            "MultiOutputClassifier."
        )
