"""
Another prevalence, and `adapt`
===============================

At a new site labels are more frequent. Rows with a label look as before, and rows without one too. ``adapt`` estimates
the new share from rows without labels, and moves probabilities and decision thresholds to it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.datasets.known_truth import draw

train, pool = draw(10_000, seed=0), draw(40_000, seed=1)
model = CascadeClassifier(
    LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=3), label_names=train.label_names
).fit(train.X, train.Y, groups=train.groups)

# %%
# The new site has about three times as many rows with a label:

rng = np.random.default_rng(0)
keep = (pool.Y[:, 5] == 1) | (rng.random(len(pool.Y)) < 0.25)
X, Y, groups = pool.X[keep], pool.Y[keep], pool.groups[keep]
there = model.predictor_.adapt(X, groups=groups)
adapted = there.provenance["adapted"]
print(
    f"share with a label: {Y[:, 5].mean():.3f}, estimated {adapted['prevalence']:.3f}, interval {adapted['interval']}"
)

# %%
# Sums of probabilities over positives, before and after. The same rows pass the gate.

_, ax = plt.subplots(layout="constrained")
place = np.arange(Y.shape[1])
for shift, predictor, name in [(-0.2, model.predictor_, "as trained"), (0.2, there, "adapted")]:
    ax.bar(place + shift, predictor.predict_proba(X).sum(axis=0) / Y.sum(axis=0), 0.4, label=name)
ax.axhline(1, color="#444444", linewidth=0.8)
ax.set_xticks(place, train.label_names)
ax.set_ylabel("sum of probabilities over positives")
ax.legend(frameon=False)
plt.show()
assert (model.examine(X).passed_gate == there.examine(X).passed_gate).all()
