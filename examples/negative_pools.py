"""
The negative pool decides the merge
===================================

A labeler that is fitted on rows with a label estimates p(label | some label): multiply it by the gate. One that is
fitted on all rows estimates p(label): do not. Wrong pairs (orange) are off by more than a third.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from cascade.datasets.known_truth import draw
from cascade.rules.probability.merge import MERGES, pool_rows

train, test = draw(20_000, seed=0), draw(20_000, seed=1)
label, any_label = 4, 5
gate = LogisticRegression().fit(train.X, train.Y[:, any_label]).predict_proba(test.X)[:, 1]
passed = gate >= 0.1

# %%
# One labeler per pool, and each of its outputs merged in both ways:

ratios = {}
for pool in ("positives", "all"):
    rows = pool_rows(train.Y, pool)
    trees = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(train.X[rows], train.Y[rows, label])
    labeler = trees.predict_proba(test.X)[:, [1]]
    for merge in ("positives", "all"):
        merged = MERGES[merge](gate, labeler)[passed, 0]
        ratios[f"fitted on {pool}\nmerged as {merge}"] = merged.mean() / test.p[passed, label].mean()

# %%
# The model records its pool, so that a cascade always uses the right merge.

_, ax = plt.subplots(layout="constrained")
colours = ["#0072B2" if abs(np.log(ratio)) < 0.15 else "#D55E00" for ratio in ratios.values()]
ax.bar(list(ratios), list(ratios.values()), color=colours)
ax.axhline(1, color="#444444", linewidth=0.8)
ax.set_ylabel("mean prediction over mean truth, past the gate")
plt.show()
