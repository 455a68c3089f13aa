"""The command line: each command reads options, calls one pipeline and prints one result."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cascade.errors import ConfigError
from cascade.utils.version import __version__

from .ending import run_to_end
from .models import ModelOption, models_app
from .output import Json, show
from .retrain import retrain
from .tune import tune

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(models_app, name="models")
app.command(epilog="Example: cascade retrain configs/phantom-multilabel.yaml --json")(retrain)
app.command(epilog="Example: cascade tune configs/phantom-multilabel.yaml --minutes 60")(tune)

# Pipelines and readers are imported within the commands: `--help` must not wait seconds for scikit-learn and Keras.
LabelsOption = Annotated[
    str | None, typer.Option(help="Label columns, separated by commas; a name with a comma in double quotes.")
]
Group = Annotated[str | None, typer.Option(help="Column of the group, such as patient, study or document.")]
Id = Annotated[str | None, typer.Option(help="Column of the row identifier.")]
Missing = Annotated[bool, typer.Option("--allow-missing", help="Pass NaN features on to the model.")]


def _column_names(text: str | None) -> tuple[str, ...] | None:
    """Split names that are separated by commas, with quotes as in a CSV file."""
    if not text:
        return None
    try:
        (names,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise ConfigError(f"`--labels` must be names separated by commas. Received {text!r}: {error}.") from error
    return tuple(name.strip() for name in names)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"cascade {__version__}")
        raise typer.Exit


# Eager: the version is printed before typer can complain about a missing command.
Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def cascade(version: Version = False) -> None:
    """Multi-label classification of data in which most rows have no label."""


@app.command(epilog="Example: cascade phantom data/phantom")
def phantom(
    out: Annotated[Path, typer.Argument(help="New folder to write.")],
    rows: Annotated[int, typer.Option(help="Number of images; 54214 is the exact label table.")] = 54_214,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed draws the same images.")] = 0,
    format: Annotated[str, typer.Option(help="npy, png or dicom.")] = "npy",
    jobs: Annotated[int, typer.Option(help="Number of processes; -1 uses all cores.")] = -1,
    as_json: Json = False,
) -> None:
    """Write the built-in data: CT-like images drawn from problem A's exact label table, with patients."""
    from .. import datasets

    facts = datasets.phantom(out, rows, size, seed, format, jobs)
    # A small phantom keeps at least one row per combination, so its prevalences are not those of the table.
    natural = "" if facts["natural_prevalence"] else "; rare combinations are above their natural share"
    show(facts, f"{facts['rows']} images of {facts['patients']} patients in {out}{natural}", as_json)


@app.command("many-labels", epilog="Example: cascade many-labels data/problem-c.npz --problem c")
def many_labels(
    out: Annotated[Path, typer.Argument(help="New file to write, .npz.")],
    problem: Annotated[str, typer.Option(help="b: ten of 1,000 labels on each row; c: 7,900 labels, 130 per row.")],
    rows: Annotated[int | None, typer.Option(help="Number of rows; default 50,000 for b, 80,000 for c.")] = None,
    labels: Annotated[int | None, typer.Option(help="Number of labels; default 1,000 for b, 7,900 for c.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Write sparse data of many labels, drawn from known probabilities."""
    from .. import datasets

    facts = datasets.many_labels(out, problem, rows, labels, seed)
    show(facts, "{rows} rows, {labels} labels, {labels_per_row:.1f} per row".format(**facts) + f" in {out}", as_json)


@app.command(epilog="Example: cascade sample moderation data/comments.csv")
def sample(
    name: Annotated[str, typer.Argument(help="moderation, maintenance or inspection.")],
    out: Annotated[Path, typer.Argument(help="New file to write, .csv; for inspection a new folder.")],
    rows: Annotated[
        int | None, typer.Option(help="Number of rows or images; default 20,000 rows, 4,000 images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Write raw data as people have it, with a known truth: comments, machine readings, or images with a list."""
    from .. import datasets

    facts = datasets.sample(name, out, rows, seed)
    text = "{rows} rows of {groups} groups in {out}; {any} have a label"
    show(facts, text.format(**facts, out=out, any=facts["positives"]["any"]), as_json)


@app.command(epilog="Example: cascade lint data/train.csv data/test.csv --labels crack,dent --group part")
def lint(
    data: Annotated[
        list[Path],
        typer.Argument(help="Labelled data, or the config of a run; several paths are splits of one data set."),
    ],
    labels: LabelsOption = None,
    group: Group = None,
    id: Id = None,
    label_file: Annotated[
        Path | None, typer.Option(help="Labels of a .npy file, or the list of a folder of images.")
    ] = None,
    any_label: Annotated[str, typer.Option(help="Column that equals the OR of the others.")] = "auto",
    none_label: Annotated[
        str, typer.Option(help="Column that is 1 exactly where no other label is; it is left out.")
    ] = "auto",
    fail_on: Annotated[
        str, typer.Option(help="Lowest level that ends with status 5: note, warning, error or never.")
    ] = "error",
    as_json: Json = False,
) -> None:
    """Report what is unusual or dangerous in the labels, before any training."""
    from cascade.data.readers.table.columns import Roles

    from .. import lint as pipeline

    levels = pipeline.levels_from(fail_on)
    # NaN features are passed: they do not matter for labels, and training reports them.
    roles = Roles(_column_names(labels), group, id, label_file, True)
    described = [path for path in data if path.suffix.lower() in pipeline.CONFIGS]
    if described:
        if len(data) > 1 or labels or group or id or label_file:
            raise ConfigError(f"`{described[0]}` is a config, which names data and columns; give it alone.")
        source, roles, any_column, none_column = pipeline.of_config(described[0])
        facts, findings = pipeline.run([source], roles, any_column, none_column)
        findings += pipeline.of_features(described[0])
    else:
        facts, findings = pipeline.run(data, roles, any_label, none_label)
    result = {"data": facts, "findings": [vars(finding) for finding in findings]}
    show(result, pipeline.text(facts, findings), as_json)
    # After the report, which is printed in any case.
    if any(finding.level in levels for finding in findings):
        raise typer.Exit(5)


@app.command(epilog="Example: cascade train configs/phantom-multilabel.yaml --set gate.epochs=3")
def train(
    config: Annotated[Path, typer.Argument(help="YAML file of the run.")],
    set: Annotated[list[str] | None, typer.Option("--set", help="Override a key: gate.epochs=3.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming a killed training.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model, evaluate it on held-out groups, and publish it as models/<name>/<version>/.

    The model is a cascade, or a many-label model if the config has a part `flat`.
    """
    from cascade.config.yaml_file import load_config

    from ..steps.progress import show_log

    checked = load_config(config, set)
    show_log()
    # After the config is validated: the pipelines take seconds to import.
    from ..steps.version import PAGE

    if checked.flat is not None:
        from cascade.many_labels.report import many_table

        from .. import train_many_labels

        version, report = train_many_labels.run(checked, checked.flat, models, fresh)
        text, last = many_table(report), ""
    else:
        from cascade.reports.verdict import verdict_text

        from .. import train as pipeline

        version, report = pipeline.run(checked, models, fresh)
        # The verdict is last, where it is seen without scrolling.
        text, last = pipeline.figures(report), f"\n\n{verdict_text(report['verdict'])}"
    page = version / PAGE
    result = {"version": str(version), "page": str(page), **report}
    show(result, f"{text}\n\nversion: {version}\nreport:  {page}{last}", as_json)


@app.command(epilog="Example: cascade predict models/phantom-multilabel data/png --output predictions")
def predict(
    model: ModelOption,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Array file, table, or folder of images, DICOM slices or tables; s3:// and the like for tables.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(metavar="PATH", help="Folder or s3:// for input of any size, or one file: .parquet or .csv."),
    ],
    exams: Annotated[
        str | None, typer.Option(metavar="PATH", help="Also write one row per group to this file of this machine.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Many-label model: number of most probable labels to list; default 10.")
    ] = None,
    group: Group = None,
    id: Id = None,
    allow_missing: Missing = False,
    shard_rows: Annotated[int | None, typer.Option(help="Folder: most rows per file; default 65536.")] = None,
    max_rejected: Annotated[
        float | None, typer.Option(help="Folder: share of invalid rows that stops the job; default 0.1.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Folder: start over instead of resuming.")] = False,
    engine: Annotated[str, typer.Option(help="Folder: local, or ray for many machines.")] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Ray: most shards at the same time; default all that the cluster has room for.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="Runtime of networks: auto, keras, litert or onnx.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of an exported runtime; default all cores.")] = None,
    as_json: Json = False,
) -> None:
    """Predict every row of INPUT: gate probability, whether it passes the gate, and a probability and a 0/1 per label.

    A folder is written shard by shard. An interrupted job resumes when it is started again, and invalid rows are
    listed separately.
    """
    from cascade.data.readers.table.columns import Roles
    from cascade.utils.address import place_of

    from .. import predict as pipeline
    from ..predict_batch import settings_for
    from ..steps.progress import show_log
    from ..steps.tables import check_format

    # Wrong options end here, before a model is loaded.
    # Here and not by typer, whose errors repeat what was given, which may hold a secret.
    rows, target = place_of(source), place_of(output)
    settings = settings_for(target, shard_rows, max_rejected, fresh, engine, workers)
    table = None if exams is None else check_format(place_of(exams))
    # The bars show progress, so the log has warnings only.
    show_log(quiet=True)
    roles = Roles(None, group, id, None, allow_missing)
    summary = pipeline.run(model, rows, target, roles, table, top_k, settings, runtime, threads)
    show(summary, pipeline.text(summary), as_json)
    if summary.get("rejected"):
        raise typer.Exit(6)


@app.command(epilog="Example: cascade submission data/predictions.parquet --output data/submission.csv")
def submission(
    predictions: Annotated[Path, typer.Argument(help="Output of predict, or a folder of its .parquet parts.")],
    output: Annotated[Path, typer.Option(help="File to write, .csv.")],
    as_json: Json = False,
) -> None:
    """Convert predictions into a submission to the RSNA 2019 Intracranial Hemorrhage challenge."""
    from .. import submission as pipeline

    facts = pipeline.run(predictions, output)
    show(facts, "{rows} images -> {output}".format(**facts), as_json)


@app.command(epilog="Example: cascade evaluate models/phantom-multilabel data/other --json")
def evaluate(
    model: ModelOption,
    data: Annotated[Path, typer.Argument(help="Labelled data that the model was not trained on.")],
    labels: LabelsOption = None,
    group: Group = None,
    id: Id = None,
    label_file: Annotated[
        Path | None, typer.Option(help="Labels of a .npy file, or the list of a folder of images.")
    ] = None,
    allow_missing: Missing = False,
    missing_labels: Annotated[
        bool, typer.Option("--missing-labels", help="Empty cells in label columns are unknown labels, not an error.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print metrics of a model on labelled data."""
    from cascade.data.readers.table.columns import Roles

    from .. import evaluate as pipeline
    from ..steps.progress import show_log

    names = _column_names(labels)
    show_log(quiet=True)
    report = pipeline.run(model, data, Roles(names, group, id, label_file, allow_missing, missing_labels))
    show(report, pipeline.text(report), as_json)


@app.command(epilog="Example: cascade compare configs/phantom-multilabel.yaml --folds 3")
def compare(
    config: Annotated[
        Path, typer.Argument(help="YAML file of a run; its gate and labeler are the base models of all contenders.")
    ],
    set: Annotated[list[str] | None, typer.Option("--set", help="Override a key: labeler.n_bags=3.")] = None,
    folds: Annotated[
        int, typer.Option(help="Number of grouped folds; each contender is fitted on each of them.", min=2)
    ] = 3,
    pools: Annotated[
        str | None,
        typer.Option(help="Negative pools, separated by commas; default positives, all and gated."),
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    as_json: Json = False,
) -> None:
    """Compare a flat model, a peer stack, a literal recipe and cascades on the same grouped folds."""
    from cascade.comparison.compare_text import comparison_table
    from cascade.comparison.contenders import POOLS
    from cascade.config.yaml_file import load_config
    from cascade.rules.probability.merge import check_pool

    from .. import compare as pipeline
    from ..steps.progress import show_log
    from ..steps.version import PAGE

    checked = load_config(config, set)
    requested = POOLS if pools is None else [pool.strip() for pool in pools.split(",")]
    # Each pool once, in order.
    chosen = tuple(check_pool(pool) for pool in dict.fromkeys(requested))
    show_log()
    folder, result = pipeline.run(checked, models, folds, chosen)
    page = folder / PAGE
    facts = {"folder": str(folder), "page": str(page), **result}
    show(facts, f"{comparison_table(result)}\n\ncomparison: {folder}\nreport:     {page}", as_json)


@app.command(epilog="Example: cascade export models/phantom-multilabel exported --runtimes litert")
def export(
    model: ModelOption,
    out: Annotated[
        Path, typer.Argument(help="New model folder to write; with --format, the file or folder of the graph.")
    ],
    runtimes: Annotated[
        str | None, typer.Option(help="litert, onnx, or both separated by a comma; default those installed.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="onnx, openvino or saved_model: write one graph for a model server instead.")
    ] = None,
    int8: Annotated[
        Path | None,
        typer.Option(help="Held-out labelled data: a part sets the INT8 ranges, the rest measures the loss."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a model whose networks run without Keras, and time each runtime on this machine."""
    from .. import export as pipeline
    from ..export import text
    from ..steps.progress import show_log

    show_log()
    if format is not None:
        if runtimes is not None or int8 is not None:
            raise ConfigError("`--format` writes one float32 graph; leave out `--runtimes` and `--int8`.")
        graph = pipeline.run_graph(model, out, format)
        show(graph, "{output}: one graph, within {largest_difference:.1e} of the model".format(**graph), as_json)
        return
    chosen = None if runtimes is None else tuple(name.strip() for name in runtimes.split(","))
    result = pipeline.run(model, out, chosen, int8)
    show(result, text(result), as_json)


def main() -> None:
    """Run the command line; an error is one sentence and an exit status."""
    # Boosted trees split small tables in threads that wait for each other thousands of times. Waiting threads that spin
    # take the cores from those they wait for wherever other processes run. OpenMP reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # File names are bytes, which need not be UTF-8; printing one must not end a command that is done.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    run_to_end(app)


if __name__ == "__main__":
    main()
