"""Do rows look like the training rows? Profiles of data sets, and effect sizes of the drift between two of them."""

from cascade.drift.compare import compare_profiles
from cascade.drift.finding import DriftFinding, DriftReport
from cascade.drift.making import profile_of
from cascade.drift.profile import TrainingProfile

__all__ = ["DriftFinding", "DriftReport", "TrainingProfile", "compare_profiles", "profile_of"]
