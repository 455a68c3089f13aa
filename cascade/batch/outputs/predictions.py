"""What a model answers for some rows, as tables: of a cascade every label, of a flat model lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from cascade.batch.outputs.tally import Tallying
from cascade.batch.outputs.writing import PredictionTable
from cascade.data.rows import n_rows
from cascade.data.signature import InputSignature
from cascade.drift.expected import expected_profile
from cascade.estimators.scoring import computed_by, size_of
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.metrics.top_k import top_columns
from cascade.predictor import CascadePredictor
from cascade.rules.rules import Prediction
from cascade.utils.types import StageProgress


class TablePredictor(Protocol):
    """A model and the form of its output.

    Attributes
    ----------
    signature : InputSignature
    row_bytes : int
        About what the answer for a row takes in memory.
    gate_size : int or None
        Size at which images are looked at first, if smaller.
    settings : dict
        What the form of the answer depends on besides the model.
    """

    signature: InputSignature
    gate_size: int | None
    row_bytes: int
    settings: dict[str, Any]

    @property
    def tallying(self) -> Tallying | None:
        """How answers are counted for a monitor; None where there is none."""
        ...

    def __call__(
        self, X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, progress: StageProgress | None
    ) -> Iterator[PredictionTable]:
        """Yield at least one table, also of no rows."""
        ...


class CascadeTables:
    """A cascade's answer: gate probability, fate, and a probability and a bit for each label.

    Parameters
    ----------
    predictor : CascadePredictor
    """

    def __init__(self, predictor: CascadePredictor) -> None:
        self.predictor, self.signature = predictor, predictor.signature
        self.gate_size = size_of(predictor.gate)
        self.row_bytes = 32 * len(predictor.label_names)
        self.settings: dict[str, Any] = {"gate": computed_by(predictor.gate), "labeler": computed_by(predictor.labeler)}
        self.tallying = Tallying(
            expected_profile(predictor.profile, predictor.rules.shift),
            predictor.label_names,
            predictor.signature.feature_names,
        )

    def __call__(
        self, X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, progress: StageProgress | None = None
    ) -> Iterator[PredictionTable]:
        """Yield one table."""
        scores = self.predictor.score(X, progress=progress)
        prediction = self.predictor.decide(scores)
        tally = self.tallying.count(X, scores, prediction)
        yield PredictionTable(
            row_table(ids, groups, prediction, self.predictor.label_names), counts_of(prediction), tally
        )

    def predict(self, X: Any, progress: StageProgress | None) -> Prediction:
        """Score and decide."""
        return self.predictor.decide(self.predictor.score(X, progress=progress))


def counts_of(prediction: Prediction) -> dict[str, int]:
    """What the summary tells of a cascade's answers."""
    return {
        "rows_past_gate": int(prediction.passed_gate.sum()),
        "rows_with_label": int(prediction.labels.any(axis=1).sum()),
    }


def row_table(
    ids: NDArray[Any], groups: NDArray[Any] | None, prediction: Prediction, labels: tuple[str, ...]
) -> pa.Table:
    """Columns of the output: id, group, gate probability, fate, then a probability and a bit for each label."""
    columns = _names(ids, groups)
    columns["gate_probability"] = prediction.gate_proba
    columns["passed_gate"] = prediction.passed_gate
    for k, name in enumerate(labels):
        columns[f"{name}_probability"] = prediction.proba[:, k]
        columns[name] = prediction.labels[:, k]
    return pa.table(columns)


def _names(ids: NDArray[Any], groups: NDArray[Any] | None) -> dict[str, Any]:
    named = {"id": ids} if groups is None else {"id": ids, "group": groups}
    # An array of objects without rows has no type of its own.
    return {
        name: pa.array(values.tolist(), pa.string()) if values.dtype.kind in "OU" else values
        for name, values in named.items()
    }


class ManyLabelTables:
    """A flat model's answer: the labels that it decodes and the k surest ones, as lists with probabilities.

    Parameters
    ----------
    predictor : ManyLabelPredictor
    top_k : int
    """

    tallying: Tallying | None = None

    def __init__(self, predictor: ManyLabelPredictor, top_k: int) -> None:
        self.predictor, self.signature, self.top_k = predictor, predictor.signature, top_k
        self.gate_size = size_of(predictor.estimator)
        self.names = np.array(predictor.label_names)
        self.row_bytes = 64 * top_k
        self.settings: dict[str, Any] = {"top_k": top_k, "model": computed_by(predictor.estimator)}

    def __call__(
        self, X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, progress: StageProgress | None = None
    ) -> Iterator[PredictionTable]:
        """Yield a table for each part of the rows that is scored at once."""
        told = None if progress is None else lambda done, total: progress("rows", done, total)
        if not n_rows(X):
            nothing = np.empty((0, len(self.names)), np.float32)
            yield self._answer(X, np.arange(0), nothing, ids, groups)
        for rows, z in self.predictor.chunks(X, told):
            yield self._answer(X, rows, z, ids[rows], None if groups is None else groups[rows])

    def _answer(
        self, X: Any, rows: NDArray[Any], z: NDArray[np.float32], ids: NDArray[Any], groups: NDArray[Any] | None
    ) -> PredictionTable:
        bits, first = self.predictor.decode(X, rows, z), top_columns(z, self.top_k)
        start, own = bits.indptr.astype(np.int32), bits.indices
        row = np.repeat(np.arange(len(rows)), np.diff(start))
        even = np.arange(len(rows) + 1, dtype=np.int32) * self.top_k
        columns = _names(ids, groups)
        columns["labels"] = _lists(start, self.names[own])
        columns["probabilities"] = _lists(start, expit(z[row, own]))
        columns["top_labels"] = _lists(even, self.names[first.ravel()])
        columns["top_probabilities"] = _lists(even, expit(np.take_along_axis(z, first, axis=1)).ravel())
        number = np.diff(start)
        return PredictionTable(
            pa.table(columns), {"rows_with_label": int((number > 0).sum()), "labels": int(number.sum())}
        )


def _lists(start: NDArray[Any], values: NDArray[Any]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(start), pa.array(values))
