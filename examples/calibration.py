"""
Calibration before and after
============================

The same labeler without any correction, and in a cascade that corrects, merges and calibrates. On the left the
probabilities are far from the shares that are observed.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.datasets.known_truth import draw
from cascade.plots import CalibrationDisplay

train, test = draw(8_000, seed=0), draw(20_000, seed=1)
shown = ["label_2", "label_5", "any"]
names = train.label_names
weighted = MultiOutputClassifier(LogisticRegression(class_weight="balanced"))

# %%
# ``calibration="none"`` leaves the weighted probabilities as they are.

raw = CascadeClassifier("none", weighted, label_names=names, calibration="none").fit(train.X, train.Y, train.groups)
calibrated = CascadeClassifier("none", weighted, label_names=names).fit(train.X, train.Y, train.groups)

# %%
# Points are groups of rows with similar predictions, bars are 95 % intervals.

_, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for ax, model, title in zip(axes, (raw, calibrated), ("weighted, not calibrated", "calibrated")):
    CalibrationDisplay.from_predictor(model, test.X, test.Y, test.groups, labels=shown, ax=ax)
    ax.set_title(title)
plt.show()
