r"""How often the default policy promotes a challenger, against how much better or worse it truly is.

    python benchmarks/policy_curve.py --results benchmarks/results/policy_curve.json \
        --figure docs/pictures/policy-curve.png
    python benchmarks/policy_curve.py --measure

Held-out patients are drawn from problem A's table, with the labels of all their slices. The scores of a model are
normal, with a mean for the positives of each label that gives a wanted true average precision; they are turned into the
probabilities that such scores mean, bits at the label's own prevalence, and a gate that keeps 97 % of the rows with a
label. Champion and challenger share a part of what makes a row hard, the correlation of their scores within a class,
and patients share a part of that. `--measure` prints this correlation for models fitted twice, from other rows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from cascade.data.readers.rsna import LABELS
from cascade.datasets.known_truth import draw
from cascade.datasets.phantom.patients import plan_patients
from cascade.datasets.phantom.table import full_table
from cascade.metrics import Outcome
from cascade.metrics.intervals import clopper_pearson
from cascade.retraining.decision.candidate import Candidate
from cascade.retraining.decision.decision import PromotionDecision, decide
from cascade.retraining.decision.policy import Policy
from cascade.utils.log_odds import log_odds

Floats = NDArray[np.float64]

PRECISION = np.array([0.15, 0.7, 0.8, 0.55, 0.75, 0.85])
"""The champion's true average precisions: all have room for a challenger that is better, or worse."""

OF_PATIENT = 0.3
"""Share of a score's variance within a class that the slices of a patient have in common."""

KEPT_BY_GATE = 0.97
LINE = (
    "{case:18} gain {gain:+.2f}  correlation {correlation:.2f}  {rows:6d} rows  promoted {promoted:3d} of {runs}, "
    "asked {asked:3d}  standard error {standard_error:.4f}  not judged {not_judged}  stopped by {stopped_by}"
)

COLLAPSING = LABELS.index("intraparenchymal")


@dataclass(frozen=True)
class Case:
    """A challenger: what its true average precisions add to the champion's, and how alike both answer."""

    name: str
    added: tuple[float, ...]
    correlation: float = 0.8
    rows: int = 10_000

    @property
    def mean(self) -> float:
        """What it adds to macro average precision."""
        return float(np.mean(self.added))


@cache
def patients() -> tuple[list[NDArray[np.uint8]], Floats]:
    """The label rows of each of problem A's patients, and the prevalences."""
    combinations, counts = full_table()
    labels = [patient.labels for patient in plan_patients(combinations, counts, seed=0)]
    return labels, np.concatenate(labels).mean(axis=0)


@cache
def separation(precision: float, prevalence: float) -> float:
    """Distance of two unit normals, negatives and positives, at which average precision has a value."""
    place = norm.ppf((np.arange(4000) + 0.5) / 4000)

    def excess(distance: float) -> float:
        found, false = prevalence * norm.sf(place), (1 - prevalence) * norm.sf(place + distance)
        return float(np.mean(found / (found + false))) - precision

    return float(brentq(excess, 0, 12))


def draw_patients(rows: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Labels of about so many rows, and the number of each row's patient; patients are drawn with replacement."""
    every, _ = patients()
    sizes = np.array([len(labels) for labels in every])
    drawn = rng.integers(len(every), size=2 * rows // int(sizes.min()))
    drawn = drawn[: int(np.searchsorted(np.cumsum(sizes[drawn]), rows)) + 1]
    return np.concatenate([every[number] for number in drawn]), np.repeat(np.arange(len(drawn)), sizes[drawn])


def noise(group: NDArray[np.intp], width: int, rng: np.random.Generator) -> Floats:
    """Unit normal noise (n, width), alike within a patient."""
    common = rng.normal(size=(int(group.max()) + 1, width))[group]
    return np.asarray(np.sqrt(OF_PATIENT) * common + np.sqrt(1 - OF_PATIENT) * rng.normal(size=common.shape))


def answer(Y: NDArray[np.uint8], precision: Floats, hard: Floats) -> Candidate:
    """What a model of these true average precisions says, `hard` being its noise (n, L)."""
    _, prevalence = patients()
    distance = np.array([separation(float(a), float(p)) for a, p in zip(precision, prevalence, strict=True)])
    score = Y * distance + hard
    proba = expit(log_odds(prevalence) + distance * score - distance**2 / 2)
    tail = [_cut(d, p) for d, p in zip(distance, prevalence, strict=True)]
    passed = score[:, -1] >= distance[-1] + norm.isf(KEPT_BY_GATE)
    return Candidate(LABELS, Outcome(Y, proba, (score >= tail).astype(np.uint8), passed))


@cache
def _cut(distance: float, prevalence: float) -> float:
    """Score above which as many rows lie as have the label."""

    def excess(cut: float) -> float:
        return float(prevalence * norm.sf(cut - distance) + (1 - prevalence) * norm.sf(cut) - prevalence)

    return float(brentq(excess, -10, 12))


def run(case: Case, policy: Policy, seed: int) -> PromotionDecision:
    """Decide once, on patients and answers drawn by a seed."""
    rng = np.random.default_rng([seed, case.rows])
    Y, group = draw_patients(case.rows, rng)
    shared, *own = (noise(group, Y.shape[1], rng) for _ in range(3))
    hard = [np.sqrt(case.correlation) * shared + np.sqrt(1 - case.correlation) * each for each in own]
    champion, challenger = answer(Y, PRECISION, hard[0]), answer(Y, PRECISION + case.added, hard[1])
    return decide(champion, challenger, group, policy, any_label="any")


def summary(case: Case, decisions: list[PromotionDecision]) -> dict[str, Any]:
    """How often each answer came, and what stood in the way."""
    answers = [decision.answer for decision in decisions]
    promoted = answers.count("promote")
    low, high = clopper_pearson(promoted, len(answers), 0.025)
    stopped = [reason.about for d in decisions for reason in d.reasons if reason.verdict in ("failed", "open")]
    errors = [(d.reasons[0].high - d.reasons[0].low) / 2 / norm.ppf(0.975) for d in decisions]
    return {
        "case": case.name,
        "gain": case.mean,
        "correlation": case.correlation,
        "rows": case.rows,
        "runs": len(answers),
        "promoted": promoted,
        "promoted_low": float(low),
        "promoted_high": float(high),
        "asked": answers.count("ask"),
        "standard_error": float(np.mean(errors)),
        "not_judged": sorted({r.label for d in decisions for r in d.reasons if r.verdict == "not judged"}),
        "stopped_by": {name: stopped.count(name) for name in sorted(set(stopped))},
    }


def cases() -> Iterator[Case]:
    """What the policy is known by, and the curve."""

    def all_by(gain: float) -> tuple[float, ...]:
        return (gain,) * len(LABELS)

    for correlation in (0.8, 0.5):
        yield Case("equal", all_by(0.0), correlation)
        yield Case("worse by .03", all_by(-0.03), correlation)
        yield Case("better by .06", all_by(0.06), correlation)
        yield Case("a label collapses", collapse(), correlation)
    for gain in (0.02, 0.04):
        yield Case("curve", all_by(gain))
    for gain in (0.0, 0.02, 0.04, 0.06, 0.08):
        yield Case("curve", all_by(gain), rows=3_000)
    for gain in (0.01, 0.03, 0.05):
        yield Case("curve", all_by(gain))
    yield Case("equal", all_by(0.0), 0.95)


def collapse() -> tuple[float, ...]:
    """One common label loses .2, all others gain so much that the mean is better by .06."""
    added = np.full(len(LABELS), (0.06 * len(LABELS) + 0.2) / (len(LABELS) - 1))
    added[COLLAPSING] = -0.2
    return tuple(added.tolist())


def draw_curve(found: list[dict[str, Any]], figure: Path) -> None:
    """Draw the share promoted against the true gain."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    styles = ((10_000, "o-", "#0060a8"), (3_000, "s-", "#c44a00"))
    for rows, style, colour in styles:
        points = sorted(
            (one for one in found if (one["rows"], one["correlation"]) == (rows, 0.8) and "label" not in one["case"]),
            key=lambda one: one["gain"],
        )
        gain, share = ([one[key] for one in points] for key in ("gain", "promoted"))
        share = np.array(share) / [one["runs"] for one in points]
        error = [share - [one["promoted_low"] for one in points], [one["promoted_high"] for one in points] - share]
        axes.errorbar(gain, share, error, fmt=style, color=colour, capsize=3, label=f"{rows:,} held-out rows")
    axes.axhline(0.05, color="#666666", linewidth=0.8, linestyle="--")
    axes.annotate("5 %", (0.079, 0.06), color="#666666")
    axes.set(xlabel="true gain in macro average precision", ylabel="share of challengers promoted", ylim=(-0.02, 1.04))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    plt.savefig(figure, dpi=120, metadata={"Software": None})


def measure() -> None:
    """Print how alike two fits of one learner answer rows of one class."""
    first, second, held = draw(10_000, seed=0), draw(10_000, seed=1), draw(20_000, seed=2)
    learners = {
        "logistic regression": LogisticRegression(),
        "boosted trees": HistGradientBoostingClassifier(max_iter=50, random_state=0),
        "forest": RandomForestClassifier(200, min_samples_leaf=5, random_state=0),
        "network": MLPClassifier((32,), early_stopping=True, random_state=0),
    }
    print(f"{'':24}" + "".join(f"{name:>10}" for name in ("positives", "negatives")))
    for name, learner in learners.items():
        for k, label in ((1, "label_2"), (5, "any")):
            z = [log_odds(learner.fit(part.X, part.Y[:, k]).predict_proba(held.X)[:, 1]) for part in (first, second)]
            residual = [residuals(each, held.p[:, k]) for each in z]
            for kind, pair in (("", z), (" errors", residual)):
                shown = [np.corrcoef(*(each[held.Y[:, k] == value] for each in pair))[0, 1] for value in (1, 0)]
                print(f"{name + ', ' + label + kind:34}" + "".join(f"{value:10.2f}" for value in shown))


def residuals(z: Floats, p: Floats) -> Floats:
    """What is left of log-odds when the true ones are known."""
    return np.asarray(z - np.polyval(np.polyfit(log_odds(p), z, 3), log_odds(p)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    parser.add_argument("--figure", type=Path, help="PNG file to write")
    options = parser.parse_args()
    if options.measure:
        measure()
        return
    found = []
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for case in cases():
            runs = options.runs // 2 if case.name == "curve" else options.runs
            found.append(summary(case, pool.map(partial(run, case, Policy()), range(runs), chunksize=5)))
            print(LINE.format(**found[-1]), f"  {time.monotonic() - started:.0f} s", flush=True)
            if options.results is not None:
                options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if options.figure is not None:
        draw_curve(found, options.figure)


if __name__ == "__main__":
    main()
