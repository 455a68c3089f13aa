"""Plot of predicted over true numbers of rows, for many labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

RANGE = (0.1, 10.0)
DEVIATIONS = 2.5
INK, BLUE, ORANGE = "#444444", "#3b6fb6", "#d9822b"


def plot_counts(labels: Mapping[str, Any], axes: Any = None) -> Any:
    """Plot the sum of probabilities and the predicted rows per label, over the rows that have it.

    Parameters
    ----------
    labels : mapping
        `report["labels"]` of a many-label model: lists `positives`, `sum_ratio` and `count_ratio`, one value per label.
    axes : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib Axes
        Each point is a label. The grey lines are 2.5 standard deviations of counting.

    Examples
    --------
    >>> axes = plot_counts({"positives": [10, 100], "sum_ratio": [0.9, 1.0], "count_ratio": [0.5, None]})
    >>> axes.get_xlabel()
    'rows with the label'
    """
    from matplotlib.figure import Figure

    if axes is None:
        axes = Figure(figsize=(7, 4.5), layout="constrained").add_subplot()
    true = np.array(labels["positives"], dtype=np.float64)
    shown = true > 0
    # A label that is never predicted has a ratio of 0, which a log scale cannot show: it is drawn on the lower edge.
    for name, color, title in (("count_ratio", ORANGE, "predicted rows"), ("sum_ratio", BLUE, "sum of probabilities")):
        ratio = np.array([np.nan if value is None else value for value in labels[name]], dtype=np.float64)
        axes.scatter(true[shown], np.clip(ratio[shown], *RANGE), s=9, color=color, alpha=0.5, linewidths=0, label=title)
    x = np.geomspace(max(true[shown].min(initial=1), 1), max(true.max(initial=2), 2), 100)
    # A Poisson count of x rows has a relative standard deviation of 1 / sqrt(x).
    for sign in (-1, 1):
        axes.plot(x, np.clip(1 + sign * DEVIATIONS / np.sqrt(x), *RANGE), color=INK, linewidth=0.8)
    axes.set(xscale="log", yscale="log", ylim=RANGE, xlabel="rows with the label", ylabel="over those rows")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return axes
