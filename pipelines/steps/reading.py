"""Read what a saved model is to answer for or be judged by, with the columns that it remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cascade.data import Dataset, read_data
from cascade.data.readers.columns import Roles
from cascade.data.readers.pixels import PixelOptions
from cascade.errors import DataError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor


def read_input(predictor: CascadePredictor | ManyLabelPredictor, source: Path, roles: Roles) -> Dataset:
    """Read rows without labels; the training's group and identifier columns are used where they are there."""
    known = with_remembered(predictor, roles)
    return read_data(source, known, labelled=False, features=predictor.signature.feature_names)


def read_labelled(predictor: CascadePredictor | ManyLabelPredictor, source: Path, roles: Roles) -> Dataset:
    """Read rows with the model's labels; the training's group and identifier columns must be there."""
    trained = predictor.provenance.get("columns", {})
    group, row_id = roles.group or trained.get("group"), roles.id or trained.get("id")
    if roles.labels is not None and set(roles.labels) != set(predictor.label_names):
        raise DataError(f"`--labels` must name the model's labels {list(predictor.label_names)}.")
    known = replace(roles, labels=predictor.label_names, group=group, id=row_id, pixels=pixels_of(predictor))
    return read_data(source, known, features=predictor.signature.feature_names)


def with_remembered(predictor: CascadePredictor | ManyLabelPredictor, roles: Roles) -> Roles:
    """Add the training's group and identifier columns, which need not be there."""
    remembered = {role: name for role, name in predictor.provenance.get("columns", {}).items() if name is not None}
    return replace(
        roles,
        group=roles.group or remembered.get("group"),
        id=roles.id or remembered.get("id"),
        optional=frozenset(remembered.values()) - {roles.group, roles.id},
        pixels=pixels_of(predictor),
    )


def pixels_of(predictor: CascadePredictor | ManyLabelPredictor) -> PixelOptions:
    """How images and DICOM slices become pixels: as in training."""
    return PixelOptions.of(**predictor.provenance.get("pixels", {}))
