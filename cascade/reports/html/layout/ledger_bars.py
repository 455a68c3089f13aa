"""The ledger of losses as bars: what was found, lost at the labeler, lost at the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BAR = 240
PARTS = ("found", "lost_at_labeler", "lost_at_gate")


def ledger_rows(labels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each label's counts, with the parts of its bar: kind, left end and width.

    Examples
    --------
    >>> counts = {"label": "bleed", "positives": 4, "found": 3, "lost_at_labeler": 0, "lost_at_gate": 1}
    >>> ledger_rows([counts])[0]["bar"]
    [('found', 0.0, 180.0), ('lost_at_labeler', 180.0, 0.0), ('lost_at_gate', 180.0, 60.0)]
    """
    return [{**label, "bar": _bar(label)} for label in labels]


def _bar(label: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    whole = max(label["positives"], 1)
    widths = [round(BAR * label[part] / whole, 1) for part in PARTS]
    return [(part, round(sum(widths[:place], start=0.0), 1), widths[place]) for place, part in enumerate(PARTS)]
