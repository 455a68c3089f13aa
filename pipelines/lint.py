"""Check the labels of one data set, or of several that are its splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade.lint.lint import LEVELS, LintFinding, lint, shared_groups

from .steps.run_data import read_labelled_data, roles_of, suspicious_features

CONFIGS = (".yaml", ".yml")
"""Endings of configs, whose data can be examined as they describe it."""

MOST_LABELS = 40
"""Labels in the table that is printed."""


def levels_from(lowest: str) -> tuple[str, ...]:
    """Return the levels that are at least as serious as `lowest`; none for "never"."""
    if lowest not in (*LEVELS, "never"):
        raise ConfigError(f"`--fail-on` must be one of {[*LEVELS, 'never']}. Received {lowest!r}.")
    return () if lowest == "never" else LEVELS[LEVELS.index(lowest) :]


def of_config(path: Path) -> tuple[Path, Roles, str | None, str | None]:
    """Return the data of a config, the roles of its columns, and its columns `any` and none."""
    config = load_config(path)
    part = config.data
    return part.path, replace(roles_of(config), allow_missing=True), part.any_label, part.none_label


def run(
    paths: list[Path], roles: Roles, any_label: str | None, none_label: str | None = "auto"
) -> tuple[dict[str, Any], list[LintFinding]]:
    """Return facts for each path, and all findings, most serious first per path."""
    # Missing labels are a finding here, while training refuses them unless the config allows them. Features of tables
    # are not read: those that are texts or dates do not matter for labels.
    read = {str(path): read_data(path, replace(roles, missing_labels=True), features=()) for path in paths}
    facts, findings = {}, []
    for path, data in read.items():
        assert data.Y is not None
        facts[path], of_path = lint(data.labels.masked(), data.label_names, data.groups, any_label, none_label)
        findings += [
            LintFinding(f.level, f.code, f.message if len(read) == 1 else f"{path}: {f.message}") for f in of_path
        ]
    # First, since a leak between splits makes every figure on the second one worthless.
    if len(read) > 1:
        findings = [*_between(read), *findings]
    return facts, findings


def of_features(path: Path) -> list[LintFinding]:
    """Return what is unusual in the features of a config's data; a sentence if they cannot be read."""
    config = load_config(path)
    try:
        sentences = list(suspicious_features(read_labelled_data(config)))
    except DataError as error:
        # Labels were examined without features, so these are no reason to stop.
        return [LintFinding("warning", "features", str(error))]
    return [LintFinding("warning", "leakage", sentence) for sentence in sentences]


def _between(read: dict[str, Dataset]) -> list[LintFinding]:
    orders = {data.label_names for data in read.values()}
    order = []
    if len(orders) > 1:
        first, second, *_ = sorted(orders)
        # Other labels end the run: there is nothing to compare. Another order is a finding.
        if len({frozenset(names) for names in orders}) > 1:
            raise DataError(f"splits must have the same labels. Received {first} and {second}.")
        message = f"the splits list their labels in different orders, {first} and {second}: a matrix without names "
        order = [LintFinding("error", "label-order", message + "would be read wrongly.")]
    without = [path for path, data in read.items() if data.groups is None]
    if without:
        raise DataError(f"`{without[0]}` has no groups to compare splits by; name the group column with --group.")
    return [*order, *shared_groups({path: data.groups for path, data in read.items() if data.groups is not None})]


def text(facts: dict[str, Any], findings: list[LintFinding]) -> str:
    """Return facts and findings as text."""
    return "\n\n".join([*(_one(path, fact) for path, fact in facts.items()), "\n".join(map(_line, findings))])


def _one(path: str, fact: dict[str, Any]) -> str:
    empty = fact["empty_rows"] / fact["rows"]
    head = (
        f"{path}: {fact['rows']} rows, {fact['groups']} groups, {empty:.1%} of the rows without a label, "
        f"{fact['combinations']} combinations, {fact['combinations_on_one_row']} of them on one row; "
        f"MeanIR {fact['mean_imbalance_ratio']:.1f}, SCUMBLE {fact['scumble']:.3f}"
    )
    shown = fact["labels"][:MOST_LABELS]
    width = max(len(label["label"]) for label in shown)
    columns = f"{'label':{width}}{'rows':>8}{'groups':>8}{'share':>8}{'IRLbl':>8}{'provable recall':>17}"
    n_left = len(fact["labels"]) - len(shown)
    more = [f"and {n_left} more labels; --json lists all of them"] if n_left else []
    return "\n".join([head, "", columns, *(_label(label, width) for label in shown), *more])


def _label(label: dict[str, Any], width: int) -> str:
    # The imbalance ratio of a label without positives is infinite, which JSON has no number for.
    rarity = "-" if label["imbalance_ratio"] is None else f"{label['imbalance_ratio']:.1f}"
    counts = f"{label['positives']:8d}{label['groups']:8d}{label['prevalence']:8.4f}"
    return f"{label['label']:{width}}{counts}{rarity:>8}{label['provable_recall']:17.3f}"


def _line(finding: LintFinding) -> str:
    return f"{finding.level:8}{finding.code:14}{finding.message}"
