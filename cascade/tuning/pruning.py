"""When a trial ends early: a rule of figures alone, without a clock."""

from __future__ import annotations

from collections.abc import Sequence

from cascade.tuning.trial import FLAT, Judgement, Trial

FEWEST_BETTER = 3
"""Earlier cascades that must have been better and cheaper at the same point."""


def reason_to_prune(first: Judgement, trials: Sequence[Trial], maximise: bool) -> str | None:
    """Return why a cascade is not worth fitting further, or None if it is.

    Parameters
    ----------
    first : Judgement
        Of the cascade with a labeler of all rows. Its arithmetic is final, since the gate determines which rows pass.
    trials : sequence of Trial
        All trials before.
    maximise : bool
    """
    flats = [trial.judgement.operations for trial in trials if trial.setting.kind == FLAT and trial.judgement]
    if flats and first.operations >= max(flats):
        return "it needs more arithmetic per row than every flat model"
    sign = 1 if maximise else -1
    # At the same point, not at the end of the other trials: how much the labeler's own pool adds depends on the data.
    better = [
        trial
        for trial in trials
        if trial.first is not None
        and trial.first.operations <= first.operations
        and sign * (trial.first.quality - first.quality) > 0
    ]
    if len(better) >= FEWEST_BETTER:
        return f"trials {', '.join(str(trial.number) for trial in better[:FEWEST_BETTER])} were better and cheaper"
    return None
