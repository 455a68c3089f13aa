"""The setting of the next trial, as a function of the trials before it.

Nothing else enters: no clock, and no state of a sampler that a process would lose when it is killed. So a search that
was interrupted goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence

from cascade.tuning.choice import best_flat
from cascade.tuning.sampling import propose
from cascade.tuning.space import Space
from cascade.tuning.trial import Setting, Trial


def next_setting(space: Space, trials: Sequence[Trial], seed: int, maximise: bool) -> Setting | None:
    """Return the setting to try after these trials; None if the space has nothing new.

    First the planned settings, then what the sampler proposes. Before a cascade whose labeler was not tried yet, its
    flat model is tried: otherwise labelers of cascades would be tuned, and those of flat models would not.

    Parameters
    ----------
    space : Space
    trials : sequence of Trial
        All finished trials, in order.
    seed : int
    maximise : bool
        Whether a larger quality is better.
    """
    tried = {trial.setting.key for trial in trials}
    best = best_flat(trials, maximise)
    planned = space.planned(None if best is None else best.setting.values)
    setting = next((each for each in planned if each.key not in tried), None)
    if setting is None:
        setting = propose(space, trials, seed, maximise)
    if setting is None:
        return None
    flat = space.flat_of(setting)
    return setting if flat.key in tried else flat
