"""A cascade whose gate and labeler are taken from trials before, where these fitted the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from cascade.classifier import CascadeClassifier
from cascade.fitting.stages import Stages, is_exit, take_fit
from cascade.fitting.training_set import TrainingSet
from cascade.rules.label_plan import LabelPlan
from cascade.tuning.parts import Parts
from cascade.utils.keys import key_of
from cascade.utils.types import Rows

IN_KEYS = {"gate", "labeler", "parts", "share_trunk", "pretrain", "gate_targets"}
"""Attributes of stages whose effect on a fit a key names; every other one is part of all keys."""


@dataclass(frozen=True)
class SharedStages(Stages):
    """Stages whose fits are looked up in `parts` first."""

    parts: Parts | None = None

    def fit_gate(self, examples: TrainingSet, rows: Rows, plan: LabelPlan, fold: tuple[int, ...] = ()) -> Any:
        """Fit a gate, or take the one that was fitted on the same rows with the same parameters."""
        columns = self.gate_labels(plan, examples.known is not None).tolist()
        key = key_of("gate", _described(self.gate), columns, fold, _digest(rows), self._others())

        @cache
        def fitted() -> Any:
            return super(SharedStages, self).fit_gate(examples, rows, plan, fold)

        gate = self._shared(key, fitted)
        # A gate that is an exit has fitted the labeler, which is a part of its own.
        if is_exit(self.gate):
            labeler = self._shared(key_of("labeler", key), lambda: getattr(fitted(), "labeler_", None))
            if labeler is not None:
                gate.labeler_ = labeler
        return gate

    def fit_labeler(
        self, examples: TrainingSet, rows: Rows, pool: Rows, plan: LabelPlan, gate: Any, fold: tuple[int, ...] = ()
    ) -> Any:
        """Fit a labeler, or take the one that was fitted on the same rows and pool with the same parameters."""
        # A flat model is all gate, and an exit has fitted the labeler.
        if self.labeler is None or is_exit(self.gate):
            return super().fit_labeler(examples, rows, pool, plan, gate, fold)
        before: tuple[str, ...] = (self.pretrain, _digest(rows))
        if len(pool) == len(rows):
            # There is nothing to pretrain on, so the labeler is the same as a pretrained one.
            is_flat = self.pretrain != "none" and self._begins_flat(self.labeler, examples, rows)
            before = ("flat",) if is_flat else ()
        return self._shared(
            self._labeler_key(pool, plan, fold, before),
            lambda: super(SharedStages, self).fit_labeler(examples, rows, pool, plan, gate, fold),
        )

    def pretrained(
        self, labeler: Any, rows: Rows, plan: LabelPlan, gate: Any, fold: tuple[int, ...], fit: Callable[[], object]
    ) -> None:
        """Pretrain a labeler network, or give it the weights of one that was trained on the same rows."""

        def trained() -> Any:
            fit()
            return labeler

        loaded = self._shared(self._labeler_key(rows, plan, fold, ()), trained)
        # The parameters of a loaded network are not the ones that it was made with.
        take_fit(labeler, loaded)

    def _labeler_key(self, pool: Rows, plan: LabelPlan, fold: tuple[int, ...], before: tuple[str, ...]) -> str:
        start = _described(self.gate) if self.share_trunk else None
        learned, labeler = plan.learned.tolist(), _described(self.labeler)
        return key_of("labeler", labeler, start, learned, fold, _digest(pool), before, self._others())

    def _others(self) -> dict[str, str]:
        """Return the options that both keys depend on: all that neither key has in a form of its own."""
        return {each.name: repr(getattr(self, each.name)) for each in fields(self) if each.name not in IN_KEYS}

    def _shared(self, key: str, fit: Callable[[], Any]) -> Any:
        assert self.parts is not None
        return self.parts.get(key, fit)


class SharedCascade(CascadeClassifier):
    """A cascade whose fits are looked up in `parts` first; see `with_parts`."""

    parts: Parts

    def _stages(self, X: Any) -> Stages:
        stages = super()._stages(X)
        given = {each.name: getattr(stages, each.name) for each in fields(stages)}
        return SharedStages(**given, parts=self.parts)


def with_parts(model: CascadeClassifier, parts: Parts) -> SharedCascade:
    """Return an unfitted cascade with the same parameters that shares its fits with others.

    All cascades that share parts must be fitted on the same data; a part's key has the numbers of its rows, and not
    their content.
    """
    shared = SharedCascade(**model.get_params(deep=False))
    shared.parts = parts
    return shared


def _described(estimator: Any) -> list[Any]:
    """Return type and parameters of an estimator as plain data."""
    parameters = estimator.get_params(deep=True)
    # Parameters of estimators inside are listed by their own names, so that their type is enough for them.
    values = {
        name: type(value).__name__ if hasattr(value, "get_params") else repr(value)
        for name, value in parameters.items()
    }
    return [type(estimator).__name__, values]


def _digest(rows: Rows) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()
