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
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from cascade.config.build import build_model
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data.splits import grouped_holdout
from cascade.datasets.many_labels import ManyLabels
from cascade.datasets.many_labels_file import read_truth
from cascade.errors import DataError
from cascade.estimators.losses import SoftmaxLoss
from cascade.many_labels.calibration import SharedSlope, fit_shared_slope
from cascade.many_labels.cardinality import fit_cardinality
from cascade.many_labels.decoders import Thresholds, most_probable, thresholds_from
from cascade.many_labels.scoring import ENTRIES, MOST_ROWS
from cascade.metrics.streamed import StreamedCounts, StreamedRanking, example_average_precision
from cascade.metrics.top_k import at_k, top_columns
from cascade_pipelines.steps.run_data import load, split

DEVIATIONS = 2.5
LOSSES = ("bce", "weighted", "logit_adjusted", "focal", "asymmetric", "distribution_balanced", "softmax")
Ways = Callable[[np.ndarray], Iterator[tuple[str, np.ndarray]]]
"""Log-odds of some rows, by the way in which they are read off the network."""


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


class Judge:
    """What the test rows say of one way of reading a network, a part of the rows at a time."""

    def __init__(self, problem: Problem, decoders: dict[str, Any]) -> None:
        n_labels = problem.Y.shape[1]
        self.problem, self.decoders = problem, decoders
        self.ranking, self.halves, self.proba = StreamedRanking(n_labels), StreamedCounts(n_labels), np.zeros(n_labels)
        self.first: list[np.ndarray] = []
        self.examples: list[np.ndarray] = []
        self.chosen = dict.fromkeys(decoders, 0)

    def add(self, z: np.ndarray, rows: np.ndarray) -> None:
        """Count log-odds of some rows."""
        Y, p = self.problem.Y[rows], expit(z)
        self.proba += p.sum(axis=0, dtype=np.float64)
        self.halves.add(p, Y, z >= 0)
        self.ranking.add(z, Y)
        self.examples.append(example_average_precision(z, Y))
        self.first.append(top_columns(z, 10))
        for name, decode in self.decoders.items():
            self.chosen[name] += int(decode(z, rows).sum())

    def result(self) -> dict[str, Any]:
        """All figures, over the rows that were added."""
        expected, tested = self.problem.expected, self.problem.tested
        there = expected > 0
        near = abs(self.proba - expected) <= DEVIATIONS * np.maximum(self.problem.deviation, 1e-9)
        Y = self.problem.Y[tested]
        bits = {".5": self.halves.predicted.sum(), **self.chosen}
        return {
            "sum_ratio": float(np.median(self.proba[there] / expected[there])),
            "near": float(near[there].mean()),
            "bits": {name: float(count / Y.sum()) for name, count in bits.items()},
            "empty": self.halves.empty_predictions / len(tested),
            "macro": self.ranking.macro_average_precision(),
            "micro": self.ranking.micro_average_precision(),
            "example": float(np.nanmean(np.concatenate(self.examples))),
            "precision_at_10": at_k(Y, np.concatenate(self.first)).precision,
        }


def judged(problem: Problem, ways: Ways, number: Any) -> dict[str, dict[str, Any]]:
    """Results by way: thresholds from the held-out rows, then the test rows; each part is computed once for all."""
    rankings: dict[str, StreamedRanking] = {}
    for rows in problem.parts(problem.held):
        for way, z in ways(rows):
            rankings.setdefault(way, StreamedRanking(problem.Y.shape[1])).add(z, problem.Y[rows])
    judges = {way: Judge(problem, decoders_of(problem, ranking, number)) for way, ranking in rankings.items()}
    for rows in problem.parts(problem.tested):
        for way, z in ways(rows):
            judges[way].add(z, rows)
    return {way: judge.result() for way, judge in judges.items()}


def decoders_of(problem: Problem, ranking: StreamedRanking, number: Any) -> dict[str, Any]:
    """Thresholds for these logits as they are, and the two that take a number."""
    mean = round(problem.Y[problem.fitting].sum() / len(problem.fitting))
    found = {name: _by_threshold(thresholds_from(ranking.all, name)) for name in ("f1", "count")}
    found["top"] = lambda z, rows: most_probable(z, np.full(len(z), mean))
    if number is not None:
        found["head"] = lambda z, rows: most_probable(z, np.rint(number(problem.X, rows, z)))
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
        (result,) = judged(problem, of_truth(problem), None).values()
        return [_told({"name": "the truth", **_known_alone(problem, result)})]
    assert config.flat is not None
    model = build_model(config.flat.model, load(config)).set_params(random_state=config.seed)
    ready = time.monotonic()
    model.fit(problem.X[problem.fitting], problem.Y[problem.fitting])
    fitted = time.monotonic()
    ways, shared = ways_of(model, problem)
    count = fit_cardinality(model, problem.X, problem.Y, problem.fitting, problem.held, shared)
    results = judged(problem, ways, count)
    found = [_told({"name": f"{loss}, {way}", "loss": loss, "way": way, **one}) for way, one in results.items()]
    found[-1] |= {
        "reading_s": ready - started,
        "fit_s": fitted - ready,
        "report_s": time.monotonic() - fitted,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    line = "read {reading_s:.0f} s, fit {fit_s:.0f} s, report {report_s:.0f} s, peak {peak_gb:.1f} GB"
    print(f"{'':36} {line.format(**found[-1])}", flush=True)
    return found


def ways_of(model: Any, problem: Problem) -> tuple[Ways, SharedSlope]:
    """Log-odds of rows as the network says them, with the loss's correction, and calibrated; and the calibration."""

    def logits(rows: np.ndarray) -> np.ndarray:
        batch = problem.X[rows]
        return np.asarray(model.network_.predict_on_batch(batch.toarray() if sparse.issparse(batch) else batch))

    def corrected(z: np.ndarray) -> np.ndarray:
        answer = np.empty(z.shape, np.float32)
        for start in range(0, len(z), model.batch_size):
            part = slice(start, start + model.batch_size)
            answer[part] = model.loss_.log_odds(z[part])
        return answer

    def ways(rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        z = logits(rows)
        own = corrected(z)
        yield "raw", _shares(model.loss_, z)
        if model.loss != "bce":
            # The logits of plain cross-entropy are log-odds as they are.
            yield "corrected", own
        yield "calibrated", shared(own)

    held = list(problem.parts(problem.held))
    shared = fit_shared_slope(lambda: ((corrected(logits(rows)), problem.Y[rows]) for rows in held), problem.Y.shape[1])
    return ways, shared


def _shares(loss: Any, z: np.ndarray) -> np.ndarray:
    """Logits as they are; softmax's mean nothing by themselves: what it says are shares."""
    return replace(loss, cardinality=1.0).log_odds(z).astype(np.float32) if isinstance(loss, SoftmaxLoss) else z


def of_truth(problem: Problem) -> Ways:
    truth = problem.truth
    if truth is None:
        raise DataError("the data holds no truth.")
    return lambda rows: iter([("truth", truth.log_odds(rows))])


def _known_alone(problem: Problem, result: dict[str, Any]) -> dict[str, Any]:
    """Where labels are drawn a number at a time, ratios of a row's chances are known: they rank, and say no more."""
    if problem.truth is None or problem.truth.labels_per_row is None:
        return result
    return result | dict.fromkeys(("sum_ratio", "near", "empty", "macro", "micro"), float("nan")) | {"bits": {}}


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """Print one line of results, and hand it on."""
    bits = "  ".join(f"{decoder} {share:5.2f}" for decoder, share in found["bits"].items())
    print(
        "{name:36} sums {sum_ratio:6.3f} ({near:4.0%} near)  empty {empty:4.0%}  AP macro {macro:.3f} "
        "micro {micro:.3f} example {example:.3f}  P@10 {precision_at_10:.3f}  bits ".format(**found)
        + bits,
        flush=True,
    )
    return found


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
    # Each step asks for arrays of many megabytes anew; in large pages that takes two thirds of the time.
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
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
