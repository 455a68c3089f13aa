"""
What a certificate can prove
============================

If all of n independent held-out positives pass the gate, the recall is at least (1 - confidence) ** (1 / n). So a rare
label limits what can be proven, and no model changes that.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.datasets.known_truth import draw
from cascade.rules.thresholds.certificate import positives_needed, recall_bound

positives = np.unique(np.geomspace(5, 1000, 60).astype(int))
_, ax = plt.subplots(layout="constrained")
for missed, colour in [(0, "#0072B2"), (1, "#D55E00"), (5, "#009E73")]:
    bound = [recall_bound(n - missed, n) if n > missed else 0 for n in positives]
    ax.plot(positives, bound, color=colour, label=f"{missed} lost")
ax.set(xscale="log", xlabel="held-out positives", ylabel="proven recall, confidence 95 %", ylim=(0.5, 1))
ax.legend(frameon=False)
plt.show()

# %%
# The fewest positives for three recalls:

print({recall: positives_needed(recall) for recall in (0.9, 0.95, 0.99)})

# %%
# With ``gate_policy`` the gate's threshold is one at which the recall of each label is proven, on groups that nothing
# else has used. ``accept_bound`` reports a label with too few groups by its own bound.

train = draw(20_000, seed=0)
model = CascadeClassifier(
    LogisticRegression(),
    BalancedBinaryRelevance(LogisticRegression(), n_bags=3),
    label_names=train.label_names,
    gate_policy={"recall": 0.9, "confidence": 0.95, "accept_bound": True},
).fit(train.X, train.Y, groups=train.groups)
print(model.certificate_.table())
