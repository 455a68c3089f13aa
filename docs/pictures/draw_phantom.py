"""Draw the README's picture: phantom slices with their labels.

python docs/pictures/draw_phantom.py data/phantom docs/pictures/phantom.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cascade.data import Dataset, read_data

ROWS = 3


def draw(data: Dataset, out: Path) -> None:
    """One column for rows without a label, one for each finding alone, one for several findings."""
    findings = data.Y[:, :5]
    alone = findings.sum(axis=1)
    columns = {"no label": np.flatnonzero(alone == 0)}
    for k, name in enumerate(data.label_names[:5]):
        columns[name] = np.flatnonzero((alone == 1) & (findings[:, k] > 0))
    columns["three labels"] = np.flatnonzero(alone == 3)
    rng = np.random.default_rng(2)
    figure, axes = plt.subplots(ROWS, len(columns), figsize=(1.75 * len(columns), 1.9 * ROWS), layout="constrained")
    for column, (title, rows) in enumerate(columns.items()):
        for axis, row in zip(axes[:, column], rng.choice(rows, ROWS, replace=False), strict=True):
            axis.imshow(data.X[row, :, :, 0], cmap="gray", vmin=20, vmax=230)
            axis.axis("off")
        axes[0, column].set_title(title, fontsize=11)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    draw(read_data(sys.argv[1]), Path(sys.argv[2]))
