"""The command line: options in, one pipeline called, one result out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cascade.errors import CascadeError, ConfigError
from cascade.utils.version import __version__

from .models import models_app
from .output import Json, show
from .retrain import retrain

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(models_app, name="models")
app.command(epilog="Example: cascade retrain configs/phantom-multilabel.yaml --json")(retrain)

Labels = Annotated[str | None, typer.Option(help="Label columns, separated by commas.")]
Group = Annotated[str | None, typer.Option(help="Column of the group: patient, study, document.")]
Id = Annotated[str | None, typer.Option(help="Column of the row's identifier.")]
Missing = Annotated[bool, typer.Option("--allow-missing", help="Pass NaN features on to the model.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cascade {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def cascade(version: Version = False) -> None:
    """Multi-label classification in which most rows have no label."""


@app.command(epilog="Example: cascade phantom data/phantom")
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    rows: Annotated[int, typer.Option(help="Images to draw; 54214 is the exact table.")] = 54_214,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed draws the same images.")] = 0,
    format: Annotated[str, typer.Option(help="npy, png or dicom.")] = "npy",
    jobs: Annotated[int, typer.Option(help="Processes; -1 takes all cores.")] = -1,
    as_json: Json = False,
) -> None:
    """Write the built-in data: CT-like images drawn from problem A's exact table, with patients."""
    from .. import datasets

    facts = datasets.phantom(out, rows, size, seed, format, jobs)
    natural = "" if facts["natural_prevalence"] else "; rare combinations are above their natural share"
    show(facts, f"{facts['rows']} images of {facts['patients']} patients in {out}{natural}", as_json)


@app.command("many-labels", epilog="Example: cascade many-labels data/problem-c.npz --problem c")
def many_labels(
    out: Annotated[Path, typer.Argument(help="File to make, .npz.")],
    problem: Annotated[str, typer.Option(help="b: ten of 1,000 labels on each row; c: 7,900 labels, 130 a row.")],
    rows: Annotated[int | None, typer.Option(help="Rows; 50,000 or 80,000 if not given.")] = None,
    labels: Annotated[int | None, typer.Option(help="Labels; 1,000 or 7,900 if not given.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Write data of many labels, sparse, drawn from known probabilities."""
    from .. import datasets

    facts = datasets.many_labels(out, problem, rows, labels, seed)
    show(facts, "{rows} rows, {labels} labels, {labels_per_row:.1f} a row".format(**facts) + f" in {out}", as_json)


@app.command(epilog="Example: cascade lint data/train.csv data/test.csv --labels crack,dent --group part")
def lint(
    data: Annotated[list[Path], typer.Argument(help="Labelled data; several are taken as splits of one another.")],
    labels: Labels = None,
    group: Group = None,
    id: Id = None,
    label_file: Annotated[Path | None, typer.Option(help="Labels of a .npy file.")] = None,
    any_label: Annotated[str, typer.Option(help="Column that says that some label is present.")] = "auto",
    fail_on: Annotated[str, typer.Option(help="Level that ends in status 5: note, warning, error or never.")] = "error",
    as_json: Json = False,
) -> None:
    """Tell what is odd or dangerous in labels, before any training."""
    from cascade.data.readers.columns import Roles

    from .. import lint as pipeline

    levels = pipeline.levels_from(fail_on)
    named = tuple(name.strip() for name in labels.split(",")) if labels else None
    facts, findings = pipeline.run(data, Roles(named, group, id, label_file, True), any_label)
    result = {"data": facts, "findings": [vars(finding) for finding in findings]}
    show(result, pipeline.text(facts, findings), as_json)
    if any(finding.level in levels for finding in findings):
        raise typer.Exit(5)


@app.command(epilog="Example: cascade train configs/phantom-multilabel.yaml --set gate.epochs=3")
def train(
    config: Annotated[Path, typer.Argument(help="YAML file of the run.")],
    set: Annotated[list[str] | None, typer.Option("--set", help="Override a key: gate.epochs=3.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    as_json: Json = False,
) -> None:
    """Train a cascade, evaluate it on held-out groups, publish it as models/<name>/<version>/."""
    from cascade.config.yaml_file import load_config

    from ..steps.progress import show_log

    checked = load_config(config, set)
    show_log()
    # Not before the config is checked: the pipelines take seconds to import.
    from ..steps.version import PAGE

    if checked.flat is not None:
        from cascade.many_labels.report import many_table

        from .. import train_many_labels

        version, report = train_many_labels.run(checked, checked.flat, models)
        text = many_table(report)
    else:
        from cascade.reports.report import table

        from .. import train as pipeline

        version, report = pipeline.run(checked, models)
        text = f"{table(report)}{pipeline.proven(report)}"
    page = version / PAGE
    result = {"version": str(version), "page": str(page), **report}
    show(result, f"{text}\n\nversion: {version}\nreport:  {page}", as_json)


@app.command(epilog="Example: cascade predict models/phantom-multilabel data/png --output predictions")
def predict(
    model: Annotated[
        Path, typer.Argument(help="Version, model folder, models/<name> for its newest, or models:/<name>@champion.")
    ],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Array file, table, folder of images or tables.")],
    output: Annotated[Path, typer.Option(help="Folder for input of any size, or one file: .parquet or .csv.")],
    exams: Annotated[Path | None, typer.Option(help="Also write one row for each group to this file.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Of a flat model: surest labels to list; 10 if not given.")] = None,
    group: Group = None,
    id: Id = None,
    allow_missing: Missing = False,
    shard_rows: Annotated[int | None, typer.Option(help="Of a folder: most rows a file; 65536 if not given.")] = None,
    max_rejected: Annotated[
        float | None, typer.Option(help="Of a folder: share of bad rows that ends the job; 0.1 if not given.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Of a folder: start over what was begun.")] = False,
    engine: Annotated[str, typer.Option(help="Of a folder: local, or ray for many machines.")] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Of ray: shards at a time; all it has room for if not given.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="What computes networks: auto, keras, litert or onnx.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of an exported runtime; all cores if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Predict every row of INPUT: gate probability, fate, and a probability and a 0/1 for each label.

    Into a folder it goes shard by shard: started again after any interruption it goes on, and bad rows are set aside.
    """
    from cascade.data.readers.columns import Roles

    from .. import predict as pipeline
    from ..predict_batch import settings_for
    from ..steps.progress import show_log
    from ..steps.tables import check_format

    settings = settings_for(output, shard_rows, max_rejected, fresh, engine, workers)
    if exams is not None:
        check_format(exams)
    show_log(quiet=True)
    roles = Roles(None, group, id, None, allow_missing)
    summary = pipeline.run(model, source, output, roles, exams, top_k, settings, runtime, threads)
    show(summary, pipeline.text(summary), as_json)
    if summary.get("rejected"):
        raise typer.Exit(6)


@app.command(epilog="Example: cascade submission data/predictions.parquet --output data/submission.csv")
def submission(
    predictions: Annotated[Path, typer.Argument(help="What predict wrote, or a folder of its .parquet parts.")],
    output: Annotated[Path, typer.Option(help="File to write, .csv.")],
    as_json: Json = False,
) -> None:
    """Turn predictions into a submission to the RSNA 2019 Intracranial Hemorrhage challenge."""
    from .. import submission as pipeline

    facts = pipeline.run(predictions, output)
    show(facts, "{rows} images -> {output}".format(**facts), as_json)


@app.command(epilog="Example: cascade evaluate models/phantom-multilabel data/other --json")
def evaluate(
    model: Annotated[
        Path, typer.Argument(help="Version, model folder, models/<name> for its newest, or models:/<name>@champion.")
    ],
    data: Annotated[Path, typer.Argument(help="Labelled data that the model has not seen.")],
    labels: Labels = None,
    group: Group = None,
    id: Id = None,
    label_file: Annotated[Path | None, typer.Option(help="Labels of a .npy file.")] = None,
    allow_missing: Missing = False,
    missing_labels: Annotated[
        bool, typer.Option("--missing-labels", help="Empty cells in label columns are labels that are not known.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print metrics of a model on labelled data."""
    from cascade.data.readers.columns import Roles
    from cascade.many_labels.report import many_table
    from cascade.reports.report import table

    from .. import evaluate as pipeline
    from ..steps.progress import show_log

    named = tuple(name.strip() for name in labels.split(",")) if labels else None
    show_log(quiet=True)
    report = pipeline.run(model, data, Roles(named, group, id, label_file, allow_missing, missing_labels))
    show(report, many_table(report) if "top_k" in report else table(report), as_json)


@app.command(epilog="Example: cascade compare configs/phantom-multilabel.yaml --folds 3")
def compare(
    config: Annotated[Path, typer.Argument(help="YAML file of a run; its gate and labeler model are compared.")],
    set: Annotated[list[str] | None, typer.Option("--set", help="Override a key: labeler.n_bags=3.")] = None,
    folds: Annotated[int, typer.Option(help="Grouped folds; each contender is fitted on each.", min=2)] = 3,
    pools: Annotated[
        str | None, typer.Option(help="Negative pools, separated by commas; default: positives, gated, the config's.")
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    as_json: Json = False,
) -> None:
    """Put flat model, peer stack, literal recipe and cascades side by side on the same grouped folds."""
    from cascade.comparison.compare_text import table
    from cascade.config.yaml_file import load_config
    from cascade.rules.probability.merge import check_pool

    from .. import compare as pipeline
    from ..steps.progress import show_log
    from ..steps.version import PAGE

    checked = load_config(config, set)
    named = (
        ["positives", "gated", checked.cascade.negative_pool]
        if pools is None
        else [pool.strip() for pool in pools.split(",")]
    )
    chosen = tuple(check_pool(pool) for pool in dict.fromkeys(named))
    show_log()
    folder, result = pipeline.run(checked, models, folds, chosen)
    page = folder / PAGE
    facts = {"folder": str(folder), "page": str(page), **result}
    show(facts, f"{table(result)}\n\ncomparison: {folder}\nreport:     {page}", as_json)


@app.command(epilog="Example: cascade export models/phantom-multilabel exported --runtimes litert")
def export(
    model: Annotated[
        Path, typer.Argument(help="Version, model folder, models/<name> for its newest, or models:/<name>@champion.")
    ],
    out: Annotated[Path, typer.Argument(help="Model folder to make; with --format, the graph: a file, or a folder.")],
    runtimes: Annotated[str | None, typer.Option(help="litert, onnx, or both; default those installed.")] = None,
    format: Annotated[
        str | None, typer.Option(help="onnx, openvino or saved_model: one graph for a model server instead.")
    ] = None,
    int8: Annotated[
        Path | None, typer.Option(help="Held-out labelled data: some of it quantises, the rest tells what INT8 loses.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a model whose networks answer without Keras, and time each runtime on this machine."""
    from .. import export as pipeline
    from ..export import text
    from ..steps.progress import show_log

    show_log()
    if format is not None:
        if runtimes is not None or int8 is not None:
            raise ConfigError("`--format` writes one float32 graph; leave out `--runtimes` and `--int8`, or it.")
        graph = pipeline.run_graph(model, out, format)
        show(graph, "{output}: one graph, within {largest_difference:.1e} of the model".format(**graph), as_json)
        return
    chosen = None if runtimes is None else tuple(name.strip() for name in runtimes.split(","))
    result = pipeline.run(model, out, chosen, int8)
    show(result, text(result), as_json)


def main() -> None:
    """Run the command line; what goes wrong ends in one sentence and an exit status."""
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.echo("\ncascade: interrupted; a job or a retraining goes on when it is started again.", err=True)
        raise
    except CascadeError as error:
        typer.echo(f"cascade: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        typer.echo(f"cascade: {error.strerror or error}{place}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
