"""Search for the cascade that pays, resumably, and publish the curve, its page and the config to train."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cascade.classifier import CascadeClassifier
from cascade.config.build import build_cascade, has_frozen_encoder, with_defaults
from cascade.config.functions import function_sources
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.data.any_label import find_any_label
from cascade.data.fingerprint import fingerprint
from cascade.errors import ConfigError
from cascade.metrics import Metric, overall_metrics
from cascade.reports.html import page, tuning_data
from cascade.store import Exporter
from cascade.tuning import ledger
from cascade.tuning.choice import MARGIN, Choice, choose
from cascade.tuning.parts import Parts
from cascade.tuning.problem import Problem, judged_parts
from cascade.tuning.result import tuning_result, worth_timing
from cascade.tuning.sampling import import_optuna
from cascade.tuning.search import Budget, search
from cascade.tuning.timing import seconds_per_row
from cascade.tuning.trial import Setting
from cascade.tuning.tune_text import tuning_table
from cascade.utils.atomic import new_folder
from cascade.utils.environment import code_version, versions
from cascade.utils.keys import key_of
from cascade.utils.locking import claimed
from cascade.utils.plain_json import to_json

from .compare import with_stages
from .steps.progress import step_bars
from .steps.run_data import cached, key_content, load, split
from .steps.tuning_space import config_of, space_of
from .steps.version import PAGE

logger = logging.getLogger("cascade.pipeline")

HOME = ".tune"
"""Folder of trials and fitted parts within a model's folder; the dot keeps it out of the list of versions."""
PARTS, CONFIG = "parts", "config.yaml"
ENOUGH_ROWS = 20_000
"""From this many rows on, one hold-out is judged on; fewer rows are judged in folds."""
FOLDS = 3
DEFAULT_BUDGET = Budget(trials=40, minutes=60.0)


@dataclass(frozen=True)
class Options:
    """Options of a search.

    Attributes
    ----------
    trials : int or None
        Number of trials, including those of an interrupted search.
    minutes : float or None
        Without any limit, the search has 40 trials and an hour.
    folds : int or None
        Parts to judge on; 1 is one hold-out. None chooses by the number of rows.
    metric : str
        Name of a metric with a single value.
    margin : float
    fresh : bool
        Start over instead of resuming.
    """

    trials: int | None = None
    minutes: float | None = None
    folds: int | None = None
    metric: str = "macro_average_precision"
    margin: float = MARGIN
    fresh: bool = False


@step_bars()
def run(config: RunConfig, models: Path, options: Options) -> tuple[Path, dict[str, Any]]:
    """Search and publish; return the folder of the result and the result.

    Raises
    ------
    BusyError
        If another process tunes a model of this name.
    ConfigError, DataError
    """
    if config.flat is not None:
        raise ConfigError("`flat` has no gate and no labeler to tune; give a config of a cascade.")
    if has_frozen_encoder(config.gate) or has_frozen_encoder(config.labeler.model):
        raise ConfigError("`encoder`: the arithmetic of a frozen encoder is not known; use `cascade compare`.")
    config = with_stages(config)
    # Like the runtimes below, a missing extra is an error now, and not after the data was read.
    import_optuna()
    Exporter(config.exported_to())
    home = models / config.name / HOME
    # One search per name: two would add the same trials.
    with claimed(home):
        if options.fresh:
            _forget(home)
        data = load(config).with_dense_labels()
        # The search begins at what "auto" means for these rows.
        config = with_defaults(config, data)
        data = cached(config, data, models)
        training, testing = split(config, data)
        # The test rows are left out here, once for all that follows.
        problem = _problem(config, data, data.part(training), options)
        result, choice = _search(config, data, problem, home, options)
    folder = models / config.name / f"tune-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    return _publish(config, folder, result, choice, tuning_data(result, data, config.data.any_label, testing)), result


def _problem(config: RunConfig, data: Dataset, known: Dataset, options: Options) -> Problem:
    folds = options.folds or (1 if len(known) >= ENOUGH_ROWS else FOLDS)
    # Another seed than those of the test rows and of the fits, which split these rows again.
    judged = judged_parts(known.labels, known.groups, folds, config.seed + 2)
    metric = _metric(config, known, options.metric)

    def build(setting: Setting) -> CascadeClassifier:
        # All data and not only the known rows: a missing feature in a test row must be refused now, too.
        return build_cascade(config_of(config, setting), data)

    return Problem(known.X, known.labels, known.groups, judged, metric, build)


def _metric(config: RunConfig, data: Dataset, name: str) -> Metric:
    any_index = find_any_label(data.labels, data.label_names, config.data.any_label).index
    metrics = {metric.name: metric for metric in overall_metrics(len(data.label_names), any_index)}
    if name not in metrics:
        raise ConfigError(f"`--metric` must be one of {', '.join(metrics)}. Received {name!r}.")
    return metrics[name]


def _search(
    config: RunConfig, data: Dataset, problem: Problem, home: Path, options: Options
) -> tuple[dict[str, Any], Choice]:
    space, maximise = space_of(config, data), problem.maximise
    # A part depends on rows and code, beside what its own key says; a trial depends on everything.
    rows = [fingerprint(problem.X, problem.labels, problem.groups), len(problem.judged), config.seed]
    code = [code_version(), versions()]
    searched = [space.candidates, space.refinements, space.recipes, space.preview]
    name = key_of(rows, code, key_content(config), options.metric, searched)
    parts = Parts(home / PARTS / key_of(rows, code, function_sources(config)))
    unlimited = options.trials is None and options.minutes is None
    budget = DEFAULT_BUDGET if unlimited else Budget(options.trials, options.minutes)
    with ledger.opened(home, name, space, maximise) as trials_of:
        trials = search(problem, space, trials_of, parts, budget, config.seed)
    choice = choose(trials, maximise, options.margin)
    logger.info("tune: measuring the time per row")
    timed = {trial.number: trial.setting for trial in worth_timing(trials, choice)}
    seconds = seconds_per_row(problem, timed, parts, config.exported_to())
    result = tuning_result(trials, choice, seconds, space, options.metric, maximise, options.margin)
    return {**result, "parts_judged": len(problem.judged), "rows": len(problem.labels)}, choice


def _forget(home: Path) -> None:
    (home / ledger.NAME).unlink(missing_ok=True)
    shutil.rmtree(home / PARTS, ignore_errors=True)


def _publish(config: RunConfig, folder: Path, result: dict[str, Any], choice: Choice, facts: dict[str, Any]) -> Path:
    now = datetime.now(UTC)
    chosen = config_of(config, choice.chosen.setting).model_dump(mode="json")
    head = f"# cascade train {folder / CONFIG}\n# {result['verdict']}\n"
    texts = {
        CONFIG: head + yaml.safe_dump(chosen, sort_keys=False),
        "tune.json": to_json(result, indent=2) + "\n",
        "tune.txt": tuning_table(result) + "\n",
        PAGE: page(facts, f"{config.name}: search for the cascade that pays", f"{now:%d %B %Y, %H:%M} UTC"),
    }
    with new_folder(folder) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
    return folder
