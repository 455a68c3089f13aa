"""The cascade beside a flat model, as rows of a table for text and page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from cascade.reports.report_text import WIDTH, grid

COLUMNS = ("", "cascade", "flat model", "difference or share")

QUALITY = (("macro_average_precision", "macro average precision", 3), ("weighted_log_loss", "weighted log loss", 4))

COST = (
    ("operations_per_row", "operations per row", 1.0, "{:,.0f}"),
    ("seconds_per_row", "microseconds per row", 1e6, "{:,.1f}"),
)

Flat = Mapping[str, Any]


def flat_rows(flat: Flat) -> list[tuple[str, ...]]:
    """Return name, cascade, flat model, and difference or share per row, as text.

    Parameters
    ----------
    flat : mapping
        The entry `flat` of a report.

    Examples
    --------
    >>> pair = {"cascade": 0.8, "flat": 0.7, "difference": 0.1, "low": 0.05, "high": 0.15}
    >>> quality = {"macro_average_precision": pair, "weighted_log_loss": pair}
    >>> cost = {"cascade": 5e-5, "flat": 1e-4, "ratio": 0.5}
    >>> flat_rows({**quality, "operations_per_row": cost, "seconds_per_row": cost})[0]
    ('macro average precision', '0.800', '0.700', '+0.100 (+0.050 to +0.150)')
    """
    return [
        *((title, *_quality(flat[key], digits)) for key, title, digits in QUALITY),
        *((title, *_cost(flat[key], unit, form)) for key, title, unit, form in COST),
    ]


def flat_text(flat: Flat) -> str:
    """Return the table as text, with the runtimes that the time was measured in."""
    layout = tuple((str(k), title, "{}") for k, title in enumerate(COLUMNS))
    rows = [{str(k): cell for k, cell in enumerate(row)} for row in flat_rows(flat)]
    return "\n".join([*grid(layout, rows), *textwrap.wrap(measured(flat), WIDTH)])


def measured(flat: Flat) -> str:
    """Return how the time per row was measured."""
    time = flat["seconds_per_row"]
    runtimes = "; ".join(f"{stage}: {runtime}" for stage, runtime in time["runtimes"].items() if runtime)
    return f"time: medians of {time['pairs']} alternating measurements of {time['rows']} rows; {runtimes}"


def _quality(pair: Mapping[str, float | None], digits: int) -> tuple[str, ...]:
    if pair["low"] is None:
        return ("-", "-", "-")
    signed = {key: f"{pair[key]:+.{digits}f}" for key in ("difference", "low", "high")}
    both = (f"{pair[key]:.{digits}f}" for key in ("cascade", "flat"))
    return (*both, "{difference} ({low} to {high})".format(**signed))


def _cost(pair: Mapping[str, float | None], unit: float, form: str) -> tuple[str, ...]:
    both = ("-" if (value := pair[key]) is None else form.format(value * unit) for key in ("cascade", "flat"))
    return (*both, "-" if (ratio := pair["ratio"]) is None else f"{100 * ratio:.1f} %")
