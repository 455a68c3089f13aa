"""What is remembered of a champion's data: who was in it, what it looked like, how the champion agreed with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.readers.dataset import Dataset
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.errors import DataError, ModelRefusedError
from cascade.metrics.intervals import clustered_interval
from cascade.retraining.memory.agreement_figures import Estimate, LabelAgreement, agreement
from cascade.retraining.memory.row_hashes import Hashes, RowHashes, Seen, labelled
from cascade.utils.types import Mask

PROTOCOL = 2


@dataclass(frozen=True)
class Side:
    """One side of a split: its groups, its rows by name and by content. Without groups or names these are empty."""

    groups: Seen
    ids: Seen
    contents: Seen

    @classmethod
    def of(cls, hashes: RowHashes, rows: Mask) -> Side:
        """Keep the hashes of the rows marked in `rows`."""
        kinds = (hashes.groups, hashes.ids, hashes.contents)
        return cls(*(Seen.of(kind[rows] if len(kind) else kind) for kind in kinds))

    def to_json(self) -> dict[str, str]:
        """Plain data."""
        return {name: getattr(self, name).to_json() for name in ("groups", "ids", "contents")}

    @classmethod
    def from_json(cls, body: dict[str, str]) -> Side:
        """Make what `to_json` gave."""
        return cls(*(Seen.from_json(body[name]) for name in ("groups", "ids", "contents")))


@dataclass(frozen=True)
class TrainingRecord:
    """What is remembered of the data of a trained model.

    Attributes
    ----------
    label_names : tuple of str
    rows, empty_rows : int
        In all, and without a label.
    signature : InputSignature
    pixels : dict or None
        How images became pixels.
    prevalence : tuple of Share
        Of each label, its interval by groups.
    agreement : tuple of LabelAgreement
        Of the model with its own held-out rows.
    training, held_out : Side
    keys, labelled : Seen
        All rows, see `keys_of`, and all rows with their labels.
    """

    label_names: tuple[str, ...]
    rows: int
    empty_rows: int
    signature: InputSignature
    pixels: dict[str, Any] | None
    prevalence: tuple[Estimate, ...]
    agreement: tuple[LabelAgreement, ...]
    training: Side
    held_out: Side
    keys: Seen
    labelled: Seen

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes an equal record."""
        return {
            "protocol": PROTOCOL,
            "labels": list(self.label_names),
            "rows": self.rows,
            "empty_rows": self.empty_rows,
            "signature": asdict(self.signature),
            "pixels": self.pixels,
            "prevalence": [asdict(share) for share in self.prevalence],
            "agreement": [each.to_json() for each in self.agreement],
            "training": self.training.to_json(),
            "held_out": self.held_out.to_json(),
            "keys": self.keys.to_json(),
            "labelled": self.labelled.to_json(),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> TrainingRecord:
        """Make a record of what `to_json` gave, after a file has turned tuples into lists.

        Raises
        ------
        ModelRefusedError
            If it is not such a record.
        """
        try:
            if body["protocol"] != PROTOCOL:
                raise ModelRefusedError(f"the training record must have protocol {PROTOCOL}; train the model again.")
            shape, names = body["signature"]["row_shape"], body["signature"]["feature_names"]
            signature = InputSignature(_tuple(shape), body["signature"]["dtype"], _tuple(names))
            return cls(
                tuple(body["labels"]),
                int(body["rows"]),
                int(body["empty_rows"]),
                signature,
                body["pixels"],
                tuple(Estimate(**share) for share in body["prevalence"]),
                tuple(LabelAgreement.from_json(each) for each in body["agreement"]),
                Side.from_json(body["training"]),
                Side.from_json(body["held_out"]),
                Seen.from_json(body["keys"]),
                Seen.from_json(body["labelled"]),
            )
        except (KeyError, TypeError) as error:
            raise ModelRefusedError(f"the training record lacks a part or has an odd one: {error}.") from error


def record_of(data: Dataset, held: Mask, proba: NDArray[np.float64], hashes: RowHashes | None = None) -> TrainingRecord:
    """Remember the data of a model that was just trained.

    Parameters
    ----------
    data : Dataset
        All of it, n rows with labels.
    held : ndarray of bool, shape (n,)
        Rows that were held out.
    proba : ndarray of float, shape (held.sum(), L)
        The model's probabilities of these.
    hashes : RowHashes, optional
        Of the data, where they were computed before.
    """
    if data.Y is None:
        raise DataError("`data` must have labels to be remembered as training data. Received none.")
    testing = data.part(np.flatnonzero(held))
    assert testing.Y is not None
    hashes = RowHashes(data) if hashes is None else hashes
    group = group_numbers(testing.groups, len(testing))
    return TrainingRecord(
        data.label_names,
        len(data),
        int((~data.Y.any(axis=1)).sum()),
        signature_of(data),
        None if data.pixels is None else data.pixels.to_json(),
        prevalence_of(data.labels, group_numbers(data.groups, len(data))),
        agreement(testing.labels, proba, group),
        Side.of(hashes, ~held),
        Side.of(hashes, held),
        Seen.of(hashes.keys),
        Seen.of(labelled(hashes.keys, data.labels)),
    )


def prevalence_of(labels: LabelMatrix, group: NDArray[np.intp]) -> tuple[Estimate, ...]:
    """Share of each label among the rows where it is known, with its interval by groups."""
    Y, known = labels.values, labels.known
    if known is None:
        return _prevalence(Y, group, np.ones(len(Y)))
    return tuple(
        share for k in range(Y.shape[1]) for share in _prevalence(Y[:, [k]], group, known[:, k].astype(np.float64))
    )


def _prevalence(Y: Labels, group: NDArray[np.intp], told: NDArray[np.float64]) -> tuple[Estimate, ...]:
    low, high = clustered_interval(Y, told, group)
    return tuple(Estimate(*map(float, each)) for each in zip(told @ Y / max(told.sum(), 1.0), low, high, strict=True))


def signature_of(data: Dataset) -> InputSignature:
    """What the rows look like, with the names of a table's features."""
    found = InputSignature.of(data.X)
    return InputSignature(found.row_shape, found.dtype, data.feature_names or found.feature_names)


def keys_of(data: Dataset) -> Hashes:
    """Hash each row, by its content and by its name where it has one; uint64 of shape (n,)."""
    return RowHashes(data).keys


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
