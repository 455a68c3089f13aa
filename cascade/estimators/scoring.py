"""Probabilities of fitted estimators, whatever their layout; without scikit-learn, which takes a second to import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from cascade.data.image_size import at_size
from cascade.data.rows import BLOCK, RowView, blocks, in_parts, is_in_memory, makes_batches, n_rows
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.rules.label_plan import LabelPlan
from cascade.rules.rules import Rules, Scores
from cascade.runtime.runtimes import FLOAT32, KERAS
from cascade.utils.log_odds import log_odds
from cascade.utils.threads import usable_cores
from cascade.utils.types import Floats, Rows, StageProgress

VIEWED = 8 * BLOCK
"""Rows of a view, of which nothing is held: at its end threads wait for the slowest."""


def bags_of(estimator: Any) -> list[Any]:
    """Models inside of balanced binary relevance, label after label; none of any other estimator."""
    return [bag for bags in estimator.estimators_ for bag in bags] if hasattr(estimator, "prior_shift_") else []


def size_of(estimator: Any) -> int | None:
    """Size at which an estimator looks at images; None where it takes them as they are."""
    bags = bags_of(estimator)
    size: int | None = size_of(bags[0]) if bags else getattr(estimator, "image_size", None)
    return size


def computed_by(estimator: Any) -> str | None:
    """Name the runtime and threads of an estimator, on which the last digits depend; None where there is none."""
    if estimator is None:
        return None
    bags = bags_of(estimator)
    if bags:
        return "; ".join(sorted({str(computed_by(bag)) for bag in bags}))
    if hasattr(estimator, "runtime"):
        precision = "" if estimator.precision == FLOAT32 else f" in {estimator.precision}"
        return f"{estimator.runtime}{precision}, {estimator.threads} threads"
    return f"{KERAS}, {usable_cores()} cores" if hasattr(estimator, "network_") else type(estimator).__name__


def positive_proba(estimator: Any, X: Any, n_outputs: int) -> Floats:
    """Probability of a 1 for each output; float of shape (n, n_outputs) from any of scikit-learn's layouts.

    Only the number of outputs tells two labels from the two classes of one label.
    """
    try:
        answer = estimator.predict_proba(X)
    except CascadeError:
        raise
    except ValueError as error:
        kind, reason = type(estimator).__name__, str(error).splitlines()[0]
        raise DataError(f"`X` holds rows that {kind} does not take: {reason}") from error
    if isinstance(answer, list):
        columns = [_class_one(p, classes) for p, classes in zip(answer, estimator.classes_, strict=True)]
        answer = np.column_stack(columns)
    elif n_outputs == 1 and not (getattr(estimator, "one_column_a_label", False) and answer.shape[1] == 1):
        answer = _class_one(np.asarray(answer), estimator.classes_)[:, None]
    if answer.shape[1] != n_outputs:
        kind = type(estimator).__name__
        raise ConfigError(
            f"{kind}.predict_proba must give {n_outputs} columns, one a label. Received {answer.shape[1]}."
        )
    return np.asarray(answer, dtype=np.float64)


def _class_one(proba: Floats, classes: Any) -> Floats:
    held = np.flatnonzero(np.asarray(classes) == 1)
    return np.asarray(proba[:, held[0]] if len(held) else np.zeros(len(proba)), dtype=np.float64)


def block_proba(
    estimator: Any, X: Any, rows: Rows, n_outputs: int, progress: Callable[[int], object] | None = None
) -> Floats:
    """Probabilities (len(rows), n_outputs) of some rows, computed in blocks of one fixed shape.

    Images come at the size at which the estimator looks at them.
    """
    X = at_size(X, size_of(estimator))
    result = np.empty((len(rows), n_outputs))
    done = 0
    for part, batch in _batches(X, rows, estimator):
        result[done : done + len(part)] = positive_proba(estimator, batch, n_outputs)[: len(part)]
        done += len(part)
        if progress is not None:
            progress(done)
    return result


def _batches(X: Any, rows: Rows, estimator: Any) -> Iterator[tuple[Rows, Any]]:
    """Blocks for an estimator; one that makes batches itself fetches from memory itself, in threads of its own."""
    if makes_batches(estimator) and is_in_memory(X) and hasattr(X, "dtype"):
        return ((part, RowView(X, part)) for part in in_parts(rows, VIEWED))
    return blocks(X, rows, BLOCK, pad=not makes_batches(estimator))


def score_gate(gate: Any, X: Any, progress: StageProgress | None = None) -> Floats:
    """Log-odds (n,) of a fitted gate; `progress` is called with the stage, the rows done and the rows in all."""
    return _finite_log_odds(gate, X, np.arange(n_rows(X)), 1, "gate", progress)[:, 0]


def score_labeler(labeler: Any, X: Any, rows: Rows, n_learned: int, progress: StageProgress | None = None) -> Floats:
    """Log-odds (m, K) of a fitted labeler for some rows; of no columns where there is none."""
    if labeler is None:
        return np.empty((len(rows), 0))
    return _finite_log_odds(labeler, X, rows, n_learned, "labeler", progress)


def _finite_log_odds(
    estimator: Any, X: Any, rows: Rows, n_outputs: int, stage: str, progress: StageProgress | None
) -> Floats:
    told = None if progress is None else partial(progress, stage)
    done = None if told is None else lambda rows_done: told(rows_done, len(rows))
    proba = block_proba(estimator, X, rows, n_outputs, done)
    invalid = np.flatnonzero(~np.isfinite(proba).all(axis=1))
    if len(invalid):
        raise DataError(f"`X` must hold numbers that the {stage} can score; row {rows[invalid[0]]} gave NaN.")
    return log_odds(proba)


def score_cascade(
    gate: Any, labeler: Any, rules: Rules, X: Any, threshold: float, progress: StageProgress | None = None
) -> Scores:
    """Run the gate on every row and the labeler on the rows that pass.

    Parameters
    ----------
    gate : fitted estimator
    labeler : fitted estimator or None
    rules : Rules
    X : rows, n of them
    threshold : float
        Rows with at least this gate probability, as fitted, pass.
    progress : callable, optional
        Called with the stage, the rows done and the rows in all.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If a stage returns NaN for a row.
    """
    gate_z = score_gate(gate, X, progress)
    passed = rules.gate_proba(gate_z) >= threshold
    n_learned = len(rules.plan.learned)
    return Scores(gate_z, passed, score_labeler(labeler, X, np.flatnonzero(passed), n_learned, progress))


def gate_log_odds(gate: Any, X: Any, rows: Rows) -> Floats:
    """What a gate says of some rows; float of shape (len(rows),)."""
    return log_odds(block_proba(gate, X, rows, 1)[:, 0])


def labeler_log_odds(labeler: Any, X: Any, rows: Rows, plan: LabelPlan) -> Floats:
    """What a labeler says of some rows; float of shape (len(rows), learned labels)."""
    if labeler is None:
        return np.empty((len(rows), 0))
    return log_odds(block_proba(labeler, X, rows, len(plan.learned)))
