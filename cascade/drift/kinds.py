"""What a profile counts, by the words that its findings use."""

from __future__ import annotations

from typing import Any

from cascade.errors import DataError

PREVALENCE, PREDICTED = "prevalence of", "share predicted as"
PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT = (
    "share past the gate",
    "share past the gate with a label",
    "share past the gate without a label",
)
GATE, GATE_WITH, GATE_WITHOUT = "gate score", "gate score with a label", "gate score without a label"
FEATURE = "feature"

SHARES = (PREVALENCE, PREDICTED, PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT)
HISTOGRAMS = (GATE, GATE_WITH, GATE_WITHOUT, FEATURE)


def check_kind(value: Any, kinds: tuple[str, ...]) -> str:
    """Return a kind if it is one of those named."""
    if value not in kinds:
        raise DataError(f"a profile's `kind` must be one of {list(kinds)}. Received {value!r}.")
    return str(value)
