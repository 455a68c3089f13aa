"""The schema of a run: its keys, their defaults and valid values, validated by pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cascade.config.base import ConfigModel, refused_as_value
from cascade.config.models import (
    AutoGate,
    AutoModel,
    ExitGate,
    Gate,
    KerasModel,
    Model,
    NoGate,
    StageModel,
    refuse_sampling,
)
from cascade.config.retraining import DataLimitsConfig, PromotionConfig
from cascade.data.images.frame import Fit, Frame
from cascade.estimators.runtime.runtimes import AUTO, RUNTIMES, exporting_runtimes
from cascade.fitting.defaults import check_folds
from cascade.many_labels.options import check_decoder
from cascade.rules.thresholds.decisions import check_decision
from cascade.rules.thresholds.gate_recall import DEFAULT_RECALL, check_gate_recall


def _known_windows(windows: Any) -> Any:
    # Imported late: the readers import more packages than a config without windows needs.
    from cascade.data.readers.pixels import check_windows

    refused_as_value(check_windows, windows)
    return windows


def _known_size(image_size: Any) -> Any:
    refused_as_value(Frame.of, image_size)
    return image_size


class LabelListConfig(ConfigModel):
    """A column that lists the labels of each row."""

    column: str
    separator: str | None = Field(default=None, min_length=1)
    none: list[str] = []
    id: str | None = None


class CsvConfig(ConfigModel):
    """How text tables are written, where that is not found out from their first lines."""

    separator: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    missing: list[str] = []


class DataConfig(ConfigModel):
    """Where the data is, and the roles of its columns."""

    path: Path
    label_file: Path | None = None
    labels: list[str] | LabelListConfig | None = None
    uncertain: list[float | str] = []
    negative: list[float | str] = []
    unlisted_are_empty: bool = False
    text: list[str] = []
    categories: list[str] = []
    dates: list[str] = []
    drop: list[str] = []
    features: list[str] | None = None
    csv: CsvConfig = Field(default_factory=CsvConfig)
    file: str | None = None
    grey_bits: int | None = Field(default=None, ge=8, le=16)
    group: str | None = None
    id: str | None = None
    allow_missing: bool = False
    missing_labels: bool = False
    any_label: str | None = "auto"
    none_label: str | None = "auto"
    windows: Annotated[Any, AfterValidator(_known_windows)] = "auto"
    image_size: Annotated[Any, AfterValidator(_known_size)] = None
    image_fit: Fit = "letterbox"
    leave_out_bad_files: bool = False
    cache: str = Field(default="auto", min_length=1)
    test_size: float = Field(default=0.2, gt=0, lt=1)


class LabelerConfig(ConfigModel):
    """How labels are predicted: by one multi-label model, or by bagged balanced binary models."""

    strategy: Literal["multilabel", "balanced"] = "multilabel"
    model: StageModel = AutoModel()
    n_bags: int = Field(default=10, ge=1)
    n_jobs: int | None = None
    pretrain: Literal["none", "all"] = "all"

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: Any, info: ValidationInfo) -> Any:
        # `data` has the fields that were validated before, so `strategy` must be declared above `model`.
        if info.data.get("strategy") == "balanced":
            refuse_sampling(value)
        return value

    @field_validator("n_jobs")
    @classmethod
    def _check_n_jobs(cls, value: int | None) -> int | None:
        # As in joblib: negative numbers count from all cores down, and 0 has no meaning.
        if value == 0:
            raise ValueError("must not be 0; -1 uses all cores")
        return value


def _known_decision(decision: Any) -> Any:
    return refused_as_value(check_decision, decision)


Decision = Annotated[Any, AfterValidator(_known_decision)]


def _known_recall(gate_recall: Any) -> Any:
    return refused_as_value(check_gate_recall, gate_recall)


GateRecall = Annotated[Any, AfterValidator(_known_recall)]


class PolicyConfig(ConfigModel):
    """The recall that the gate must be proven to have."""

    recall: float = Field(default=0.95, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    claim: Literal["joint", "per_label"] = "joint"
    accept_bound: bool = False
    size: float = Field(default=0.2, gt=0, lt=1)


def _known_folds(folds: Any) -> Any:
    return refused_as_value(check_folds, folds)


class CascadeConfig(ConfigModel):
    """How the predictions of gate and labeler are combined."""

    negative_pool: Literal["auto", "positives", "all", "gated"] = "auto"
    calibration: Literal["platt", "beta", "isotonic", "none"] = "platt"
    calibration_size: float | None = Field(default=None, gt=0, lt=1)
    calibration_folds: Annotated[Any, AfterValidator(_known_folds)] = "auto"
    gate_recall: GateRecall = DEFAULT_RECALL
    gate_policy: PolicyConfig | None = None
    decision: Decision = "f1"
    label_decisions: dict[str, Decision] | None = None
    coherence: Literal["lift", "labels", "any"] = "lift"
    merge: Literal["stacked", "pool"] = "stacked"
    rejected: Literal["gate", "share", "zero"] = "gate"
    share_trunk: bool = False


def _known_decoder(decoder: Any) -> Any:
    return refused_as_value(check_decoder, decoder)


class ManyLabelsConfig(ConfigModel):
    """A many-label model: one model for all labels and no gate, instead of gate, labeler and cascade."""

    model: Model = KerasModel()
    decoder: Annotated[Any, AfterValidator(_known_decoder)] = "f1"
    calibration_size: float = Field(default=0.2, gt=0, lt=1)


class RetrainConfig(ConfigModel):
    """When new data is used, and when a challenger takes the champion's place."""

    promotion: PromotionConfig = Field(default_factory=PromotionConfig)
    limits: DataLimitsConfig = Field(default_factory=DataLimitsConfig)


class RunConfig(ConfigModel):
    """One training run."""

    # The name becomes a folder and a name in the registry: no separators, and no leading dot.
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0)
    data: DataConfig
    gate: Gate = AutoGate()
    labeler: LabelerConfig = LabelerConfig()
    cascade: CascadeConfig = Field(default_factory=CascadeConfig)
    flat_baseline: bool = False
    flat: ManyLabelsConfig | None = None
    runtimes: list[str] | Literal["auto"] = "auto"
    retrain: RetrainConfig = Field(default_factory=RetrainConfig)

    @model_validator(mode="after")
    def _one_strategy(self) -> RunConfig:
        # The keys that were given; `gate` and the others always have a default.
        given = sorted(self.model_fields_set & {"gate", "labeler", "cascade"})
        if self.flat is not None and given:
            raise ValueError(f"`flat` must be given without `{given[0]}`: a many-label model has no stages")
        if self.flat is not None and self.flat_baseline:
            raise ValueError("`flat_baseline` compares with a cascade; leave it out beside `flat`")
        if isinstance(self.gate, ExitGate):
            self._check_exit()
        if isinstance(self.gate, NoGate) and self.flat_baseline:
            raise ValueError("`flat_baseline` compares with a cascade; leave it out where `gate` has the kind none")
        return self

    def _check_exit(self) -> None:
        for key, given, wanted in (
            ("labeler.strategy", self.labeler.strategy, "multilabel"),
            ("labeler.pretrain", self.labeler.pretrain, "all"),
            ("cascade.share_trunk", self.cascade.share_trunk, False),
        ):
            if given != wanted:
                raise ValueError(
                    f"`{key}` must be {wanted} with `gate.kind: exit`, where gate and labeler are one training on all "
                    f"rows; received {given}"
                )

    @field_validator("runtimes")
    @classmethod
    def _check_runtimes(cls, value: Any) -> Any:
        invalid = [] if value == AUTO else [name for name in value if name not in RUNTIMES]
        if invalid:
            raise ValueError(f"must be 'auto' or a list of {', '.join(RUNTIMES)}; {invalid[0]!r} is not known")
        return value

    def networks(self) -> list[KerasModel]:
        """Return the models that are networks."""
        models = [self.gate, self.labeler.model] if self.flat is None else [self.flat.model]
        return [model for model in models if isinstance(model, KerasModel)]

    def image_sizes(self) -> list[int]:
        """Return the sizes of images that the models and their encoders take, where these name one."""
        models: list[Any] = [self.gate, self.labeler.model] if self.flat is None else [self.flat.model]
        encoders = [model.encoder.image for model in models if getattr(model, "encoder", None) is not None]
        sizes = [getattr(part, "image_size", None) for part in (*models, *encoders)]
        return [size for size in sizes if size is not None]

    def exported_to(self) -> tuple[str, ...]:
        """Return the runtimes that networks are exported to: those of the config, or all that are installed."""
        return exporting_runtimes() if self.runtimes == AUTO else tuple(self.runtimes)

    @field_validator("gate")
    @classmethod
    def _check_gate(cls, value: Any) -> Any:
        refuse_sampling(value)
        return value
