"""Evaluate a many-label model on rows that it has not seen, in one pass over them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.metrics import mean_defined
from cascade.metrics.streamed import StreamedCounts, StreamedRanking, example_average_precision
from cascade.metrics.top_k import at_k, propensities, top_columns
from cascade.utils.types import Floats, RowProgress

FIRST = (1, 3, 5, 10)
QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}


def evaluate_many(
    predictor: ManyLabelPredictor,
    X: Any,
    Y: Any,
    label_share: NDArray[Any] | None = None,
    progress: RowProgress | None = None,
) -> dict[str, Any]:
    """Compare a model's predictions with labels, one chunk of rows at a time.

    Parameters
    ----------
    predictor : ManyLabelPredictor
    X : rows, n of them
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    label_share : ndarray of float, shape (L,), optional
        Prevalence of each label in training, for propensities; default: that of `Y`.
    progress : callable, optional
        Called with the rows done and the number of rows.

    Returns
    -------
    dict
        `overall`; `top_k`: precision, recall, nDCG and propensity-scored precision of the first labels, with the best
        possible precision; `labels`: for each figure a list with one value per label. Undefined values are None.
    """
    rows = sparse.csr_array(Y)
    sums = _Sums(len(predictor.label_names))
    for part, z in predictor.chunks(X, progress=progress):
        sums.add(predictor, z, rows[part], predictor.decode(X, part, z))
    counts = sums.counts
    share = counts.true / max(counts.rows, 1) if label_share is None else label_share
    by_label = {
        "positives": counts.true,
        "average_precision": sums.ranking.average_precision(),
        "sum_ratio": counts.sum_ratio(),
        "count_ratio": counts.count_ratio(),
        "f1": counts.f1(),
    }
    labels = {"label": list(predictor.label_names), **{name: list(map(_plain, v)) for name, v in by_label.items()}}
    overall = {name: _plain(value) for name, value in _overall(sums, by_label).items()}
    # The formula takes counts, so the share is scaled to the rows that are evaluated.
    propensity = propensities(np.asarray(share) * counts.rows, counts.rows)
    return {"overall": overall, "top_k": _top(rows, np.concatenate(sums.first), propensity), "labels": labels}


class _Sums:
    """Sums over one pass of the rows."""

    def __init__(self, n_labels: int) -> None:
        self.counts, self.ranking = StreamedCounts(n_labels), StreamedRanking(n_labels)
        self.uncalibrated = np.zeros(n_labels)
        self.examples: list[Floats] = []
        self.first: list[NDArray[np.intp]] = []

    def add(self, predictor: ManyLabelPredictor, z: NDArray[np.float32], Y: Any, bits: Any) -> None:
        """Add a chunk of rows: calibrated log-odds, labels, decoded labels."""
        slope, intercept = predictor.calibration.slope, predictor.calibration.intercept
        self.counts.add(expit(z), Y, bits)
        # The calibration is undone, so that the report shows what it changed without a second pass.
        self.uncalibrated += expit((z - intercept) / slope).sum(axis=0, dtype=np.float64)
        self.ranking.add(z, Y)
        self.examples.append(example_average_precision(z, Y))
        self.first.append(top_columns(z, min(max(FIRST), z.shape[1])))


def _overall(sums: _Sums, by_label: dict[str, Floats]) -> dict[str, Any]:
    counts, ranking, n_labels = sums.counts, sums.ranking, len(sums.uncalibrated)
    # A label that never occurs has no chance level and no ratio; NaN leaves it out of the means.
    true = np.where(counts.true > 0, counts.true, np.nan)
    return {
        "rows": counts.rows,
        "labels": n_labels,
        "labels_per_row": float(counts.true.sum()) / counts.rows,
        "empty_rows": counts.empty_rows,
        "empty_predictions": counts.empty_predictions,
        "macro_average_precision": ranking.macro_average_precision(),
        "micro_average_precision": ranking.micro_average_precision(),
        "example_average_precision": mean_defined(np.concatenate(sums.examples)),
        "macro_chance": mean_defined(true / counts.rows),
        "micro_chance": float(counts.true.sum()) / (counts.rows * n_labels),
        "macro_f1": mean_defined(by_label["f1"]),
        "micro_f1": counts.micro_f1(),
        "sum_ratio_uncalibrated": _spread(sums.uncalibrated / true),
        "sum_ratio": _spread(by_label["sum_ratio"]),
        "count_ratio": _spread(by_label["count_ratio"]),
        "labels_predicted_over_true": float(counts.predicted.sum() / max(counts.true.sum(), 1)),
    }


def _top(rows: Any, columns: NDArray[np.intp], propensity: Floats) -> list[dict[str, Any]]:
    return [asdict(at_k(rows, columns[:, :k], propensity)) for k in FIRST if k <= rows.shape[1]]


def _spread(values: Floats) -> dict[str, Any]:
    """Return the median and the 5 % and 95 % quantiles over labels."""
    defined = values[np.isfinite(values)]
    return {name: _plain(np.quantile(defined, at) if len(defined) else np.nan) for name, at in QUANTILES.items()}


def _plain(value: Any) -> Any:
    # JSON has neither NaN nor NumPy's numbers.
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def many_table(report: dict[str, Any]) -> str:
    """Return a report as text, without the figures of single labels."""
    overall = report["overall"]
    top = [
        f"{t['k']:>6}{t['precision']:>11.3f}{t['best_precision']:>9.3f}{t['recall']:>9.3f}{t['ndcg']:>8.3f}"
        f"{t['propensity_precision']:>13.3f}"
        for t in report["top_k"]
    ]
    lines = [
        "{rows} rows, {labels} labels, {labels_per_row:.2f} per row, {empty_rows} rows without one".format(**overall),
        "",
        "average precision: {} of the labels (chance {}), {} of all pairs (chance {}), {} of the rows".format(
            *map(
                _shown,
                (
                    overall["macro_average_precision"],
                    overall["macro_chance"],
                    overall["micro_average_precision"],
                    overall["micro_chance"],
                    overall["example_average_precision"],
                ),
            )
        ),
        f"F1 as decoded: macro {_shown(overall['macro_f1'])}, micro {_shown(overall['micro_f1'])}; "
        f"{overall['labels_predicted_over_true']:.2f} predicted labels per true label, "
        f"{overall['empty_predictions']} rows without a predicted label",
        "",
        *(
            f"{title:<36}{_shown(ratio['median'])}  ({_shown(ratio['low'])} to {_shown(ratio['high'])})"
            for title, ratio in (
                ("sum of probabilities, uncalibrated", overall["sum_ratio_uncalibrated"]),
                ("sum of probabilities over rows", overall["sum_ratio"]),
                ("predicted over true rows", overall["count_ratio"]),
            )
        ),
        "    (median of the labels, and the range of nine in ten of them)",
        "",
        f"{'first k':>6}{'precision':>10}{'best':>9}{'recall':>9}{'nDCG':>8}{'rare count':>13}",
        *top,
    ]
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
