"""The search: one trial after the other, until the budget is spent."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cascade.errors import CascadeError, ConfigError
from cascade.tuning.ledger import Ledger
from cascade.tuning.parts import Parts
from cascade.tuning.plan import next_setting
from cascade.tuning.problem import Problem
from cascade.tuning.pruning import reason_to_prune
from cascade.tuning.space import Space
from cascade.tuning.trial import CASCADE, Judgement, Setting, Trial
from cascade.utils.progress import step

logger = logging.getLogger("cascade.tuning")


FIRST_CASCADE = 2.0
"""Time of a cascade as a multiple of that of a flat model, before one was tried."""
AFTERWARDS = 1.1
"""Time of a search as a multiple of that of its trials: at the end, models are exported and timed."""


@dataclass(frozen=True)
class Budget:
    """How long a search goes on.

    Attributes
    ----------
    trials : int or None
        Number of trials, including those of earlier processes; None sets no limit.
    minutes : float or None
        Time of all trials together. No trial is begun that would probably end later.
    """

    trials: int | None = None
    minutes: float | None = None

    def allows(self, trials: Sequence[Trial]) -> bool:
        """Return whether another trial may begin."""
        if self.trials is not None and len(trials) >= self.trials:
            return False
        if self.minutes is None:
            return True
        cascades = [trial.seconds for trial in trials if trial.setting.kind == CASCADE]
        # The first cascade takes longer than the flat models, since it also has gates and fine-tunes its labeler.
        longest = max(cascades) if cascades else FIRST_CASCADE * max((trial.seconds for trial in trials), default=0.0)
        return AFTERWARDS * sum(trial.seconds for trial in trials) + longest <= 60 * self.minutes


def search(problem: Problem, space: Space, ledger: Ledger, parts: Parts, budget: Budget, seed: int) -> list[Trial]:
    """Run trials until the budget is spent or the space has nothing new; return all trials in order.

    Parameters
    ----------
    problem : Problem
    space : Space
    ledger : Ledger
        With the trials of earlier processes, which are not repeated.
    parts : Parts
    budget : Budget
    seed : int
    """
    trials = ledger.trials()
    # Without the trials of earlier processes, whose time does not count in the rate.
    left = None if budget.trials is None else max(budget.trials - len(trials), 0)
    with step("tune", left, "trials") as advance:
        while budget.allows(trials):
            setting = next_setting(space, trials, seed, problem.maximise)
            if setting is None:
                logger.info("tune: every setting of the space was tried")
                break
            trial = _run(problem, space, setting, trials, parts, seed)
            ledger.add(trial)
            # From the ledger, so that the next setting depends on what a resumed search would read.
            trials = ledger.trials()
            _report(trial)
            advance(1)
    return trials


def _run(problem: Problem, space: Space, setting: Setting, trials: Sequence[Trial], parts: Parts, seed: int) -> Trial:
    """Fit and judge a setting."""
    started = time.monotonic()
    logger.info("tune: trial %d, %s", len(trials), _described(setting))
    trial = Trial(len(trials), setting, None)
    try:
        trial = _judged(trial, problem, space, trials, parts, seed)
    # An invalid option is a mistake of the config; a setting that fails on these data is a result.
    except ConfigError:
        raise
    except (CascadeError, ValueError) as error:
        trial = replace(trial, pruned=f"failed: {str(error).splitlines()[0]}")
    return replace(trial, seconds=time.monotonic() - started)


def _judged(trial: Trial, problem: Problem, space: Space, trials: Sequence[Trial], parts: Parts, seed: int) -> Trial:
    if trial.setting.kind != CASCADE:
        return replace(trial, judgement=problem.judge(trial.setting, parts, seed))
    before = space.preview_of(trial.setting)
    first = problem.judge(before, parts, seed)
    pruned = reason_to_prune(first, trials, problem.maximise)
    if pruned is not None:
        return replace(trial, first=first, pruned=pruned)
    judgement: Judgement = first if before == trial.setting else problem.judge(trial.setting, parts, seed)
    return replace(trial, first=first, judgement=judgement)


def _described(setting: Setting) -> str:
    return f"{setting.kind}: {', '.join(f'{key} {value}' for key, value in setting.values.items())}"


def _report(trial: Trial) -> None:
    if trial.judgement is None:
        logger.info("tune: trial %d ended early: %s", trial.number, trial.pruned)
        return
    judged = trial.judgement
    logger.info(
        "tune: trial %d: quality %.4f, %.4g operations per row, %.0f %% past the gate, %.0f s",
        trial.number,
        judged.quality,
        judged.operations,
        100 * judged.passed,
        trial.seconds,
    )
