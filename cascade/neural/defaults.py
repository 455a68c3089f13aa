"""The networks a newcomer gets without choosing."""

from __future__ import annotations

from typing import Any

from cascade.errors import DataError
from cascade.neural.classifier import KerasClassifier


def suited_classifier(role: str, X: Any) -> KerasClassifier:
    """Choose a network for the rows of `X`: a small CNN for images, an MLP for vectors.

    Parameters
    ----------
    role : {"gate", "labeler"}
        The labeler sees only rows with a label, so it makes more passes over them.
    X : rows
    """
    axes = len(getattr(X, "shape", ()))
    if axes not in (2, 4):
        shape = getattr(X, "shape", None)
        raise DataError(f"`X` must have 2 or 4 axes for a default network; pass `{role}`. Received shape {shape}.")
    epochs = {"gate": 10, "labeler": 40}[role]
    return KerasClassifier("cnn" if axes == 4 else "mlp", epochs=epochs)
