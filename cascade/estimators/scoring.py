"""Score rows with fitted estimators, whatever the layout of their probabilities.

scikit-learn is not imported here, since that takes a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.size import at_size
from cascade.data.rows import BLOCK, RowSource, RowView, blocks, in_parts, is_in_memory, makes_batches, n_rows, take
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.estimators.block_size import block_size
from cascade.estimators.forking import bags_of, check_process
from cascade.estimators.linear import LinearForm, linear_form, product_of_labels, unwrapped
from cascade.estimators.runtime.runtimes import FLOAT32, KERAS
from cascade.rules.label_plan import LabelPlan
from cascade.rules.rules import Rules, Scores
from cascade.utils.log_odds import log_odds
from cascade.utils.progress import step
from cascade.utils.threads import usable_cores
from cascade.utils.types import Floats, Floats32, ProbabilityEstimator, Rows, StageProgress

VIEWED = 8 * BLOCK
"""Rows per view. A view holds no data, and fewer views mean fewer waits for the slowest thread at the end of one."""


def size_of(estimator: ProbabilityEstimator) -> int | None:
    """Return the height and width of the images that an estimator takes; None where it takes them unchanged."""
    inner: Any = next(iter(bags_of(estimator)), None)
    if hasattr(estimator, "steps"):
        inner = estimator.steps[0][1]
    size: int | None = size_of(inner) if inner is not None else _size(estimator)
    return size


def _size(estimator: Any) -> int | None:
    # A frozen encoder has the size of its network, and its parameter may be left out.
    size: int | None = getattr(estimator, "image_size_", getattr(estimator, "image_size", None))
    return size


class EncodedRows(RowSource):
    """Images behind a frozen encoder, whose numbers are computed on access: a row that is padding is not encoded."""

    # No batch is computed ahead in another thread: an encoder has its own, and reads images ahead.
    in_memory = True

    def __init__(self, X: Any, encoder: Any) -> None:
        self.X, self.encoder = X, encoder
        self.shape, self.dtype = (n_rows(X), encoder.n_columns_), np.dtype(np.float32)

    def __getitem__(self, rows: Rows) -> Floats32:
        made: Floats32 = self.encoder.transform(RowView(self.X, rows))
        return made


def behind_encoder(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return what is behind a frozen encoder of images, with the rows that it takes; others as they are."""
    steps = list(getattr(unwrapped(estimator), "steps", ()))
    # A loaded pipeline has its transformers as a pipeline of their own.
    while steps and hasattr(steps[0][1], "steps"):
        steps[:1] = steps[0][1].steps
    if len(steps) < 2 or not makes_batches(steps[0][1]):
        return estimator, X
    rest = steps[1][1] if len(steps) == 2 else type(unwrapped(estimator))(steps[1:])
    return rest, EncodedRows(X, steps[0][1])


def computed_by(estimator: Any) -> str | None:
    """Return runtime, device and threads of an estimator, on which the last digits depend, if there is one."""
    if estimator is None:
        return None
    bags = bags_of(estimator)
    if bags:
        return "; ".join(sorted({str(computed_by(bag)) for bag in bags}))
    if hasattr(estimator, "steps"):
        return computed_by(estimator.steps[-1][1])
    if hasattr(estimator, "runtime"):
        precision = "" if estimator.precision == FLOAT32 else f" in {estimator.precision}"
        place = "" if estimator.device == "cpu" else f" on {estimator.device}"
        return f"{estimator.runtime}{precision}{place}, {estimator.threads} threads"
    return f"{KERAS}, {usable_cores()} cores" if hasattr(estimator, "network_") else type(estimator).__name__


def positive_proba(
    estimator: ProbabilityEstimator, X: Any, n_outputs: int, predict: Callable[[Any], Any] | None = None
) -> Floats:
    """Return the probability of a 1 for each output; float of shape (n, n_outputs) from any of scikit-learn's layouts.

    Two columns may be two labels or the two classes of one label; only the number of outputs distinguishes them.
    `predict` is a faster `estimator.predict_proba`.
    """
    try:
        proba = (predict or estimator.predict_proba)(X)
    except CascadeError:
        raise
    except ValueError as error:
        kind, reason = type(estimator).__name__, str(error).splitlines()[0]
        raise DataError(f"`X` holds rows that {kind} does not take: {reason}") from error
    if isinstance(proba, list):
        # One array (n, 2) per label, as `MultiOutputClassifier` and forests return.
        columns = [_class_one(p, classes) for p, classes in zip(proba, _classes(estimator), strict=True)]
        proba = np.column_stack(columns)
    elif n_outputs == 1 and not (getattr(estimator, "one_column_a_label", False) and proba.shape[1] == 1):
        proba = np.asarray(proba)
        if proba.shape[1] != len(_classes(estimator)):
            kind = type(estimator).__name__
            raise ConfigError(
                f"{kind}.predict_proba must give one column per class. Received {proba.shape[1]} columns."
            )
        proba = _class_one(proba, _classes(estimator))[:, None]
    if proba.shape[1] != n_outputs:
        kind = type(estimator).__name__
        raise ConfigError(
            f"{kind}.predict_proba must give {n_outputs} columns, one per label. Received {proba.shape[1]}."
        )
    return np.asarray(proba, dtype=np.float64)


def _classes(estimator: Any) -> Any:
    return estimator.classes_


def _class_one(proba: Floats, classes: Any) -> Floats:
    # A model that was fitted on negatives alone has no column for class 1.
    column = np.flatnonzero(np.asarray(classes) == 1)
    return np.asarray(proba[:, column[0]] if len(column) else np.zeros(len(proba)), dtype=np.float64)


def block_proba(
    estimator: ProbabilityEstimator,
    X: Any,
    rows: Rows,
    n_outputs: int,
    progress: Callable[[int], object] | None = None,
) -> Floats:
    """Return probabilities (len(rows), n_outputs) of some rows, computed in blocks of one fixed shape.

    Images are read at the size that the estimator takes.
    """
    estimator, X = behind_encoder(estimator, X)
    predict = product_of_labels(estimator, len(rows))
    score = partial(positive_proba, estimator, n_outputs=n_outputs, predict=predict)
    return _in_blocks(score, estimator, X, rows, n_outputs, progress)


def block_log_odds(
    estimator: ProbabilityEstimator,
    X: Any,
    rows: Rows,
    n_outputs: int,
    progress: Callable[[int], object] | None = None,
) -> Floats:
    """Return the log-odds (len(rows), n_outputs) of some rows; NaN where the estimator gives a probability of NaN.

    Linear models are computed as one matrix product, without their validation of every block.
    """
    estimator, X = behind_encoder(estimator, X)
    linear = linear_form(estimator)
    if linear is not None and linear.n_outputs == n_outputs:
        score = partial(_linear_log_odds, linear, estimator)
        return _in_blocks(score, estimator, X, rows, n_outputs, progress)
    proba = block_proba(estimator, X, rows, n_outputs, progress)
    # Before `log_odds`, whose clipping would turn infinity into a probability.
    proba[~np.isfinite(proba)] = np.nan
    return log_odds(proba)


def _linear_log_odds(linear: LinearForm, estimator: ProbabilityEstimator, batch: Any) -> Floats:
    numbers = linear.numbers(batch)
    if numbers is None:
        # The estimator converts such rows, or refuses them with its own reason.
        return log_odds(positive_proba(estimator, batch, linear.n_outputs))
    z = linear(numbers)
    wrong = np.flatnonzero(np.isnan(z).any(axis=1))
    if len(wrong):
        # Numbers that are too large for a product are taken by some estimators.
        z[wrong] = log_odds(positive_proba(estimator, take(batch, wrong), linear.n_outputs))
    return z


def _in_blocks(
    score: Callable[[Any], Floats],
    estimator: ProbabilityEstimator,
    X: Any,
    rows: Rows,
    n_outputs: int,
    progress: Callable[[int], object] | None,
) -> Floats:
    """Return the scores (len(rows), n_outputs) of some rows, computed in blocks of the estimator's size."""
    check_process(estimator)
    X = at_size(X, size_of(estimator))
    result = np.empty((len(rows), n_outputs))
    done = 0
    if progress is not None:
        # So that the time of the first batch counts in a rate.
        progress(0)
    for part, batch in _batches(X, rows, estimator):
        if progress is not None and isinstance(batch, RowView):
            batch = CountedView(batch, done, len(bags_of(estimator)) or 1, progress)
        # A padded batch has more rows than were requested.
        result[done : done + len(part)] = score(batch)[: len(part)]
        done += len(part)
        if progress is not None:
            progress(done)
    return result


class CountedView(RowView):
    """A view that reports its rows as an estimator takes them, batch by batch.

    Parameters
    ----------
    view : RowView
    before : int
        Rows that are done already.
    n_passes : int
        How often the estimator takes each row.
    progress : callable
        Called with the rows done.
    """

    def __init__(self, view: RowView, before: int, n_passes: int, progress: Callable[[int], object]) -> None:
        super().__init__(view.X, view.rows)
        self.before, self.n_passes, self.progress = before, n_passes, progress
        self.taken, self.lock = 0, threading.Lock()

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        with self.lock:
            # Rows that were taken before are computed, except for the last batches of other threads.
            self.progress(self.before + min(self.taken // self.n_passes, len(self)))
            self.taken += len(rows)
        return super().__getitem__(rows)


def _batches(X: Any, rows: Rows, estimator: ProbabilityEstimator) -> Iterator[tuple[Rows, Any]]:
    """Yield row numbers with their batch for an estimator."""
    # An estimator that makes batches itself reads rows in memory in its own threads, so it gets views.
    if makes_batches(estimator):
        if is_in_memory(X) and hasattr(X, "dtype"):
            return ((part, RowView(X, part)) for part in in_parts(rows, VIEWED))
        return blocks(X, rows, BLOCK, pad=False)
    size = block_size(estimator, X)
    return blocks(X, rows, size.rows, pad=size.pad)


def score_gate(gate: ProbabilityEstimator, rules: Rules, X: Any, progress: StageProgress | None = None) -> Floats:
    """Return the log-odds (n, G) of a fitted gate's outputs, `any` first.

    `progress` gets the stage, the rows done and the number of rows.
    """
    return _finite_log_odds(gate, X, np.arange(n_rows(X)), rules.n_gate_outputs, "gate", progress)


def score_labeler(
    labeler: ProbabilityEstimator | None, X: Any, rows: Rows, n_learned: int, progress: StageProgress | None = None
) -> Floats:
    """Return the log-odds (m, K) of a fitted labeler for some rows; shape (m, 0) without a labeler."""
    if labeler is None:
        return np.empty((len(rows), 0))
    return _finite_log_odds(labeler, X, rows, n_learned, "labeler", progress)


def _finite_log_odds(
    estimator: ProbabilityEstimator, X: Any, rows: Rows, n_outputs: int, stage: str, progress: StageProgress | None
) -> Floats:
    stage_progress = None if progress is None else partial(progress, stage)
    done = None if stage_progress is None else lambda rows_done: stage_progress(rows_done, len(rows))
    z = block_log_odds(estimator, X, rows, n_outputs, done)
    invalid = np.flatnonzero(np.isnan(z).any(axis=1))
    if len(invalid):
        raise DataError(f"`X` must hold numbers that the {stage} can score; row {rows[invalid[0]]} gave NaN.")
    return z


def score_cascade(
    gate: ProbabilityEstimator,
    labeler: ProbabilityEstimator | None,
    rules: Rules,
    X: Any,
    threshold: float,
    progress: StageProgress | None = None,
) -> Scores:
    """Score every row with the gate and the rows that pass with the labeler.

    Parameters
    ----------
    gate : fitted estimator
    labeler : fitted estimator or None
    rules : Rules
    X : rows, n of them
    threshold : float
        Rows whose gate probability, as fitted, is at least this pass the gate.
    progress : callable, optional
        Called with the stage, the rows done and the number of rows.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If a model returns NaN for a row.
    """
    outputs = score_gate(gate, rules, X, progress)
    gate_z, gate_label_z = outputs[:, 0], outputs[:, 1:]
    passed = rules.gate_proba(gate_z) >= threshold
    if rules.is_flat:
        return Scores(gate_z, passed, gate_label_z[passed], gate_label_z)
    n_learned = len(rules.plan.learned)
    labeler_z = score_labeler(labeler, X, np.flatnonzero(passed), n_learned, progress)
    return Scores(gate_z, passed, labeler_z, gate_label_z)


def gate_log_odds(gate: ProbabilityEstimator, X: Any, rows: Rows, n_outputs: int) -> Floats:
    """Return the log-odds of a gate's outputs for some rows, `any` first; float of shape (len(rows), n_outputs)."""
    return _held_out(gate, X, rows, n_outputs, "gate, scoring held-out rows")


def labeler_log_odds(labeler: ProbabilityEstimator | None, X: Any, rows: Rows, plan: LabelPlan) -> Floats:
    """Return the log-odds of a labeler for some rows; float of shape (len(rows), learned labels)."""
    if labeler is None:
        return np.empty((len(rows), 0))
    return _held_out(labeler, X, rows, len(plan.learned), "labeler, scoring held-out rows")


def _held_out(estimator: ProbabilityEstimator, X: Any, rows: Rows, n_outputs: int, name: str) -> Floats:
    with step(name, len(rows), "rows") as advance:
        shown = 0

        def report(done: int) -> None:
            nonlocal shown
            advance(done - shown)
            shown = done

        return block_log_odds(estimator, X, rows, n_outputs, report)
