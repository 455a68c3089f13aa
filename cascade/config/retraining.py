"""The parts of a run's config for `cascade retrain`."""

from __future__ import annotations

from pydantic import Field

from cascade.config.base import ConfigModel
from cascade.retraining.checks.limits import Limits
from cascade.retraining.decision.policy import Policy, Wanted


class PromotionConfig(ConfigModel):
    """When a challenger takes the champion's place; see `cascade.retraining.decision.policy.Policy`."""

    # Defaults are those of the library, read from its class, so that config and Python cannot differ.
    metric: Wanted = Policy.metric
    margin: float = Field(default=Policy.margin, ge=0)
    confidence: float = Field(default=Policy.confidence, gt=0, lt=1)
    fewest_positives: int = Field(default=Policy.fewest_positives, ge=1)
    average_precision: float | None = Field(default=Policy.average_precision, ge=0)
    gate_recall: float | None = Field(default=Policy.gate_recall, ge=0)
    calibration_error: float | None = Field(default=Policy.calibration_error, ge=0)
    count_ratio: float | None = Field(default=Policy.count_ratio, ge=0)
    speed: float | None = Field(default=Policy.speed, ge=0)
    draws: int = Field(default=Policy.draws, ge=100)

    def policy(self) -> Policy:
        """Return the policy that the config describes."""
        return Policy(**self.model_dump())


class DataLimitsConfig(ConfigModel):
    """How far new data may differ from the champion's; see `cascade.retraining.checks.limits.Limits`."""

    fewest_rows: float = Field(default=Limits.fewest_rows, ge=0)
    # Factors of 1 or more hold in both directions: 2 means twice as frequent, or half.
    prevalence_told: float = Field(default=Limits.prevalence_told, ge=1)
    prevalence_asked: float = Field(default=Limits.prevalence_asked, ge=1)
    agreement: float = Field(default=Limits.agreement, ge=0, le=1)
    constant_rows: float = Field(default=Limits.constant_rows, ge=0, le=1)
    unseen_told: float = Field(default=Limits.unseen_told, ge=0, le=1)
    unseen_asked: float = Field(default=Limits.unseen_asked, ge=0, le=1)

    def limits(self) -> Limits:
        """Return the limits that the config describes."""
        return Limits(**self.model_dump())
