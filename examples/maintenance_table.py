"""
A mixed table for maintenance
=============================

Readings of machines as they are exported: numbers with gaps, and categories. The default models are boosted trees, with
an encoder in front of each.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from cascade import CascadeClassifier
from cascade.datasets.samples.maintenance import LABEL_NAMES, SENSORS, SITES, TYPES, draw

readings = draw(6_000, seed=0)
X = pd.DataFrame(readings.cells, columns=SENSORS).apply(pd.to_numeric, errors="coerce")
X["site"] = pd.Categorical(np.asarray(SITES)[readings.sites])
X["type"] = pd.Categorical(np.asarray(TYPES)[readings.types])
print(X.head(3))

# %%
# A third of the machines is held out; readings of one machine are alike.

test = readings.machines % 3 == 0
model = CascadeClassifier(label_names=LABEL_NAMES, calibration_folds=None, gate_targets="any")
model.fit(X[~test], readings.Y[~test], groups=readings.machines[~test])
proba = model.predict_proba(X[test])

# %%
# The true probabilities are known, and give the best average precision that a model can expect.

_, ax = plt.subplots(layout="constrained")
place = np.arange(len(LABEL_NAMES))
for shift, scores, name in [(-0.2, readings.p[test], "true probabilities"), (0.2, proba, "cascade")]:
    ax.bar(place + shift, average_precision_score(readings.Y[test], scores, average=None), 0.4, label=name)
ax.set_xticks(place, LABEL_NAMES, rotation=15)
ax.set_ylabel("average precision")
ax.legend(frameon=False)
plt.show()
