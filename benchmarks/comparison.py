"""The comparison on real data sets and on the phantom, as a page: contenders on the same grouped folds.

    python benchmarks/comparison.py DATA_FOLDER --phantom data/phantom
    python benchmarks/comparison.py DATA_FOLDER --only thyroid birds

DATA_FOLDER holds the files named in `SETS`. Results are kept by data set in a JSON file, so that one can be repeated
alone; the page is written from all that are there, with the source and the SHA-256 of each file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade.comparison.compare import compare
from cascade.comparison.compare_text import COLUMNS
from cascade.comparison.contenders import POOLS, contenders
from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade_pipelines.compare import contenders_of as config_contenders
from cascade_pipelines.steps.progress import show_log
from cascade_pipelines.steps.run_data import roles_of

logger = logging.getLogger("cascade.comparison")


@dataclass(frozen=True)
class Table:
    """One data set, read: rows, labels with `any` last, names, groups."""

    X: Any
    Y: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray | None


class QuantileCodes(TransformerMixin, BaseEstimator):
    """Features as the numbers of their quantiles: with weights, the trees' own binning takes longer than the trees."""

    def fit(self, X: np.ndarray, y: Any = None) -> QuantileCodes:
        """Take each feature's quantiles."""
        self.edges_ = [np.unique(column) for column in np.quantile(X, np.linspace(0, 1, CODES + 1)[1:-1], axis=0).T]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Number of the quantiles below each value."""
        # A value equal to an edge lies below it, so that a feature of two values keeps both.
        columns = zip(self.edges_, X.T, strict=True)
        return np.column_stack([np.searchsorted(edges, column) for edges, column in columns]).astype(np.float32)


def trees() -> Any:
    boosted = HistGradientBoostingClassifier(
        max_iter=30, learning_rate=0.2, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    # In small samples a feature may be missing throughout, which the trees' binning does not take.
    return make_pipeline(SimpleImputer(keep_empty_features=True), QuantileCodes(), boosted)


def linear() -> Any:
    return make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.1, max_iter=300)
    )


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
    enough = Y.sum(axis=0, dtype=np.int64) >= FEWEST_POSITIVES
    kept = tuple(name for name, some in zip(names, enough, strict=True) if some)
    return Table(X, np.column_stack([Y[:, enough], Y[:, enough].any(axis=1)]).astype(np.uint8), (*kept, "any"), groups)


@dataclass(frozen=True)
class Entry:
    """Where a data set comes from, how it is read, and which base learners it is compared with."""

    file: str
    source: str
    read: Callable[[Path], Table]
    learners: dict[str, Callable[[], Any]]
    calibration_folds: int | None


BAGS = 5
CODES = 63
FEWEST_POSITIVES = 15
SMALL_PHANTOM_GATE = ("gate.epochs=20", "gate.batch_size=64", "gate.patience=5")
"""As many steps as the flat network has: eight passes are enough on 54,214 rows, not on the 6,000 of a fold."""

INTRODUCTION = """# Comparison

This page compares cascades with a flat model and with two common recipes, on seven real data sets and the phantom. It
shows where a cascade is better, where it is not, and what it costs. `python benchmarks/comparison.py DATA_FOLDER
--phantom data/phantom` writes the page. `benchmarks/results/comparison.json` has the figures unrounded.

Every table uses the same three folds for all contenders (the phantom: two), and a fold never splits a group. `any` was
added as the last column, and labels with fewer than 15 positives were left out. All contenders but the literal recipe
choose thresholds for the largest F1 on rows that they have not seen.

## Contenders

* **flat**: one model per label on all rows.
* **flat, weighted loss**: the same with balanced class weights.
* **peer stack**: `MultiOutputClassifier(CalibratedClassifierCV(make_pipeline(RandomUnderSampler(), model)))`.
* **literal recipe**: gate at 0.5, then models on 50/50 samples of all rows at 0.5, nothing undone.
* **flat, calibrated**, **flat, weighted loss, calibrated** and **flat, balanced**: the two flat models above, and
  balanced models of each label on all rows, with Platt calibration on rows that they have not seen. `cascade compare`
  has them; the tables below do not yet.
* **cascade, labeler, pool**: the labeler is one multi-label model, balanced models of 5 bags (the phantom: 3), or
  *weighted*, the multi-label model with balanced class weights that calibration corrects. It is trained on the rows
  with a label (*positives*), on these and the gate's out-of-fold false alarms (*gated*), or on all rows (*all*), which
  the tables below do not have yet.

## Columns

* **macro AP**: average precision of the labels without `any`, mean over labels and folds.
* **to flat**: the difference to the flat model, with a 95 % bootstrap interval over groups, paired.
* **F1**: mean over labels.
* **ops/row**: arithmetic per row as it was served, see `cascade/metrics/operations.py`.
* **µs/row**: measured time per row, in the process that fitted the model.
* **sums**: least and greatest sum of probabilities over positives, of the more frequent half of the labels.
"""

CASCADES = ("multi-label, gated", "multi-label, positives", "balanced, gated", "balanced, positives")

FINDINGS = """## Where the cascade wins, and where it does not

* **Quality.** The cascade is clearly above the flat model where labels are rare and hard for one model against all rows
  (thyroid with trees). The same holds where rows with a label are half of the data (disaster, pool of positives), and
  with networks on images (phantom). Elsewhere the multi-label labeler with pool `gated` is level with the flat model,
  within chance.
* **Probabilities.** With pool `gated` the log loss is below the flat model's in every table of real data, and the sums
  are near 1. The flat model is not calibrated. A tenth to two thirds of its rows are incoherent, and none of the
  cascade's.
* **Balanced binary relevance loses** in most tables, as does the peer stack. A 50/50 sample discards most negatives,
  and bags recover only a part of them.
* **A weak gate** (thyroid, linear: an AUROC of .82) makes the product of two models lose: .427 against .487 for the
  flat model. The pool `gated`, whose labeler is trained on the gate's false alarms, repairs it: .488.
* **Few empty rows** (goemotions, 30 %): the gate passes 98 % and saves nothing. Use the flat model.
* **Small and noisy** (mi, ctich): nothing is beyond chance for the best of ten contenders.

### Steps of the gate

A gate needs as many steps as the model behind it. On the phantom of 12,000 rows it was trained like the flat network,
20 passes in batches of 64. The cascades are then above the flat network by .025 to .044, at a log loss of .096 against
.118. They need 1.5 times its arithmetic, since this gate is as large as the labeler and passes half of the rows.

With 8 passes in batches of 128, which are enough on 54,214 rows, the cascades were below the flat network by .035 to
.21. On the 6,000 rows of a fold these passes leave the gate at an AUROC of .82 to .90, where the flat network has .94.
"""

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
    facts = facts_of(name, entry.file, entry.source, hashlib.sha256(path.read_bytes()).hexdigest(), data)
    results = []
    for learner, make in entry.learners.items():
        logger.info("%s, %s", name, learner)
        chosen = contenders(make(), make(), n_bags=BAGS, calibration_folds=entry.calibration_folds)
        found = compare(chosen, data.X, data.Y, data.names, data.groups)
        results.append({**facts, "learner": learner, **found})
    return results


def run_phantom(folder: Path) -> list[dict[str, Any]]:
    """Networks of the shipped config, two folds, three bags: hours become minutes, and the order stays."""
    options = [f"data.path={folder}", "labeler.n_bags=3", *SMALL_PHANTOM_GATE]
    config = load_config("configs/phantom-multilabel.yaml", options)
    read = read_data(config.data.path, roles_of(config))
    data = Table(read.X, read.Y, read.label_names, read.groups)
    digest = hashlib.sha256((folder / "images.npy").read_bytes()).hexdigest()
    facts = facts_of("phantom", "images.npy", f"`cascade phantom`, {len(data.Y):,} rows", digest, data)
    found = compare(config_contenders(config, read, POOLS), data.X, data.Y, data.names, data.groups, n_folds=2)
    return [{**facts, "learner": "networks", **found}]


def facts_of(name: str, file: str, source: str, digest: str, data: Table) -> dict[str, Any]:
    return {
        "set": name,
        "file": file,
        "source": source,
        "sha256": digest,
        "rows": len(data.Y),
        "labels": len(data.names) - 1,
        "empty_share": float((~data.Y.any(axis=1)).mean()),
        "groups": data.groups is not None,
    }


GATE_COLUMNS = ("incoherent_share", "share_past_gate", "certified_recall")
OTHERS = ("flat", "flat, weighted loss", "peer stack", "literal recipe")


def page(results: list[dict[str, Any]]) -> str:
    sections = [f"## {r['set']}, {r['learner']}\n\n{figures(r)}\n" for r in results]
    return "\n".join([INTRODUCTION, overview(results), FINDINGS, data_sets(results), gates(results), *sections])


def markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(r) + " |" for r in rows)]
    )


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["contender"]: row for row in result["contenders"] if "error" not in row}


def overview(results: list[dict[str, Any]]) -> str:
    """Two tables of one line per comparison: macro average precision and cost, then which contender to use."""
    head = ["data", "base learner", "empty", "flat", *CASCADES, "log loss: flat", "cascade", "arithmetic to flat"]
    lines, verdicts = [], []
    for result in results:
        rows = by_name(result)
        flat, main = rows["flat"], rows[f"cascade, {CASCADES[0]}"]
        named = [result["set"], result["learner"]]
        lines.append(
            [
                *named,
                f"{result['empty_share']:.1%}",
                f"{flat['macro_average_precision']:.3f}",
                *(f"{rows[f'cascade, {name}']['macro_average_precision']:.3f}" for name in CASCADES),
                f"{flat['log_loss']:.4f}",
                f"{main['log_loss']:.4f}",
                f"{main['operations_per_row'] / flat['operations_per_row']:.2f}",
            ]
        )
        best = max(rows.values(), key=lambda row: row["macro_average_precision"])
        if best is flat:
            gain = least = "-"
        else:
            gain = f"+{best['difference']:.3f}"
            least = f"+{best['difference_least']:.3f}" if best["difference_least"] > 0 else "within chance"
        use = best["contender"] if least.startswith("+") else "flat"
        cheaper = re.search(r"where compute counts, (.*) is not clearly worse at (1/[\d.]+)", result["verdict"])
        verdicts.append(
            [*named, best["contender"], gain, least, use, f"{cheaper[1]}: {cheaper[2]}" if cheaper else "-"]
        )
    which = ["data", "base learner", "best", "gain", "at least", "use", "cheaper"]
    return f"""## In one look

Macro average precision, and log loss and arithmetic of the first cascade:

{markdown(head, lines)}

## Which contender to use

The best contender by macro average precision and its gain over the flat model. *At least* holds with 97.5 % confidence
for the best of ten contenders (the phantom: six). *Cheaper* is a cascade that is not clearly worse than the flat model,
with its share of the arithmetic per row.

{markdown(which, verdicts)}
"""


def data_sets(results: list[dict[str, Any]]) -> str:
    """One line per data set: what it is and the file it was read from."""
    held = {r["set"]: r for r in results}
    rows = [
        [
            name,
            f"{r['rows']:,}",
            str(r["labels"]),
            "group" if r["groups"] else "row",
            r["source"],
            f"`{r['file']}`, {r['sha256']}",
        ]
        for name, r in held.items()
    ]
    return f"## Data\n\n{markdown(['data', 'rows', 'labels', 'split by', 'source', 'file, SHA-256'], rows)}\n"


def gates(results: list[dict[str, Any]]) -> str:
    """What all cascades of a comparison share: their gate, and that no row of theirs is incoherent."""
    rows = []
    for result in results:
        held = by_name(result)
        cascades = [row for name, row in held.items() if name.startswith("cascade")]
        literal = held["literal recipe"]
        shared = {tuple(f"{row[key]:.3f}" for key in GATE_COLUMNS) for row in cascades}
        if len(shared) != 1 or cascades[0]["incoherent_share"]:
            raise ValueError(f"{result['set']}: the cascades differ in {GATE_COLUMNS}.")
        passed = [f"{row[key]:.2f}" for key in GATE_COLUMNS[1:] for row in (cascades[0], literal)]
        apart = [f"{held[name]['incoherent_share']:.3f}" if name in held else "-" for name in OTHERS]
        rows.append([result["set"], result["learner"], *passed, *apart])
    head = [
        "data",
        "base learner",
        "past gate",
        "literal",
        "proven",
        "literal",
        *(f"incoherent: {OTHERS[0]}", *OTHERS[1:]),
    ]
    head = [title.replace("flat, weighted loss", "weighted").replace("literal recipe", "literal") for title in head]
    return f"""## Gates and coherence

All cascades of a table have the same gate. *Past gate* is the share of rows that pass it. *Proven* is the recall at the
gate that is proven of every label, as one statement with confidence 0.95, on the rows of all folds. The unit is the
group, kept when all its rows with the label passed. *Literal* is the literal recipe's gate.

*Incoherent* is the share of rows where a label is more probable than `any` or set without it. It is 0 for every
cascade.

{markdown(head, rows)}
"""


def figures(result: dict[str, Any]) -> str:
    """One line per contender."""
    columns = [column for column in COLUMNS if column[0] not in GATE_COLUMNS]
    rows = []
    for row in result["contenders"]:
        if "error" in row:
            rows.append([row["contender"], row["error"], *[""] * len(columns)])
            continue
        # Results of earlier releases have the rate alone.
        row = {"microseconds_per_row": 1e6 / row["rows_per_second"], **row}
        cells = ["-" if row.get(key) is None else form.format(row[key]) for key, _, form in columns]
        if row.get("difference") is not None:
            cells[1] += f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
        rows.append([row["contender"], *cells, f"{row['sum_ratio_smallest']:.2f}-{row['sum_ratio_largest']:.2f}"])
    return markdown(["contender", *(title for _, title, _ in columns), "sums"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--phantom", type=Path, help="folder made by `cascade phantom`; networks take long")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/comparison.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/understand/comparison.md"))
    options = parser.parse_args()
    show_log()
    logging.getLogger("cascade").setLevel(logging.WARNING)
    logging.getLogger("cascade.comparison").setLevel(logging.INFO)
    warnings.simplefilter("ignore")
    for name in options.only:
        keep(run(name, options.folder), options.results, options.page)
    if options.phantom is not None:
        keep(run_phantom(options.phantom), options.results, options.page)


def keep(found: list[dict[str, Any]], results: Path, where: Path) -> None:
    """Put one data set's results in the place of its former ones, and write the page anew."""
    held = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    order = [*SETS, "phantom"]
    kept = [r for r in held if r["set"] != found[0]["set"]]
    everything = sorted([*kept, *found], key=lambda r: (order.index(r["set"]), r["learner"]))
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    where.write_text(page(everything), encoding="utf-8")


if __name__ == "__main__":
    main()
