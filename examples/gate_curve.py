"""
Choose a gate by its curve
==========================

A threshold that keeps 95 % of the rows with a label may still lose most of a rare one. The curves show the recall of
each label, and the share of the rows that pass, over all thresholds.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.datasets.known_truth import draw
from cascade.plots import GateCurveDisplay

train, test = draw(10_000, seed=0), draw(20_000, seed=1)
model = CascadeClassifier(
    LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=3), label_names=train.label_names
).fit(train.X, train.Y, groups=train.groups)

# %%
# The vertical line is the fitted threshold: the highest at which the recall of *every* label has a lower bound of 0.95.

GateCurveDisplay.from_predictor(model, test.X, test.Y, test.groups)
plt.show()

# %%
# Where a label needs much more than the others, `gate_recall={"label_1": 0.8}` says what it is worth.

for name, kept, positives in zip(train.label_names, model.gate_threshold_.kept, model.gate_threshold_.positives):
    print(f"{name}: {kept} of {positives} held-out positives pass")
