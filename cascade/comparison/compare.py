"""Paired comparison of contenders on the same grouped folds, with the cost of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.comparison.against_flat import flat_sentence, paired_cost, plain
from cascade.comparison.compare_text import best_of, best_pair, verdict
from cascade.comparison.contenders import CALIBRATED, REFERENCE
from cascade.comparison.folds import FoldPredictions, fit_on, paired_time, predict_on
from cascade.comparison.shared_fit import sharing_fits
from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.splits import group_numbers, grouped_folds
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.metrics import (
    AVERAGE_PRECISION,
    Metric,
    Outcome,
    any_counted_double,
    label_auroc,
    label_f1,
    macro,
    mean_defined,
    weighted_log_loss,
)
from cascade.metrics.bootstrap import metric_draws
from cascade.rules.thresholds.certify import certified_recall
from cascade.utils.progress import counted
from cascade.utils.types import Floats, Rows

logger = logging.getLogger(__name__)

DRAWS = 200


def compare(
    contenders: Mapping[str, Any],
    X: Any,
    Y: Labels,
    names: tuple[str, ...],
    groups: NDArray[Any] | None = None,
    n_folds: int = 3,
    seed: int = 0,
    any_label: str | None = "auto",
) -> dict[str, Any]:
    """Fit every contender on the same folds and compare their predictions.

    Parameters
    ----------
    contenders : mapping from name to unfitted classifier
    X : rows, n of them
    Y : ndarray of 0/1, shape (n, L)
    names : tuple of str, length L
    groups : ndarray, shape (n,), optional
    n_folds, seed : int
    any_label : str or None, default="auto"

    Returns
    -------
    dict
        `contenders`: one dict per contender, with None for undefined values; a contender that failed has its `error`.
        Differences are paired, with 95 % intervals over groups: `difference`, of macro average precision to the flat
        model; `difference_to_best_flat`, to the best flat contender; `loss_difference`, of log loss to the flat model
        with calibration.
        `verdict`: which contender to use, and why. `against_flat`: the best cascade beside the best flat contender,
        with a `sentence`; absent where there is none of either.

    Raises
    ------
    DataError
        If the labels or groups do not allow this many folds, or no contender could be fitted.
    ConfigError
        If an option of a contender is invalid.
    """
    if not Y.any():
        raise DataError("`Y` must hold at least one positive to compare models on. Received none.")
    folds = grouped_folds(Y, groups, n_folds, seed)
    if len(np.unique(folds)) < n_folds:
        raise DataError(f"`groups` must hold at least as many groups as folds ({n_folds}). Received fewer.")
    if not all(Y[folds == fold].any() for fold in range(n_folds)):
        raise DataError(f"`Y` must hold a positive in each of {n_folds} folds; too few groups have one.")
    any_index = find_any_label(LabelMatrix(Y), names, any_label).index
    predictions, models, errors = _on_folds(contenders, X, Y, groups, folds)
    if not predictions:
        raise DataError(f"no contender could be fitted; the first failed with: {next(iter(errors.values()))}")
    group = group_numbers(groups, len(Y))
    findings = _findings(Y.shape[1], any_index)
    precision, loss = macro(AVERAGE_PRECISION), any_counted_double(any_index)
    every = np.arange(Y.shape[1])
    quality = {n: _resampled(precision, parts, Y, group, findings, seed) for n, parts in predictions.items()}
    losses = {n: _resampled(loss, parts, Y, group, every, seed) for n, parts in predictions.items()}
    rows = [_row(name, parts, Y, group, any_index, quality) for name, parts in predictions.items()]
    _add_differences(rows, quality, losses)
    _add_selection_bound(rows, quality)
    rows += [{"contender": name, "error": sentence} for name, sentence in errors.items()]
    result = {"contenders": rows, "verdict": verdict(rows), "folds": n_folds, "seed": seed}
    pair = best_pair(rows[: len(predictions)])
    if pair is not None:
        cascade, flat = (models[name] for name in pair)
        seconds = paired_time(cascade, flat, X, np.flatnonzero(folds == n_folds - 1), seed)
        result["against_flat"] = _against_flat(pair, quality, rows, seconds)
    if Y.any(axis=1).all():
        result["verdict"] = f"Every row has a label, so a gate has nothing to decide. {result['verdict']}"
    return result


def _on_folds(
    contenders: Mapping[str, Any], X: Any, Y: Labels, groups: NDArray[Any] | None, folds: Rows
) -> tuple[dict[str, list[FoldPredictions]], dict[str, Any], dict[str, str]]:
    """Return predictions of all folds, models of the last fold, and errors of contenders that failed, each by name."""
    predictions: dict[str, list[FoldPredictions]] = {name: [] for name in contenders}
    models: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for fold in counted(range(int(folds.max()) + 1), "compare", "folds"):
        left = {name: contender for name, contender in contenders.items() if name not in errors}
        for name, fitted, part in _on_fold(left, X, Y, groups, folds, fold):
            if isinstance(part, FoldPredictions):
                # Models of earlier folds are replaced, so that the memory of one fold is enough.
                models[name] = fitted
                predictions[name].append(part)
            else:
                errors[name] = part
    return {name: parts for name, parts in predictions.items() if name not in errors}, models, errors


def _on_fold(
    contenders: Mapping[str, Any], X: Any, Y: Labels, groups: NDArray[Any] | None, folds: Rows, fold: int
) -> Iterator[tuple[str, Any, FoldPredictions | str]]:
    """Yield name, model and predictions of each contender on one fold; of one that failed None and its error."""
    training, testing = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    with sharing_fits() as shared:
        for name, contender in counted([*contenders.items()], f"fold {fold}", "models"):
            # A contender that fails on these data is a result; an invalid option is a mistake of the caller.
            try:
                fitted = fit_on(training, contender, X, Y, groups, shared)
                part = predict_on(testing, fitted, X, Y)
            except ConfigError:
                raise
            except (CascadeError, ValueError) as error:
                sentence = str(error).splitlines()[0]
                logger.warning("%s failed: %s", name, sentence)
                yield name, None, sentence
                continue
            logger.info("%s: fold %d fitted in %.1f s, %.0f rows/s", name, fold, part.fit_seconds, part.rows_per_second)
            yield name, fitted.model, part


def _resampled(
    metric: Metric, parts: list[FoldPredictions], Y: Labels, group: Rows, columns: Rows, seed: int
) -> tuple[Floats, Floats]:
    """Return a metric of some labels, mean over folds: of all rows, and per draw of groups."""
    points, draws = [], []
    # Per fold, then averaged: each fold has a separate model, whose scores need not rank with those of the others.
    for fold, part in enumerate(parts):
        passed = np.ones(len(part.rows), dtype=bool)
        outcome = Outcome(Y[np.ix_(part.rows, columns)], part.proba[:, columns], part.bits[:, columns], passed)
        # Renumbered from 0, so that a bootstrap draws only groups of this fold.
        group_in_fold = np.unique(group[part.rows], return_inverse=True)[1]
        points.append(metric(outcome))
        # The seed does not depend on the contender: all have the same draws, so their differences are paired.
        draws.append(metric_draws(metric, outcome, group_in_fold, DRAWS, (seed, fold))[:, 0])
    return np.mean(points, axis=0), np.mean(draws, axis=0)


def _findings(n_labels: int, any_index: int | None) -> Rows:
    """Return all columns except `any`, or the only column if there is one label."""
    return np.arange(n_labels) if n_labels == 1 else np.flatnonzero(np.arange(n_labels) != any_index)


def _row(
    name: str,
    parts: list[FoldPredictions],
    Y: Labels,
    group: Rows,
    any_index: int | None,
    quality: dict[str, tuple[Floats, Floats]],
) -> dict[str, Any]:
    """Return the figures of one contender as plain data."""
    order = np.concatenate([part.rows for part in parts])
    truth = Y[order]
    proba, bits = np.concatenate([part.proba for part in parts]), np.concatenate([part.bits for part in parts])
    findings = _findings(Y.shape[1], any_index)
    true = truth[:, findings].sum(axis=0)
    # Sum ratios of the rarer half of the labels are mostly noise, so their extremes would say little.
    common = true >= np.median(true)
    ratio = proba[:, findings].sum(axis=0) / np.maximum(true, 1)
    point, draws = quality[name]
    values = {
        "macro_average_precision": point[0],
        "macro_average_precision_low": _quantile(draws, 0.025),
        "macro_average_precision_high": _quantile(draws, 0.975),
        "macro_f1": mean_defined(label_f1(truth[:, findings], bits[:, findings])),
        "any_auroc": np.nan if any_index is None else label_auroc(truth[:, [any_index]], proba[:, [any_index]])[0],
        "log_loss": weighted_log_loss(truth, proba, any_index),
        "sum_ratio_smallest": ratio[common].min(),
        "sum_ratio_largest": ratio[common].max(),
        "incoherent_share": _incoherent(proba, bits, findings, any_index),
        **_at_gate(parts, truth, group[order]),
        "operations_per_row": np.mean([part.operations for part in parts]),
        "fit_seconds": np.mean([part.fit_seconds for part in parts]),
        "rows_per_second": np.mean([part.rows_per_second for part in parts]),
        # A median, so that one fold during which the machine did something else does not decide.
        "microseconds_per_row": np.median([1e6 / part.rows_per_second for part in parts]),
    }
    # JSON has neither NaN nor infinity.
    plain = {key: float(value) if np.isfinite(value) else None for key, value in values.items()}
    return {"contender": name, **plain}


Resampled = Mapping[str, tuple[Floats, Floats]]


def _add_differences(rows: list[dict[str, Any]], quality: Resampled, losses: Resampled) -> None:
    """Add the paired differences of each contender to flat ones."""
    for name, values, other in (
        ("difference", quality, REFERENCE),
        ("difference_to_best_flat", quality, best_of(REFERENCE, rows)),
        ("loss_difference", losses, CALIBRATED),
    ):
        if other is not None and other in values:
            for row in rows:
                row |= _difference(name, row["contender"], other, values)


def _difference(name: str, contender: str, other: str, values: Resampled) -> dict[str, float | None]:
    """Return the paired difference of a figure to another contender, with its interval; empty for this one itself."""
    if contender == other:
        return {}
    (point, draws), (flat, flat_draws) = values[contender], values[other]
    low, high = (_quantile(draws - flat_draws, q) for q in (0.025, 0.975))
    figures = {name: float(point[0] - flat[0]), f"{name}_low": low, f"{name}_high": high}
    return {key: plain(value) for key, value in figures.items()}


def _against_flat(
    pair: tuple[str, str],
    quality: dict[str, tuple[Floats, Floats]],
    rows: list[dict[str, Any]],
    seconds: tuple[float, float],
) -> dict[str, Any]:
    """Compare the best cascade with the best flat contender, with paired draws of groups."""
    (cascade, draws), (flat, flat_draws) = (quality[name] for name in pair)
    by_name = {row["contender"]: row for row in rows}
    low, high = (_quantile(draws - flat_draws, q) for q in (0.025, 0.975))
    values = {"cascade": cascade[0], "flat": flat[0], "difference": cascade[0] - flat[0], "low": low, "high": high}
    operations = (by_name[name]["operations_per_row"] for name in pair)
    figures = {
        "contenders": dict(zip(("cascade", "flat"), pair, strict=True)),
        "macro_average_precision": {key: plain(value) for key, value in values.items()},
        "operations_per_row": paired_cost(*(np.nan if value is None else value for value in operations)),
        "seconds_per_row": paired_cost(*seconds),
    }
    named = f"the best cascade ({pair[0].removeprefix('cascade, ')})", f"the best flat contender ({pair[1]})"
    return figures | {"sentence": flat_sentence(figures, *named)}


def _quantile(draws: Floats, share: float) -> float:
    """Return the quantile of the draws in which a figure is defined; NaN if there are none."""
    defined = draws[np.isfinite(draws)]
    return float(np.quantile(defined, share)) if len(defined) else float("nan")


def _at_gate(parts: list[FoldPredictions], truth: Labels, group: Rows) -> dict[str, float]:
    """Return the share of rows that pass the gates, and the mean recall over folds that is proven for every label."""
    gates = [part.passed for part in parts if part.passed is not None]
    if not gates:
        return {"share_past_gate": float("nan"), "certified_recall": float("nan")}
    passed = np.concatenate(gates)
    return {"share_past_gate": float(passed.mean()), "certified_recall": certified_recall(passed, truth, group)}


def _add_selection_bound(rows: list[dict[str, Any]], quality: dict[str, tuple[Floats, Floats]]) -> None:
    """Add a lower bound of the difference to the flat model that stays valid after choosing the best contender.

    The margin is a quantile of the largest error among all contenders' differences in each draw.
    """
    others = [name for name in quality if name != REFERENCE]
    if REFERENCE not in quality or not others:
        return
    flat, flat_draws = quality[REFERENCE]
    # A draw minus the estimate behaves like the estimate minus the truth. The best of many contenders is chosen partly
    # for its error, so the maximum over all of them bounds the error of whichever is chosen.
    errors = [(quality[name][1] - flat_draws) - (quality[name][0] - flat) for name in others]
    margin = _quantile(np.max(errors, axis=0), 0.975)
    for row in rows:
        if row["contender"] != REFERENCE:
            row["difference_least"] = row["difference"] - margin


def _incoherent(proba: Floats, bits: Labels, findings: Rows, any_index: int | None) -> float:
    """Return the share of rows where `any` is less probable than a label, or a label's bit is set without `any`."""
    if any_index is None or any_index in findings:
        return float("nan")
    # The tolerance allows for rounding where both probabilities are equal by construction.
    less = proba[:, any_index] < proba[:, findings].max(axis=1) - 1e-12
    without = (bits[:, any_index] == 0) & bits[:, findings].any(axis=1)
    return float((less | without).mean())
