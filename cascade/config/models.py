"""Models of a config: networks, classifiers of scikit-learn and boosted trees, and what a gate may be besides."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from cascade.config.base import ConfigModel, refused_as_value
from cascade.estimators.early_stopping import check_validation_size
from cascade.estimators.encoding.encoder import CategoryOption, TextOption
from cascade.estimators.encoding.images.form import Pixels
from cascade.estimators.encoding.images.opened import NETWORKS
from cascade.estimators.loss_options import check_loss
from cascade.estimators.network_names import NAMES

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A function of a module, whose code is imported when a network is built."""


def _known_loss(loss: Any) -> Any:
    return refused_as_value(check_loss, loss)


def _known_sampling(sampling: Any) -> Any:
    if sampling is None:
        return None
    # Imported late: samplers import scikit-learn, which a config without them does not need.
    from cascade.estimators.sampling import check_sampling

    return refused_as_value(check_sampling, sampling)


def _known_validation_size(size: Any) -> Any:
    return refused_as_value(check_validation_size, size)


def _known_network(network: str) -> str:
    # A function is imported when the network is built: reading a config imports nothing.
    if network not in NAMES and not FUNCTION.fullmatch(network):
        raise ValueError(f"must be one of {', '.join(NAMES)}, or a function as module:function")
    return network


TEXT = "text by "
"""Beginning of the tags of encoders of texts, which are no keys."""


class EmbeddingsConfig(ConfigModel):
    """Texts as the mean of the vectors of their tokens; see `StaticTextEncoder`."""

    embeddings: str = Field(min_length=1)
    tokenizer: str | None = None
    max_length: int = Field(default=512, ge=8, le=8192)


class OnnxTextConfig(ConfigModel):
    """Texts as the output of a frozen graph; see `OnnxTextEncoder`."""

    onnx: str = Field(min_length=1)
    tokenizer: str | None = None
    max_length: int = Field(default=256, ge=8, le=8192)


def _text_family(text: Any) -> str | None:
    """Return the tag of the encoder of texts that a part of a config describes."""
    if isinstance(text, str):
        return f"{TEXT}name"
    keys = text if isinstance(text, dict) else vars(text) if isinstance(text, ConfigModel) else ()
    return next((f"{TEXT}{key}" for key in ("embeddings", "onnx") if key in keys), None)


TextEncoder = Annotated[
    Annotated[TextOption, Tag(f"{TEXT}name")]
    | Annotated[EmbeddingsConfig, Tag(f"{TEXT}embeddings")]
    | Annotated[OnnxTextConfig, Tag(f"{TEXT}onnx")],
    Discriminator(
        _text_family,
        custom_error_type="unknown_text",
        custom_error_message=f"must be one of {', '.join(get_args(TextOption))}, or have the key embeddings or onnx",
    ),
]


class ImageEncoderConfig(ConfigModel):
    """Images as the output of a frozen network, in the file of one of three formats; see `ImageEncoder`."""

    onnx: str | None = Field(default=None, min_length=1)
    litert: str | None = Field(default=None, min_length=1)
    keras: str | None = Field(default=None, min_length=1)
    image_size: int | None = Field(default=None, ge=1)
    pixels: Pixels = "raw"

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        if len(self._files()) != 1:
            raise ValueError(f"must have one of the keys {', '.join(NETWORKS)}, each the path of a network")
        return self

    def _files(self) -> dict[str, str]:
        return {kind: path for kind in NETWORKS if (path := getattr(self, kind)) is not None}

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the `ImageEncoder`."""
        ((kind, path),) = self._files().items()
        return {"model": path, "runtime": kind, "image_size": self.image_size, "pixels": self.pixels}


class EncoderConfig(ConfigModel):
    """How columns of text and categories become numbers, where a table has any; or images, by a frozen network."""

    text: TextEncoder = "tfidf"
    categories: CategoryOption | None = None
    image: ImageEncoderConfig | None = None

    def of_columns(self) -> dict[str, Any]:
        """Return the options of the encoder of a table's columns."""
        return self.model_dump(exclude={"image"})


class TrainingConfig(ConfigModel):
    """How a network is optimised; see `cascade.estimators.neural.training.options`."""

    weight_decay: float = Field(default=0.0, ge=0)
    warm_up: float = Field(default=0.0, ge=0)
    averaging: float = Field(default=0.0, ge=0, lt=1)
    frozen_epochs: int = Field(default=0, ge=0)
    unfrozen_rate: float = Field(default=0.1, gt=0)
    precision: Literal["float32", "auto", "mixed"] = "float32"
    tensorboard: str | None = Field(default=None, min_length=1)


class KerasModel(ConfigModel):
    """A Keras network."""

    kind: Literal["keras"] = "keras"
    network: Annotated[str, AfterValidator(_known_network)] | None = None
    network_options: dict[str, Any] | None = None
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    validation_size: Annotated[Any, AfterValidator(_known_validation_size)] = "auto"
    patience: int = Field(default=3, ge=1)
    loss: Annotated[Any, AfterValidator(_known_loss)] = "bce"
    top_k: int | None = Field(default=None, ge=1)
    sampling: Annotated[Any, AfterValidator(_known_sampling)] = None
    image_size: int | None = Field(default=None, ge=1)
    n_networks: int = Field(default=1, ge=1)
    training: TrainingConfig | None = None
    encoder: EncoderConfig | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the `KerasClassifier`."""
        return self.model_dump(exclude={"kind", "targets", "encoder"})


class AutoModel(ConfigModel):
    """The default model for the kind of rows; see `cascade.estimators.defaults`."""

    kind: Literal["auto"] = "auto"


SklearnKind = Literal[
    "logistic_regression",
    "scaled_logistic_regression",
    "sgd",
    "linear_svc",
    "gaussian_nb",
    "bernoulli_nb",
    "multinomial_nb",
    "complement_nb",
    "linear_discriminant_analysis",
    "decision_tree",
    "random_forest",
    "extra_trees",
    "hist_gradient_boosting",
    "ada_boost",
    "mlp",
]
BoostingKind = Literal["lightgbm", "xgboost"]
KINDS = ("keras", *get_args(SklearnKind), *get_args(BoostingKind))
UNKNOWN_KIND = f"must have a `kind` among {', '.join(KINDS)}"


class SklearnModel(ConfigModel):
    """A classifier of scikit-learn, LightGBM or XGBoost, and the options of its constructor."""

    kind: SklearnKind | BoostingKind
    options: dict[str, Any] = {}
    encoder: EncoderConfig | None = None


def _family(model: Any) -> str:
    """Return the tag of the model that a part of a config describes; without `kind` it is a network."""
    # pydantic calls this with the mapping of a file, or with an instance if the config is made in Python.
    kind = model.get("kind", "keras") if isinstance(model, dict) else getattr(model, "kind", "keras")
    return kind if kind in ("keras", "auto") else "sklearn" if kind in KINDS else "unknown"


# A discriminator instead of a plain union: with the latter, one wrong key gives the errors of both classes.
Model = Annotated[
    Annotated[KerasModel, Tag("keras")] | Annotated[SklearnModel, Tag("sklearn")],
    Discriminator(_family, custom_error_type="unknown_kind", custom_error_message=UNKNOWN_KIND),
]


StageModel = Annotated[
    Annotated[KerasModel, Tag("keras")] | Annotated[SklearnModel, Tag("sklearn")] | Annotated[AutoModel, Tag("auto")],
    Discriminator(_family, custom_error_type="unknown_kind", custom_error_message=f"{UNKNOWN_KIND}, auto"),
]


Targets = Literal["auto", "any", "labels"]


class KerasGate(KerasModel):
    """A network as gate, with one output or one per label too."""

    targets: Targets = "auto"


class SklearnGate(SklearnModel):
    """A scikit-learn classifier as gate."""

    targets: Targets = "auto"


class AutoGate(AutoModel):
    """The default gate for the kind of rows."""

    targets: Targets = "auto"


class ExitGate(ConfigModel):
    """An exit of the labeler's network as gate, trained together with it."""

    kind: Literal["exit"] = "exit"
    targets: Targets = "auto"


class NoGate(ConfigModel):
    """No gate: a flat model, in which the labeler predicts all labels of every row."""

    kind: Literal["none"] = "none"


def _gate_family(gate: Any) -> str:
    kind = gate.get("kind") if isinstance(gate, dict) else getattr(gate, "kind", None)
    return kind if kind in ("exit", "none") else _family(gate)


Gate = Annotated[
    Annotated[KerasGate, Tag("keras")]
    | Annotated[SklearnGate, Tag("sklearn")]
    | Annotated[AutoGate, Tag("auto")]
    | Annotated[ExitGate, Tag("exit")]
    | Annotated[NoGate, Tag("none")],
    Discriminator(
        _gate_family, custom_error_type="unknown_kind", custom_error_message=f"{UNKNOWN_KIND}, auto, exit, none"
    ),
]


def refuse_sampling(model: Any) -> None:
    """Refuse a model that samples rows by their labels where it has one label."""
    if getattr(model, "sampling", None) is not None:
        raise ValueError("must have no `sampling`: it needs several labels; set it in a labeler of `multilabel`")
