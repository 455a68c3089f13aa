"""`compare` on real data sets: flat model, peer stack, literal recipe and cascades on the same folds.

    python benchmarks/real_data.py DATA_FOLDER [--only unfair_tos thyroid] [--output benchmarks/results/real_data.json]

DATA_FOLDER holds the files named in `SETS`; their sources, licences and SHA-256 are printed with the table. Text is
turned into TF-IDF features, images into block means; `any` is added as the last column, as in problem A.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade.compare import compare, table
from cascade.contenders import contenders
from pipelines.progress import show_log


@dataclass(frozen=True)
class Table:
    """One data set, read: rows, labels with `any` last, names, groups."""

    X: Any
    Y: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray | None


def trees() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=30, learning_rate=0.2, max_leaf_nodes=15, max_bins=63, random_state=0
    )


def linear() -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.1, max_iter=300))


def linear_text() -> Any:
    return LogisticRegression(C=10, max_iter=300)


def text(path: Path, not_labels: tuple[str, ...], group: str | None) -> Table:
    frame = pyarrow.parquet.read_table(path)
    names = [n for n in frame.column_names if n not in not_labels and str(frame.schema.field(n).type) == "uint8"]
    Y = np.column_stack([frame[name].to_numpy() for name in names])
    # Word statistics without labels: the same for every contender, fitted on all rows.
    X = TfidfVectorizer(sublinear_tf=True, min_df=3, ngram_range=(1, 2), max_features=60_000).fit_transform(
        frame["text"].to_pylist()
    )
    return with_any(X.astype(np.float32), Y, names, frame[group].to_numpy() if group else None)


def arrays(path: Path) -> Table:
    held = np.load(path, allow_pickle=False)
    groups = held.get("groups")
    if "X_data" in held:
        X: Any = sparse.csr_matrix((held["X_data"], held["X_indices"], held["X_indptr"]), shape=held["X_shape"])
    else:
        X = held["X"]
    return with_any(X, held["Y"], [str(name) for name in held["label_names"]], groups)


def block_means(path: Path) -> Table:
    read = arrays(path)
    n, height, width, channels = read.X.shape
    means = read.X.reshape(n, 8, height // 8, 8, width // 8, channels).mean(axis=(2, 4), dtype=np.float32)
    return Table(means.reshape(n, -1), read.Y, read.names, read.groups)


def with_any(X: Any, Y: np.ndarray, names: list[str], groups: np.ndarray | None) -> Table:
    present = Y[:, Y.any(axis=0)]
    kept = tuple(name for name, some in zip(names, Y.any(axis=0), strict=True) if some)
    return Table(X, np.column_stack([present, present.any(axis=1)]).astype(np.uint8), (*kept, "any"), groups)


@dataclass(frozen=True)
class Entry:
    """Where a data set comes from, how it is read, and which base learners it is compared with."""

    file: str
    source: str
    read: Callable[[Path], Table]
    learners: dict[str, Callable[[], Any]]
    calibration_folds: int | None


TABULAR = {"boosted trees": trees, "linear": linear}
TEXT = {"TF-IDF linear": linear_text}

SETS = {
    "unfair_tos": Entry(
        "unfair_tos50_en.parquet",
        "50 terms of service, Galassi et al. 2024, CC BY 4.0",
        lambda path: text(path, ("document", "text", "tags"), "document"),
        TEXT,
        None,
    ),
    "thyroid": Entry("thyroid18.npz", "UCI thyroid0387, CC BY 4.0", arrays, TABULAR, None),
    "disaster": Entry(
        "disaster_response.parquet",
        "disaster response messages",
        lambda path: text(path, ("text", "split", "related"), None),
        TEXT,
        None,
    ),
    "birds": Entry("mldr_birds.npz", "bird song recordings, MLDR", arrays, TABULAR, 3),
    "mi": Entry("mi_complications.npz", "UCI 579, Golovenkin et al. 2020, CC BY 4.0", arrays, TABULAR, 3),
    "goemotions": Entry(
        "goemotions.parquet",
        "Reddit comments, Demszky et al. 2020, CC BY 4.0",
        lambda path: text(path, ("text", "split", "neutral"), None),
        TEXT,
        None,
    ),
    "ctich": Entry(
        "ctich_128.npz",
        "PhysioNet CT-ICH 1.0.0, Hssayeni 2020, CC BY 4.0; 8 x 8 block means",
        block_means,
        TABULAR,
        3,
    ),
}


def run(name: str, folder: Path) -> list[dict[str, Any]]:
    entry = SETS[name]
    path = folder / entry.file
    data = entry.read(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    empty = float((~data.Y.any(axis=1)).mean())
    facts = {
        "set": name,
        "file": entry.file,
        "source": entry.source,
        "sha256": digest,
        "rows": len(data.Y),
        "labels": len(data.names) - 1,
        "empty_share": empty,
        "groups": data.groups is not None,
    }
    results = []
    for learner, make in entry.learners.items():
        chosen = contenders(make(), make(), n_bags=5, calibration_folds=entry.calibration_folds)
        found = compare(chosen, data.X, data.Y, data.names, data.groups)
        results.append({**facts, "learner": learner, **found})
        print(f"\n### {name}, {learner}\n\n{describe(facts)}\n\n{table(found)}", flush=True)
    return results


def describe(facts: dict[str, Any]) -> str:
    split = "split by group" if facts["groups"] else "split by row"
    return (
        f"{facts['rows']:,} rows x {facts['labels']} labels, {facts['empty_share']:.1%} without a label, {split}; "
        f"{facts['source']}; `{facts['file']}`, SHA-256 {facts['sha256']}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/real_data.json"))
    options = parser.parse_args()
    show_log()
    logging.getLogger("cascade").setLevel(logging.WARNING)
    logging.getLogger("cascade.compare").setLevel(logging.INFO)
    warnings.simplefilter("ignore")
    results: list[dict[str, Any]] = []
    for name in options.only:
        results += run(name, options.folder)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
