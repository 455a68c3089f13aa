"""What is searched on: rows to develop on and rows to judge on, and how a setting is fitted and judged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.classifier import CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import part_of
from cascade.data.splits import group_numbers, grouped_folds, grouped_holdout
from cascade.errors import DataError
from cascade.metrics import GATE_RECALL, Metric, Outcome, mean_defined
from cascade.metrics.bootstrap import metric_draws
from cascade.metrics.operations import cascade_operations
from cascade.tuning.parts import Parts
from cascade.tuning.shared_stages import with_parts
from cascade.tuning.trial import Judgement, Setting
from cascade.utils.types import Mask, Rows

DRAWS = 500
JUDGED = 0.25
"""Share of the rows that one hold-out is judged on."""


def judged_parts(labels: LabelMatrix, groups: NDArray[Any] | None, n_folds: int, seed: int) -> list[Mask]:
    """Mark the rows to judge on: one hold-out, or every fold in turn.

    Returns
    -------
    list of ndarray of bool, shape (n,)
        Whole groups. Everything else is developed on.

    Raises
    ------
    DataError
        If there are fewer groups than parts, or a part has no label.
    """
    if n_folds == 1:
        return [grouped_holdout(labels.values, groups, JUDGED, seed)]
    folds = grouped_folds(labels.values, groups, n_folds, seed)
    if len(np.unique(folds)) < n_folds:
        raise DataError(f"`groups` must hold at least `folds` groups ({n_folds}). Received fewer.")
    return [folds == fold for fold in range(n_folds)]


@dataclass(frozen=True)
class Problem:
    """Rows that a search may use, and what it makes of them.

    Attributes
    ----------
    X : rows, n of them
    labels : LabelMatrix
        Dense, n rows and L labels.
    groups : ndarray, shape (n,), or None
    judged : list of ndarray of bool, shape (n,)
        Rows of each part that models are judged on; they are fitted on the others.
    metric : Metric
        With a single value.
    build : callable
        From a setting to an unfitted cascade.
    """

    X: Any
    labels: LabelMatrix
    groups: NDArray[Any] | None
    judged: list[Mask]
    metric: Metric
    build: Callable[[Setting], CascadeClassifier]

    @property
    def maximise(self) -> bool:
        """Whether a larger value of the metric is better."""
        return self.metric.perfect == 1

    @cached_property
    def group(self) -> Rows:
        """Number of each row's group, shape (n,)."""
        return group_numbers(self.groups, len(self.labels))

    def fit(self, setting: Setting, part: int, parts: Parts) -> CascadeClassifier:
        """Fit a setting on the rows that part number `part` is not judged on."""
        rows = np.flatnonzero(~self.judged[part])
        model = with_parts(self.build(setting), parts.within(str(part)))
        groups = None if self.groups is None else self.groups[rows]
        with warnings.catch_warnings():
            # Each trial would warn of much the same; the training of the chosen model warns of what concerns it.
            warnings.simplefilter("ignore")
            return model.fit(part_of(self.X, rows), self.labels.part(rows).masked(), groups=groups)

    def judge(self, setting: Setting, parts: Parts, seed: int) -> Judgement:
        """Fit a setting and judge it on every part; the figures are means over the parts."""
        figures = [self._judge_part(setting, part, parts, seed) for part in range(len(self.judged))]
        # Means over parts: each part has a model of its own, whose scores need not rank with those of the others.
        quality, draws, operations, passed, recalls = (np.array(column) for column in zip(*figures, strict=True))
        if not (np.isfinite(quality).all() and np.isfinite(operations).all()):
            raise DataError(f"`{self.metric.name}` and the operations per row must be defined on the judged rows.")
        return Judgement(
            float(quality.mean()),
            draws.mean(axis=0),
            float(operations.mean()),
            float(passed.mean()),
            np.array([mean_defined(recall) for recall in recalls.T]),
        )

    def _judge_part(self, setting: Setting, part: int, parts: Parts, seed: int) -> tuple[Any, ...]:
        rows = np.flatnonzero(self.judged[part])
        model = self.fit(setting, part, parts)
        prediction = model.examine(part_of(self.X, rows))
        labels = self.labels.part(rows)
        outcome = Outcome(labels.values, prediction.proba, prediction.labels, prediction.passed_gate, labels.known)
        # Numbered from 0, so that a draw takes only groups of this part.
        group = np.unique(self.group[rows], return_inverse=True)[1]
        draws = metric_draws(self.metric, outcome, group, DRAWS, (seed, part))[:, 0]
        passed = float(prediction.passed_gate.mean())
        operations = cascade_operations(model.gate_, model.labeler_, passed)
        return self.metric(outcome)[0], draws, operations, passed, GATE_RECALL(outcome)
