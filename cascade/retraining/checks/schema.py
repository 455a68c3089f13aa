"""Whether new data has the form of the champion's: labels, row shape, kind of values, features, pixels."""

from __future__ import annotations

from collections.abc import Iterator

from cascade.data.readers.dataset import Dataset
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.record import TrainingRecord, signature_of


def check_schema(data: Dataset, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find differences in form that prevent a comparison with the champion."""
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
    current, wanted = signature_of(data), record.signature
    if current.row_shape != wanted.row_shape:
        yield DataFinding("refuse", "shape", _shapes(current.row_shape, wanted.row_shape))
    # With another shape the names differ anyway, and the shape is the better reason.
    elif current.feature_names != wanted.feature_names:
        # The order counts too: models are given a matrix without names.
        wrong = sorted(set(current.feature_names or ()) ^ set(wanted.feature_names or ()))
        which = f"{wrong[0]!r} is in one only" if wrong else "their order differs"
        yield DataFinding(
            "refuse", "features", f"features are not those of the champion: {which}; give the same table."
        )
    # Grey values of 0 to 255 and numbers of 0 to 1 may show the same images on different scales.
    if current.dtype != wanted.dtype:
        sentence = f"values have type {current.dtype}, those of the champion {wanted.dtype}; use the same type."
        yield DataFinding("refuse", "dtype", sentence)
    pixels = None if data.pixels is None else data.pixels.to_json()
    if pixels != record.pixels:
        sentence = f"images are read with {pixels}, those of the champion with {record.pixels}; use the same options."
        yield DataFinding("refuse", "pixels", sentence)


def _shapes(current: tuple[int, ...] | None, wanted: tuple[int, ...] | None) -> str:
    if current is None or wanted is None:
        return "texts or mixed columns came for numbers or images, or the reverse; give data of the champion's kind."
    # All images are read in colour as soon as one of them has it.
    if len(current) == len(wanted) == 3 and current[:2] == wanted[:2] and {current[2], wanted[2]} == {1, 3}:
        now, before = ("in colour", "grey") if current[2] == 3 else ("grey", "in colour")
        return f"images are read {now}, those of the champion were {before}; convert them, or train under another name."
    way = "set `data.image_size`, or train" if len(current) == 3 else "give the same features, or train"
    return f"rows have shape {current}, those of the champion {wanted}; {way} under another name."
