"""When a trial ends early: a rule of figures alone, without a clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cascade.tuning.trial import FLAT, Judgement, Trial

FEWEST_BETTER = 3
"""Earlier cascades that must have been better and cheaper at the same point."""
SURE = 0.9
"""Share of the bootstrap draws in which they must have been better; a difference within chance ends nothing."""


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
    # At the same point, not at the end of the other trials: how much the labeler's own pool adds depends on the data.
    better = [
        trial
        for trial in trials
        if trial.first is not None
        and trial.first.operations <= first.operations
        and _is_better(trial.first, first, maximise)
    ]
    if len(better) >= FEWEST_BETTER:
        return f"trials {', '.join(str(trial.number) for trial in better[:FEWEST_BETTER])} were better and cheaper"
    return None


def _is_better(one: Judgement, other: Judgement, maximise: bool) -> bool:
    gain = (1 if maximise else -1) * (one.draws - other.draws)
    # A draw in which either is undefined counts for neither.
    return bool(np.count_nonzero(gain > 0) >= SURE * max(np.isfinite(gain).sum(), 1))
