"""
Reading a report
================

``evaluate`` is what ``cascade train`` writes as ``report.json``, and what the page ``report.html`` draws. Three
questions come first: is the model better than a constant, where are positives lost, and do the probabilities add up?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.datasets.known_truth import draw
from cascade.reports.report import evaluate
from cascade.reports.report_text import report_table
from cascade.reports.verdict import verdict_text

train, held_out = draw(10_000, seed=0), draw(10_000, seed=1)
trees = HistGradientBoostingClassifier(max_iter=40, random_state=0)
model = CascadeClassifier(trees, MultiOutputClassifier(trees), label_names=train.label_names).fit(
    train.X, train.Y, groups=train.groups
)
predictor = model.predictor_
report = evaluate(predictor, predictor.score(held_out.X), LabelMatrix(held_out.Y), held_out.groups)

# %%
# **The verdict** is what follows from the figures, with the most important finding first:

print(verdict_text(report["verdict"]))

# %%
# **The table** has one line per label. A sum ratio is the sum of probabilities over the number of positives: near 1 the
# probabilities add up, before and after each correction.

print(report_table(report))

# %%
# **The ledger** counts the positives of each label: found, lost at the gate, lost at the labeler. A lower gate
# threshold helps against losses at the gate only. Against the others, change the decision threshold or the labeler.

labels = report["ledger"]["labels"]
names = [row["label"] for row in labels]
_, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
left = np.zeros(len(labels))
for key, colour in [("found", "#2a6f97"), ("lost_at_labeler", "#e9a03b"), ("lost_at_gate", "#b23a48")]:
    counts = np.array([row[key] for row in labels])
    ax.barh(names, counts, left=left, color=colour, label=key.replace("_", " "))
    left += counts
ax.invert_yaxis()
ax.set_xlabel("held-out rows with the label")
ax.legend(frameon=False)
plt.show()
assert np.allclose(left, held_out.Y.sum(axis=0))
