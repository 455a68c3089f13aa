"""Rules that find what is invalid or risky in labels before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import check_labels, check_sparse_labels, name_labels
from cascade.data.missing import split_missing
from cascade.data.names import canonical_names
from cascade.data.none_label import find_none_label, none_sentence
from cascade.data.splits import group_numbers
from cascade.lint.class_weights import balanced_sample_weight, keras_class_weight
from cascade.lint.implications import implications
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

    @cached_property
    def Y(self) -> sparse.csr_array:
        """Labels that are on, shape (n, L); 0 where not known. Most are off, and take no time."""
        rows = sparse.csr_array(self.labels.values, dtype=np.int64)
        rows.sort_indices()
        return rows

    @cached_property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.Y.shape[0])

    @cached_property
    def empty_rows(self) -> int:
        """Number of rows without a label; a missing label counts as none."""
        return int((np.diff(self.Y.indptr) == 0).sum())

    @cached_property
    def count(self) -> NDArray[np.intp]:
        """Number of rows with each label."""
        return np.bincount(self.Y.indices, minlength=len(self.names))

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """Number of groups with each label."""
        row = np.repeat(np.arange(self.n_rows), np.diff(self.Y.indptr))
        n_groups = int(self.group.max(initial=0)) + 1
        # Each pair of label and group once, as one number: sorting numbers is faster than sorting pairs.
        pairs = np.unique(self.Y.indices.astype(np.int64) * n_groups + self.group[row])
        return np.bincount(pairs // n_groups, minlength=len(self.names))

    @cached_property
    def combination(self) -> NDArray[np.intp]:
        """Number of each row's label combination, from 0."""
        numbers: dict[bytes, int] = {}
        bounds = zip(self.Y.indptr[:-1].tolist(), self.Y.indptr[1:].tolist(), strict=True)
        keys = (self.Y.indices[start:stop].tobytes() for start, stop in bounds)
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def lint(
    Y: Any,
    names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    any_label: str | None = "auto",
    none_label: str | None = None,
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
    none_label : str or None
        Which column means that there is no label: "auto" finds it, a name decides, None takes none. It is left out of
        the labels.

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
    labels = LabelMatrix(check_sparse_labels(given) if sparse.issparse(given) else check_labels(given), known)
    named = name_labels(names, labels.shape[1])
    labels, named, none = _without_none(labels, named, none_label)
    any_column = find_any_label(labels, named, any_label)
    labelled = Labelled(labels, named, group_numbers(groups, len(labels)), any_column.index)
    findings = [*(finding for rule in RULES for finding in rule(labelled)), *none]
    if any_column.note:
        findings.append(LintFinding("warning", "any", f"{any_column.note}."))
    # Sorting is stable, so findings of a level keep the order of the rules.
    return _facts(labelled), sorted(_shortened(findings), key=lambda finding: -LEVELS.index(finding.level))


def _without_none(
    labels: LabelMatrix, names: tuple[str, ...], none_label: str | None
) -> tuple[LabelMatrix, tuple[str, ...], list[LintFinding]]:
    """Leave out the column that means "none", with a finding that names it."""
    none = find_none_label(labels, names, none_label)
    if none.index is None:
        return labels, names, [LintFinding("warning", "none", f"{none.note}.")] if none.note else []
    kept = [k for k in range(len(names)) if k != none.index]
    message = f"{none_sentence(names[none.index])}, so it is left out of the labels; `none_label` decides that."
    finding = LintFinding("note", "none", message)
    return labels.part(slice(None), kept), tuple(names[k] for k in kept), [finding]


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
        for finding in _shared(first, second, np.intersect1d(_spelled(splits[first]), _spelled(splits[second])))
    ]


def _spelled(groups: ArrayLike) -> NDArray[Any]:
    # The splits may come from files of other types, which spell a group differently.
    return np.array([name for name in canonical_names(np.asarray(groups)) if name is not None], dtype=str)


def _shared(first: str, second: str, common: NDArray[Any]) -> Iterator[LintFinding]:
    if len(common):
        groups = "1 group is" if len(common) == 1 else f"{len(common)} groups are"
        message = f"{groups} in both {first} and {second} (first: {str(common[0])!r}), "
        yield LintFinding("error", "leakage", message + "so a model trained on one has seen part of the other.")


def _facts(data: Labelled) -> dict[str, Any]:
    counts = np.bincount(data.combination)
    rarity = imbalance_ratio(data.Y)
    keras, sampled = keras_class_weight(data.Y), balanced_sample_weight(data.Y)
    return {
        "rows": data.n_rows,
        "groups": int(data.group.max()) + 1,
        **_missing_facts(data),
        "empty_rows": data.empty_rows,
        "combinations": len(counts),
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
    n_labels = data.labels.known.size
    yield LintFinding(
        "warning",
        "missing",
        f"{facts['labels_missing']} of {n_labels} labels are missing; {facts['rows_without_gate_target']} of "
        f"{data.n_rows} rows have no positive and a missing label, which the gate cannot learn from. Other figures "
        "count a missing label as a 0.",
    )
    for k in np.flatnonzero(~data.labels.known.any(axis=0)):
        yield LintFinding("error", "missing", f"label {data.names[k]!r} is known on no row.")


def _label_facts(data: Labelled, k: int, rarity: float) -> dict[str, Any]:
    # Groups are the independent units, so a bound counts them and not the rows.
    positives, n_groups = int(data.count[k]), int(data.groups[k])
    held = round(HELD_OUT * n_groups)
    return {
        "label": data.names[k],
        "positives": positives,
        "prevalence": positives / data.n_rows,
        "groups": n_groups,
        "imbalance_ratio": rarity if np.isfinite(rarity) else None,
        "held_out_groups": held,
        "provable_recall": _provable(held),
    }


@lru_cache(maxsize=1024)
def _provable(held: int) -> float:
    # Many labels have equally many groups.
    return recall_bound(held, held)


def _constant(data: Labelled) -> Iterator[LintFinding]:
    for k in np.flatnonzero(data.count == 0):
        yield LintFinding("error", "absent", f"label {data.names[k]!r} never occurs.")
    for k in np.flatnonzero(data.count == data.n_rows):
        yield LintFinding("error", "constant", f"label {data.names[k]!r} is on in every row.")


def _implied(data: Labelled) -> Iterator[LintFinding]:
    """Find columns that are equal, or of which one is never on without the other."""
    if data.any_index is not None and len(data.names) > 1:
        name = data.names[data.any_index]
        yield LintFinding(
            "note", "any", f"column {name!r} equals the OR of the others: it is the gate and is not fitted."
        )
    for k, j in implications(data.Y):
        if data.any_index in (j, k):
            continue
        if data.count[k] == data.count[j]:
            # Both imply each other, and are reported once.
            if k < j:
                yield LintFinding(
                    "warning", "duplicate", f"labels {data.names[k]!r} and {data.names[j]!r} are the same column."
                )
        # A label that is on in every row is implied by all others, and is reported as constant.
        elif data.count[j] < data.n_rows:
            yield LintFinding("note", "implied", f"label {data.names[k]!r} never occurs without {data.names[j]!r}.")


def _few(data: Labelled) -> Iterator[LintFinding]:
    needed = positives_needed(WANTED_RECALL)
    for k, name in enumerate(data.names):
        n_groups = int(data.groups[k])
        if data.count[k] in (0, data.n_rows):
            continue
        if n_groups < FEW_GROUPS:
            message = f"label {name!r} occurs in {n_groups} groups, too few for {FEW_GROUPS} folds."
            yield LintFinding("error" if n_groups < 2 else "warning", "split", message)
        # Even in the best case, in which the gate keeps all held-out groups, few groups prove little.
        held = round(HELD_OUT * n_groups)
        if held < needed:
            yield LintFinding(
                "warning",
                "provable",
                f"label {name!r} has {held} groups in a held-out fifth: if the gate keeps all of them, a recall of "
                f"{_provable(held):.1%} is proven at 95 %, and {WANTED_RECALL:.0%} needs {needed}.",
            )


def _combinations(data: Labelled) -> Iterator[LintFinding]:
    # Each pair of combination and group once, so that the rows of a combination count its groups.
    pairs = np.unique(np.column_stack([data.combination, data.group]), axis=0)
    single = int((np.bincount(pairs[:, 0]) == 1).sum())
    if single:
        message = f"{single} label combinations occur in one group only, so no split can hold them on both sides."
        yield LintFinding("note", "combination", message)


def _gate(data: Labelled) -> Iterator[LintFinding]:
    """Check what a gate can save: it can reject no more rows than are empty."""
    # Missing labels count as 0 here, so the warning comes too rarely rather than too often.
    empty = data.empty_rows
    if empty < FEW_EMPTY * data.n_rows:
        share = "every row has a label" if not empty else f"only {empty / data.n_rows:.1%} of the rows have no label"
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
        f"{data.n_rows} rows count as {sampled.effective_rows:.1f}.",
    )


Rule = Callable[[Labelled], Iterator[LintFinding]]
RULES: tuple[Rule, ...] = (_missing, _constant, _implied, _few, _combinations, _gate, _class_weights)
