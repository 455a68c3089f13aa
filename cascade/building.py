"""From a config's words to estimators; only the kinds named here can be made."""

from __future__ import annotations

from typing import Any

from cascade.balanced import BalancedBinaryRelevance
from cascade.classifier import CascadeClassifier
from cascade.config import KerasModel, Model, RunConfig, SklearnModel
from cascade.data import Dataset
from cascade.errors import ConfigError


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


def build_model(model: Model, data: Dataset) -> Any:
    """Make one estimator."""
    if isinstance(model, KerasModel):
        from cascade.neural import KerasClassifier

        options = model.model_dump(exclude={"kind"})
        options["network"] = model.network or ("cnn" if len(data.X.shape) == 4 else "mlp")
        return KerasClassifier(**options)
    try:
        return _sklearn_class(model)(**model.options)
    except TypeError as error:
        raise ConfigError(f"`options` do not suit {model.kind}: {error}.") from error


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
