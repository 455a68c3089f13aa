"""Time and peak memory of a flat model of many labels, and how both grow when rows or labels are doubled.

    python benchmarks/growth.py
    python benchmarks/growth.py --rows 80000 --labels 7900 --epochs 5

Each size is drawn as problem C is, and handled by a process of its own: one network of 512 hidden units trained, its
calibration and thresholds fitted, and all rows of a held-out fifth reported on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from cascade import ManyLabelClassifier
from cascade.datasets.many_labels import counts_like_problem_c, draw_by_count
from cascade.estimators.neural import KerasClassifier
from cascade.many_labels.report import evaluate_many


def measure(size: tuple[int, int, int]) -> dict[str, Any]:
    """Seconds of each step, and gigabytes: of the data alone and at the peak."""
    n, n_labels, epochs = size
    data = draw_by_count(n, counts_like_problem_c(n, n_labels))
    drawn = data.X.nbytes + data.Y.data.nbytes + data.Y.indices.nbytes + data.Y.indptr.nbytes
    training, testing = np.split(np.random.default_rng(1).permutation(n), [int(0.8 * n)])
    network = KerasClassifier(
        "mlp", {"width": 512, "depth": 1}, epochs=epochs, batch_size=256, validation_size=0, random_state=0
    )
    started = time.monotonic()
    model = ManyLabelClassifier(network, decoder="count").fit(data.X[training], data.Y[training])
    fitted = time.monotonic()
    evaluate_many(model.predictor_, data.X[testing], data.Y[testing])
    return {
        "rows": n,
        "labels": n_labels,
        "epochs": epochs,
        "fit_s": fitted - started,
        "report_s": time.monotonic() - fitted,
        "data_gb": drawn / 1e9,
        "dense_labels_gb": 4 * n * n_labels / 1e9,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=3_950)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    n, n_labels = options.rows, options.labels
    found = []
    for size in ((n, n_labels), (2 * n, n_labels), (n, 2 * n_labels)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(measure, ((*size, options.epochs),)))
        print(
            "{rows:7d} x {labels:5d}  fit {fit_s:5.0f} s  report {report_s:4.0f} s  data {data_gb:.2f} GB  "
            "peak {peak_gb:.2f} GB  (labels dense as float32: {dense_labels_gb:.2f} GB)".format(**found[-1]),
            flush=True,
        )
    if options.results is not None:
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
