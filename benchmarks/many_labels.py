"""Problems B and C: what each loss says of many labels, raw, corrected and calibrated, beside the truth.

    cascade many-labels data/problem-c.npz --problem c
    python benchmarks/many_labels.py configs/problem-c.yaml
    python benchmarks/many_labels.py configs/problem-b.yaml --losses bce softmax
    python benchmarks/many_labels.py configs/problem-c.yaml --set data.path=data/delicious.npz

The config's model is trained once a loss, on the config's own split; then, on the rows of the test:

    sums        sum of probabilities over the true probabilities' (over positives where no truth is known) of a label:
                median over labels, share of the labels within 2.5 sampling deviations
    bits        labels predicted over labels there are, by each decoder: at .5; with thresholds for the largest expected
                F1 ("f1") or for the expected number of rows ("count"); the k surest, k being the mean number ("top");
                as many as a head on the trunk expects ("head")
    empty       share of the rows of which nothing is above .5
    AP          macro (labels), micro (all pairs), of examples (rows); beside the true ranking and chance
    P@10        precision of the ten labels ranked first

Everything is done in chunks of rows. Each loss is a process of its own, whose peak memory and time stand in its last
line; results are kept in a JSON file.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from cascade.building import build_model
from cascade.config import RunConfig, load_config
from cascade.errors import DataError
from cascade.losses import SoftmaxLoss
from cascade.many.calibration import SharedSlope, fit_shared_slope
from cascade.many.cardinality import fit_cardinality
from cascade.many.decoders import Thresholds, surest, thresholds_from
from cascade.many.generator import ManyLabels
from cascade.many.raw import ENTRIES, MOST_ROWS
from cascade.many.writer import read_truth
from cascade.metrics.streamed import StreamedCounts, StreamedRanking, example_average_precision
from cascade.metrics.top_k import at_k, top_columns
from cascade.splits import grouped_holdout
from pipelines.train import load, split

DEVIATIONS = 2.5
LOSSES = ("bce", "weighted", "logit_adjusted", "focal", "asymmetric", "distribution_balanced", "softmax")
Logits = Callable[[np.ndarray], np.ndarray]


@dataclass
class Problem:
    """Rows, sparse labels, the truth where it is known, and the three parts of the rows."""

    X: Any
    Y: Any
    truth: ManyLabels | None
    fitting: np.ndarray
    held: np.ndarray
    tested: np.ndarray
    expected: np.ndarray = field(init=False)
    deviation: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        own = np.asarray(self.Y[self.tested].sum(axis=0), dtype=np.float64).ravel()
        more = len(self.tested) / len(self.held)
        if self.truth is None or self.truth.labels_per_row is not None:
            # Positives of the test rows and of those that the intercepts are from both vary.
            self.expected, self.deviation = own, np.sqrt(own * (1 + more))
            return
        self.expected, variance = np.zeros((2, self.Y.shape[1]))
        for rows in self.parts(self.tested):
            p = self.truth.proba(rows)
            self.expected += p.sum(axis=0, dtype=np.float64)
            variance += (p * (1 - p)).sum(axis=0, dtype=np.float64)
        # True probabilities do not vary; only the rows that the intercepts are from do.
        self.deviation = np.sqrt(variance * more)

    def parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Rows in parts whose log-odds fit in memory."""
        size = max(1, min(MOST_ROWS, ENTRIES // self.Y.shape[1]))
        return (rows[start : start + size] for start in range(0, len(rows), size))


def read(config: RunConfig) -> Problem:
    data = load(config)
    training, tested = split(config, data)
    assert config.flat is not None
    Y = sparse.csr_array(data.Y)
    groups = None if data.groups is None else data.groups[training]
    held = grouped_holdout(Y[training], groups, config.flat.calibration_size, config.seed)
    try:
        truth = read_truth(config.data.path)
    except DataError:
        truth = None
    return Problem(data.X, Y, truth, training[~held], training[held], tested)


def judge(problem: Problem, logits_of: Logits, decoders: dict[str, Any]) -> dict[str, Any]:
    """Stream the test rows through the metrics, once for all decoders."""
    n_labels = problem.Y.shape[1]
    ranking, first, examples = StreamedRanking(n_labels), [], []
    proba, halves = np.zeros(n_labels), StreamedCounts(n_labels)
    chosen = dict.fromkeys(decoders, 0)
    for rows in problem.parts(problem.tested):
        z, Y = logits_of(rows), problem.Y[rows]
        p = expit(z)
        proba += p.sum(axis=0, dtype=np.float64)
        halves.add(p, Y, z >= 0)
        ranking.add(z, Y)
        examples.append(example_average_precision(z, Y))
        first.append(top_columns(z, 10))
        for name, decode in decoders.items():
            chosen[name] += int(decode(z, rows).sum())
    ratio = proba[problem.expected > 0] / problem.expected[problem.expected > 0]
    near = abs(proba - problem.expected) <= DEVIATIONS * np.maximum(problem.deviation, 1e-9)
    total = problem.Y[problem.tested].sum()
    return {
        "sum_ratio": float(np.median(ratio)),
        "near": float(near[problem.expected > 0].mean()),
        "bits": {".5": float(halves.predicted.sum() / total), **{n: float(c / total) for n, c in chosen.items()}},
        "empty": halves.empty_predictions / len(problem.tested),
        "macro": ranking.macro_average_precision(),
        "micro": ranking.micro_average_precision(),
        "example": float(np.nanmean(np.concatenate(examples))),
        "precision_at_10": at_k(problem.Y[problem.tested], np.concatenate(first)).precision,
    }


def decoders_of(problem: Problem, logits_of: Logits, number: Any) -> dict[str, Any]:
    """Thresholds from the held-out rows for these logits as they are, and the two that take a number."""
    ranking = StreamedRanking(problem.Y.shape[1])
    for rows in problem.parts(problem.held):
        ranking.add(logits_of(rows), problem.Y[rows])
    mean = round(problem.Y[problem.fitting].sum() / len(problem.fitting))
    found: dict[str, Any] = {}
    for name in ("f1", "count"):
        found[name] = _by_threshold(thresholds_from(ranking.all, name))
    found["top"] = lambda z, rows: surest(z, np.full(len(z), mean))
    if number is not None:
        found["head"] = lambda z, rows: surest(z, np.rint(number(problem.X, rows, z)))
    return found


def _by_threshold(thresholds: Thresholds) -> Any:
    return lambda z, rows: thresholds(z)


def run(options: tuple[str, list[str], str | None]) -> list[dict[str, Any]]:
    """One loss, or the truth where none is named; in a process of its own."""
    path, overrides, loss = options
    logging.getLogger("cascade").setLevel(logging.WARNING)
    started = time.monotonic()
    config = load_config(path, [*overrides, *([] if loss is None else [f"flat.model.loss={loss}"])])
    problem = read(config)
    if loss is None:
        return _told("the truth", problem, _of_truth(problem), None, {})
    assert config.flat is not None
    model = build_model(config.flat.model, load(config)).set_params(random_state=config.seed)
    ready = time.monotonic()
    model.fit(problem.X[problem.fitting], problem.Y[problem.fitting])
    fitted = time.monotonic()
    ways, shared = ways_of(model, problem)
    count = fit_cardinality(model, problem.X, problem.Y, problem.fitting, problem.held, shared)
    found = []
    for way, logits_of in ways.items():
        found += _told(f"{loss}, {way}", problem, logits_of, count, {"loss": loss, "way": way})
    found[-1] |= {
        "reading_s": ready - started,
        "fit_s": fitted - ready,
        "report_s": time.monotonic() - fitted,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    line = "read {reading_s:.0f} s, fit {fit_s:.0f} s, report {report_s:.0f} s, peak {peak_gb:.1f} GB"
    print(f"{'':36} {line.format(**found[-1])}", flush=True)
    return found


def ways_of(model: Any, problem: Problem) -> tuple[dict[str, Logits], SharedSlope]:
    """Log-odds of rows as the network says them, with the loss's correction, and calibrated; and the calibration."""

    def logits(rows: np.ndarray) -> np.ndarray:
        batch = problem.X[rows]
        return np.asarray(model.network_.predict_on_batch(batch.toarray() if sparse.issparse(batch) else batch))

    def raw(rows: np.ndarray) -> np.ndarray:
        z = logits(rows)
        # Its logits mean nothing by themselves: what it says are shares.
        shares = replace(model.loss_, cardinality=1.0) if isinstance(model.loss_, SoftmaxLoss) else None
        return z if shares is None else shares.log_odds(z).astype(np.float32)

    def corrected(rows: np.ndarray) -> np.ndarray:
        return model.loss_.log_odds(logits(rows)).astype(np.float32)

    held = list(problem.parts(problem.held))
    shared = fit_shared_slope(lambda: ((corrected(rows), problem.Y[rows]) for rows in held), problem.Y.shape[1])
    ways = {"raw": raw, "corrected": corrected, "calibrated": _calibrated(corrected, shared)}
    if model.loss == "bce":
        # Its logits are log-odds as they are.
        del ways["corrected"]
    return ways, shared


def _calibrated(corrected: Logits, shared: SharedSlope) -> Logits:
    return lambda rows: shared(corrected(rows))


def _of_truth(problem: Problem) -> Logits:
    truth = problem.truth
    if truth is None:
        raise DataError("the data holds no truth.")
    return truth.log_odds


def _told(name: str, problem: Problem, logits_of: Logits, number: Any, facts: dict[str, Any]) -> list[dict[str, Any]]:
    found = {"name": name, **facts, **judge(problem, logits_of, decoders_of(problem, logits_of, number))}
    if not facts and problem.truth is not None and problem.truth.labels_per_row is not None:
        # What is known are the ratios of a row's chances: they rank its labels, and say no more.
        found |= dict.fromkeys(("sum_ratio", "near", "empty", "macro", "micro"), float("nan")) | {"bits": {}}
    bits = "  ".join(f"{decoder} {share:5.2f}" for decoder, share in found["bits"].items())
    print(
        "{name:36} sums {sum_ratio:6.3f} ({near:4.0%} near)  empty {empty:4.0%}  AP macro {macro:.3f} "
        "micro {micro:.3f} example {example:.3f}  P@10 {precision_at_10:.3f}  bits ".format(**found)
        + bits,
        flush=True,
    )
    return [found]


def markdown(found: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    decoders = [name for name in (".5", "f1", "count", "top", "head") if any(name in row["bits"] for row in found)]
    head = [
        "",
        "sums",
        "near",
        *(f"bits {name}" for name in decoders),
        "empty",
        "AP macro",
        "micro",
        "examples",
        "P@10",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in found:
        bits = [f"{row['bits'][name]:.2f}" if name in row["bits"] else "-" for name in decoders]
        scores = [f"{row[name]:.3f}" for name in ("macro", "micro", "example", "precision_at_10")]
        cells = [row["name"], f"{row['sum_ratio']:.3f}", f"{row['near']:.0%}", *bits, f"{row['empty']:.0%}", *scores]
        lines.append("| " + " | ".join("-" if "nan" in cell else cell for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], help="override a key of the config")
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--results", type=Path, help="JSON file to write, with a table beside it")
    options = parser.parse_args()
    config = load_config(options.config, options.set)
    Y = load(config).Y
    n, n_labels = Y.shape
    print(f"{n} x {n_labels}, {Y.sum() / n:.1f} labels a row; chance: micro {Y.sum() / n / n_labels:.4f}")
    with np.load(config.data.path) as arrays:
        wanted = [*([None] if "truth_direction" in arrays else []), *options.losses]
    found = []
    # A process each: peak memory is of one loss, and no memory is handed on.
    for loss in wanted:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found += pool.apply(run, ((options.config, options.set, loss),))
        keep(found, options.results)


def keep(found: list[dict[str, Any]], results: Path | None) -> None:
    """Write what there is: an interrupted run still tells what it has."""
    if results is not None:
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        results.with_suffix(".md").write_text(markdown(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
