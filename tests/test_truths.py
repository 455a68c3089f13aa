"""docs/understand/truths.md: every figure in its text is computed again here, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import binomtest

from cascade import CascadeClassifier
from cascade.lint.class_weights import balanced_sample_weight, keras_class_weight
from cascade.rules.probability.merge import POOLS
from cascade.rules.probability.prior_correction import sampling_shift, weight_shift
from cascade.rules.thresholds.certificate import positives_needed, recall_bound
from cascade.rules.thresholds.decisions import cost_threshold
from cascade.utils.log_odds import shift_proba
from docs.pictures import draw_truths as drawn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/understand/truths.md").read_text(encoding="utf-8")
PICTURES = re.findall(r"\]\(\S*?([^/)]+\.png)\)", PAGE)
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"

Quotes = list[tuple[str, list[str]]]

# What is left when all quoted figures are taken out: 0 and 1, a cut or a share that the reader chooses, names of
# labels, the year of a challenge. Each stands for itself, and none came out of a computation.
PLAIN = {"0", "1", "2", "5", "6", "0.5", "95", "0.95", "0.90", "0.97", "99", "2019"}


def problem_a_quotes() -> Quotes:
    Y = drawn.problem_a()
    count, n = Y.sum(axis=0), len(Y)
    keras, sampled = keras_class_weight(Y), balanced_sample_weight(Y)
    means = [f"{float(shift_proba(says, sampling_shift(233 / (n - 233), 1.0))):.3f}" for says in (0.5, 0.9)]
    empty = 100 * keras.empty_share
    return [
        ("{} CT images with six labels, of which {} have any", [f"{n:,}", f"{count[5]:,}"]),
        ("Class 1 (epidural) is on {} rows", [f"{count[0]}"]),
        ("then carry {} % of all weight", [f"{100 * sampled.top_share:.1f}"]),
        ("the {} rows count as {}.", [f"{n:,}", f"{sampled.effective_rows:.1f}"]),
        ("each empty row weighs {}, as much as the rarest", [f"{n / 6 / count.min():.1f}"]),
        ("from {} % of the rows to {} % of the weight", [f"{empty:.1f}", f"{100 * keras.empty_weight_share:.1f}"]),
        ("it means {}, the label's prevalence", means[:1]),
        ("{} of {} negatives are kept: a balanced", [f"{count[0]}", f"{n - count[0]:,}"]),
        ("model's {} means {}.", ["0.9", means[1]]),
        ("Class 1 is {} % of the rows with a label", [f"{100 * count[0] / count[5]:.1f}"]),
        ("lose 5 % of those, {} rows, and all {} of", [f"{int(0.05 * count[5])}", f"{count[0]}"]),
        ("{} % of problem A's rows are empty", [f"{empty:.1f}"]),
    ]


def decision_quotes() -> Quotes:
    # A weight of 5 cut at 0.5, undone, against the costs (1, 5): two ways to one threshold.
    weighted = float(shift_proba(0.5, weight_shift(1.0, 5.0)))
    assert weighted == pytest.approx(cost_threshold(1, 5))
    return [
        ("With w = 5 that is {}, which", [f"{weighted:.3f}"]),
        ("The threshold of `any` is then {}.", [f"{cost_threshold(1, 9):.1f}"]),
    ]


def proof_quotes() -> Quotes:
    held = round(233 / 5)
    proven = binomtest(held, held, alternative="greater").proportion_ci(0.95, method="exact").low
    return [
        ("With {} positives, a fifth of class 1", [f"{held}"]),
        ("none lost, {} % is proven", [f"{100 * proven:.1f}"]),
        ("To prove 95 % takes {}, and 99 % takes {}.", [f"{positives_needed(r)}" for r in (0.95, 0.99)]),
    ]


def simulation_quotes() -> Quotes:
    prior, ratios, gate = drawn.reliability(), drawn.merge_ratios(), drawn.gate_recall()
    raw, corrected = prior.raw.sum() / prior.true.sum(), prior.corrected.sum() / prior.true.sum()
    right = np.concatenate([ratios[pool, pool] for pool in POOLS])
    without = ratios["positives", "gated"]
    twice = np.concatenate([ratios["all", "positives"], ratios["gated", "positives"]])
    rare = gate.kept[0]
    at_half = np.interp(0.5, gate.thresholds, gate.recall[:, 0])
    proven = recall_bound(round(drawn.HELD_OUT * rare), drawn.HELD_OUT)
    shares = [f"{100 * share:.0f}" for share in reversed(gate.passing)]
    return [
        ("probabilities sum to {} times the truth; corrected, to {} times.", [f"{raw:.0f}", f"{corrected:.2f}"]),
        ("wrong ones at {} or 2]", [f"{twice.mean():.1f}"]),
        ("Right pairs lie between {} and {}.", [f"{right.min():.2f}", f"{right.max():.2f}"]),
        ("left out the labels lie at {} to {}, with", [f"{without.min():.2f}", f"{without.max():.2f}"]),
        ("counted twice at {} to {}.", [f"{twice.min():.2f}", f"{twice.max():.2f}"]),
        ("keeps 95 % of `any`, {} % of the rarest", [f"{100 * rare:.0f}"]),
        ("{} held-out positives kept at that rate prove {} %", [f"{drawn.HELD_OUT}", f"{100 * proven:.0f}"]),
        ("At a threshold of 0.5, {} % pass", [f"{100 * at_half:.0f}"]),
        ("every label, {} % of the rows must pass instead of {} %", shares),
        ("at the {} % of the rows in the picture", shares[:1]),
        ("of truth 3 it is {} times", [f"{drawn.speed_up(gate.passing[1]):.1f}"]),
    ]


def metric_quotes() -> Quotes:
    score = drawn.metric_scores()
    return [
        ("has a samples-F1 of {}.", [f"{score['samples-F1, zero_division=0'][1]:.3f}"]),
        ("never says anything has {}.", [f"{score['samples-F1, zero_division=1'][0]:.3f}"]),
        ("bits that are right starts at {} for", [f"{score['bits right (1 - Hamming loss)'][0]:.3f}"]),
        ("is the prevalence, {} on the mean", [f"{score['macro average precision'][0]:.3f}"]),
    ]


def compute_quotes() -> Quotes:
    q = float(drawn.problem_a()[:, 5].mean())

    def gain(auroc: float, recall: float) -> str:
        return f"{drawn.speed_up(drawn.share_passed(auroc, recall, q)):.1f}"

    return [
        ("c1/c2 = {} and q of problem A", [f"{drawn.COST_RATIO}"]),
        ("at full recall gains {} times", [f"{drawn.speed_up(q):.1f}"]),
        ("passes {} times as many rows as", [f"{drawn.share_passed(0.97, 0.99, q) / q:.1f}"]),
        ("have a label and gains {} times; at 95 % recall it is {} times", [gain(0.97, 0.99), gain(0.97, 0.95)]),
        ("At AUROC 0.90 and 99 % it is {} times", [gain(0.9, 0.99)]),
    ]


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def pattern(phrase: str) -> str:
    return f"({NUMBER})".join(re.escape(part) for part in phrase.split("{}"))


@pytest.fixture(scope="module")
def quotes() -> Quotes:
    makers = (problem_a_quotes, decision_quotes, proof_quotes, simulation_quotes, metric_quotes, compute_quotes)
    return [quote for maker in makers for quote in maker()]


def test_every_quoted_figure_is_what_comes_out(quotes: Quotes) -> None:
    for phrase, expected in quotes:
        found = re.findall(pattern(phrase), flat(PAGE))
        assert len(found) == 1, phrase
        assert list(np.atleast_1d(found[0])) == expected, phrase


def test_no_figure_is_left_that_nothing_computes(quotes: Quotes) -> None:
    # Formulas, headings and sources hold no results.
    formulas, headings, sources = r"^    .*?$", r"^#.*?$", r"^\*\*Sources?\.\*\*.*?(?:\n\n|\Z)"
    text = re.sub(rf"```.*?```|{formulas}|{headings}|{sources}", " ", PAGE, flags=re.DOTALL | re.MULTILINE)
    text = flat(text)
    for phrase, _ in quotes:
        text = re.sub(pattern(phrase), " ", text)
    text = re.sub(r"`[^`]*`|\]\(\S+\)|\b[A-Z]\w+ \d{4}\b|[Pp]roblem A|truth \d", " ", text)
    assert set(re.findall(rf"(?<![\w.^-]){NUMBER}", text)) - PLAIN == set()


def test_the_f1_threshold_of_calibrated_probabilities_is_half_of_the_f1() -> None:
    p = np.sort(drawn.reliability().true)[::-1]
    f1 = 2 * p.cumsum() / (np.arange(1, len(p) + 1) + p.sum())
    assert p[f1.argmax()] == pytest.approx(f1.max() / 2, rel=1e-3)
    assert f1.max() / 2 < 0.2


def test_normal_scores_have_the_auroc_and_pass_the_share_that_are_said() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y = rng.random(400_000) < 0.2
    score = rng.normal(size=len(y)) + 1.8 * y
    auroc = float(roc_auc_score(y, score))
    share = float((score >= np.quantile(score[y], 0.1)).mean())
    assert drawn.share_passed(auroc, 0.9, 0.2) == pytest.approx(share, abs=0.004)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_there_small_and_can_be_drawn_again(name: str) -> None:
    assert 5_000 < (ROOT / "docs/pictures" / name).stat().st_size < 60_000
    plt.close(drawn.PICTURES[name]())


def test_the_page_shows_every_picture_once() -> None:
    assert list(drawn.PICTURES) == PICTURES


def test_names_of_the_library_exist() -> None:
    parameters = CascadeClassifier().get_params()
    code = " ".join(re.findall(r"`[^`\n]+`|```python\n.*?```", PAGE, flags=re.DOTALL))
    for name in re.findall(r"\b(gate_\w+|negative_pool|decision|label_decisions|rejected|calibration)=", code):
        assert name in parameters or name == "gate_threshold"
    for name in re.findall(r"`(cascade(?:\.\w+)+)`", PAGE):
        resolve_name(name)
    for pool in POOLS:
        assert f"| `{pool}` |" in PAGE


def test_the_code_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(block, {"CascadeClassifier": CascadeClassifier, "gate": None, "labeler": None})


def test_links_lead_somewhere() -> None:
    headings = [re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in PAGE.splitlines()]
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (ROOT / "docs/understand" / target.partition("#")[0]).exists()
