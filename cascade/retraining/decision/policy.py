"""The policy of a promotion: in which metric a challenger must be better, and what must not get worse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from cascade.errors import ConfigError

if TYPE_CHECKING:
    from cascade.metrics import Metric

Wanted = Literal[
    "macro_average_precision",
    "macro_average_precision_findings",
    "micro_average_precision",
    "macro_auroc",
    "weighted_log_loss",
]
"""Metrics in which a challenger can be required to be better, with their names in the report."""


@dataclass(frozen=True)
class Policy:
    """When a challenger takes the champion's place.

    The margin of a guard is how much worse the challenger may be. A challenger is promoted only if the interval of the
    difference shows that it is not worse by more. None leaves a guard out.

    Parameters
    ----------
    metric : str
        Metric in which the challenger must be better, one of `Wanted`.
    margin : float
        Smallest gain; the lower end of the interval must be above.
    confidence : float
        Confidence of every interval. Each end misses the truth with probability (1 - confidence) / 2.
    fewest_positives : int
        Held-out positives that a label needs to be judged separately.
    average_precision, gate_recall : float or None
        Largest loss of either, for each judged label.
    calibration_error : float or None
        Largest growth of the mean calibration error of the judged labels, in parts of prevalence.
    count_ratio : float or None
        Largest move of predicted over true rows away from 1, as a difference of abs(log), for each judged label.
    speed : float or None
        Largest loss of rows per second, as a share of the champion's.
    draws : int
        Number of bootstrap draws.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> Policy().metric
    'macro_average_precision'
    """

    metric: Wanted = "macro_average_precision"
    margin: float = 0.0
    confidence: float = 0.95
    fewest_positives: int = 300
    average_precision: float | None = 0.1
    gate_recall: float | None = 0.05
    calibration_error: float | None = 0.1
    count_ratio: float | None = 0.25
    speed: float | None = 0.5
    draws: int = 500

    def __post_init__(self) -> None:
        if self.metric not in get_args(Wanted):
            raise ConfigError(f"`metric` must be one of {', '.join(get_args(Wanted))}. Received {self.metric!r}.")
        if not 0 < self.confidence < 1:
            raise ConfigError(f"`confidence` must be between 0 and 1. Received {self.confidence!r}.")
        # With fewer draws hardly any is beyond the percentiles of 2.5 % and 97.5 %.
        if self.draws < 100 or self.fewest_positives < 1:
            least = "`draws` must be 100 or more and `fewest_positives` 1 or more"
            raise ConfigError(f"{least}. Received {self.draws!r} and {self.fewest_positives!r}.")
        for name in ("margin", "average_precision", "gate_recall", "calibration_error", "count_ratio", "speed"):
            value = getattr(self, name)
            # An infinite margin cannot be stored as JSON; None leaves a guard out.
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"`{name}` must be a margin of 0 or more. Received {value!r}.")

    def wanted(self, n_labels: int, any_index: int | None) -> Metric:
        """Return the metric in which the challenger must be better; `any_index` is the column of `any`, if any."""
        # Imported late, so that reading a config does not import the metrics and their packages.
        from cascade.metrics import overall_metrics

        return next(metric for metric in overall_metrics(n_labels, any_index) if metric.name == self.metric)
