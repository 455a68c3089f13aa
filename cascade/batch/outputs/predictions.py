"""Predictions as tables: columns per label for a cascade, lists of labels for a many-label model."""

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
    """A model that returns its predictions as tables.

    Attributes
    ----------
    signature : InputSignature
    row_bytes : int
        Approximate memory of the prediction per row.
    gate_size : int or None
        Size of the gate's images, if smaller.
    settings : dict
        Options that the tables depend on besides the model; part of the identity of a job.
    """

    signature: InputSignature
    gate_size: int | None
    row_bytes: int
    settings: dict[str, Any]

    @property
    def tallying(self) -> Tallying | None:
        """Return the counter of predictions for the monitor; None without a monitor."""
        ...

    def __call__(
        self, X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, progress: StageProgress | None
    ) -> Iterator[PredictionTable]:
        """Yield at least one table, even for no rows: the first one fixes the columns of the output file."""
        ...


class CascadeTables:
    """Tables of a cascade: gate probability, whether the row passed, and a probability and a bit per label.

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
        """Return the prediction of `X` itself, not as a table."""
        return self.predictor.decide(self.predictor.score(X, progress=progress))


def counts_of(prediction: Prediction) -> dict[str, int]:
    """Return the counts of a cascade's predictions for the summary."""
    return {
        "rows_past_gate": int(prediction.passed_gate.sum()),
        "rows_with_label": int(prediction.labels.any(axis=1).sum()),
    }


def row_table(
    ids: NDArray[Any], groups: NDArray[Any] | None, prediction: Prediction, label_names: tuple[str, ...]
) -> pa.Table:
    """Return the output table: id, group, gate probability, passed gate, then a probability and a bit per label."""
    columns = _identifiers(ids, groups)
    columns["gate_probability"] = prediction.gate_proba
    columns["passed_gate"] = prediction.passed_gate
    for k, name in enumerate(label_names):
        columns[f"{name}_probability"] = prediction.proba[:, k]
        columns[name] = prediction.labels[:, k]
    return pa.table(columns)


def _identifiers(ids: NDArray[Any], groups: NDArray[Any] | None) -> dict[str, Any]:
    named = {"id": ids} if groups is None else {"id": ids, "group": groups}
    # Typed as strings: Arrow infers the null type for objects without rows, and the schema of a shard would differ.
    return {
        name: pa.array(values.tolist(), pa.string()) if values.dtype.kind in "OU" else values
        for name, values in named.items()
    }


class ManyLabelTables:
    """Tables of a many-label model: its predicted labels and the k most probable ones, as lists with probabilities.

    Parameters
    ----------
    predictor : ManyLabelPredictor
    top_k : int
    """

    tallying: Tallying | None = None

    def __init__(self, predictor: ManyLabelPredictor, top_k: int) -> None:
        self.predictor, self.signature, self.top_k = predictor, predictor.signature, top_k
        self.gate_size = size_of(predictor.estimator)
        self.label_names = np.array(predictor.label_names)
        self.row_bytes = 64 * top_k
        self.settings: dict[str, Any] = {"top_k": top_k, "model": computed_by(predictor.estimator)}

    def __call__(
        self, X: Any, ids: NDArray[Any], groups: NDArray[Any] | None, progress: StageProgress | None = None
    ) -> Iterator[PredictionTable]:
        """Yield a table per part of the rows that is scored at once."""
        report = None if progress is None else lambda done, total: progress("rows", done, total)
        if not n_rows(X):
            # `chunks` yields nothing for no rows, but the file needs a table with its columns.
            nothing = np.empty((0, len(self.label_names)), np.float32)
            yield self._table(X, np.arange(0), nothing, ids, groups)
        for rows, z in self.predictor.chunks(X, report):
            yield self._table(X, rows, z, ids[rows], None if groups is None else groups[rows])

    def _table(
        self, X: Any, rows: NDArray[Any], z: NDArray[np.float32], ids: NDArray[Any], groups: NDArray[Any] | None
    ) -> PredictionTable:
        bits, first = self.predictor.decode(X, rows, z), top_columns(z, self.top_k)
        # The row pointers of a CSR matrix are the offsets of an Arrow list, which have 32 bits.
        start, predicted = bits.indptr.astype(np.int32), bits.indices
        row = np.repeat(np.arange(len(rows)), np.diff(start))
        even = np.arange(len(rows) + 1, dtype=np.int32) * self.top_k
        columns = _identifiers(ids, groups)
        columns["labels"] = _lists(start, self.label_names[predicted])
        columns["probabilities"] = _lists(start, expit(z[row, predicted]))
        columns["top_labels"] = _lists(even, self.label_names[first.ravel()])
        columns["top_probabilities"] = _lists(even, expit(np.take_along_axis(z, first, axis=1)).ravel())
        number = np.diff(start)
        return PredictionTable(
            pa.table(columns), {"rows_with_label": int((number > 0).sum()), "labels": int(number.sum())}
        )


def _lists(start: NDArray[Any], values: NDArray[Any]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(start), pa.array(values))
