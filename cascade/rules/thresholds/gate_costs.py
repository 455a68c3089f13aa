"""What each label costs at the gate: the rows that pass because of it, as plain data of a model and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cascade.errors import DataError
from cascade.utils.checks import is_number


@dataclass(frozen=True)
class LabelCost:
    """One label's part in the gate threshold, on the rows on which the threshold was chosen.

    Attributes
    ----------
    label : str
    recall : float
        Requested recall; 0 for a label without influence on the threshold.
    positives, kept : int
        Positives among these rows, and those past the gate.
    bound : float or None
        Lower bound of the recall with confidence 0.9. None for a label without influence or positives, and where a
        certificate determines the threshold.
    alone : float or None
        Share of the rows that would pass if only this label set the threshold; None if it sets none.
    without : float or None
        Share of the rows that would pass if this label had a recall of 0; None if no other label sets a threshold.
    """

    label: str
    recall: float
    positives: int
    kept: int
    bound: float | None
    alone: float | None
    without: float | None


@dataclass(frozen=True)
class GateCosts:
    """What each label costs at the gate.

    Attributes
    ----------
    share_past_gate : float
        Share of the rows that pass.
    deciding : str or None
        Label that determines the threshold; None where it is 0.5, or 0 for lack of positives.
    labels : tuple of LabelCost
        In column order.
    """

    share_past_gate: float
    deciding: str | None
    labels: tuple[LabelCost, ...]

    def opening(self) -> tuple[LabelCost, float] | None:
        """Return the label without which the fewest rows would pass, and their share; None where no label has one."""
        shares = [(cost.without, cost) for cost in self.labels if cost.without is not None]
        if not shares:
            return None
        without, cost = min(shares, key=lambda pair: pair[0])
        return cost, without

    def sentence(self) -> str:
        """Return which label determines the threshold, and what it costs."""
        passing = f"{_percent(self.share_past_gate)} pass the gate"
        if self.deciding is None:
            return f"{passing}; no label determines the threshold."
        (without,) = [cost.without for cost in self.labels if cost.label == self.deciding]
        rest = "" if without is None else f", and without it {_percent(without)} would pass"
        return f"{passing}; {self.deciding!r} determines the threshold{rest}."

    def unproven(self) -> list[LabelCost]:
        """Return the labels whose recall has a lower bound below the requested one; nothing proves a recall of 1."""
        return [
            cost
            for cost in self.labels
            if cost.bound is not None and cost.recall < 1 and cost.bound < cost.recall - 1e-9
        ]

    def notes(self) -> list[str]:
        """Return sentences for a report: which label opens the gate, and which have a lower bound than wanted."""
        lines = [f"Of the rows on which the threshold was chosen, {self.sentence()}"]
        unproven = [f"{cost.label!r} ({cost.bound:.3f})" for cost in self.unproven()]
        if unproven:
            lines.append(f"Labels with a lower bound below the wanted recall: {', '.join(unproven)}.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes equal costs."""
        return {**asdict(self), "labels": [asdict(cost) for cost in self.labels]}

    @classmethod
    def from_json(cls, body: Any) -> GateCosts:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If it is not what `to_json` writes.
        """
        if not isinstance(body, Mapping) or not isinstance(body.get("labels"), list):
            raise DataError("gate costs must be an object with a list `labels`; they were not written by `to_json`.")
        # A missing or additional key, or an entry of the wrong type, becomes one error that callers expect.
        try:
            costs = cls(**{**body, "labels": tuple(LabelCost(**cost) for cost in body["labels"])})
        except TypeError as error:
            raise DataError(f"gate costs must be what `to_json` wrote: {error}.") from error
        if not costs._is_sound():
            raise DataError("gate costs must hold labels, shares and counts; they were not written by `to_json`.")
        return costs

    def _is_sound(self) -> bool:
        names = [cost.label for cost in self.labels]
        return (
            _is_share(self.share_past_gate)
            and all(isinstance(name, str) for name in names)
            and len(set(names)) == len(names)
            and (self.deciding is None or self.deciding in names)
            and all(_is_sound(cost) for cost in self.labels)
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _is_sound(cost: LabelCost) -> bool:
    counts = isinstance(cost.positives, int) and isinstance(cost.kept, int)
    optional = all(value is None or _is_share(value) for value in (cost.bound, cost.alone, cost.without))
    return counts and 0 <= cost.kept <= cost.positives and _is_share(cost.recall) and optional


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1
