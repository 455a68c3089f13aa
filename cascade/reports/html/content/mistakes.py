"""The most confident mistakes: labels raised most surely for nothing, and missed most surely."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data import Dataset
from cascade.metrics import Outcome
from cascade.reports.html.content.thumbnails import thumbnails
from cascade.reports.html.layout.panels import MOST_PANELS
from cascade.rules.rules import Prediction
from cascade.utils.types import Rows

SHOWN = 48
"""Mistakes in all, dealt out to the labels: one of each kind for as many labels as are drawn."""
MOST_OF_A_KIND = 4


def mistakes(data: Dataset, prediction: Prediction, outcome: Outcome) -> list[dict[str, Any]]:
    """List for each label its surest false alarms and surest misses among held-out rows.

    Parameters
    ----------
    data : Dataset
        The held-out rows, n of them.
    prediction : Prediction
    outcome : Outcome
        The same prediction beside the labels.

    Returns
    -------
    list of dict
        Of each label that is drawn: `label`; `false_alarms` and `misses`, which have for each row its `id`, its
        `probability` of the label, the gate's, whether it `passed`, the labels that it has, and `image`, a PNG data
        URI, or None where rows are no images.
    """
    n_labels = min(outcome.Y.shape[1], MOST_PANELS)
    most = min(SHOWN // (2 * n_labels), MOST_OF_A_KIND)
    alarms = [
        _most_confident(outcome.known_bits[:, k] > outcome.Y[:, k], -outcome.proba[:, k], most) for k in range(n_labels)
    ]
    misses = [_most_confident(outcome.Y[:, k] > outcome.bits[:, k], outcome.proba[:, k], most) for k in range(n_labels)]
    images = thumbnails(data.X, np.unique(np.concatenate([*alarms, *misses])))
    names = np.array(data.label_names, dtype=object)

    def described(rows: Rows, k: int) -> list[dict[str, Any]]:
        return [
            {
                "id": str(data.ids[row]),
                "probability": float(outcome.proba[row, k]),
                "gate_probability": float(prediction.gate_proba[row]),
                "passed": bool(prediction.passed_gate[row]),
                "labels": names[outcome.Y[row] > 0].tolist(),
                "image": images.get(int(row)),
            }
            for row in rows
        ]

    return [
        {"label": name, "false_alarms": described(alarms[k], k), "misses": described(misses[k], k)}
        for k, name in enumerate(data.label_names[:n_labels])
    ]


def _most_confident(wrong: NDArray[np.bool_], order: NDArray[np.float64], most: int) -> Rows:
    rows = np.flatnonzero(wrong)
    return rows[np.argsort(order[rows], kind="stable")[:most]]
