"""Read data to predict or to evaluate a saved model on, with the columns and pixel options of its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cascade.data import Dataset, read_data
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.remembered import with_reading
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor


def read_input(predictor: CascadePredictor | ManyLabelPredictor, source: Path, roles: Roles) -> Dataset:
    """Read rows without labels; group and identifier columns of the training are used if the data has them."""
    all_roles = with_remembered(predictor, roles)
    signature = predictor.signature
    return read_data(source, all_roles, False, features=signature.feature_names, row_shape=signature.row_shape)


def read_labelled(predictor: CascadePredictor | ManyLabelPredictor, source: Path, roles: Roles) -> Dataset:
    """Read rows with the model's labels; the data must have the group and identifier columns of the training."""
    # Required, unlike in `read_input`: without groups the intervals of a report would be too narrow.
    trained = predictor.provenance.get("columns", {})
    group, row_id = roles.group or trained.get("group"), roles.id or trained.get("id")
    if roles.labels is not None and set(roles.labels) != set(predictor.label_names):
        raise DataError(f"`--labels` must name the model's labels {list(predictor.label_names)}.")
    # In the order of the model, whatever that of the file or of the option is.
    all_roles = replace(
        as_trained(predictor, roles), labels=predictor.label_names, group=group, id=row_id, pixels=pixels_of(predictor)
    )
    signature = predictor.signature
    return read_data(source, all_roles, features=signature.feature_names, row_shape=signature.row_shape)


def with_remembered(predictor: CascadePredictor | ManyLabelPredictor, roles: Roles) -> Roles:
    """Return roles with the group and identifier columns of the training, which the data need not have."""
    remembered = {role: name for role, name in predictor.provenance.get("columns", {}).items() if name is not None}
    return replace(
        as_trained(predictor, roles),
        group=roles.group or remembered.get("group"),
        id=roles.id or remembered.get("id"),
        # A column that the user named must exist, even if the training had it too.
        optional=frozenset(remembered.values()) - {roles.group, roles.id},
        pixels=pixels_of(predictor),
    )


def as_trained(predictor: CascadePredictor | ManyLabelPredictor, roles: Roles) -> Roles:
    """Return roles with the kinds of the training's columns and its spellings of cells, where none are given."""
    read = with_reading(roles, predictor.provenance.get("reading", {}))
    return replace(read, kinds=predictor.signature.kinds)


def pixels_of(predictor: CascadePredictor | ManyLabelPredictor) -> PixelOptions:
    """Return the options with which images and DICOM slices were read in training."""
    return PixelOptions.of(**predictor.provenance.get("pixels", {}))
