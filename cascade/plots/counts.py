"""A plot of how many rows each of many labels is given, over how many have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

DEVIATIONS = 2.5
INK, BLUE, ORANGE = "#444444", "#3b6fb6", "#d9822b"


def plot_counts(labels: Mapping[str, Any], axes: Any = None) -> Any:
    """Plot, for each label, its sum of probabilities and its predicted rows over the rows that have it.

    Parameters
    ----------
    labels : mapping
        `report["labels"]` of a flat model: lists `positives`, `sum_ratio` and `count_ratio`, one value a label.
    axes : matplotlib Axes, optional
        A new figure if not given.

    Returns
    -------
    matplotlib Axes
        A point is a label. Between the grey lines lies what 2.5 deviations of counting explain.

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
    # Labels that are never predicted have no place on a scale of ratios: they lie on its lower edge.
    for name, color, title in (("count_ratio", ORANGE, "predicted rows"), ("sum_ratio", BLUE, "sum of probabilities")):
        ratio = np.array([np.nan if value is None else value for value in labels[name]], dtype=np.float64)
        axes.scatter(true[shown], np.clip(ratio[shown], *RANGE), s=9, color=color, alpha=0.5, linewidths=0, label=title)
    x = np.geomspace(max(true[shown].min(initial=1), 1), max(true.max(initial=2), 2), 100)
    for sign in (-1, 1):
        axes.plot(x, np.clip(1 + sign * DEVIATIONS / np.sqrt(x), *RANGE), color=INK, linewidth=0.8)
    axes.set(xscale="log", yscale="log", ylim=RANGE, xlabel="rows with the label", ylabel="over those rows")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return axes


RANGE = (0.1, 10.0)
