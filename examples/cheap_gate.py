"""
Images with a cheap gate
========================

A gate that sees a smaller image than the labeler saves most of the arithmetic. The built-in phantom, small and with
little training: this shows how, not how well.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cascade import CascadeClassifier, KerasClassifier
from cascade.data import read_data
from cascade.datasets.phantom import write_phantom

folder = Path(tempfile.mkdtemp()) / "phantom"
write_phantom(folder, rows=2_000, size=64, n_jobs=1)
data = read_data(folder)
images, Y, groups = np.load(folder / "images.npy"), np.asarray(data.Y), data.groups
test = np.isin(groups, np.unique(groups)[::4])

# %%
# The gate averages each image down to 32 pixels; the labeler sees all 64.

training = {"learning_rate": 0.004, "batch_size": 64, "validation_size": 0}
gate = KerasClassifier("cnn", {"width": 16}, image_size=32, epochs=12, **training)
labeler = KerasClassifier("cnn", {"width": 16}, epochs=3, **training)
model = CascadeClassifier(gate, labeler, label_names=data.label_names, pretrain="none", decision={"cost": (1, 5)})
model.fit(images[~test], Y[~test], groups=groups[~test])
prediction = model.examine(images[test])

# %%
# Slices of patients that no fit has seen, from the lowest to the highest gate probability:

order = np.argsort(prediction.gate_proba)[np.linspace(0, test.sum() - 1, 8).astype(int)]
_, axes = plt.subplots(2, 4, figsize=(9, 5), layout="constrained")
for ax, row in zip(axes.flat, order):
    ax.imshow(images[test][row, :, :, 0], cmap="gray")
    findings = [name for name, bit in zip(data.label_names, Y[test][row]) if bit] or ["empty"]
    ax.set_title(f"gate {prediction.gate_proba[row]:.2f}\n{', '.join(findings[:2])}", fontsize=8)
    ax.set_axis_off()
plt.show()
print(f"{prediction.passed_gate.mean():.0%} of the slices reach the labeler")

# %%
# With so few positives the gate cannot keep 95 % of every label without passing nearly all slices. On the full phantom
# about a third of them pass.
