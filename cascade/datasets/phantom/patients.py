"""Who the patients are: which slices belong together and which label combination each slice shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Combination = tuple[int, ...]

LONGEST_RUN = 3
MEAN_SLICES = 16


@dataclass(frozen=True)
class Patient:
    """One patient's stack of adjacent slices; `labels` has shape (n_slices, 6)."""

    number: int
    labels: NDArray[np.uint8]


def plan_patients(combinations: NDArray[np.uint8], counts: NDArray[np.int64], seed: int) -> list[Patient]:
    """Distribute the rows of the table over patients, every row exactly once.

    A finding spans a short run of adjacent slices. A patient has one to three runs whose combinations are nested (a
    bleed that appears beside another one), with empty slices above and below.
    """
    rng = np.random.default_rng([seed, 0])
    positive = combinations.any(axis=1)
    runs = _split_in_runs(combinations[positive], counts[positive], rng)
    chains = _chain_runs(runs, rng)
    n_empty = int(counts[~positive].sum())
    stacks = _surround_with_empty(chains, n_empty, combinations.shape[1], rng)
    # Otherwise a patient's number would reveal its findings.
    order = rng.permutation(len(stacks))
    return [Patient(number, stacks[index]) for number, index in enumerate(order)]


def _split_in_runs(
    combinations: NDArray[np.uint8], counts: NDArray[np.int64], rng: np.random.Generator
) -> list[tuple[Combination, int]]:
    runs = []
    for combination, count in zip(combinations.tolist(), counts.tolist(), strict=True):
        while count:
            length = min(count, int(rng.integers(1, LONGEST_RUN + 1)))
            runs.append((tuple(combination), length))
            count -= length
    return [runs[index] for index in rng.permutation(len(runs))]


def _chain_runs(runs: list[tuple[Combination, int]], rng: np.random.Generator) -> list[list[NDArray[np.uint8]]]:
    waiting: dict[Combination, list[int]] = {}
    for combination, length in runs:
        waiting.setdefault(combination, []).append(length)
    # Combinations of many findings come first, while there are still nested ones to join them.
    kinds = sorted(waiting, key=lambda combination: (-sum(combination), combination))
    stacks = []
    for kind in kinds:
        while waiting[kind]:
            stacks.append(_draw_stack(kind, kinds, waiting, rng))
    return stacks


def _draw_stack(
    kind: Combination, kinds: list[Combination], waiting: dict[Combination, list[int]], rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Take one run of `kind` and up to two nested ones out of `waiting`, in random order."""
    members = [(kind, waiting[kind].pop())]
    for _ in range(int(rng.integers(0, 3))):
        nested = [other for other in kinds if waiting[other] and _is_nested(other, kind)]
        if nested:
            chosen = nested[int(rng.integers(len(nested)))]
            members.append((chosen, waiting[chosen].pop()))
    order = rng.permutation(len(members))
    return [np.tile(np.array(members[i][0], np.uint8), (members[i][1], 1)) for i in order]


def _is_nested(inner: Combination, outer: Combination) -> bool:
    return all(a <= b for a, b in zip(inner, outer, strict=True))


def _surround_with_empty(
    stacks: list[list[NDArray[np.uint8]]], n_empty: int, n_labels: int, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Put about as many empty slices as positive ones around each finding; the others are normal patients."""
    finished = []
    left = n_empty
    for parts in stacks:
        # Never more than are left: the table fixes the number of empty slices.
        above, below = (min(left, int(size)) for size in rng.integers(1, 7, size=2))
        below = min(below, left - above)
        left -= above + below
        empty = np.zeros((above + below, n_labels), np.uint8)
        finished.append(np.vstack([empty[:above], *parts, empty[above:]]))
    while left:
        length = min(left, int(rng.integers(MEAN_SLICES // 2, MEAN_SLICES * 3 // 2 + 1)))
        finished.append(np.zeros((length, n_labels), np.uint8))
        left -= length
    return finished
