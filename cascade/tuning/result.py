"""The result of a search as plain data, for JSON, the table and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cascade.tuning.choice import Choice
from cascade.tuning.space import Space
from cascade.tuning.trial import FLAT, Trial
from cascade.tuning.tune_text import verdict

MOST_TIMED = 8
"""Models whose time is measured; exporting a network takes some seconds."""


def worth_timing(trials: Sequence[Trial], choice: Choice) -> list[Trial]:
    """Return the trials whose time is measured: the choice, a flat model of each cost, and the curve from its top."""
    flats = [trial.number for trial in trials if trial.setting.kind == FLAT and trial.judgement is not None]
    # Flat models that differ only in their training cost the same, so one of each cost is enough.
    flats = list({_operations(trials[number]): number for number in (*flats, choice.flat.number)}.values())
    numbers = dict.fromkeys((choice.chosen.number, choice.flat.number, *flats, *reversed(choice.curve)))
    return [trials[number] for number in sorted(list(numbers)[:MOST_TIMED])]


def _operations(trial: Trial) -> float:
    assert trial.judgement is not None
    return trial.judgement.operations


def tuning_result(
    trials: Sequence[Trial],
    choice: Choice,
    seconds: Mapping[int, float],
    space: Space,
    metric: str,
    maximise: bool,
    margin: float,
) -> dict[str, Any]:
    """Return the result of a search.

    Parameters
    ----------
    trials : sequence of Trial
    choice : Choice
    seconds : mapping from number of a trial to float
        Measured seconds per row; trials without a measurement have None.
    space : Space
    metric : str
    maximise : bool
        Whether a larger value of the metric is better.
    margin : float

    Returns
    -------
    dict
        - `verdict`, `pays`: whether a cascade pays, as a sentence and as a bool.
        - `chosen`, `flat`: numbers of the chosen trial and of the best flat model.
        - `curve`: numbers of the trials that no other one exceeds at the same arithmetic or less, cheapest first.
        - `trials`: one dict per trial in order; one that ended early has `pruned` instead of figures.
        - `metric`, `maximise`, `margin`, `space`.

        Only `seconds`, `seconds_per_row` and `time_of_flat` differ from one search to the next.
    """
    rows = [_row(trial, choice, seconds) for trial in trials]
    chosen, flat = choice.chosen.number, choice.flat.number
    return {
        "verdict": verdict(rows, chosen, flat, metric, margin),
        "pays": choice.pays,
        "chosen": chosen,
        "flat": flat,
        "curve": choice.curve,
        "metric": metric,
        "maximise": maximise,
        "margin": margin,
        "trials": rows,
        "space": {key: list(values) for key, values in space.candidates.items()},
    }


def _row(trial: Trial, choice: Choice, seconds: Mapping[int, float]) -> dict[str, Any]:
    row = {"trial": trial.number, "kind": trial.setting.kind, "values": trial.setting.values, "seconds": trial.seconds}
    if trial.judgement is None:
        return row | {"pruned": trial.pruned}
    judged, difference = trial.judgement, choice.differences[trial.number]
    time, time_of_flat = (seconds.get(number) for number in (trial.number, choice.flat.number))
    figures = {
        "quality": judged.quality,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "operations_per_row": judged.operations,
        "share_of_flat": judged.operations / _operations(choice.flat),
        "seconds_per_row": time,
        "time_of_flat": None if time is None or time_of_flat is None else time / time_of_flat,
        "share_past_gate": judged.passed,
        "lowest_recall": judged.lowest_recall,
    }
    # JSON has no NaN.
    return row | {key: value if value is not None and math.isfinite(value) else None for key, value in figures.items()}
