"""Content of the section on mistakes: the most confident false alarms and misses of each label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data import Dataset
from cascade.metrics import Outcome
from cascade.reports.html.content.excerpts import excerpts
from cascade.reports.html.content.thumbnails import thumbnails
from cascade.reports.html.layout.panels import MOST_PANELS
from cascade.rules.rules import Prediction
from cascade.utils.types import Rows

SHOWN = 48
"""Largest number of mistakes on the page; with `MOST_PANELS` labels, one of each kind per label."""

MOST_OF_A_KIND = 4
"""Largest number of false alarms, and of misses, per label."""


def mistakes(data: Dataset, prediction: Prediction, outcome: Outcome) -> list[dict[str, Any]]:
    """List the most confident false alarms and misses of each label among held-out rows.

    Parameters
    ----------
    data : Dataset
        The held-out rows, n of them.
    prediction : Prediction
    outcome : Outcome
        The same prediction with the true labels.

    Returns
    -------
    list of dict
        One per shown label, with its `label` (name), `false_alarms` and `misses`. Each mistake has the row's `id`,
        the `probability` of the label, the `gate_probability`, whether it `passed` the gate, its true `labels`,
        `image` and `excerpt`. The image is a PNG data URI, or None for rows that are not images. The excerpt is the
        row's text or its first values, or None.
    """
    n_labels = min(outcome.Y.shape[1], MOST_PANELS)
    most = min(SHOWN // (2 * n_labels), MOST_OF_A_KIND)
    # Confident false alarms have a high probability, confident misses a low one. Entries with missing truth are
    # neither: `known_bits` and `Y` are 0 there.
    alarms = [
        _most_confident(outcome.known_bits[:, k] > outcome.Y[:, k], -outcome.proba[:, k], most) for k in range(n_labels)
    ]
    misses = [_most_confident(outcome.Y[:, k] > outcome.bits[:, k], outcome.proba[:, k], most) for k in range(n_labels)]
    # One row may be a mistake for several labels; its image is decoded only once.
    shown = np.unique(np.concatenate([*alarms, *misses]))
    images, texts = thumbnails(data.X, shown), excerpts(data, shown)
    names = np.array(data.label_names, dtype=object)

    def described_mistakes(rows: Rows, k: int) -> list[dict[str, Any]]:
        return [
            {
                "id": str(data.ids[row]),
                "probability": float(outcome.proba[row, k]),
                "gate_probability": float(prediction.gate_proba[row]),
                "passed": bool(prediction.passed_gate[row]),
                "labels": names[outcome.Y[row] > 0].tolist(),
                "image": images.get(int(row)),
                "excerpt": texts.get(int(row)),
            }
            for row in rows
        ]

    return [
        {"label": name, "false_alarms": described_mistakes(alarms[k], k), "misses": described_mistakes(misses[k], k)}
        for k, name in enumerate(data.label_names[:n_labels])
    ]


def _most_confident(wrong: NDArray[np.bool_], order: NDArray[np.float64], most: int) -> Rows:
    rows = np.flatnonzero(wrong)
    # Stable, so that rows with equal probabilities are listed in the order of the data.
    return rows[np.argsort(order[rows], kind="stable")[:most]]
