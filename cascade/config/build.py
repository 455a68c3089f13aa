"""From a config to estimators; a config can name only the kinds that are listed here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.utils import get_tags

from cascade.classifier import CascadeClassifier
from cascade.config.functions import import_function
from cascade.config.models import (
    AutoGate,
    AutoModel,
    EncoderConfig,
    ExitGate,
    KerasGate,
    KerasModel,
    Model,
    NoGate,
    SklearnGate,
    SklearnModel,
    StageModel,
)
from cascade.config.schema import ManyLabelsConfig, RunConfig
from cascade.data import Dataset
from cascade.data.column_kinds import Kind, column_kinds, is_mixed
from cascade.errors import ConfigError, MissingExtraError
from cascade.estimators.balanced import BalancedBinaryRelevance
from cascade.estimators.defaults import Role, behind_images, default_model, encoded, named_classifier, per_label
from cascade.estimators.encoding.encoder import is_frozen
from cascade.estimators.network_names import NAMES
from cascade.many_labels.classifier import ManyLabelClassifier


def with_defaults(config: RunConfig, data: Dataset) -> RunConfig:
    """Replace `auto` by what it means for rows like those of `data`: models, negative pool and calibration folds.

    A config with a part `flat` has none of these and is returned unchanged.

    Raises
    ------
    DataError
        If there is no default model for such rows.
    """
    if config.flat is not None:
        return config
    labeler = config.labeler.model_copy(update={"model": _resolved(config.labeler.model, "labeler", data)})
    gate = config.gate if isinstance(config.gate, (ExitGate, NoGate)) else _resolved(config.gate, "gate", data)
    config = config.model_copy(update={"gate": gate, "labeler": labeler})
    unfitted = build_cascade(config, data)
    n_groups = len(data) if data.groups is None else len(np.unique(data.groups))
    recipe = unfitted.recipe_options().resolved(data.labels.shape, n_groups, unfitted.gate, unfitted.labeler)
    return config.model_copy(update={"cascade": config.cascade.model_copy(update=asdict(recipe))})


def _resolved(model: StageModel, role: Role, data: Dataset) -> Model:
    if not isinstance(model, AutoModel):
        return model
    default = default_model(role, data.X, data.kinds)
    if isinstance(model, AutoGate):
        if default.kind == "keras":
            return KerasGate(**default.options, targets=model.targets)
        return SklearnGate(kind=default.kind, options=default.options, targets=model.targets)
    if default.kind == "keras":
        return KerasModel(**default.options)
    return SklearnModel(kind=default.kind, options=default.options)


def build_cascade(config: RunConfig, data: Dataset) -> CascadeClassifier:
    """Build the unfitted cascade that a config describes, for rows like those of `data`."""
    part = config.labeler
    if part.strategy == "balanced":
        _refuse_copies(part.model, "labeler.model", "`labeler.strategy: multilabel`")
        labeler: Any = BalancedBinaryRelevance(
            build_model(part.model, data, "labeler"), n_bags=part.n_bags, n_jobs=part.n_jobs, random_state=config.seed
        )
    else:
        labeler = _multilabel(part.model, data)
    gate = config.gate
    return CascadeClassifier(
        gate.kind if isinstance(gate, (ExitGate, NoGate)) else build_model(gate, data),
        labeler,
        any_label=config.data.any_label,
        label_names=data.label_names,
        random_state=config.seed,
        pretrain=config.labeler.pretrain,
        gate_targets="auto" if isinstance(gate, NoGate) else gate.targets,
        **config.cascade.model_dump(),
    )


def build_flat(config: RunConfig, data: Dataset) -> CascadeClassifier:
    """Build the unfitted flat model of the labeler's kind: its model for all labels of every row, without a gate."""
    # One model of all labels for either strategy: balanced models of all rows are the weaker flat model.
    labeler = config.labeler.model_copy(update={"strategy": "multilabel"})
    # A guarantee of the gate's recall has no meaning without a gate.
    cascade = config.cascade.model_copy(update={"gate_policy": None})
    return build_cascade(config.model_copy(update={"gate": NoGate(), "labeler": labeler, "cascade": cascade}), data)


def build_many_labels(config: RunConfig, part: ManyLabelsConfig, data: Dataset) -> ManyLabelClassifier:
    """Build the unfitted many-label model of a config's part `flat`, for rows like those of `data`."""
    from sklearn.multiclass import OneVsRestClassifier

    if not isinstance(part.model, KerasModel):
        _refuse_copies(part.model, "flat.model", "a network")
    model = build_model(part.model, data)
    # Of scikit-learn's wrappers, OneVsRestClassifier is the one that takes sparse labels.
    return ManyLabelClassifier(
        model if isinstance(part.model, KerasModel) else OneVsRestClassifier(model),
        decoder=part.decoder,
        label_names=data.label_names,
        calibration_size=part.calibration_size,
        random_state=config.seed,
    )


def build_model(model: StageModel, data: Dataset, role: Role = "gate") -> Any:
    """Build one unfitted estimator, for rows like those of `data`; `role` selects the default of `kind: auto`.

    Raises
    ------
    ConfigError
        If the estimator does not take such rows or the options of the config.
    """
    model = _resolved(model, role, data)
    kinds = _kinds(data)
    if isinstance(model, KerasModel):
        return _network(model, data, kinds)
    if len(data.X.shape) > 2 and not _encodes_images(model):
        raise ConfigError(
            f"{model.kind} takes vectors, and the data has images; use `kind: keras`, or a frozen network as "
            "`encoder.image`."
        )
    try:
        estimator = named_classifier(model.kind, model.options)
    except MissingExtraError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`options` do not suit {model.kind}: {error}") from error
    if len(data.X.shape) > 2:
        return _behind_images(estimator, model)
    if kinds is not None:
        return _encoded(estimator, model, kinds)
    _refuse_encoder(model)
    # The tag is read from the instance: whether an estimator takes NaN may depend on its options.
    if not get_tags(estimator).input_tags.allow_nan:
        _refuse_missing(data, model.kind)
    return estimator


def network_name(model: KerasModel, data: Dataset) -> str:
    """Return the name of a network: that of the config, or the one for rows like those of `data`."""
    if len(data.X.shape) == 4:
        return model.network or ("mlp" if _encodes_images(model) else "cnn")
    is_sparse = _needs_encoder(_kinds(data) or {}) and not has_frozen_encoder(model)
    return model.network or ("embedding_bag" if is_sparse else "mlp")


def _kinds(data: Dataset) -> dict[str, Kind] | None:
    """Return the kinds of columns, declared or found; None for rows of numbers."""
    return data.kinds or (column_kinds(data.X) if is_mixed(data.X) else None)


def _needs_encoder(kinds: dict[str, Kind]) -> bool:
    return any(kind != "number" for kind in kinds.values())


def _network(model: KerasModel, data: Dataset, kinds: dict[str, Kind] | None) -> Any:
    """Build a network, behind an encoder where a column is a text, a category or a date."""
    # Keras is an optional extra, which a config without a network must not require.
    from cascade.estimators.neural import KerasClassifier

    options = model.parameters()
    name = network_name(model, data)
    network = KerasClassifier(**{**options, "network": name if name in NAMES else import_function(name)})
    if len(data.X.shape) == 4 and _encodes_images(model):
        return _behind_images(network, model)
    if kinds is not None and _needs_encoder(kinds):
        return _encoded(network, model, kinds)
    _refuse_encoder(model)
    _refuse_missing(data, "a network")
    return network


def _encoded(estimator: Any, model: KerasModel | SklearnModel, kinds: dict[str, Kind]) -> Any:
    if _encodes_images(model):
        raise ConfigError("`encoder.image` is for images; the data is a table, so leave it out.")
    options = {} if model.encoder is None else model.encoder.of_columns()
    return encoded(estimator, model.kind, kinds, **options)


def _encodes_images(model: Any) -> bool:
    given = getattr(model, "encoder", None)
    return given is not None and given.image is not None


def _behind_images(estimator: Any, model: Any) -> Any:
    """Put a frozen encoder of images before an estimator."""
    if model.encoder.of_columns() != EncoderConfig().of_columns():
        raise ConfigError("`encoder` must have `image` alone: `text` and `categories` are for tables; leave them out.")
    return behind_images(estimator, model.kind, **model.encoder.image.parameters())


def has_frozen_encoder(model: Any) -> bool:
    """Return whether a model of a config encodes texts or images by a frozen encoder."""
    given = getattr(model, "encoder", None)
    return given is not None and (given.image is not None or is_frozen(given.of_columns()["text"]))


def _refuse_copies(model: StageModel, key: str, instead: str) -> None:
    """Refuse a frozen encoder where each label would have a copy of it, and encode each text again."""
    if has_frozen_encoder(model):
        raise ConfigError(f"`{key}.encoder` must not have embeddings where each label has a model; use {instead}.")


def _refuse_encoder(model: KerasModel | SklearnModel) -> None:
    if model.encoder is not None:
        raise ConfigError(
            "`encoder` is for tables with text, categories or dates, and for images by its key `image`; the data has "
            "neither, so leave it out."
        )


def _refuse_missing(data: Dataset, kind: str) -> None:
    if data.has_missing():
        raise ConfigError(f"{kind} does not take missing features; fill them in or use hist_gradient_boosting.")


def _multilabel(model: StageModel, data: Dataset) -> Any:
    model = _resolved(model, "labeler", data)
    estimator = build_model(model, data)
    # A network has one output per label already.
    return estimator if isinstance(model, KerasModel) else per_label(estimator)
