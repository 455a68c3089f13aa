"""Do these rows look like those of the training? Profiles of data, and how far two are apart."""

from cascade.drift.compare import compare_profiles
from cascade.drift.finding import DriftFinding, DriftReport
from cascade.drift.making import profile_of
from cascade.drift.profile import TrainingProfile

__all__ = ["DriftFinding", "DriftReport", "TrainingProfile", "compare_profiles", "profile_of"]
