"""
Retraining with a spoilt month
==============================

Three months of new rows arrive. One has lost half of a label's annotations, and one has a feature that was
measured on another scale. ``cascade retrain`` compares each arrival with what it remembers of the champion's data.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.data import Dataset
from cascade.datasets.known_truth import draw
from cascade.retraining.checks.validation import validate_data
from cascade.retraining.memory.record import record_of


def month(number: int) -> Dataset:
    """Return 6,000 rows of a month's patients."""
    drawn = draw(6_000, seed=number)
    names = np.array([f"{number}-{row}" for row in range(len(drawn.X))])
    return Dataset(drawn.X, drawn.Y, drawn.label_names, drawn.groups + number * 1_000_000, names)


def joined(months: list[Dataset]) -> Dataset:
    """Return the rows of all months."""
    X, Y, groups, ids = (
        np.concatenate([getattr(each, part) for each in months]) for part in ("X", "Y", "groups", "ids")
    )
    return Dataset(X, Y, months[0].label_names, groups, ids)


first = month(0)
held = first.groups % 5 == 0
champion = (
    CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()), label_names=first.label_names)
    .fit(first.X[~held], first.Y[~held], groups=first.groups[~held])
    .predictor_
)
record = record_of(first, held, champion.predict_proba(first.X[held]))

# %%
# The months, and what is wrong with two of them:

months = {name: month(number) for number, name in enumerate(["clean", "lost annotations", "another scale"], 1)}
lost = months["lost annotations"]
lost.Y[np.random.default_rng(0).random(len(lost)) < 0.5, 4] = 0
lost.Y[:, 5] = lost.Y[:, :5].any(axis=1)
months["another scale"].X[:, 0] *= 10

# %%
# Each is checked beside the champion's rows. "refuse" ends the run before it trains; "ask" needs a person.

answers = {}
for name, new in months.items():
    data = joined([first, new])
    apart = data.groups % 5 == 0
    findings = validate_data(data, apart, record, champion, any_label=first.label_names[-1])
    answers[name] = [finding.answer for finding in findings]
    print(f"{name}:")
    for finding in findings:
        print(f"  {finding.answer}: {finding.sentence}")
assert not {"refuse", "ask"} & set(answers["clean"])
assert all({"refuse", "ask"} & set(answers[name]) for name in ("another scale", "lost annotations"))

# %%
# The champion's own predictions show the lost annotations: where it expects the label as often as before, the label has
# not become rarer.

_, ax = plt.subplots(layout="constrained")
place = np.arange(len(first.label_names))
for shift, (name, new) in zip((-0.25, 0, 0.25), months.items(), strict=True):
    ax.bar(place + shift, new.Y.sum(axis=0) / champion.predict_proba(new.X).sum(axis=0), 0.25, label=name)
ax.axhline(1, color="#444444", linewidth=0.8)
ax.set_xticks(place, first.label_names)
ax.set_ylabel("annotated over expected")
ax.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()
