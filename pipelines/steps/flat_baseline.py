"""Train a flat model of the labeler's kind on the same rows, and compare the cascade with it on the held-out rows."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cascade.comparison.against_flat import flat_sentence, paired_cost, paired_quality
from cascade.comparison.paired_time import PAIRS, SECONDS, paired_seconds
from cascade.config.build import build_flat
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.data.readers.cache.cached_files import without_cache
from cascade.data.splits import group_numbers
from cascade.errors import CascadeError, ConfigError
from cascade.estimators.runtime.runtimes import AUTO, KERAS
from cascade.estimators.scoring import computed_by
from cascade.metrics import Outcome
from cascade.metrics.operations import cascade_operations
from cascade.predictor import CascadePredictor
from cascade.utils.types import Floats, Rows

from .fitted import TimedScores
from .version import saving

logger = logging.getLogger("cascade.pipeline")

FEWEST_ROWS = 256
"""Rows of a measurement at least: below, padding of the last batch would count for more than the rows."""


def against_flat(
    config: RunConfig,
    data: Dataset,
    rows: tuple[Rows, Rows],
    predictor: CascadePredictor,
    timed: TimedScores,
    folder: Path,
) -> dict[str, Any]:
    """Train the flat model and compare the cascade with it.

    Parameters
    ----------
    config : RunConfig
    data : Dataset
    rows : tuple of ndarray of int
        Numbers of the rows to train on, and of the held-out rows.
    predictor : CascadePredictor
    timed : TimedScores
        Of the held-out rows.
    folder : path
        Folder of the saved cascade, in the runtimes of the config.

    Returns
    -------
    dict
        As `cascade.comparison.against_flat.paired_quality`, with `operations_per_row`, `seconds_per_row` and a
        `sentence`. A flat model that cannot be fitted has its `error` instead.
    """
    training, test = data.part(rows[0]), data.part(rows[1])
    logger.info("flat model: %d rows, %d labels", len(training), len(data.label_names))
    try:
        model = build_flat(config, data).fit(training.X, training.labels.masked(), groups=training.groups)
    except (CascadeError, ValueError) as error:
        # The cascade is trained by now, and must not be lost because its competitor cannot be.
        reason = str(error).splitlines()[0]
        logger.warning("flat model: not fitted, the report has no comparison with it: %s", reason)
        return {"error": reason}
    flat = model.predictor_
    figures = _quality(predictor, timed, test, flat)
    figures["operations_per_row"] = paired_cost(
        cascade_operations(predictor.gate, predictor.labeler, float(timed.scores.passed.mean())),
        cascade_operations(flat.gate, flat.labeler, 1.0),
    )
    figures["seconds_per_row"] = _time(config, test, timed, flat, folder)
    return figures | {"sentence": flat_sentence(figures)}


def _quality(predictor: CascadePredictor, timed: TimedScores, test: Dataset, flat: CascadePredictor) -> dict[str, Any]:
    assert test.Y is not None
    predictions = predictor.decide(timed.scores), flat.examine(test.X)
    cascade, other = (Outcome(test.Y, p.proba, p.labels, p.passed_gate, test.known) for p in predictions)
    return paired_quality(cascade, other, group_numbers(test.groups, len(test)), predictor.rules.plan.any_index)


def _time(config: RunConfig, test: Dataset, timed: TimedScores, flat: CascadePredictor, folder: Path) -> dict[str, Any]:
    """Measure the seconds per row of both in the same runtime, from reading a row to its probabilities."""
    chosen = spread_rows(timed.scores.gate_z, max(int(SECONDS * timed.rows_per_second), FEWEST_ROWS))
    # From the files, which is what a row costs in use.
    X = without_cache(test.part(chosen).X)
    with tempfile.TemporaryDirectory() as temporary:
        saving(config, flat)(Path(temporary) / "flat")
        cascade, other = _in_one_runtime(folder, Path(temporary) / "flat")
    seconds = paired_seconds(lambda: cascade.predict_proba(X), lambda: other.predict_proba(X))
    per_row = paired_cost(*(each / len(chosen) for each in seconds))
    models = {"gate": cascade.gate, "labeler": cascade.labeler, "flat": other.gate}
    runtimes = {stage: computed_by(estimator) for stage, estimator in models.items()}
    return {**per_row, "rows": len(chosen), "pairs": PAIRS, "runtimes": runtimes}


def spread_rows(gate_z: Floats, n: int) -> Rows:
    """Return up to `n` row numbers, evenly spaced in the order of the gate's scores.

    The same share of them passes the gate as of all rows, which a small random sample has only on average.

    Examples
    --------
    >>> spread_rows(np.array([0.0, 3.0, 1.0, 2.0]), 2).tolist()
    [0, 3]
    """
    order = np.argsort(gate_z, kind="stable")
    places = np.arange(min(n, len(order))) * len(order) // min(n, len(order))
    return np.sort(order[places])


def _in_one_runtime(cascade: Path, flat: Path) -> tuple[CascadePredictor, CascadePredictor]:
    """Load both models with their networks in one runtime: the one in which the flat network is fastest.

    Keras spends about the same time per call on a small network as on a large one, so a comparison in Keras would say
    little about a cascade that is served from its exports.
    """
    fastest = CascadePredictor.load(flat)
    # Networks that were not exported are Keras models; other estimators have no runtime, and "auto" takes them, too.
    runtime = getattr(fastest.gate, "runtime", KERAS if hasattr(fastest.gate, "network_") else AUTO)
    try:
        return CascadePredictor.load(cascade, runtime), fastest
    except ConfigError:
        # A network of the cascade could not be exported to this runtime; Keras runs all of them.
        return CascadePredictor.load(cascade, KERAS), CascadePredictor.load(flat, KERAS)
