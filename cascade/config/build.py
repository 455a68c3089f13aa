"""From a config's words to estimators; only the kinds named here can be made."""

from __future__ import annotations

from typing import Any

from sklearn.utils import get_tags

from cascade.classifier import CascadeClassifier
from cascade.config.schema import KerasModel, ManyLabelsConfig, Model, RunConfig, SklearnModel
from cascade.data import Dataset
from cascade.errors import ConfigError
from cascade.estimators.balanced import BalancedBinaryRelevance
from cascade.many_labels.classifier import ManyLabelClassifier


def build_cascade(config: RunConfig, data: Dataset) -> CascadeClassifier:
    """Make the unfitted cascade that a config describes, for rows like those of `data`."""
    labeler = config.labeler
    if labeler.strategy == "balanced":
        named: Any = BalancedBinaryRelevance(
            build_model(labeler.model, data), n_bags=labeler.n_bags, n_jobs=labeler.n_jobs, random_state=config.seed
        )
    else:
        named = _multilabel(labeler.model, data)
    return CascadeClassifier(
        build_model(config.gate, data),
        named,
        any_label=config.data.any_label,
        label_names=data.label_names,
        random_state=config.seed,
        **config.cascade.model_dump(),
    )


def build_many_labels(config: RunConfig, flat: ManyLabelsConfig, data: Dataset) -> ManyLabelClassifier:
    """Make the unfitted flat model that a config describes, for rows like those of `data`."""
    from sklearn.multiclass import OneVsRestClassifier

    model = build_model(flat.model, data)
    # Of scikit-learn's wrappers this one takes sparse labels.
    return ManyLabelClassifier(
        model if isinstance(flat.model, KerasModel) else OneVsRestClassifier(model),
        decoder=flat.decoder,
        label_names=data.label_names,
        calibration_size=flat.calibration_size,
        random_state=config.seed,
    )


def build_model(model: Model, data: Dataset) -> Any:
    """Make one estimator."""
    if isinstance(model, KerasModel):
        _refuse_missing(data, "a network")
        from cascade.estimators.neural import KerasClassifier

        options = model.model_dump(exclude={"kind"})
        options["network"] = model.network or ("cnn" if len(data.X.shape) == 4 else "mlp")
        return KerasClassifier(**options)
    if len(data.X.shape) > 2:
        raise ConfigError(f"{model.kind} takes vectors, and the data holds images; use `kind: keras`.")
    try:
        estimator = _sklearn_class(model)(**model.options)
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`options` do not suit {model.kind}: {error}") from error
    if not get_tags(estimator).input_tags.allow_nan:
        _refuse_missing(data, model.kind)
    return estimator


def _refuse_missing(data: Dataset, kind: str) -> None:
    if data.has_missing():
        raise ConfigError(f"{kind} does not take missing features; fill them in or use hist_gradient_boosting.")


def _multilabel(model: Model, data: Dataset) -> Any:
    from sklearn.multioutput import MultiOutputClassifier

    estimator = build_model(model, data)
    return estimator if isinstance(model, KerasModel) else MultiOutputClassifier(estimator)


def _sklearn_class(model: SklearnModel) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    return {
        "logistic_regression": LogisticRegression,
        "random_forest": RandomForestClassifier,
        "hist_gradient_boosting": HistGradientBoostingClassifier,
    }[model.kind]
