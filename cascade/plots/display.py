"""Shared parts of the displays: axes, colours and the choice of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascade.errors import ConfigError, MissingExtraError
from cascade.predictor import CascadePredictor

# Okabe & Ito (2008), Color universal design: distinguishable with any colour vision. Dark grey is for shared elements.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = "#444444"
BAND = 0.15


def axes_of(ax: Any) -> Any:
    """Return the given axes, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("a plot needs matplotlib; install the extra `plots`.") from error
    return plt.subplots(layout="constrained")[1]


def colour(place: int) -> str:
    """Return the colour of a label by its place among those that are shown."""
    # By place rather than by column, so that up to six chosen labels always have different colours.
    return COLOURS[place % len(COLOURS)]


def chosen(names: Sequence[str], labels: Sequence[str] | None) -> list[int]:
    """Return the columns of the labels to show; all if none are named."""
    if labels is None:
        return list(range(len(names)))
    unknown = [label for label in labels if label not in names]
    if unknown:
        raise ConfigError(f"`labels` must be of {list(names)}. Received {unknown[0]!r}.")
    return [list(names).index(label) for label in labels]


def finished(model: Any) -> CascadePredictor:
    """Return the predictor of a fitted classifier, or the given predictor."""
    predictor: CascadePredictor = getattr(model, "predictor_", model)
    return predictor
