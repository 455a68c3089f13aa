"""Problems B and C at full size: what each loss says of many labels, raw and corrected, beside the truth.

    python benchmarks/many_labels.py c
    python benchmarks/many_labels.py b --losses bce softmax
    python benchmarks/many_labels.py c --rows 160000 --losses bce    (growth: rows or labels doubled)

One network of 512 hidden units a loss, on sparse labels. A fifth of the rows is for the report, a fifth of the rest for
one intercept a label. Everything is done in chunks of rows; no array of rows x labels is made.

    sums        sum of probabilities over the sum of true ones (B: over positives) of a label: median over labels, and
                share of the labels within 2.5 sampling deviations; raw, corrected for the loss, and calibrated
    bits        labels predicted over labels there are: at 0.5 raw, at 0.5 calibrated, and the surest k of each row
    empty       share of the rows of which nothing is above 0.5, calibrated
    AUPRC       macro, micro, and over examples; beside the best possible ranking and chance
    P@10        precision of the ten labels ranked first
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from cascade.many_labels import ManyLabels, chunks, counts_like_problem_c, draw_by_count, draw_fixed_number
from cascade.metrics.streamed import StreamedCounts, StreamedRanking, example_average_precision
from cascade.metrics.top_k import at_k, top_columns
from cascade.neural import KerasClassifier

DEVIATIONS = 2.5
LOSSES = ("bce", "weighted", "focal", "asymmetric", "softmax")


@dataclass(frozen=True)
class Figures:
    """What the report rows say of one way to turn logits into probabilities."""

    counts: StreamedCounts
    ranking: StreamedRanking
    example: float
    precision: float


def report(data: ManyLabels, rows: np.ndarray, proba_of: Any) -> Figures:
    """Stream probabilities of the report rows through the metrics."""
    n_labels = data.Y.shape[1]
    counts, ranking = StreamedCounts(n_labels), StreamedRanking(n_labels)
    examples, first = [], []
    for part in chunks(len(rows)):
        p = proba_of(rows[part])
        Y = data.Y[rows[part]]
        counts.add(p, Y, p >= 0.5)
        ranking.add(p, Y)
        examples.append(example_average_precision(p, Y))
        first.append(top_columns(p, 10))
    precision = at_k(data.Y[rows], np.concatenate(first)).precision
    return Figures(counts, ranking, float(np.nanmean(np.concatenate(examples))), precision)


def true_sums(data: ManyLabels, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected positives of each label on the report rows and their variance; the positives themselves for B."""
    if data.labels_per_row is not None:
        own = np.asarray(data.Y[rows].sum(axis=0), dtype=np.float64)
        return own, own
    expected, variance = np.zeros((2, data.Y.shape[1]))
    for part in chunks(len(rows)):
        p = data.proba(rows[part])
        expected += p.sum(axis=0, dtype=np.float64)
        variance += (p * (1 - p)).sum(axis=0, dtype=np.float64)
    return expected, variance


def intercepts(logits_of: Any, data: ManyLabels, rows: np.ndarray) -> np.ndarray:
    """One shift a label at which its probabilities sum to its positives on these rows; bisection over all at once."""
    wanted = np.asarray(data.Y[rows].sum(axis=0), dtype=np.float64) + 0.5
    low, high = np.full((2, len(wanted)), [[-12.0], [12.0]])
    for _ in range(12):
        middle = (low + high) / 2
        total = np.zeros(len(wanted))
        for part in chunks(len(rows)):
            total += expit(logits_of(rows[part]) + middle.astype(np.float32)).sum(axis=0, dtype=np.float64)
        low, high = np.where(total < wanted, middle, low), np.where(total < wanted, high, middle)
    return ((low + high) / 2).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", choices=["b", "c"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--labels", type=int)
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    started = time.monotonic()
    if options.problem == "c":
        n, n_labels = options.rows or 80_000, options.labels or 7_900
        data = draw_by_count(n, counts_like_problem_c(n, n_labels))
    else:
        n, n_labels = options.rows or 50_000, options.labels or 1_000
        data = draw_fixed_number(n, n_labels, 10)
    rng = np.random.default_rng(1)
    training, held, tested = np.split(rng.permutation(n), [int(0.64 * n), int(0.8 * n)])
    expected, variance = true_sums(data, tested)
    best = report(data, tested, lambda rows: expit(data.log_odds(rows)))
    cells = data.Y[tested].nnz / (len(tested) * n_labels)
    print(
        f"{n} x {n_labels}, {data.Y.nnz / n:.1f} labels a row; drawn and judged in {time.monotonic() - started:.0f} s"
    )
    show("the truth", best, expected, variance, len(tested))
    print(f"{'chance':32} AUPRC micro {cells:.3f}")
    for loss in options.losses:
        run(loss, options, data, (training, held, tested), expected, variance)


def run(
    loss: str,
    options: argparse.Namespace,
    data: ManyLabels,
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    expected: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Train with one loss, and print what its outputs say raw, corrected and calibrated."""
    training, held, tested = parts
    started = time.monotonic()
    model = KerasClassifier(
        "mlp",
        {"width": options.width, "depth": 1},
        epochs=options.epochs,
        batch_size=256,
        loss=loss,
        validation_size=0,
        random_state=0,
    ).fit(data.X[training], data.Y[training])
    fitted = time.monotonic()

    def raw(rows: np.ndarray) -> np.ndarray:
        return np.asarray(model.network_.predict_on_batch(data.X[rows]))

    def corrected(rows: np.ndarray) -> np.ndarray:
        return model.loss_.log_odds(raw(rows)).astype(np.float32)

    shift = intercepts(corrected, data, held)
    ways = {"raw": raw, "corrected": corrected, "calibrated": lambda rows: corrected(rows) + shift}
    for name, logits_of in ways.items():
        figures = report(data, tested, lambda rows, logits_of=logits_of: expit(logits_of(rows)))
        show(f"{loss}, {name}", figures, expected, variance, len(tested))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{'':32} fit {fitted - started:.0f} s, report {time.monotonic() - fitted:.0f} s, peak {peak:.1f} GB",
        flush=True,
    )


def show(name: str, found: Figures, expected: np.ndarray, variance: np.ndarray, n_rows: int) -> None:
    """Print one line of figures."""
    ratio = found.counts.proba / expected
    # The intercept comes from as many rows as the report: its own deviation is counted beside that of the report.
    near = abs(found.counts.proba - expected) <= DEVIATIONS * np.sqrt(2 * variance)
    bits = found.counts.predicted.sum() / found.counts.true.sum()
    macro, micro = found.ranking.macro_average_precision(), found.ranking.micro_average_precision()
    print(
        f"{name:32} sums {np.median(ratio):6.3f} ({near.mean():4.0%} near)  bits at .5 {bits:5.2f}  "
        f"empty {found.counts.empty_predictions / n_rows:4.0%}  AUPRC macro {macro:.3f} micro {micro:.3f} "
        f"example {found.example:.3f}  P@10 {found.precision:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
