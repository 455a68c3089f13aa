"""
Many labels, no gate
====================

Three of a hundred labels on each row. No probability need reach 0.5, so a cut-off there predicts next to nothing. Take
the most probable labels instead, or thresholds by the expected count.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from cascade import ManyLabelClassifier
from cascade.datasets.many_labels import draw_fixed_number

drawn = draw_fixed_number(6_000, n_labels=100, labels_per_row=3, n_features=24, seed=0)
X, Y = np.asarray(drawn.X), drawn.Y
train, test = slice(0, 4_000), slice(4_000, 6_000)
base = OneVsRestClassifier(LogisticRegression())
truth = Y[test].toarray()

# %%
# Four ways from the same probabilities to labels:

decoders = {"0.5": 0.5, "f1": "f1", "count": "count", "top 3": {"top": 3}}
per_row, precision, recall = [], [], []
for decoder in decoders.values():
    bits = ManyLabelClassifier(base, decoder=decoder).fit(X[train], Y[train]).predict(X[test]).toarray()
    hits = (bits & truth).sum()
    per_row.append(bits.sum(axis=1).mean())
    precision.append(hits / max(bits.sum(), 1))
    recall.append(hits / truth.sum())
    print(f"{per_row[-1]:.2f} labels per row, precision {precision[-1]:.2f}, recall {recall[-1]:.2f}")

# %%
# The cut-off at 0.5 is precise on the few labels that it sets, and misses the others.

_, ax = plt.subplots(layout="constrained")
place = np.arange(len(decoders))
ax.bar(place - 0.2, precision, 0.4, label="precision", color="#0072B2")
ax.bar(place + 0.2, recall, 0.4, label="recall", color="#D55E00")
ax.set_xticks(place, [f"{name}\n{mean:.1f} per row" for name, mean in zip(decoders, per_row)])
ax.legend(frameon=False)
plt.show()
