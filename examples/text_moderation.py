"""
Texts for moderation
====================

Comments, of which 8 % have a label. The default models of a list of texts are logistic regressions on their TF-IDF.
"""

import matplotlib.pyplot as plt
import numpy as np

from cascade import CascadeClassifier
from cascade.datasets.samples.moderation import LABEL_NAMES, draw
from cascade.plots import PrecisionRecallDisplay

comments = draw(6_000, seed=0)
threads = np.array(comments.threads)
test = np.isin(threads, np.unique(threads)[::3])  # a third of the threads; a thread is never on both sides
train_texts = [text for text, held in zip(comments.texts, test) if not held]
test_texts = [text for text, held in zip(comments.texts, test) if held]
print(comments.texts[0])

# %%
# Fit on the other threads. Comments of one thread have one topic, so the thread is the group.

model = CascadeClassifier(label_names=LABEL_NAMES, gate_recall={"threat": 0, "identity_hate": 0})
model.fit(train_texts, comments.Y[~test], groups=threads[~test])
print(f"{model.examine(test_texts).passed_gate.mean():.0%} of the comments pass the gate")

# %%
# Precision and recall of three labels, with 95 % intervals over threads.

PrecisionRecallDisplay.from_predictor(
    model, test_texts, comments.Y[test], threads[test], labels=["toxic", "obscene", "insult"]
)
plt.show()
