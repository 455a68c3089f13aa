"""The reasons of a decision: what was compared, the figures, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cascade.retraining.decision.paired import Compared
from cascade.retraining.decision.speed import SpeedChange

Verdict = Literal["passed", "failed", "open", "not judged"]


@dataclass(frozen=True)
class Reason:
    """One line of a decision's table.

    Attributes
    ----------
    guard : str
        What was compared.
    label : str or None
        None for a figure of all labels.
    champion, challenger : float or None
    difference, low, high : float or None
        The challenger's gain with its interval. Above 0 it is better, also for figures of which less is better.
    margin : float or None
        Limit that the difference must be above.
    verdict : {"passed", "failed", "open", "not judged"}
        "open" if neither is shown, so that a person must decide.
    sentence : str
    """

    guard: str
    label: str | None
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float | None
    verdict: Verdict
    sentence: str

    @property
    def about(self) -> str:
        """Return what was compared, for a reader."""
        return _in_words(self.guard, self.label)


def wanted_reason(guard: str, values: Compared, margin: float) -> Reason:
    """Judge the metric in which the challenger must be better."""
    # Strictly above: the interval of a model against itself is exactly 0, and it must not replace itself.
    passed = values.low > margin
    shown = "is better" if passed else "is not shown to be better"
    by = f" by more than {margin:g}" if margin else ""
    sentence = f"the challenger {shown} in {_in_words(guard)}{by}: {values}."
    return Reason(guard, None, *values.plain(), margin, "passed" if passed else "failed", sentence)


def guard_reason(guard: str, label: str | None, values: Compared, margin: float) -> Reason:
    """Judge a figure that must not get worse by more than the margin."""
    # NaN fails both comparisons, so an undefined figure is open and never passed.
    verdict: Verdict = "passed" if values.low >= -margin else "failed" if values.difference < -margin else "open"
    outcome = {
        "passed": f"is not worse by more than {margin:g}",
        "failed": f"is worse by more than {margin:g}",
        "open": f"may be worse by more than {margin:g}",
    }[verdict]
    sentence = f"{_in_words(guard, label)} {outcome}: {values}."
    return Reason(guard, label, *values.plain(), -margin, verdict, sentence)


def speed_reason(speed: SpeedChange, margin: float) -> Reason:
    """Judge rows per second; `margin` is the share of the champion's that may be lost."""
    # Time on a busy machine is no property of the model. A loss counts only if noise cannot explain it, and an
    # undecided measurement neither keeps the challenger out nor leaves it to a person.
    verdict: Verdict = "passed" if speed.low >= -margin else "failed" if speed.high < -margin else "not judged"
    rates = f"{speed.challenger:.0f} rows per second and the champion {speed.champion:.0f}"
    change = f"a change of {speed.change:+.0%} ({speed.low:+.0%} to {speed.high:+.0%})"
    sentence = f"the challenger predicts {rates}, {change}; a loss of {margin:.0%} is allowed."
    figures = (speed.champion, speed.challenger, speed.change, speed.low, speed.high)
    return Reason("speed", None, *figures, -margin, verdict, sentence)


def without_figures(guard: str, label: str | None, verdict: Verdict, sentence: str) -> Reason:
    """Return a reason without figures, for what was not compared."""
    return Reason(guard, label, None, None, None, None, None, None, verdict, sentence)


def _in_words(guard: str, label: str | None = None) -> str:
    return guard.replace("_", " ") + ("" if label is None else f" of {label}")
