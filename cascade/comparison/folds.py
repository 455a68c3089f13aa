"""One contender on one fold: fit it, predict the fold's rows, and measure what both cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from cascade.comparison.paired_time import SECONDS, paired_seconds
from cascade.comparison.shared_fit import SharedFits
from cascade.data.labels import Labels
from cascade.data.rows import subset
from cascade.estimators.fit_on_rows import fit_with
from cascade.metrics.operations import cascade_operations, operations_per_row
from cascade.utils.types import Floats, Rows

WARM_UP = 256
"""Rows that each model predicts before its time is measured."""


@dataclass(frozen=True)
class FoldPredictions:
    """Predictions of one contender for the rows of one fold, and their cost.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
    proba : ndarray of float, shape (m, L)
    bits : ndarray of 0/1, shape (m, L)
    passed : ndarray of bool, shape (m,), or None
        Whether the gate passed each row; None for a contender without a gate.
    operations, fit_seconds, rows_per_second : float
        `operations` are per row, and NaN if the arithmetic of the model is not known.
    """

    rows: Rows
    proba: Floats
    bits: Labels
    passed: NDArray[np.bool_] | None
    operations: float
    fit_seconds: float
    rows_per_second: float


@dataclass(frozen=True)
class FittedContender:
    """A contender that was fitted on the training rows of one fold, and the seconds that this takes separately."""

    model: Any
    seconds: float


def fit_on(
    rows: Rows, contender: Any, X: Any, Y: Labels, groups: NDArray[Any] | None, shared: SharedFits
) -> FittedContender:
    """Fit a copy of a contender on some rows of `X` (n rows) with labels `Y` (n, L)."""
    model = clone(contender)
    started, before = time.monotonic(), shared.saved_seconds
    fit_with(model, subset(X, rows, model), Y[rows], groups=None if groups is None else groups[rows])
    # With the fits that other contenders did before: what a contender costs must not depend on the others.
    return FittedContender(model, time.monotonic() - started + shared.saved_seconds - before)


def predict_on(rows: Rows, fitted: FittedContender, X: Any, Y: Labels) -> FoldPredictions:
    """Predict rows that the contender was not fitted on, and measure their number per second."""
    model = fitted.model
    # Rows with labels first, since they pass the gate: opened networks and compiled functions are no part of the rate.
    warm_up = rows[np.argsort(~Y[rows].any(axis=1), kind="stable")[:WARM_UP]]
    _proba(model, subset(X, warm_up, model))
    held = subset(X, rows, model)
    started = time.monotonic()
    prediction = model.examine(held) if hasattr(model, "examine") else None
    proba = model.predict_proba(held) if prediction is None else prediction.proba
    # Measured before `predict`, which would compute the probabilities of a flat model a second time.
    rate = len(rows) / (time.monotonic() - started)
    if prediction is None:
        bits, operations = model.predict(held).astype(np.uint8), operations_per_row(model)
        return FoldPredictions(rows, proba, bits, None, operations, fitted.seconds, rate)
    passed = prediction.passed_gate
    # Expected cost per row: every row costs the gate, and only rows that pass cost the labeler.
    operations = cascade_operations(model.gate_, model.labeler_, float(passed.mean()))
    return FoldPredictions(rows, proba, prediction.labels, passed, operations, fitted.seconds, rate)


def _proba(model: Any, X: Any) -> Floats:
    proba: Floats = model.examine(X).proba if hasattr(model, "examine") else model.predict_proba(X)
    return proba


def paired_time(cascade: Any, flat: Any, X: Any, rows: Rows, seed: int) -> tuple[float, float]:
    """Return the seconds per row of two fitted models, measured in alternation on some of `rows`."""
    started = time.monotonic()
    _proba(cascade, subset(X, rows, cascade))
    n_rows = max(int(len(rows) * SECONDS / (time.monotonic() - started)), WARM_UP)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:n_rows])
    first, second = (partial(_proba, model, subset(X, chosen, model)) for model in (cascade, flat))
    seconds = paired_seconds(first, second)
    return seconds[0] / len(chosen), seconds[1] / len(chosen)
