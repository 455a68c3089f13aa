"""
Balanced samples shift probabilities
====================================

A model that is fitted on as many positives as negatives predicts far too many positives. The shift is ln(b / c) in
log-odds, for kept shares b of the negatives and c of the positives, and it can be subtracted.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cascade.datasets.known_truth import draw
from cascade.rules.probability.prior_correction import sampling_shift

train, test = draw(40_000, seed=0), draw(20_000, seed=1)
positive, negative = np.flatnonzero(train.Y[:, 5]), np.flatnonzero(train.Y[:, 5] == 0)
kept = np.random.default_rng(0).choice(negative, size=len(positive), replace=False)
rows = np.concatenate([positive, kept])

# %%
# The balanced model, and the same model with its shift taken off:

balanced = LogisticRegression().fit(train.X[rows], train.Y[rows, 5]).predict_proba(test.X)[:, 1]
corrected = expit(logit(balanced) + sampling_shift(len(kept) / len(negative), 1.0))
print("sum of probabilities over positives:", balanced.sum() / test.Y[:, 5].sum(), corrected.sum() / test.Y[:, 5].sum())

# %%
# The true probability of each row is known, so both can be drawn against it.

_, ax = plt.subplots(layout="constrained")
some = slice(0, 1500)
ax.plot([0, 1], [0, 1], color="#444444", linewidth=0.8)
ax.scatter(test.p[some, 5], balanced[some], s=6, label="balanced", color="#D55E00")
ax.scatter(test.p[some, 5], corrected[some], s=6, label="corrected", color="#0072B2")
ax.set(xlabel="true probability", ylabel="predicted probability")
ax.legend(frameon=False)
plt.show()
