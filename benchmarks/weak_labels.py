"""How often the default decision sets no bit, and what the bits are worth, on labels of known strength.

    python benchmarks/weak_labels.py

Each draw is 10,000 held-out rows in groups of 3. A label's true score is normal, shifted by the wanted AUROC among its
positives, and the rows of a group share most of it. The model is too confident, as a model of few positives is: its
log-odds have a standard deviation of 1 more than the truth supports. Calibration (Platt) and decisions are the shipped
ones. Bits are evaluated exactly, by normal distributions, on an infinite number of new rows.

The first table is the test against chance: the share of draws in which a label passes it alone, and the shares in which
one weak label passes beside five clear ones and in which any of six labels at chance passes. The second shows, per
prevalence and true AUROC, the share of draws without a bit, for which of the two reasons, and bits per positive,
precision and F1 of the default decision before and after the rule.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from cascade.data.label_matrix import LabelMatrix
from cascade.rules.probability.calibration import fit_calibration
from cascade.rules.thresholds.chance import ChanceTest, chance_test
from cascade.rules.thresholds.decisions import MOST_BITS, NEVER, decision_thresholds

ROWS, GROUP = 9_999, 3
SHARED = 0.7
"""Share of a score's variance that the rows of a group have in common."""

AUROCS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
PREVALENCES = (0.0005, 0.002, 0.004, 0.02, 0.1)


@dataclass(frozen=True)
class Label:
    """A label of known strength: its share of rows, and the distance between its two normal scores."""

    prevalence: float
    distance: float

    @classmethod
    def of(cls, prevalence: float, auroc: float) -> Label:
        """Return the label whose true score has an AUROC."""
        return cls(prevalence, float(np.sqrt(2) * norm.ppf(auroc)))

    def draw(self, rng: np.random.Generator, positives: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return 0/1, log-odds of the model and group, of 9,999 rows.

        Half of the rows of a group with the label have it, or two of three where the number of groups is given.
        """
        group = np.arange(ROWS) // GROUP
        with_label = rng.random(ROWS // GROUP) < 2 * self.prevalence
        y = with_label[group] & (rng.random(ROWS) < 0.5)
        if positives is not None:
            y = np.zeros(ROWS, dtype=bool)
            chosen = GROUP * rng.choice(ROWS // GROUP, positives, replace=False)
            y[chosen] = y[chosen + 1] = True
        noise = np.sqrt(SHARED) * rng.normal(size=ROWS // GROUP)[group]
        score = noise + np.sqrt(1 - SHARED) * rng.normal(size=ROWS) + self.distance * y
        return y.astype(np.uint8), self.log_odds(score), group

    @property
    def slope(self) -> float:
        """Log-odds of the model per unit of the score; the truth has `distance`."""
        return float(np.hypot(self.distance, 1.0))

    def log_odds(self, score: np.ndarray) -> np.ndarray:
        """Return the log-odds of the model, which is too confident."""
        return logit(self.prevalence) + self.slope * (score - self.distance / 2)

    def bits(self, threshold: float) -> tuple[float, float]:
        """Return bits per positive and recall on new rows of a threshold on the model's log-odds."""
        score = (threshold - logit(self.prevalence)) / self.slope + self.distance / 2
        recall = float(norm.sf(score - self.distance))
        return recall + float(norm.sf(score)) * (1 - self.prevalence) / self.prevalence, recall


def decided(label: Label, seed: int) -> tuple[float, float, bool]:
    """Return log-odds thresholds without and with the rule, and whether the label passes the test against chance."""
    y, z, group = label.draw(np.random.default_rng([seed, int(1e6 * label.prevalence), int(1e3 * label.distance)]))
    labels, weight, passed = LabelMatrix(y[:, None]), np.ones(ROWS), np.ones(ROWS, dtype=bool)
    calibration = fit_calibration(z[:, None], labels, weight, "platt")
    proba = expit(calibration(z[:, None]))
    chance = chance_test(z[:, None], labels, weight, group)
    limits = []
    for most, test in ((np.inf, None), (MOST_BITS, chance)):
        with limited(most):
            limits.append(decision_thresholds(["f1"], ["label"], proba, passed, labels, weight, chance=test)[0])
    # Back to the model's scale: Platt's map is a line.
    before, after = (
        np.inf if limit == NEVER else float((logit(limit) - calibration.intercept[0]) / calibration.low[0])
        for limit in limits
    )
    return before, after, bool(chance.above[0])


class limited:
    """Set the shipped limit of bits per positive for a while."""

    def __init__(self, most: float) -> None:
        self.most = most

    def __enter__(self) -> None:
        import cascade.rules.thresholds.decisions as module

        self.module, self.shipped = module, module.MOST_BITS
        module.MOST_BITS = self.most

    def __exit__(self, *_: object) -> None:
        self.module.MOST_BITS = self.shipped


def show_decisions(draws: int) -> None:
    print(f"\ndefault decision, {ROWS} held-out rows, at most {MOST_BITS:g} bits per positive")
    print("prevalence  AUROC | no bit: chance  flood | bits per positive, precision, F1: before | after (where set)")
    for prevalence in PREVALENCES:
        for auroc in AUROCS:
            label = Label.of(prevalence, auroc)
            outcomes = [decided(label, seed) for seed in range(draws)]
            at_chance = np.mean([not above for *_, above in outcomes])
            flood = np.mean([above and after == np.inf for _, after, above in outcomes])
            columns = [worth(label, [limit[which] for limit in outcomes]) for which in (0, 1)]
            print(f"{prevalence:10.4f}  {auroc:5.2f} | {at_chance:14.2f}  {flood:5.2f} | {columns[0]} | {columns[1]}")


def worth(label: Label, limits: list[float]) -> str:
    """Return mean bits per positive, precision and F1 on new rows of the draws that set bits."""
    reached = np.array([label.bits(limit) for limit in limits if np.isfinite(limit)])
    if not len(reached):
        return f"{'-':>23}"
    bits, recall = reached.T
    return f"{bits.mean():9.2f}  {np.mean(recall / bits):5.3f}  {np.mean(2 * recall / (bits + 1)):5.3f}"


def show_test(draws: int) -> None:
    clear, chance = Label.of(0.02, 0.95), Label.of(0.004, 0.5)
    print(f"\ntest against chance, {draws} draws: share of draws in which a label passes")
    print("groups with a positive  " + "".join(f"AUROC {auroc:<6.2f}" for auroc in AUROCS))
    for positives in (1, 2, 3, 5, 10, 20, 50):
        shares = [
            np.mean([chance_of([Label.of(0.004, auroc)], seed, positives).above[0] for seed in range(draws)])
            for auroc in AUROCS
        ]
        print(f"{positives:22d}  " + "".join(f"{share:<12.3f}" for share in shares))
    beside = [chance_of([clear] * 5 + [chance], seed).above[5] for seed in range(draws // 2)]
    alone = [chance_of([chance] * 6, seed).above.any() for seed in range(draws // 2)]
    print(
        f"a label at chance beside five clear ones: {np.mean(beside):.3f}; any of six at chance: {np.mean(alone):.3f}"
    )


def chance_of(labels: list[Label], seed: int, positives: int | None = None) -> ChanceTest:
    rng = np.random.default_rng([seed, len(labels), positives or 0])
    y, z, group = zip(*(label.draw(rng, positives) for label in labels), strict=True)
    return chance_test(np.column_stack(z), LabelMatrix(np.column_stack(y)), np.ones(ROWS), group[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--parts", nargs="+", choices=("test", "decisions"), default=("test", "decisions"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if "test" in given.parts:
        show_test(given.draws)
    if "decisions" in given.parts:
        show_decisions(given.draws // 4)


if __name__ == "__main__":
    main()
