"""The record of a champion's data: which rows it had, their form, and how the champion agreed with their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.readers.dataset import Dataset
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.drift.agreement import Estimate, LabelAgreement, agreement
from cascade.errors import DataError, ModelRefusedError
from cascade.metrics.intervals import clustered_interval
from cascade.retraining.memory.class_means import ClassMeans, class_means
from cascade.retraining.memory.feature_figures import FeatureFigures, Sample, feature_figures
from cascade.retraining.memory.row_hashes import RowHashes, Seen, labelled
from cascade.utils.types import Mask

PROTOCOL = 2
T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """One side of a split: its groups, and its rows by name and by content.

    Groups and names are empty if the data has none.
    """

    groups: Seen
    ids: Seen
    contents: Seen

    @classmethod
    def of(cls, hashes: RowHashes, rows: Mask) -> Side:
        """Keep the hashes of the rows in the mask `rows`."""
        kinds = (hashes.groups, hashes.ids, hashes.contents)
        # Without groups or names there is nothing that the mask could select from.
        return cls(*(Seen.of(kind[rows] if len(kind) else kind) for kind in kinds))

    def to_json(self) -> dict[str, str]:
        """Return plain data, from which `from_json` makes an equal side."""
        return {name: getattr(self, name).to_json() for name in ("groups", "ids", "contents")}

    @classmethod
    def from_json(cls, body: dict[str, str]) -> Side:
        """Make a side from the result of `to_json`."""
        return cls(*(Seen.from_json(body[name]) for name in ("groups", "ids", "contents")))


@dataclass(frozen=True)
class TrainingRecord:
    """Record of the data of a trained model, which later data is checked against.

    Attributes
    ----------
    label_names : tuple of str
    rows, empty_rows : int
        Number of all rows, and of rows without a label.
    signature : InputSignature
    pixels : dict or None
        Options with which images were read.
    prevalence : tuple of Estimate
        Of each label, with an interval by groups.
    agreement : tuple of LabelAgreement
        Of the model with the labels of its held-out rows.
    training, held_out : Side
    keys, labelled : Seen
        All rows, see `RowHashes.keys`, and all rows together with their labels.
    largest_group : int or None
        Rows of the largest group. None, like the next two, in records of earlier releases.
    class_means : tuple of ClassMeans or None
        Of the model, on its held-out rows.
    features : FeatureFigures or None
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
    largest_group: int | None = None
    class_means: tuple[ClassMeans, ...] | None = None
    features: FeatureFigures | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal record."""
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
            "largest_group": self.largest_group,
            "class_means": None if self.class_means is None else [each.to_json() for each in self.class_means],
            "features": None if self.features is None else self.features.to_json(),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> TrainingRecord:
        """Make a record from the result of `to_json`, in which a file has changed tuples to lists.

        Raises
        ------
        ModelRefusedError
            If it is not such a record.
        """
        # Read from a file that may be damaged or from another release: nothing is assumed of its parts.
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
                # Absent in records of earlier releases; the checks that need them are then left out.
                _or_none(body.get("largest_group"), int),
                _or_none(body.get("class_means"), lambda means: tuple(map(ClassMeans.from_json, means))),
                _or_none(body.get("features"), FeatureFigures.from_json),
            )
        except ModelRefusedError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelRefusedError(f"the training record lacks a part or has an invalid one: {error}.") from error


def record_of(
    data: Dataset,
    held: Mask,
    proba: NDArray[np.float64],
    hashes: RowHashes | None = None,
    unseen: Sequence[LabelAgreement] | None = None,
) -> TrainingRecord:
    """Make the record of a model that was just trained.

    Parameters
    ----------
    data : Dataset
        All n rows with labels, for training and held out.
    held : ndarray of bool, shape (n,)
        Rows that were held out.
    proba : ndarray of float, shape (held.sum(), L)
        The model's probabilities of the held-out rows.
    hashes : RowHashes, optional
        Of the data, if they were computed before.
    unseen : sequence of LabelAgreement, length L, optional
        Agreement on training rows that no model had seen when it scored them. These are several times as many, so that
        smaller changes are found.
    """
    if data.Y is None:
        raise DataError("`data` must have labels to be recorded as training data. Received none.")
    testing = data.part(np.flatnonzero(held))
    assert testing.Y is not None
    hashes = RowHashes(data) if hashes is None else hashes
    group = group_numbers(testing.groups, len(testing))
    agreed = agreement(testing.labels, proba, group)
    if unseen is not None:
        agreed = tuple(one.pooled(other) for one, other in zip(agreed, unseen, strict=True))
    # Prevalence on all rows, for the narrowest interval; agreement only where the model was not fitted.
    return TrainingRecord(
        data.label_names,
        len(data),
        int((~data.Y.any(axis=1)).sum()),
        signature_of(data),
        None if data.pixels is None else data.pixels.to_json(),
        prevalence_of(data.labels, group_numbers(data.groups, len(data))),
        agreed,
        Side.of(hashes, ~held),
        Side.of(hashes, held),
        Seen.of(hashes.keys),
        Seen.of(labelled(hashes.keys, data.labels)),
        None if data.groups is None else int(np.unique(hashes.groups, return_counts=True)[1].max()),
        class_means(testing.labels, proba, group),
        feature_figures(Sample.of(hashes)),
    )


def prevalence_of(labels: LabelMatrix, group: NDArray[np.intp]) -> tuple[Estimate, ...]:
    """Return the share of each label among the rows on which it is known, with an interval by groups."""
    Y, known = labels.values, labels.known
    if known is None:
        return _prevalence(Y, group, np.ones(len(Y)))
    # Each label is known on other rows, so each needs an interval with its own weights.
    return tuple(
        share for k in range(Y.shape[1]) for share in _prevalence(Y[:, [k]], group, known[:, k].astype(np.float64))
    )


def _prevalence(Y: Labels, group: NDArray[np.intp], weight: NDArray[np.float64]) -> tuple[Estimate, ...]:
    low, high = clustered_interval(Y, weight, group)
    # A label that is known nowhere has no weight: a share of 0, and an interval of 0 to 1.
    shares = weight @ Y / max(weight.sum(), 1.0)
    return tuple(Estimate(*map(float, each)) for each in zip(shares, low, high, strict=True))


def signature_of(data: Dataset) -> InputSignature:
    """Return shape and type of the rows, with the names of a table's features."""
    signature = InputSignature.of(data.X)
    return InputSignature(signature.row_shape, signature.dtype, data.feature_names or signature.feature_names)


def _or_none(value: Any, read: Callable[[Any], T]) -> T | None:
    return None if value is None else read(value)


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
