"""Measure what a gate gains from one output per label, on the phantom.

    cascade phantom data/phantom
    python benchmarks/gate_labels.py data/phantom --seeds 3

Per seed, the gate of configs/phantom-multilabel.yaml is trained with the target `any` alone and with `any` and each
label, on the same rows. Printed on held-out patients: the AUROC of `any`; the share of rows that pass at several
recalls on calibration rows, by a threshold on `any` and by the rule "`any` or some label is likely", with the lowest
recall of a label on the held-out rows; and the log loss of the labels of rejected rows, in thousandths, as a constant
share of the gate's probability and from the gate's label outputs. A recall holds for every label but those for which
the config has another one, `gate_recall`. A seed takes about 4 minutes on two cores.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from scipy.special import expit

from cascade import KerasClassifier
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.label_matrix import LabelMatrix
from cascade.data.splits import grouped_holdout
from cascade.estimators.scoring import gate_log_odds
from cascade.metrics import label_auroc
from cascade.rules.probability.calibration import fit_calibration
from cascade.rules.probability.stack import fit_rejected_stack
from cascade.utils.log_odds import log_odds

CONFIG = Path(__file__).parents[1] / "configs/phantom-multilabel.yaml"
RECALLS = (0.95, 0.97, 0.98, 0.99)
Pair = tuple[np.ndarray, np.ndarray]


def gate_scores(data: Dataset, fitting: np.ndarray, parts: list[np.ndarray], columns: list[int], seed: int) -> list:
    """Return the calibrated log-odds of a gate with these targets; the first part calibrates."""
    options = load_config(CONFIG).gate.parameters()
    y = data.Y[fitting][:, columns]
    gate = KerasClassifier(**options, random_state=seed).fit(data.X[fitting], y[:, 0] if len(columns) == 1 else y)
    z = [gate_log_odds(gate, data.X, part, len(columns)) for part in parts]
    calibration = fit_calibration(z[0], LabelMatrix(data.Y[parts[0]][:, columns]))
    return [calibration(part) for part in z]


def threshold(z: np.ndarray, y: np.ndarray, recall: float) -> float:
    """Return the highest threshold that keeps this share of the positives."""
    return float(np.quantile(z[y > 0], 1 - recall, method="lower"))


def passing(z: Pair, Y: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Mark the held-out rows that pass a threshold on `any` which keeps the recall of every label."""
    return z[1][:, 0] >= common_threshold(z[0][:, 0], Y, recalls)


def common_threshold(z: np.ndarray, Y: np.ndarray, recalls: np.ndarray) -> float:
    """Return the highest threshold on one score that keeps these shares of the positives of every label."""
    return min(threshold(z, y, recall) for y, recall in zip(Y.T, recalls, strict=True))


def passing_by_label(z: Pair, Y: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Mark the held-out rows in which some output passes its own threshold, all below their recall by the same part."""
    for part in np.linspace(0.5, 1, 201):
        pairs = zip(z[0].T, Y.T, part * recalls, strict=True)
        limits = np.array([threshold(column, y, own) for column, y, own in pairs])
        kept = (z[0] >= limits).any(axis=1)
        if all(kept[y > 0].mean() >= recall for y, recall in zip(Y.T, recalls, strict=True)):
            break
    return (z[1] >= limits).any(axis=1)


def rejected_loss(z: Pair, Y: Pair, recalls: np.ndarray) -> tuple[float, float]:
    """Return the log loss of rejected rows' labels by a constant share, and from the gate's label outputs."""
    limit = common_threshold(z[0][:, 0], Y[0], recalls)
    rejected = [part[:, 0] < limit for part in z]
    share = Y[0][:, 1:].sum(axis=0) / Y[0][:, 0].sum()
    gate = [expit(part[:, :1]) for part in z]
    share = (Y[0][rejected[0], 1:].sum(axis=0) + share) / (gate[0][rejected[0]].sum() + 1)
    base = [log_odds(g[r] * share) for g, r in zip(gate, rejected, strict=True)]
    feature = [part[r, 1:] - b for part, r, b in zip(z, rejected, base, strict=True)]
    labels = LabelMatrix(Y[0][rejected[0], 1:])
    stack = fit_rejected_stack(base[0], feature[0], labels, np.ones(len(labels)))
    truth = Y[1][rejected[1], 1:]
    return log_loss(truth, base[1]), log_loss(truth, stack(base[1], [feature[1]]))


def log_loss(y: np.ndarray, z: np.ndarray) -> float:
    """Return the mean log loss of log-odds, in thousandths."""
    return 1000 * float(np.mean(np.logaddexp(0, z) - y * z))


def run(data: Dataset, seed: int) -> None:
    """Train both gates on one split, and print their figures."""
    held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
    training, testing = np.flatnonzero(~held), np.flatnonzero(held)
    apart = grouped_holdout(data.Y[training], data.groups[training], 0.2, seed)
    fitting, parts = training[~apart], [training[apart], testing]
    # `any` is the phantom's last column.
    any_index = data.Y.shape[1] - 1
    columns = [any_index, *range(any_index)]
    given = load_config(CONFIG).cascade.gate_recall
    Y = data.Y[parts[0]][:, columns], data.Y[parts[1]][:, columns]
    for name, targets in (("any", columns[:1]), ("labels", columns)):
        z = gate_scores(data, fitting, parts, targets, seed)
        print(f"seed {seed}  targets {name:<6}  AUROC of any {label_auroc(Y[1][:, :1], expit(z[1][:, :1]))[0]:.4f}")
        for recall in RECALLS:
            recalls = np.array([given.get(data.label_names[column], recall) for column in columns])
            rules = {"any": passing(z, Y[0], recalls)}
            if len(targets) > 1:
                rules["any or a label"] = passing_by_label(z, Y[0], recalls)
            for rule, passed in rules.items():
                lowest = min(passed[y > 0].mean() for y in Y[1].T[recalls == recall])
                print(f"  recall {recall}  by {rule:<14}  passes {passed.mean():.3f}  lowest recall {lowest:.3f}")
            if len(targets) > 1:
                share, own = rejected_loss(z, Y, recalls)
                print(f"  recall {recall}  log loss of rejected rows: share {share:.2f}, from the outputs {own:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phantom", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data = read_data(given.phantom)
    for seed in range(given.seeds):
        run(data, seed)


if __name__ == "__main__":
    main()
