"""The default networks."""

from __future__ import annotations

from typing import Any

from cascade.data.rows import n_rows
from cascade.errors import DataError
from cascade.estimators.neural.classifier import KerasClassifier

LEAST_STEPS = 1500
MOST_EPOCHS = 60
BATCH = 64


def suited_classifier(role: str, X: Any) -> KerasClassifier:
    """Choose a network for the rows of `X`: a small CNN for images, an MLP for vectors.

    Parameters
    ----------
    role : {"gate", "labeler"}
        The labeler is trained on fewer rows, so it gets more epochs. On few rows both get more.
    X : rows
    """
    axes = len(getattr(X, "shape", ()))
    if axes not in (2, 4):
        shape = getattr(X, "shape", None)
        raise DataError(f"`X` must have 2 or 4 axes for a default network; pass `{role}`. Received shape {shape}.")
    # A network needs a minimum of optimiser steps: few rows need more epochs (docs/understand/comparison.md, phantom).
    enough = -(-LEAST_STEPS * BATCH // max(n_rows(X), 1))
    epochs = max({"gate": 10, "labeler": 40}[role], min(enough, MOST_EPOCHS))
    return KerasClassifier("cnn" if axes == 4 else "mlp", epochs=epochs, batch_size=BATCH, patience=5)
