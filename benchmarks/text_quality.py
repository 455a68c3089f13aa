"""Texts by config alone beside the same pipeline in Python, on held-out rows, and the speed of a job.

    python benchmarks/text_quality.py DATA_FOLDER

DATA_FOLDER holds the tables of texts named in `benchmarks/comparison.py`. Each is written to CSV, which a config of
five lines reads. "Python" is `CascadeClassifier` on a list of texts, with a pipeline of scikit-learn's
`TfidfVectorizer` and logistic regression as gate and as labeler. Both are fitted on the same rows, and judged on a
fifth that neither has seen: whole documents where there are documents. Printed are macro average precision and macro
log loss with a paired 95 % interval of their difference. Last, `cascade predict` answers the held-out rows, repeated to
`--rows`, as a job with all cores: rows per second with and without the start of the process.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from comparison import SETS
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from cascade import CascadeClassifier
from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.data import Dataset, read_data
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.metrics import AVERAGE_PRECISION, LOG_LOSS, Outcome, macro
from cascade.metrics.bootstrap import paired_difference
from cascade_pipelines.steps.run_data import roles_of

NAMES = ("unfair_tos", "disaster", "goemotions")
METRICS = {"AP": macro(AVERAGE_PRECISION), "log loss": macro(LOG_LOSS)}
DRAWS = 500
C = 10


def write_csv(name: str, folder: Path, path: Path) -> list[str]:
    """Write a table of texts as people have it, and return the names of its labels."""
    import pyarrow.parquet

    frame = pyarrow.parquet.read_table(folder / SETS[name].file)
    kinds = {column: str(frame.schema.field(column).type) for column in frame.column_names}
    labels = [column for column, kind in kinds.items() if kind == "uint8" and column not in ("related", "neutral")]
    group = ["document"] if "document" in kinds else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *group, "text", *labels])
        columns = [frame[column].to_pylist() for column in (*group, "text", *labels)]
        writer.writerows((row, *cells) for row, cells in enumerate(zip(*columns, strict=True)))
    return labels


def config_of(name: str, labels: list[str], path: Path) -> RunConfig:
    group = {"group": "document"} if name == "unfair_tos" else {}
    data = {"path": path, "id": "id", **group, "text": ["text"], "labels": labels}
    return RunConfig.model_validate({"name": name, "data": data, "gate": {"kind": "auto"}})


def in_python() -> CascadeClassifier:
    def words(model: Any) -> Any:
        return make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=60_000), model)

    one = LogisticRegression(C=C, max_iter=1000)
    return CascadeClassifier(words(one), words(MultiOutputClassifier(one)))


def judged(model: CascadeClassifier, X: Any, Y: np.ndarray) -> Outcome:
    answer = model.examine(X)
    return Outcome(Y, answer.proba, answer.labels, answer.passed_gate)


def compare(name: str, folder: Path, home: Path, rows: int) -> None:
    path = home / f"{name}.csv"
    config = config_of(name, write_csv(name, folder, path), path)
    data = read_data(config.data.path, roles_of(config))
    held = grouped_holdout(data.Y, data.groups, 0.2, 1)
    training, testing = data.part(np.flatnonzero(~held)), data.part(np.flatnonzero(held))
    by_config, by_hand = build_cascade(config, training), in_python()
    by_config.fit(training.X, training.Y, groups=training.groups)
    by_hand.fit(training.X["text"].tolist(), training.Y, groups=training.groups)
    mine = judged(by_config, testing.X, testing.Y)
    other = judged(by_hand, testing.X["text"].tolist(), testing.Y)
    group = group_numbers(testing.groups, len(testing))
    line = f"{name:<11} {len(training):,} rows, {data.Y.shape[1]} labels"
    for title, metric in METRICS.items():
        change, low, high = paired_difference(metric, mine, other, group, DRAWS)
        figures = f"config {metric(mine)[0]:.4f}, Python {metric(other)[0]:.4f}"
        line += f"  {title}: {figures}, difference {change[0]:+.4f} ({low[0]:+.4f} to {high[0]:+.4f})"
    print(line, flush=True)
    by_config.save(home / "model")
    print(f"{'':<11} job: {job_speed(home, testing, rows)}, {mine.passed.mean():.0%} past the gate", flush=True)


def job_speed(home: Path, testing: Dataset, rows: int) -> str:
    """Return the rows per second of a job on the held-out texts, repeated."""
    texts = testing.X["text"].tolist()
    seconds = {}
    for count in (1000, rows):
        with (home / "rows.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows((f"r{row}", texts[row % len(texts)]) for row in range(count))
        command = ["predict", str(home / "model"), str(home / "rows.csv"), "--output", str(home / f"out-{count}")]
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "cascade_pipelines.cli", *command], check=True, capture_output=True)
        seconds[count] = time.monotonic() - started
    for count in seconds:
        shutil.rmtree(home / f"out-{count}")
    shutil.rmtree(home / "model")
    whole = rows / seconds[rows]
    return f"{whole:,.0f} rows/s, {(rows - 1000) / (seconds[rows] - seconds[1000]):,.0f} without the start"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--rows", type=int, default=200_000, help="texts of the job")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.only:
        with tempfile.TemporaryDirectory() as home:
            compare(name, given.folder, Path(home), given.rows)


if __name__ == "__main__":
    main()
