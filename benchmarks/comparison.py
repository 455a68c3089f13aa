"""The comparison on real data sets and on the phantom, as a page: contenders on the same grouped folds.

    python benchmarks/comparison.py DATA_FOLDER --images --phantom data/phantom
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
from collections.abc import Callable, Iterator
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

from cascade.comparison.compare import compare
from cascade.comparison.compare_text import COLUMNS, DIFFERENCES
from cascade.comparison.contenders import POOLS, contenders
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.estimators.defaults import TREES
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


def trees() -> Any:
    return HistGradientBoostingClassifier(**TREES, random_state=0)


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


BAGS = 5
NETWORK_BAGS = 3
NETWORK_FOLDS = 2
LEFT_OUT = tuple(f"cascade, {labeler}, {pool}" for labeler in ("balanced", "weighted") for pool in ("positives", "all"))
"""Contenders of `cascade compare` that take half of the time: other labelers are compared with the pool `gated`."""
FEWEST_POSITIVES = 15
FOLDS = 5
"""Folds for the rules, as by default where fits are cheap."""

INTRODUCTION = """# Comparison

This page compares cascades with flat models and with two common recipes on real data sets. It shows where a cascade is
better, where it is not, and what it costs. `python benchmarks/comparison.py DATA_FOLDER --images` writes the page, with
`--phantom data/phantom` also for the phantom. `benchmarks/results/comparison.json` has the figures unrounded.

*Boosted trees*, linear models of words and networks are the default models of the package. *Linear* is a logistic
regression on scaled features.

Every table uses the same three folds for all contenders (networks: two), and a fold never splits a group. `any` was
added as the last column, and labels with fewer than 15 positives were left out. All contenders but the literal recipe
choose thresholds for the largest F1 on rows that they have not seen.

## Contenders

* **flat**: one model per label on all rows.
* **flat, weighted loss**: the same with balanced class weights.
* **peer stack**: `MultiOutputClassifier(CalibratedClassifierCV(make_pipeline(RandomUnderSampler(), model)))`.
* **literal recipe**: gate at 0.5, then models on 50/50 samples of all rows at 0.5, nothing undone.
* **flat, calibrated**, **flat, weighted loss, calibrated** and **flat, balanced**: the two flat models above, and
  balanced models of each label on all rows, with Platt calibration on rows that they have not seen.
* **cascade, labeler, pool**: the labeler is one multi-label model, balanced models of 5 bags (networks: 3), or
  *weighted*, the multi-label model with balanced class weights that calibration corrects. It is trained on the rows
  with a label (*positives*), on these and the gate's out-of-fold false alarms (*gated*), or on all rows (*all*). The
  merge is stacked, and rules are fitted on 5 folds (networks: on held-out rows).

## Columns

* **macro AP**: average precision of the labels without `any`, mean over labels and folds.
* **to flat**: the difference to the flat model, with a 95 % bootstrap interval over groups, paired.
* **F1**: mean over labels.
* **ops/row**: arithmetic per row as it was served, see `cascade/metrics/operations.py`.
* **µs/row**: measured time per row, in the process that fitted the model.
* **to calibrated**: the difference of the log loss to that of the flat model with calibration, with its interval.
* **sums**: least and greatest sum of probabilities over positives, of the more frequent half of the labels.
"""

MAIN = "multi-label, gated"
"""The cascade of the defaults."""
CASCADES = (MAIN, "multi-label, positives", "multi-label, all", "balanced, gated")

FINDINGS = """## What the tables show

* **Quality.** On no table is the default cascade below the best flat contender beyond chance, although that contender
  was chosen on the same rows. On tables and texts it is level with it. With networks on the phantom it is above it by
  .06, beyond chance: its labeler sees all rows and is then fine-tuned on those that pass. On the 2,471 slices of 82
  patients (ctich) no model finds much; with trees the cascade is above the flat model, within chance.
* **Probabilities.** The log loss of the default cascade is below the plain flat model's on every table. It is below the
  calibrated one's on all but ctich with linear models, where it is higher by .015, at the edge of chance: rules that
  are fitted on 55 patients vary. None of its rows is incoherent; of the plain flat model's rows a tenth to two thirds
  are.
* **Cost.** A strong gate saves most: on thyroid with trees a third of the rows pass, for two fifths of the flat model's
  arithmetic and time. The narrow gate of the shipped config was chosen on the full phantom, of which it lets [a
  quarter](../start/results.md#a-flat-model-on-the-phantom) pass. On these 12,000 rows it learns too little: four fifths
  pass, and nothing is saved. The default gate, 16 wide at half the size, is the better one for so few rows
  ([defaults](../start/data.md#defaults)). Where the gate passes nearly all (mi, goemotions, thyroid with a linear
  gate), nothing is saved: `cascade train` says so, and `gate: {kind: none}` trains the flat model. Linear models of all
  labels are one matrix product, which takes hardly longer than that of the gate: such a cascade takes up to 1.7 times
  as long as the flat model.
* **The pool** depends on the gate. With a weak one (thyroid, linear) `gated` is the best. On texts `positives` has a
  higher average precision and a lower log loss than `gated`, also than the flat model.
* **Balanced binary relevance loses** on most tables, as does the peer stack. A 50/50 sample discards most negatives,
  and bags recover only a part of them. With trees the peer stack fails, as in its small samples a feature may be
  missing throughout. On birds with trees the weighted loss was left out: with weights, scikit-learn takes minutes to
  bin the 260 features of each label.
* **Settings of the base learner** matter more than the cascade: [defaults](../start/data.md#defaults) has trees on
  thyroid with the settings of scikit-learn and with those of the package.
"""

TABULAR = {"boosted trees": trees, "linear": linear}
TEXT = {"TF-IDF linear": linear_text}
IMAGES = ("ctich",)

SETS = {
    "unfair_tos": Entry(
        "unfair_tos50_en.parquet",
        "50 terms of service, Galassi et al. 2024, CC BY 4.0",
        lambda path: text(path, ("document", "text", "tags"), "document"),
        TEXT,
    ),
    "thyroid": Entry("thyroid18.npz", "UCI thyroid0387, CC BY 4.0", arrays, TABULAR),
    "disaster": Entry(
        "disaster_response.parquet",
        "disaster response messages",
        lambda path: text(path, ("text", "split", "related"), None),
        TEXT,
    ),
    "birds": Entry("mldr_birds.npz", "bird song recordings, MLDR", arrays, TABULAR),
    "mi": Entry("mi_complications.npz", "UCI 579, Golovenkin et al. 2020, CC BY 4.0", arrays, TABULAR),
    "goemotions": Entry(
        "goemotions.parquet",
        "Reddit comments, Demszky et al. 2020, CC BY 4.0",
        lambda path: text(path, ("text", "split", "neutral"), None),
        TEXT,
    ),
    "ctich": Entry(
        "ctich_128.npz",
        "PhysioNet CT-ICH 1.0.0, Hssayeni 2020, CC BY 4.0; 8 x 8 block means",
        block_means,
        TABULAR,
    ),
}


def run(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    entry = SETS[name]
    path = folder / entry.file
    data = entry.read(path)
    facts = facts_of(name, entry.file, entry.source, hashlib.sha256(path.read_bytes()).hexdigest(), data)
    for learner, make in entry.learners.items():
        logger.info("%s, %s", name, learner)
        chosen = contenders(make(), make(), n_bags=BAGS, calibration_folds=FOLDS)
        found = compare(without_left_out(chosen), data.X, data.Y, data.names, data.groups)
        yield {**facts, "learner": learner, **found}


def without_left_out(chosen: dict[str, Any]) -> dict[str, Any]:
    return {name: model for name, model in chosen.items() if name not in LEFT_OUT}


def run_phantom(folder: Path) -> dict[str, Any]:
    """Networks of the shipped config, two folds, three bags: hours become minutes, and the order stays."""
    config = load_config("configs/phantom-multilabel.yaml", [f"data.path={folder}"])
    read = read_data(config.data.path, roles_of(config))
    digest = hashlib.sha256((folder / "images.npy").read_bytes()).hexdigest()
    facts = facts_of("phantom", "images.npy", f"`cascade phantom`, {len(read):,} rows", digest, read)
    return facts | compared_networks(config, read)


def run_images(name: str, folder: Path) -> dict[str, Any]:
    """The default networks, on the images themselves."""
    entry = SETS[name]
    path = folder / entry.file
    read = arrays(path)
    data = Dataset(read.X, read.Y, read.names, read.groups, np.arange(len(read.Y)).astype(str))
    config = RunConfig.model_validate(
        {
            "name": name,
            "data": {"path": path},
            "gate": {"kind": "auto"},
            "labeler": {"model": {"kind": "auto"}},
        }
    )
    facts = facts_of(name, entry.file, entry.source, hashlib.sha256(path.read_bytes()).hexdigest(), data)
    return facts | compared_networks(config, data)


def compared_networks(config: RunConfig, data: Dataset) -> dict[str, Any]:
    config = config.model_copy(update={"labeler": config.labeler.model_copy(update={"n_bags": NETWORK_BAGS})})
    chosen = config_contenders(config, data, POOLS)
    chosen = without_left_out(chosen)
    found = compare(chosen, data.X, data.Y, data.label_names, data.groups, n_folds=NETWORK_FOLDS)
    return {"learner": "networks", **found}


def facts_of(name: str, file: str, source: str, digest: str, data: Table | Dataset) -> dict[str, Any]:
    return {
        "set": name,
        "file": file,
        "source": source,
        "sha256": digest,
        "rows": len(data.Y),
        "labels": data.Y.shape[1] - 1,
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
    """The default cascade beside the best flat contender and the calibrated one, the pools, and which one to use."""
    against, pools, verdicts = [], [], []
    for result in results:
        rows = by_name(result)
        flat, calibrated, main = rows["flat"], rows["flat, calibrated"], rows[f"cascade, {MAIN}"]
        named = [result["set"], result["learner"]]
        best_flat = max(
            (row for name, row in rows.items() if name.startswith("flat")),
            key=lambda row: row["macro_average_precision"],
        )
        against.append(
            [
                *named,
                f"{result['empty_share']:.1%}",
                f"{best_flat['macro_average_precision']:.3f} ({best_flat['contender']})",
                f"{main['macro_average_precision']:.3f}",
                interval(main, "difference_to_best_flat", "{:+.3f}"),
                *(f"{row['log_loss']:.4f}" for row in (flat, calibrated, main)),
                interval(main, "loss_difference", "{:+.4f}"),
                f"{main['operations_per_row'] / flat['operations_per_row']:.2f}",
                f"{main['microseconds_per_row'] / flat['microseconds_per_row']:.2f}",
            ]
        )
        precision = (f"{rows[f'cascade, {name}']['macro_average_precision']:.3f}" for name in CASCADES)
        loss = (f"{rows[f'cascade, {name}']['log_loss']:.4f}" for name in CASCADES)
        pools.append([*named, *precision, *loss])
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
    head = ["data", "base learner"]
    losses = ["log loss: flat", "flat, calibrated", "cascade", "cascade to calibrated"]
    first = [*head, "empty", "best flat: AP", "cascade: AP", "difference", *losses, "arithmetic", "time"]
    which = [*head, "best", "gain", "at least", "use", "cheaper"]
    each = [*head, *(f"AP: {name}" for name in CASCADES), *(f"log loss: {name}" for name in CASCADES)]
    return f"""## In one look

The cascade of the defaults is `cascade, {MAIN}`. It is compared with the flat contender of the highest macro average
precision, which was chosen on these rows, in its favour. Its log loss is shown beside that of the flat model without
and with Platt calibration. Arithmetic and time per row are shares of the flat model's. Intervals are 95 %, paired, over
groups.

{markdown(first, against)}

{summary(results)}

## Pools and labelers

Macro average precision and log loss of cascades:

{markdown(each, pools)}

## Which contender to use

The best contender by macro average precision and its gain over the flat model. *At least* holds with 97.5 % confidence
for the best of all contenders of a table. *Cheaper* is a cascade that is not clearly worse than the flat model, with
its share of the arithmetic per row.

{markdown(which, verdicts)}
"""


def interval(row: dict[str, Any], key: str, form: str) -> str:
    """A difference with its interval."""
    if row.get(key) is None:
        return "-"
    return f"{form.format(row[key])} ({form.format(row[key + '_low'])} to {form.format(row[key + '_high'])})"


def summary(results: list[dict[str, Any]]) -> str:
    """On how many tables the default cascade is above and below flat contenders."""
    mains = [by_name(result)[f"cascade, {MAIN}"] for result in results]
    flats = [by_name(result)["flat"] for result in results]
    gains = [row.get("difference_to_best_flat") for row in mains]
    losses = [row["loss_difference"] for row in mains]
    clear = sum(row["difference_to_best_flat_low"] > 0 for row in mains)
    worse = sum(row["difference_to_best_flat_high"] < 0 for row in mains)
    less = sum(row["log_loss"] < flat["log_loss"] for row, flat in zip(mains, flats, strict=True))
    beyond = sum(row["loss_difference_low"] > 0 for row in mains)
    n = len(results)
    above = sum(gain > 0 for gain in gains)
    below = sum(loss < 0 for loss in losses)
    return f"""Of {n} tables, macro average precision is above the best flat contender's on {above}, beyond chance on
{clear}. It is below beyond chance on {worse}. Log loss is below the plain flat model's on {less}, and below the
calibrated one's on {below}. It is above the calibrated one's beyond chance on {beyond}."""


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
        if any(row["incoherent_share"] for row in cascades):
            raise ValueError(f"{result['set']}: a cascade has incoherent rows.")
        passed = [f"{row[key]:.2f}" for key in GATE_COLUMNS[1:] for row in (held[f"cascade, {MAIN}"], literal)]
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
        cells = [
            interval(row, key, form) if key in DIFFERENCES else "-" if row.get(key) is None else form.format(row[key])
            for key, _, form in columns
        ]
        rows.append([row["contender"], *cells, f"{row['sum_ratio_smallest']:.2f}-{row['sum_ratio_largest']:.2f}"])
    return markdown(["contender", *(title for _, title, _ in columns), "sums"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--phantom", type=Path, help="folder made by `cascade phantom`; networks take long")
    parser.add_argument("--images", action="store_true", help="networks on images, too; they take long")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/comparison.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/understand/comparison.md"))
    options = parser.parse_args()
    show_log()
    logging.getLogger("cascade").setLevel(logging.WARNING)
    logging.getLogger("cascade.comparison").setLevel(logging.INFO)
    warnings.simplefilter("ignore")
    for name in options.only:
        for found in run(name, options.folder):
            keep(found, options.results, options.page)
        if options.images and name in IMAGES:
            keep(run_images(name, options.folder), options.results, options.page)
    if options.phantom is not None:
        keep(run_phantom(options.phantom), options.results, options.page)


def keep(found: dict[str, Any], results: Path, where: Path) -> None:
    """Put the results of a data set and a learner in the place of their former ones, and write the page anew."""
    held = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    order = [*SETS, "phantom"]
    kept = [r for r in held if (r["set"], r["learner"]) != (found["set"], found["learner"])]
    everything = sorted([*kept, found], key=lambda r: (order.index(r["set"]), r["learner"]))
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    where.write_text(page(everything), encoding="utf-8")


if __name__ == "__main__":
    main()
