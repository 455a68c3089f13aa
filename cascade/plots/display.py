"""What the displays share: axes, colours, and which labels are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascade.errors import ConfigError, MissingExtraError
from cascade.predictor import CascadePredictor

# Okabe & Ito (2008), Color universal design: told apart with any colour vision; black is for what all share.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = "#444444"
BAND = 0.15


def axes_of(ax: Any) -> Any:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("a plot needs matplotlib; install the extra `plots`.") from error
    return plt.subplots(layout="constrained")[1]


def colour(place: int) -> str:
    """Colour of a label by its place among those that are shown."""
    return COLOURS[place % len(COLOURS)]


def chosen(names: Sequence[str], labels: Sequence[str] | None) -> list[int]:
    """Columns of the labels to show; all if none are named."""
    if labels is None:
        return list(range(len(names)))
    unknown = [label for label in labels if label not in names]
    if unknown:
        raise ConfigError(f"`labels` must be of {list(names)}. Received {unknown[0]!r}.")
    return [list(names).index(label) for label in labels]


def finished(model: Any) -> CascadePredictor:
    """The predictor of a fitted classifier, or the predictor that was given."""
    predictor: CascadePredictor = getattr(model, "predictor_", model)
    return predictor
