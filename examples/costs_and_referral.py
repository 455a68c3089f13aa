"""
Costs and a band for a human
============================

On calibrated probabilities costs choose the threshold: C_FP / (C_FP + C_FN). If a human can look at a row for a cost of
its own, there are two thresholds, and the rows between them are referred.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.datasets.known_truth import draw
from cascade.rules.thresholds.triage import refer_band

train, test = draw(10_000, seed=0), draw(20_000, seed=1)
model = CascadeClassifier(
    LogisticRegression(), BalancedBinaryRelevance(LogisticRegression(), n_bags=3), label_names=train.label_names
).fit(train.X, train.Y, groups=train.groups)
any_label, truth = model.predict_proba(test.X)[:, 5], test.Y[:, 5]

# %%
# A miss costs ten false alarms. The measured cost has its minimum near 1 / 11, the threshold that follows.

thresholds = np.linspace(0.01, 0.6, 60)
cost = [np.mean((any_label >= t) & (truth == 0)) + 10 * np.mean((any_label < t) & (truth == 1)) for t in thresholds]
_, ax = plt.subplots(layout="constrained")
ax.plot(thresholds, cost, color="#0072B2")
ax.axvline(1 / 11, color="#444444", linewidth=0.8)
ax.set(xlabel="decision threshold of any", ylabel="cost per row")
plt.show()

# %%
# A look costs a quarter of a false alarm. The band from its cost, and what it sends where:

low, high = refer_band(false_positive=1, false_negative=10, refer=0.25)
decided = model.predictor_.triage(test.X, low, high)[:, 5]
for value, meaning in [(0, "negative"), (-1, "referred"), (1, "positive")]:
    print(f"{meaning}: {np.mean(decided == value):.1%} of the rows, {truth[decided == value].mean():.1%} with a label")
