"""Measured time per row of fitted models, in the runtime that would serve them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cascade.data.rows import part_of
from cascade.predictor import CascadePredictor
from cascade.store import Exporter, StoredCascade, save_cascade
from cascade.tuning.parts import Parts
from cascade.tuning.problem import Problem
from cascade.tuning.trial import Setting

MOST_ROWS = 4096
ROUNDS = 5


def seconds_per_row(
    problem: Problem, settings: Mapping[int, Setting], parts: Parts, runtimes: Sequence[str]
) -> dict[int, float]:
    """Measure models on the same judged rows, in alternation, each loaded as a service loads it.

    Parameters
    ----------
    problem : Problem
    settings : mapping from number of a trial to Setting
        Their parts are in `parts`, so that nothing is fitted again.
    parts : Parts
    runtimes : sequence of str
        Runtimes that networks are exported to; the fastest one is used.

    Returns
    -------
    dict from number to float
        Seconds per row.
    """
    rows = np.flatnonzero(problem.judged[0])[:MOST_ROWS]
    X = part_of(problem.X, rows)
    # One exporter for all, since it times each architecture only once.
    exporter = Exporter(tuple(runtimes))
    with tempfile.TemporaryDirectory() as folder:
        served = {
            number: _served(problem.fit(setting, 0, parts).predictor_, Path(folder) / str(number), exporter)
            for number, setting in settings.items()
        }
    seconds = in_alternation([partial(model.examine, X) for model in served.values()])
    return {number: each / len(rows) for number, each in zip(served, seconds, strict=True)}


def in_alternation(
    runs: Sequence[Callable[[], object]], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the median seconds of each run, measured round by round.

    Examples
    --------
    >>> quick, slow = in_alternation([lambda: sum(range(10)), lambda: sum(range(100_000))])
    >>> quick < slow
    True
    """
    # Once before, so that opened files and caches count for none.
    for run in runs:
        run()
    seconds = np.zeros((rounds, len(runs)))
    for each in range(rounds):
        # Other load on the machine changes slowly, so all runs of a round are affected alike.
        for number, run in enumerate(runs):
            started = clock()
            run()
            seconds[each, number] = clock() - started
    medians: list[float] = np.median(seconds, axis=0).tolist()
    return medians


def _served(predictor: CascadePredictor, folder: Path, exporter: Exporter) -> CascadePredictor:
    stored = StoredCascade(
        predictor.gate,
        predictor.labeler,
        predictor.rules,
        predictor.signature,
        predictor.provenance,
        predictor.certificate,
    )
    save_cascade(stored, folder, exporter if exporter.runtimes else None)
    return CascadePredictor.load(folder)
