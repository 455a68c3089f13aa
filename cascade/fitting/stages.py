"""The two stages: fit a gate and a labeler on given rows."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags

from cascade.data.rows import makes_batches, subset
from cascade.errors import ConfigError
from cascade.estimators.fit_on_rows import check_takes_missing, fit_labels, fit_with, fresh
from cascade.fitting.training_set import TrainingSet
from cascade.rules.label_plan import LabelPlan
from cascade.utils.types import Rows

logger = logging.getLogger(__name__)

PRETRAIN = ("none", "all")
FINE_TUNED = {"warm_start", "learning_rate", "epochs"}
"""Parameters of a labeler that can be fine-tuned."""
FINE_TUNING_RATE = 0.25
"""Learning rate of the fine-tuning on the pool, as a share of that of the pretraining."""
FINE_TUNING_EPOCHS = 0.5
"""Epochs of the fine-tuning, as a share of those of the pretraining."""


@dataclass(frozen=True)
class Stages:
    """The two unfitted models of a cascade.

    Attributes
    ----------
    gate, labeler : unfitted estimators
    share_trunk : bool
        Start the labeler from the gate's trunk.
    random_state : int
    pretrain : {"none", "all"}
        Rows that a labeler network is trained on before it is fine-tuned on its pool.
    """

    gate: Any
    labeler: Any
    share_trunk: bool
    random_state: int
    pretrain: str = "none"

    def check(self, n_labels: int, missing: bool) -> None:
        """Raise an error for a stage that would otherwise fail only after the other one was trained."""
        if self.pretrain not in PRETRAIN:
            raise ConfigError(f"`pretrain` must be one of {list(PRETRAIN)}. Received {self.pretrain!r}.")
        for role, estimator, n_outputs in (("gate", self.gate, 1), ("labeler", self.labeler, n_labels)):
            _check_stage(estimator, role, n_outputs)
        if missing and n_labels > 1:
            check_takes_missing(self.labeler, "labeler")

    def fit_gate(self, examples: TrainingSet, rows: Rows, fold: tuple[int, ...] = ()) -> Any:
        """Fit a gate on `rows`; `fold` seeds a gate of one fold, and is empty for the final gate."""
        rows = _with_gate_target(examples, rows, fold)
        target = np.asarray(examples.Y[rows].any(axis=1), dtype=np.int64)
        logger.info("gate%s: %d rows, %d with a label", _named(fold), len(rows), target.sum())
        if not target.any() or target.all():
            # A target of one class cannot be learned: every row gets its prior, 0 or 1. The estimator ignores X, so a
            # column of zeros is enough.
            target = target if len(target) else np.zeros(1, dtype=np.int64)
            return DummyClassifier(strategy="prior").fit(np.zeros((len(target), 1)), target)
        # Gate and labeler of each fold have separate seed sequences (0 and 1), so none depends on the order of fits.
        gate = fresh(self.gate, [self.random_state, 0, *fold])
        return fit_with(gate, subset(examples.X, rows, gate), target, **examples.extra(rows))

    def fit_labeler(
        self, examples: TrainingSet, rows: Rows, pool: Rows, plan: LabelPlan, gate: Any, fold: tuple[int, ...] = ()
    ) -> Any:
        """Fit a labeler on the rows `pool` out of the fitting rows; return None where there is no label to learn.

        A network can be pretrained on all fitting rows, since rows without a label teach it too. Its probabilities
        are those of the last phase, so prior correction and merge follow the pool with and without pretraining.
        """
        if not len(plan.learned):
            return None
        labeler = fresh(self.labeler, [self.random_state, 1, *fold])
        trunk = self._trunk(gate, labeler) if self.share_trunk else None

        def fit(part: Rows, phase: str = "") -> Any:
            logger.info("labeler%s%s: %d rows, %d labels", _named(fold), phase, len(part), len(plan.learned))
            labels = examples.labels.part(part, plan.learned)
            return fit_labels(labeler, examples.X, part, labels, trunk=trunk, **examples.extra(part))

        given = labeler.get_params(deep=False)
        # Balanced bags of networks make batches, too, but each bag has its own rows and cannot be tuned on the pool.
        if self.pretrain == "none" or len(pool) == len(rows) or not given.keys() >= FINE_TUNED:
            return fit(pool)
        fit(rows, ", pretraining")
        labeler.set_params(
            warm_start=True,
            learning_rate=FINE_TUNING_RATE * given["learning_rate"],
            epochs=math.ceil(FINE_TUNING_EPOCHS * given["epochs"]),
        )
        return fit(pool, ", fine-tuning").set_params(**given)

    def _trunk(self, gate: Any, labeler: Any) -> Any:
        if not (makes_batches(gate) and makes_batches(labeler)):
            kinds = f"{type(gate).__name__} and {type(labeler).__name__}"
            raise ConfigError(f"`share_trunk` needs Keras networks as gate and labeler. Received {kinds}.")
        return gate


def _with_gate_target(examples: TrainingSet, rows: Rows, fold: tuple[int, ...]) -> Rows:
    kept = examples.with_gate_target(rows)
    if len(kept) < len(rows):
        n_left = len(rows) - len(kept)
        logger.info("gate%s: %d rows left out, with a missing label and no positive", _named(fold), n_left)
    return kept


def _named(fold: tuple[int, ...]) -> str:
    return f" of fold {fold[-1]}" if fold else ""


def _check_stage(estimator: Any, role: str, n_labels: int) -> None:
    kind = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise ConfigError(f"`{role}` must have `predict_proba`; {kind} has none. Wrap it in CalibratedClassifierCV.")
    # By scikit-learn's tags. An estimator without tags is not rejected in advance.
    if n_labels > 1 and hasattr(estimator, "__sklearn_tags__"):
        tags = get_tags(estimator)
        if not (tags.target_tags.multi_output or (tags.classifier_tags and tags.classifier_tags.multi_label)):
            raise ConfigError(
                f"`{role}` must take {n_labels} labels at once; wrap {kind} in BalancedBinaryRelevance or "
                "MultiOutputClassifier."
            )
