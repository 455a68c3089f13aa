"""Whether new data has the form of the champion's: labels, row shape, kind of values, features, pixels."""

from __future__ import annotations

from collections.abc import Iterator

from cascade.data.readers.dataset import Dataset
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.record import TrainingRecord, signature_of


def check_schema(data: Dataset, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find what makes the champion and the new data strangers to each other."""
    for label in record.label_names:
        if label not in data.label_names:
            sentence = f"label {label!r} of the champion is not in the data; restore it, or train under another name."
            yield DataFinding("refuse", "label-removed", sentence)
    for label in data.label_names:
        if label not in record.label_names:
            sentence = f"label {label!r} is new: it is trained, and cannot be compared with the champion."
            yield DataFinding("ask", "label-added", sentence)
    yield from _rows(data, record)


def _rows(data: Dataset, record: TrainingRecord) -> Iterator[DataFinding]:
    found, wanted = signature_of(data), record.signature
    if found.row_shape != wanted.row_shape:
        yield DataFinding(
            "refuse",
            "shape",
            f"rows have shape {found.row_shape}, those of the champion {wanted.row_shape}; set `data.image_size`, or "
            "train under another name.",
        )
    elif found.feature_names != wanted.feature_names:
        wrong = sorted(set(found.feature_names or ()) ^ set(wanted.feature_names or ()))
        which = f"{wrong[0]!r} is in one only" if wrong else "their order differs"
        yield DataFinding(
            "refuse", "features", f"features are not those of the champion: {which}; give the same table."
        )
    if found.dtype != wanted.dtype:
        sentence = f"values are of type {found.dtype}, those of the champion {wanted.dtype}; grey values differ then."
        yield DataFinding("refuse", "dtype", sentence)
    pixels = None if data.pixels is None else data.pixels.to_json()
    if pixels != record.pixels:
        sentence = f"images become pixels by {pixels}, those of the champion by {record.pixels}; use the same options."
        yield DataFinding("refuse", "pixels", sentence)
