"""The curve of quality against cost, and the model to train: the cheapest one not worse than the best flat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascade.errors import DataError
from cascade.metrics.bootstrap import percentiles
from cascade.tuning.trial import FLAT, Judgement, Trial

MARGIN = 0.005
"""How far below the best flat model the lower end of the interval may be."""
CONFIDENCE = 0.95
SAME_COST = 1.05
"""Ratio of two costs up to which they count as the same; measured times differ by as much from run to run."""


@dataclass(frozen=True)
class Difference:
    """Quality above that of the best flat model, positive where better, with its paired 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """What a search has found.

    Attributes
    ----------
    flat : Trial
        The flat model of highest quality.
    chosen : Trial
        The cheapest model that is not worse than `flat`; it may be `flat` itself, or a smaller flat model.
    differences : dict from number of a trial to Difference
        Of each trial that was judged.
    curve : list of int
        Numbers of the trials that no other one exceeds at the same arithmetic or less, cheapest first.
    """

    flat: Trial
    chosen: Trial
    differences: dict[int, Difference]
    curve: list[int]

    @property
    def pays(self) -> bool:
        """Whether a cascade was chosen."""
        return self.chosen.setting.kind != FLAT


def choose(trials: Sequence[Trial], maximise: bool, margin: float = MARGIN) -> Choice:
    """Choose the cheapest model whose quality is not more than `margin` below that of the best flat model.

    A model qualifies if the lower end of the paired 95 % interval of its difference is at least ``-margin``. Flat
    models qualify by the same rule, so a cascade pays only if it is cheaper than a small flat model that is as good. Of
    those that cost as much as the cheapest one, within 5 %, a flat model is chosen before a cascade, and then the one
    of highest quality.

    Parameters
    ----------
    trials : sequence of Trial
    maximise : bool
        Whether a larger quality is better.
    margin : float, default=0.005

    Returns
    -------
    Choice

    Raises
    ------
    DataError
        If no flat model could be judged.
    """
    judged = {trial.number: trial.judgement for trial in trials if trial.judgement is not None}
    sign = 1 if maximise else -1
    flat = best_flat(trials, maximise)
    if flat is None:
        raise DataError(f"no flat model could be fitted; the first failed with: {trials[0].pruned}")
    differences = {number: _difference(one, judged[flat.number], sign) for number, one in judged.items()}
    qualified = [trial for trial in trials if trial is flat or _qualifies(differences.get(trial.number), margin)]
    least = min(judged[trial.number].operations for trial in qualified)
    cheapest = [trial for trial in qualified if judged[trial.number].operations <= SAME_COST * least]
    chosen = min(cheapest, key=lambda trial: (trial.setting.kind != FLAT, *_rank(trial, sign)))
    return Choice(flat, chosen, differences, _curve(judged, sign))


def best_flat(trials: Sequence[Trial], maximise: bool) -> Trial | None:
    """Return the flat model of highest quality, or None if no flat model was judged."""
    flats = [trial for trial in trials if trial.judgement is not None and trial.setting.kind == FLAT]
    return min(flats, key=lambda trial: _rank(trial, 1 if maximise else -1), default=None)


def _rank(trial: Trial, sign: int) -> tuple[float, float, int]:
    # Ties go to the cheaper model, then to the earlier one, so that the choice is the same in every process.
    assert trial.judgement is not None
    return -sign * trial.judgement.quality, trial.judgement.operations, trial.number


def _difference(one: Judgement, flat: Judgement, sign: int) -> Difference:
    # Draws of all trials are of the same groups, so the difference of each draw is a paired one.
    low, high = percentiles(sign * (one.draws - flat.draws)[:, None], CONFIDENCE)
    return Difference(sign * (one.quality - flat.quality), float(low[0]), float(high[0]))


def _qualifies(difference: Difference | None, margin: float) -> bool:
    # An undefined end qualifies nothing.
    return difference is not None and difference.low >= -margin


def _curve(judged: dict[int, Judgement], sign: int) -> list[int]:
    best, curve = -np.inf, []
    for number, one in sorted(judged.items(), key=lambda item: (item[1].operations, -sign * item[1].quality, item[0])):
        if sign * one.quality > best:
            best = sign * one.quality
            curve.append(number)
    return curve
