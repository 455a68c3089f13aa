"""A cascade beside a flat model on the same rows: quality, arithmetic and time per row, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cascade.metrics import AVERAGE_PRECISION, Metric, Outcome, any_counted_double, macro
from cascade.metrics.bootstrap import paired_difference
from cascade.utils.types import Rows

DRAWS = 1000
"""As in the report of a cascade."""

CHEAPER = 0.95
"""Largest share of the flat model's cost that counts as a saving; measured times differ by as much from run to run."""

Figures = Mapping[str, Any]


def paired_quality(cascade: Outcome, flat: Outcome, group: Rows, any_index: int | None) -> dict[str, Any]:
    """Compare two predictions of the same rows.

    Parameters
    ----------
    cascade, flat : Outcome
        Of the same n rows in the same order; only probabilities are used.
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    any_index : int or None
        Column that equals the OR of the others; it counts double in the log loss.

    Returns
    -------
    dict
        For `macro_average_precision` and `weighted_log_loss` the values of `cascade` and `flat`, their `difference`,
        and `low` and `high`, its 95 % interval over groups. Undefined values are None.
    """
    metrics = (macro(AVERAGE_PRECISION), any_counted_double(any_index))
    return {metric.name: _paired(metric, cascade, flat, group) for metric in metrics}


def _paired(metric: Metric, cascade: Outcome, flat: Outcome, group: Rows) -> dict[str, float | None]:
    difference, low, high = paired_difference(metric, cascade, flat, group, DRAWS)
    values = {"cascade": metric(cascade), "flat": metric(flat), "difference": difference, "low": low, "high": high}
    return {key: plain(float(value[0])) for key, value in values.items()}


def paired_cost(cascade: float, flat: float) -> dict[str, float | None]:
    """Return two costs per row and their ratio; None if unknown.

    Examples
    --------
    >>> paired_cost(50.0, 100.0)
    {'cascade': 50.0, 'flat': 100.0, 'ratio': 0.5}
    """
    return {"cascade": plain(cascade), "flat": plain(flat), "ratio": plain(cascade / flat if flat else math.nan)}


def plain(value: float) -> float | None:
    """Return a number as JSON has it: None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def flat_sentence(figures: Figures, cascade: str = "the cascade", flat: str = "the flat model") -> str:
    """Return one sentence: the quality of both, what the cascade costs, and what follows.

    Parameters
    ----------
    figures : mapping
        `macro_average_precision` as from `paired_quality`; `operations_per_row` and `seconds_per_row` as from
        `paired_cost`.
    cascade, flat : str
        What the two models are called.

    Examples
    --------
    >>> precision = {"cascade": 0.79, "flat": 0.805, "difference": -0.015, "low": -0.022, "high": -0.008}
    >>> cost = {"operations_per_row": paired_cost(6.6, 5.5), "seconds_per_row": paired_cost(1.3, 1.0)}
    >>> flat_sentence({"macro_average_precision": precision, **cost}).partition(": ")[2]
    'the cascade is worse and saves nothing; use the flat model.'
    """
    precision = figures["macro_average_precision"]
    if precision["low"] is None:
        return "No label has a positive here, so the cascade cannot be compared with the flat model."
    quality = (
        f"{cascade[0].upper()}{cascade[1:]} has a macro average precision of {precision['cascade']:.3f}, {flat} "
        f"{precision['flat']:.3f} (difference {precision['difference']:+.3f}, 95 % {precision['low']:+.3f} to "
        f"{precision['high']:+.3f})"
    )
    return f"{quality}{_at_cost(figures)}: {CONSEQUENCES[judged(precision), saves(figures)]}."


CONSEQUENCES = {
    ("better", True): "the cascade is better and costs less",
    ("better", False): "the cascade is better, but saves nothing",
    ("better", None): "the cascade is better",
    ("level", True): "no difference in quality is shown, and the cascade costs less",
    ("level", False): "no difference in quality is shown and the cascade saves nothing; use the flat model",
    ("level", None): "no difference in quality is shown",
    ("worse", True): "the cascade costs less, but is worse",
    ("worse", False): "the cascade is worse and saves nothing; use the flat model",
    ("worse", None): "the cascade is worse",
}
"""What follows, by the quality of the cascade and by whether it saves cost; None where no cost is known."""


def judged(precision: Figures) -> str:
    """Return whether the cascade is "better", "worse" or "level" by the interval of the difference."""
    return "better" if precision["low"] > 0 else "worse" if precision["high"] < 0 else "level"


def saves(figures: Figures) -> bool | None:
    """Return whether the cascade costs less per row: by measured time, else by arithmetic; None if both are unknown."""
    ratio = figures["seconds_per_row"]["ratio"]
    if ratio is None:
        ratio = figures["operations_per_row"]["ratio"]
    return None if ratio is None else bool(ratio <= CHEAPER)


def _at_cost(figures: Figures) -> str:
    shares = [
        f"{100 * ratio:.1f} % of its {name}"
        for key, name in (("operations_per_row", "arithmetic"), ("seconds_per_row", "time per row"))
        if (ratio := figures[key]["ratio"]) is not None
    ]
    return f", at {' and '.join(shares)}" if shares else ""
