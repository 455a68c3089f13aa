"""From a config to estimators; a config can name only the kinds that are listed here."""

from __future__ import annotations

from typing import Any

from sklearn.utils import get_tags

from cascade.classifier import CascadeClassifier
from cascade.config.schema import KerasModel, ManyLabelsConfig, Model, NoGate, RunConfig, SklearnModel
from cascade.data import Dataset
from cascade.errors import ConfigError
from cascade.estimators.balanced import BalancedBinaryRelevance
from cascade.many_labels.classifier import ManyLabelClassifier


def build_cascade(config: RunConfig, data: Dataset) -> CascadeClassifier:
    """Build the unfitted cascade that a config describes, for rows like those of `data`."""
    part = config.labeler
    if part.strategy == "balanced":
        labeler: Any = BalancedBinaryRelevance(
            build_model(part.model, data), n_bags=part.n_bags, n_jobs=part.n_jobs, random_state=config.seed
        )
    else:
        labeler = _multilabel(part.model, data)
    gate = config.gate
    return CascadeClassifier(
        "none" if isinstance(gate, NoGate) else build_model(gate, data),
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

    model = build_model(part.model, data)
    # Of scikit-learn's wrappers, OneVsRestClassifier is the one that takes sparse labels.
    return ManyLabelClassifier(
        model if isinstance(part.model, KerasModel) else OneVsRestClassifier(model),
        decoder=part.decoder,
        label_names=data.label_names,
        calibration_size=part.calibration_size,
        random_state=config.seed,
    )


def build_model(model: Model, data: Dataset) -> Any:
    """Build one unfitted estimator, for rows like those of `data`.

    Raises
    ------
    ConfigError
        If the estimator does not take such rows or the options of the config.
    """
    if isinstance(model, KerasModel):
        _refuse_missing(data, "a network")
        # Keras is an optional extra, which a config without a network must not require.
        from cascade.estimators.neural import KerasClassifier

        options = model.model_dump(exclude={"kind", "targets"})
        options["network"] = model.network or ("cnn" if len(data.X.shape) == 4 else "mlp")
        return KerasClassifier(**options)
    if len(data.X.shape) > 2:
        raise ConfigError(f"{model.kind} takes vectors, and the data has images; use `kind: keras`.")
    try:
        estimator = _sklearn_class(model)(**model.options)
        # scikit-learn validates options in `fit` only: a labeler's would be rejected after the gate was trained.
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`options` do not suit {model.kind}: {error}") from error
    # The tag is read from the instance: whether an estimator takes NaN may depend on its options.
    if not get_tags(estimator).input_tags.allow_nan:
        _refuse_missing(data, model.kind)
    return estimator


def _refuse_missing(data: Dataset, kind: str) -> None:
    if data.has_missing():
        raise ConfigError(f"{kind} does not take missing features; fill them in or use hist_gradient_boosting.")


def _multilabel(model: Model, data: Dataset) -> Any:
    from sklearn.multioutput import MultiOutputClassifier

    estimator = build_model(model, data)
    # A network has one output per label already.
    return estimator if isinstance(model, KerasModel) else MultiOutputClassifier(estimator)


def _sklearn_class(model: SklearnModel) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    # A fixed table instead of an import by name: a config file from elsewhere must not choose what is imported.
    return {
        "logistic_regression": LogisticRegression,
        "random_forest": RandomForestClassifier,
        "hist_gradient_boosting": HistGradientBoostingClassifier,
    }[model.kind]
