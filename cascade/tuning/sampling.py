"""Proposals of a tree-structured Parzen estimator (extra `tune`), as a function of the trials so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cascade.errors import MissingExtraError
from cascade.tuning.space import Space
from cascade.tuning.trial import CASCADE, Setting, Trial

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

RANDOM_TRIALS = 5
"""Cascades before the sampler proposes at more than random. The planned ones count, and they differ more."""
MOST_ATTEMPTS = 100
"""Proposals of settings that were tried before, after which the first one that was not tried is taken."""


def import_optuna() -> Any:
    """Import Optuna without its log lines, or raise an error that names the extra."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("tuning needs Optuna; install the extra `tune`.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def propose(space: Space, trials: Sequence[Trial], seed: int, maximise: bool) -> Setting | None:
    """Return a cascade that was not tried, for high quality at few operations; None if every one was tried.

    The sampler is made anew for each trial, from the seed and the number of the trial, and learns from the given trials
    alone. So the proposal does not depend on which process made the trials before.

    References
    ----------
    Ozaki et al. (2022), Multiobjective tree-structured Parzen estimator, J. of Artificial Intelligence Research 73.
    """
    optuna = import_optuna()
    cascades = [trial for trial in trials if trial.setting.kind == CASCADE]
    tried = {trial.setting.key for trial in cascades}
    distributions = distributions_of(space)
    # The lowest 31 bits of a seed sequence, since the sampler takes a 32-bit seed.
    words = np.random.SeedSequence([seed, len(trials)]).generate_state(1)
    study = optuna.create_study(
        directions=directions(maximise),
        sampler=optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=int(words[0] >> 1)),
    )
    study.add_trials([frozen(trial, distributions) for trial in cascades])
    for _ in range(MOST_ATTEMPTS):
        # An attempt stays in the study as a running trial, from which the sampler then keeps away.
        setting = Setting(CASCADE, dict(study.ask(distributions).params))
        if setting.key not in tried:
            return setting
    return next((setting for setting in space.cascades() if setting.key not in tried), None)


def directions(maximise: bool) -> list[str]:
    """Return the directions of both aims: quality, and operations per row."""
    return ["maximize" if maximise else "minimize", "minimize"]


def distributions_of(space: Space) -> dict[str, CategoricalDistribution]:
    """Return the distribution of each key."""
    optuna = import_optuna()
    return {key: optuna.distributions.CategoricalDistribution(values) for key, values in space.candidates.items()}


def frozen(trial: Trial, distributions: dict[str, CategoricalDistribution], **attributes: Any) -> FrozenTrial:
    """Return a trial as Optuna's; `attributes` are stored with it."""
    optuna = import_optuna()
    judgement, states = trial.judgement, optuna.trial.TrialState
    return optuna.trial.create_trial(
        state=states.PRUNED if judgement is None else states.COMPLETE,
        values=None if judgement is None else [judgement.quality, judgement.operations],
        params=trial.setting.values,
        distributions={key: distributions[key] for key in trial.setting.values},
        user_attrs=attributes,
    )
