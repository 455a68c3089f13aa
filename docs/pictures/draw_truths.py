"""Draw the pictures of docs/understand/truths.md from small simulations whose truth is known.

python docs/pictures/draw_truths.py docs/pictures
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, hamming_loss
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from cascade import BalancedBinaryRelevance
from cascade.data.labels import Labels
from cascade.datasets.known_truth import draw
from cascade.datasets.phantom.table import full_table
from cascade.rules.probability.merge import MERGES, POOLS, pool_rows
from cascade.rules.thresholds.certificate import recall_bound
from cascade.rules.thresholds.gate_threshold import gate_threshold
from cascade.utils.log_odds import log_odds, shift_proba

Floats = NDArray[np.float64]

BLUE, ORANGE, GREY = "#0060a8", "#c44a00", "#666666"
POSITIVES = np.array([233, 2607, 1893, 2574, 3403])
ROWS = 54_214

PAIRS = (
    ("positives", "positives", "rows with a label, times the gate"),
    ("all", "all", "all rows, capped at the gate"),
    ("gated", "gated", "rows past the gate, as it is"),
    ("positives", "gated", "rows with a label, as it is"),
    ("all", "positives", "all rows, times the gate"),
    ("gated", "positives", "rows past the gate, times the gate"),
)
"""Negative pool of the labeler, pool whose merge is applied, and both in words; a pair is right if they agree."""

# Class 1 is both the rarest label and the hardest to see, as epidural bleeds are; the gate is the true p(any | x).
SLOPES = np.array([2.0, 5.0, 5.0, 5.0, 5.0])
HELD_OUT = 47  # A fifth of the rarest label's 233 positives.
COST_RATIO = 0.03
AUROCS = (0.85, 0.9, 0.95, 0.97, 0.99)


def problem_a() -> Labels:
    """Problem A's labels, (54214, 6)."""
    combinations, counts = full_table()
    return np.repeat(combinations, counts, axis=0)


def intercept(slope: float, prevalence: float) -> float:
    """Solve mean of expit(slope * x + intercept) = prevalence for a standard normal x."""
    x, weight = np.polynomial.hermite_e.hermegauss(101)
    return float(brentq(lambda b: weight @ expit(slope * x + b) / weight.sum() - prevalence, -60, 10))


@dataclass(frozen=True)
class Reliability:
    """A balanced model's answers (n,) before and after the correction, and the true probabilities."""

    raw: Floats
    corrected: Floats
    true: Floats
    shift: float


@cache
def reliability() -> Reliability:
    """Fit balanced models of a label as rare as class 1 of problem A, and ask them about fresh rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(450_000, 1))
    true = expit(2.0 * X[:, 0] + intercept(2.0, POSITIVES[0] / ROWS))
    y = (rng.random(len(X)) < true).astype(int)
    model = BalancedBinaryRelevance(LogisticRegression(), n_bags=10).fit(X[:300_000], y[:300_000, None])
    corrected, shift = model.predict_proba(X[300_000:])[:, 0], float(model.prior_shift_[0])
    return Reliability(shift_proba(corrected, -shift), corrected, true[300_000:], shift)


@cache
def merge_ratios() -> dict[tuple[str, str], Floats]:
    """Mean predicted over mean true probability of five labels past the gate, for each of `PAIRS`."""
    gate_rows, rows, fresh = (draw(n, seed) for seed, n in enumerate((60_000, 120_000, 120_000), start=1))
    gate = LogisticRegression(C=100).fit(gate_rows.X, gate_rows.Y[:, 5])
    seen, asked = (gate.predict_proba(some.X)[:, 1] for some in (rows, fresh))
    threshold = gate_threshold(seen, rows.Y, 0.95).value
    past = asked >= threshold
    answer = {}
    for pool in POOLS:
        pooled = pool_rows(rows.Y, pool, seen >= threshold)
        labeler = make_pipeline(PolynomialFeatures(2), StandardScaler(), MultiOutputClassifier(LogisticRegression()))
        labeler.fit(rows.X[pooled], rows.Y[pooled, :5])
        answer[pool] = np.column_stack([p[:, 1] for p in labeler.predict_proba(fresh.X[past])])
    truth = fresh.p[past, :5].sum(axis=0)
    return {(pool, merge): MERGES[merge](asked[past], answer[pool]).sum(axis=0) / truth for pool, merge, _ in PAIRS}


@dataclass(frozen=True)
class GateRecall:
    """Recall of each label (m, 6), the last one `any`, at m gate thresholds, and what held-out positives prove.

    `bound` is that of the rarest label. `chosen` are the thresholds that keep 95 % of `any` and of each label,
    `passing` the shares of rows past them, `kept` the recall of each label at the first.
    """

    thresholds: Floats
    recall: Floats
    bound: Floats
    chosen: Floats
    passing: Floats
    kept: Floats


@cache
def gate_recall() -> GateRecall:
    """Let the true p(any | x) be the gate of independent labels with problem A's prevalences."""
    offsets = [intercept(slope, share) for slope, share in zip(SLOPES, POSITIVES / ROWS, strict=True)]
    p = expit(np.random.default_rng(0).normal(size=(400_000, 5)) * SLOPES + offsets)
    p = np.column_stack([p, 1 - np.prod(1 - p, axis=1)])
    p = p[np.argsort(-p[:, 5])]
    recall = p.cumsum(axis=0) / p.sum(axis=0)
    enough = (recall >= 0.95).argmax(axis=0)
    last = np.array([enough[5], enough.max()])
    thresholds = np.geomspace(1e-3, 0.9999, 241)
    curve = recall[np.searchsorted(-p[:, 5], -thresholds)]
    # Kept at the population's rate: one draw of 47 would show its luck.
    bound = np.array([recall_bound(round(HELD_OUT * kept), HELD_OUT) for kept in curve[:, 0]])
    return GateRecall(thresholds, curve, bound, p[last, 5], (last + 1) / len(p), recall[last[0]])


@cache
def metric_scores() -> dict[str, tuple[float, float]]:
    """Score of the all-empty and of the perfect prediction on problem A, by metric."""
    Y = problem_a()
    metrics: dict[str, Callable[[Labels, Labels], float]] = {
        "samples-F1, zero_division=0": lambda y, z: f1_score(y, z, average="samples", zero_division=0),
        "samples-F1, zero_division=1": lambda y, z: f1_score(y, z, average="samples", zero_division=1),
        "rows exactly right": accuracy_score,
        "bits right (1 - Hamming loss)": lambda y, z: 1 - hamming_loss(y, z),
        "micro-F1": lambda y, z: f1_score(y, z, average="micro", zero_division=0),
        "macro-F1": lambda y, z: f1_score(y, z, average="macro", zero_division=0),
        "macro average precision": average_precision_score,
    }
    return {name: (float(score(Y, np.zeros_like(Y))), float(score(Y, Y))) for name, score in metrics.items()}


def share_passed(auroc: float, recall: Floats | float, prevalence: float) -> Floats:
    """Share of rows past a gate whose scores are normal with equal variance: AUROC = Phi(d / sqrt(2))."""
    distance = np.sqrt(2) * norm.ppf(auroc)
    false_alarms = norm.cdf(norm.ppf(recall) - distance)
    return np.asarray(prevalence * np.asarray(recall) + (1 - prevalence) * false_alarms)


def speed_up(share: Floats | float, cost_ratio: float = COST_RATIO) -> Floats:
    """Cost of the labeler on every row over that of gate on every row and labeler on a share."""
    return np.asarray(1 / (cost_ratio + np.asarray(share)))


def _axes(height: float = 4.6) -> tuple[Any, Any]:
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update({"axes.grid": True, "axes.axisbelow": True, "grid.color": "#e4e4e4"})
    return plt.subplots(figsize=(7.6, height), layout="constrained")


def _binned(predicted: Floats, true: Floats) -> tuple[Floats, Floats]:
    z = log_odds(predicted)
    edges = np.linspace(*np.quantile(z, [0.001, 0.99999]), 17)
    bins = [np.digitize(z, edges) == number for number in range(1, len(edges))]
    return np.array([predicted[b].mean() for b in bins]), np.array([true[b].mean() for b in bins])


def draw_prior() -> Any:
    """Draw the reliability of balanced models before and after the correction."""
    (figure, axis), answers, ends = _axes(), reliability(), np.array([1e-5, 1.0])
    axis.plot(ends, ends, color=GREY, linewidth=1.2)
    axis.text(2.2e-5, 4.2e-5, "says what is true", color=GREY, rotation=37, rotation_mode="anchor")
    says = np.geomspace(1e-3, 0.9999, 300)
    axis.plot(says, shift_proba(says, answers.shift), color=ORANGE, linewidth=1.2, linestyle="--")
    axis.plot(*_binned(answers.raw, answers.true), "o", color=ORANGE, markersize=7)
    axis.plot(*_binned(answers.corrected, answers.true), "s", color=BLUE, markersize=6)
    axis.text(1.4e-2, 1.3e-5, "balanced model as it is;\ndashed: diagonal + ln(b/c)", color=ORANGE)
    axis.text(5e-4, 1.2e-2, "after the correction", color=BLUE, ha="center")
    point, words = (0.9, float(shift_proba(0.9, answers.shift))), "says 0.9,\nmeans 0.04"
    axis.annotate(words, point, (0.03, 3.5e-3), color=ORANGE, arrowprops={"arrowstyle": "->"})
    axis.set(xscale="log", yscale="log", xlim=(1e-5, 1.3), ylim=ends, xlabel="the model says", ylabel="the truth is")
    return figure


def draw_merge() -> Any:
    """Draw mean predicted over true probability for right and wrong pairs of pool and merge."""
    figure, axis = _axes(height=3.7)
    for place, (pool, merge, _) in enumerate(PAIRS):
        ratios = merge_ratios()[pool, merge]
        mark, color = ("o", BLUE) if pool == merge else ("X", ORANGE)
        axis.plot(ratios, np.linspace(0.2, -0.2, len(ratios)) - place, mark, color=color, markersize=7)
    axis.axvline(1, color=GREY, linewidth=1.2)
    axis.text(2.55, -1, "right", color=BLUE, ha="right", va="center")
    axis.text(1.12, -4.5, "wrong", color=ORANGE, ha="left", va="center")
    axis.set_yticks([-place for place in range(len(PAIRS))], [words for *_, words in PAIRS])
    axis.set(xscale="log", xlim=(0.5, 2.6), ylim=(-5.6, 0.6))
    axis.set_xticks([0.5, 0.7, 1, 1.4, 2], ["0.5", "0.7", "1", "1.4", "2"])
    axis.minorticks_off()
    axis.set_xlabel("mean predicted probability over the true one, one mark a label")
    return figure


def draw_gate() -> Any:
    """Draw the recall of each label, and the bound of the rare one, against the gate's threshold."""
    figure, axis = _axes()
    found = gate_recall()
    axis.plot(found.thresholds, found.recall[:, 1:5], color=GREY, linewidth=1, alpha=0.6)
    axis.plot(found.thresholds, found.recall[:, 5], color=BLUE, linewidth=2.2)
    axis.plot(found.thresholds, found.recall[:, 0], color=ORANGE, linewidth=2.2)
    axis.plot(found.thresholds, found.bound, color=ORANGE, linewidth=1.4, linestyle="--")
    axis.axhline(0.95, color=GREY, linewidth=0.9, linestyle=":")
    words = ("95 % of any", "95 % of each label")
    for threshold, what, share in zip(found.chosen, words, found.passing, strict=True):
        axis.axvline(threshold, color=GREY, linewidth=0.9)
        axis.text(threshold, 1.04, f"{what}:\n{100 * share:.0f} % of rows pass", ha="center", va="bottom", fontsize=10)
    axis.text(0.2, 0.76, "any", color=BLUE)
    axis.text(0.98, 0.84, "other labels", color=GREY, ha="right")
    axis.text(0.28, 0.34, "rarest label", color=ORANGE)
    axis.text(0.0066, 0.3, f"dashed: what {HELD_OUT} held-out\npositives prove of it", color=ORANGE)
    axis.set(xscale="log", xlim=(1e-3, 1), ylim=(0, 1.02), xlabel="gate threshold", ylabel="recall at the gate")
    return figure


def draw_metrics() -> Any:
    """Draw what the all-empty and the perfect prediction score."""
    figure, axis = _axes(height=3.9)
    for place, (empty, perfect) in enumerate(metric_scores().values()):
        axis.plot([empty, perfect], [-place, -place], color="#bbbbbb", linewidth=2)
        (dot,) = axis.plot(empty, -place, "o", color=ORANGE, markersize=10)
        (square,) = axis.plot(perfect, -place, "s", color=BLUE, markersize=8)
        axis.text(empty - 0.02, -place, f"{empty:.2f}", color=ORANGE, ha="right", va="center")
        axis.text(perfect + 0.02, -place, f"{perfect:.2f}", color=BLUE, ha="left", va="center")
    axis.set_yticks([-place for place in range(len(metric_scores()))], list(metric_scores()))
    words = ["all-empty prediction", "perfect prediction"]
    axis.legend([dot, square], words, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axis.set(xlim=(-0.13, 1.1), ylim=(-6.5, 0.5), xlabel="score on problem A")
    return figure


def draw_compute() -> Any:
    """Draw the expected speed-up against the recall of `any` kept at the gate."""
    figure, axis = _axes()
    prevalence = float(problem_a()[:, 5].mean())
    recall = 1 - np.geomspace(0.3, 0.002, 200)
    for auroc, color in zip(AUROCS, plt.get_cmap("viridis")(np.linspace(0.6, 0.05, len(AUROCS))), strict=True):
        gain = speed_up(share_passed(auroc, recall, prevalence))
        axis.plot(1 - recall, gain, color=color, linewidth=2.2)
        axis.text(0.31, gain[0], f"AUROC {auroc:.2f}", color=color, ha="right", va="center")
    axis.plot(1 - recall, speed_up(prevalence * recall), color=GREY, linewidth=1.2, linestyle="--")
    axis.text(0.03, 6.1, "perfect gate", color=GREY, ha="center")
    axis.axhline(1, color=GREY)
    axis.text(0.95, 1.06, "no gain", color=GREY)
    axis.set(xscale="log", xlim=(1.0, 0.002), ylim=(0.5, 8.3), xlabel="recall of any at the gate")
    ticks = [0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002]
    axis.set_xticks(ticks, [f"{1 - t:.1%}".replace(".0%", "%").replace("%", " %") for t in ticks])
    axis.minorticks_off()
    axis.set_ylabel(f"speed-up, c1/c2 = {COST_RATIO}")
    return figure


PICTURES = {
    "truth-1-prior.png": draw_prior,
    "truth-2-merge.png": draw_merge,
    "truth-3-gate.png": draw_gate,
    "truth-4-metrics.png": draw_metrics,
    "truth-5-compute.png": draw_compute,
}


def save(figure: Any, path: Path) -> None:
    """Write a PNG of 64 colours: a third of the bytes, and nothing to see of it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=140)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    for name, picture in PICTURES.items():
        save(picture(), Path(sys.argv[1]) / name)
