"""Rules that find what is invalid or risky in labels before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, check_labels, name_labels
from cascade.data.missing import split_missing
from cascade.data.splits import group_numbers
from cascade.lint.class_weights import balanced_sample_weight, keras_class_weight
from cascade.metrics.imbalance import imbalance_ratio, mean_imbalance_ratio, scumble
from cascade.rules.thresholds.certificate import positives_needed, recall_bound

LEVELS = ("note", "warning", "error")
WANTED_RECALL = 0.95
HELD_OUT = 0.2
FEW_EMPTY = 0.1
MOST_OF_A_KIND = 12
FEW_GROUPS = 5


@dataclass(frozen=True)
class LintFinding:
    """A single finding.

    Attributes
    ----------
    level : {"note", "warning", "error"}
        An error makes training fail, or its figures misleading.
    code : str
        Short name of the rule.
    message : str
    """

    level: str
    code: str
    message: str


@dataclass(frozen=True)
class Labelled:
    """Labels to check: matrix, names, number of each row's group, and the column that is `any`."""

    labels: LabelMatrix
    names: tuple[str, ...]
    group: NDArray[np.intp]
    any_index: int | None

    @property
    def Y(self) -> Labels:
        """Labels as 0/1, shape (n, L); 0 where not known."""
        return self.labels.values

    def groups_with(self, rows: NDArray[np.bool_]) -> int:
        """Count the groups that have at least one of the rows."""
        return len(np.unique(self.group[rows]))


def lint(
    Y: Any,
    names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    any_label: str | None = "auto",
) -> tuple[dict[str, Any], list[LintFinding]]:
    """Check labels, and compute figures about them.

    Parameters
    ----------
    Y : array-like or sparse matrix of 0/1, shape (n, L)
        A label may be missing: NaN, or hidden by a masked array. Missing labels are counted; other figures take them
        as 0.
    names : sequence of str, length L, optional
    groups : array-like, shape (n,), optional
        Without groups each row is a separate group.
    any_label : str or None, default="auto"
        Which column equals the OR of the others.

    Returns
    -------
    facts : dict
        Counts and figures, as plain data.
    findings : list of LintFinding
        Most serious first.

    Examples
    --------
    >>> facts, findings = lint([[1, 0], [0, 0], [0, 0]])
    >>> facts["empty_rows"], findings[0].code, findings[0].message
    (2, 'absent', "label 'label_1' never occurs.")
    """
    given, known = split_missing(Y)
    labels = LabelMatrix(check_labels(given), known)
    named = name_labels(names, labels.shape[1])
    any_column = find_any_label(labels, named, any_label)
    labelled = Labelled(labels, named, group_numbers(groups, len(labels)), any_column.index)
    findings = [finding for rule in RULES for finding in rule(labelled)]
    if any_column.note:
        findings.append(LintFinding("warning", "any", f"{any_column.note}."))
    # Sorting is stable, so findings of a level keep the order of the rules.
    return _facts(labelled), sorted(_shortened(findings), key=lambda finding: -LEVELS.index(finding.level))


def _shortened(findings: list[LintFinding]) -> Iterator[LintFinding]:
    """Yield the first findings of each kind, and the number of the others."""
    # A thousand labels may have a thousand findings of one kind.
    kinds = Counter((finding.level, finding.code) for finding in findings)
    seen: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        kind = (finding.level, finding.code)
        seen[kind] += 1
        if seen[kind] <= MOST_OF_A_KIND:
            yield finding
        elif seen[kind] == kinds[kind]:
            yield LintFinding(*kind, f"{kinds[kind] - MOST_OF_A_KIND} more findings of this kind.")


def shared_groups(splits: dict[str, ArrayLike]) -> list[LintFinding]:
    """Find groups that are in more than one of several splits, each given as the group of its rows.

    Examples
    --------
    >>> shared_groups({"train": ["p", "q"], "test": ["q", "r"]})[0].message
    "1 group is in both train and test (first: 'q'), so a model trained on one has seen part of the other."
    """
    names = list(splits)
    return [
        finding
        for place, first in enumerate(names)
        for second in names[place + 1 :]
        for finding in _shared(first, second, np.intersect1d(splits[first], splits[second]))
    ]


def _shared(first: str, second: str, common: NDArray[Any]) -> Iterator[LintFinding]:
    if len(common):
        groups = "1 group is" if len(common) == 1 else f"{len(common)} groups are"
        message = f"{groups} in both {first} and {second} (first: {str(common[0])!r}), "
        yield LintFinding("error", "leakage", message + "so a model trained on one has seen part of the other.")


def _facts(data: Labelled) -> dict[str, Any]:
    combinations, counts = np.unique(data.Y, axis=0, return_counts=True)
    rarity = imbalance_ratio(data.Y)
    keras, sampled = keras_class_weight(data.Y), balanced_sample_weight(data.Y)
    return {
        "rows": len(data.Y),
        "groups": int(data.group.max()) + 1,
        **_missing_facts(data),
        "empty_rows": int((~data.Y.any(axis=1)).sum()),
        "combinations": len(combinations),
        "combinations_on_one_row": int((counts == 1).sum()),
        "any_label": None if data.any_index is None else data.names[data.any_index],
        "mean_imbalance_ratio": mean_imbalance_ratio(data.Y),
        "scumble": scumble(data.Y),
        "labels": [_label_facts(data, k, float(rarity[k])) for k in range(len(data.names))],
        "keras_class_weight": {**asdict(keras), "unused": [data.names[k] for k in keras.unused]},
        "balanced_sample_weight": asdict(sampled),
    }


def _missing_facts(data: Labelled) -> dict[str, Any]:
    # A row with a positive trains the gate even if its other labels are missing.
    any_known = data.labels.any_known(data.any_index)
    if any_known is None:
        return {}
    return {
        "labels_missing": data.labels.n_missing,
        "rows_without_gate_target": int((~any_known & ~data.labels.has_label()).sum()),
    }


def _missing(data: Labelled) -> Iterator[LintFinding]:
    if data.labels.known is None:
        return
    facts = _missing_facts(data)
    yield LintFinding(
        "warning",
        "missing",
        f"{facts['labels_missing']} of {data.Y.size} labels are missing; {facts['rows_without_gate_target']} of "
        f"{len(data.Y)} rows have no positive and a missing label, which the gate cannot learn from. Other figures "
        "count a missing label as a 0.",
    )
    for k in np.flatnonzero(~data.labels.known.any(axis=0)):
        yield LintFinding("error", "missing", f"label {data.names[k]!r} is known on no row.")


def _label_facts(data: Labelled, k: int, rarity: float) -> dict[str, Any]:
    on = data.Y[:, k] > 0
    # Groups are the independent units, so a bound counts them and not the rows.
    held = round(HELD_OUT * data.groups_with(on))
    return {
        "label": data.names[k],
        "positives": int(on.sum()),
        "prevalence": float(on.mean()),
        "groups": data.groups_with(on),
        "imbalance_ratio": rarity if np.isfinite(rarity) else None,
        "held_out_groups": held,
        "provable_recall": recall_bound(held, held),
    }


def _constant(data: Labelled) -> Iterator[LintFinding]:
    count = data.Y.sum(axis=0, dtype=np.int64)
    for k in np.flatnonzero(count == 0):
        yield LintFinding("error", "absent", f"label {data.names[k]!r} never occurs.")
    for k in np.flatnonzero(count == len(data.Y)):
        yield LintFinding("error", "constant", f"label {data.names[k]!r} is on in every row.")


def _implied(data: Labelled) -> Iterator[LintFinding]:
    """Find columns that are equal, or of which one is never on without the other."""
    if data.any_index is not None and len(data.names) > 1:
        name = data.names[data.any_index]
        yield LintFinding(
            "note", "any", f"column {name!r} equals the OR of the others: it is the gate and is not fitted."
        )
    # int32, since counts of rows would overflow the labels' uint8.
    rows = sparse.csr_array(data.Y, dtype=np.int32)
    together = (rows.T @ rows).toarray()
    count = np.diag(together)
    # Label k implies label j if they occur together as often as k occurs.
    for k, j in zip(*np.nonzero(together == count[:, None]), strict=True):
        if j == data.any_index or k == data.any_index or k == j or not count[k]:
            continue
        if count[k] == count[j] and k < j:
            yield LintFinding(
                "warning", "duplicate", f"labels {data.names[k]!r} and {data.names[j]!r} are the same column."
            )
        # A label that is on in every row is implied by all others, and is reported as constant.
        elif count[k] < count[j] < len(data.Y):
            yield LintFinding("note", "implied", f"label {data.names[k]!r} never occurs without {data.names[j]!r}.")


def _few(data: Labelled) -> Iterator[LintFinding]:
    for k, name in enumerate(data.names):
        on = data.Y[:, k] > 0
        n_groups = data.groups_with(on)
        if not on.any() or on.all():
            continue
        if n_groups < FEW_GROUPS:
            message = f"label {name!r} occurs in {n_groups} groups, too few for {FEW_GROUPS} folds."
            yield LintFinding("error" if n_groups < 2 else "warning", "split", message)
        # Even in the best case, in which the gate keeps all held-out groups, few groups prove little.
        held = round(HELD_OUT * n_groups)
        if held < positives_needed(WANTED_RECALL):
            yield LintFinding(
                "warning",
                "provable",
                f"label {name!r} has {held} groups in a held-out fifth: if the gate keeps all of them, a recall of "
                f"{recall_bound(held, held):.1%} is proven at 95 %, and {WANTED_RECALL:.0%} needs "
                f"{positives_needed(WANTED_RECALL)}.",
            )


def _combinations(data: Labelled) -> Iterator[LintFinding]:
    _, inverse = np.unique(data.Y, axis=0, return_inverse=True)
    # Each pair of combination and group once, so that the rows of a combination count its groups.
    pairs = np.unique(np.column_stack([inverse.ravel(), data.group]), axis=0)
    single = int((np.bincount(pairs[:, 0]) == 1).sum())
    if single:
        message = f"{single} label combinations occur in one group only, so no split can hold them on both sides."
        yield LintFinding("note", "combination", message)


def _gate(data: Labelled) -> Iterator[LintFinding]:
    """Check what a gate can save: it can reject no more rows than are empty."""
    # Missing labels count as 0 here, so the warning comes too rarely rather than too often.
    empty = int((~data.Y.any(axis=1)).sum())
    if empty < FEW_EMPTY * len(data.Y):
        share = "every row has a label" if not empty else f"only {empty / len(data.Y):.1%} of the rows have no label"
        advice = "Train a many-label model without a gate (`flat` in the config)."
        message = f"{share}, so a gate has few rows to reject. {advice}"
        yield LintFinding("warning", "gate", message)


def _class_weights(data: Labelled) -> Iterator[LintFinding]:
    keras, sampled = keras_class_weight(data.Y), balanced_sample_weight(data.Y)
    if keras.empty_share > 0:
        unused = ", ".join(repr(data.names[k]) for k in keras.unused[:MOST_OF_A_KIND])
        unused += f" and {len(keras.unused) - MOST_OF_A_KIND} more" if len(keras.unused) > MOST_OF_A_KIND else ""
        yield LintFinding(
            "note",
            "class_weight",
            f"Keras' balanced `class_weight` would give the empty rows, {keras.empty_share:.1%} of all rows, "
            f"{keras.empty_weight_share:.1%} of the weight"
            + (f", and not use the weight of {unused}." if unused else "."),
        )
    yield LintFinding(
        "note",
        "sample_weight",
        f"`compute_sample_weight('balanced', Y)` would put {sampled.top_share:.1%} of the weight on two rows: "
        f"{len(data.Y)} rows count as {sampled.effective_rows:.1f}.",
    )


Rule = Callable[[Labelled], Iterator[LintFinding]]
RULES: tuple[Rule, ...] = (_missing, _constant, _implied, _few, _combinations, _gate, _class_weights)
