"""Which rows came together: a spoilt arrival is examined by itself, or it would hide among good ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascade.data.dataset import Dataset
from cascade.publish import new_file
from cascade.retraining.identity import Hashes, Seen, content_hashes
from cascade.retraining.record import group_hashes, id_hashes

NONE = -1


@dataclass(frozen=True)
class Arrivals:
    """Rows by the run that saw them first, in order; of their names only hashes are kept.

    Examples
    --------
    >>> first = Arrivals().grown(np.array([1, 2], np.uint64))
    >>> second = first.grown(np.array([1, 2, 3], np.uint64))
    >>> second.of(np.array([3, 1, 2, 4], np.uint64)).tolist()
    [1, 0, 0, -1]

    Rows that were taken out are forgotten.

    >>> second.grown(np.array([3], np.uint64)).of(np.array([3, 1], np.uint64)).tolist()
    [0, -1]
    """

    seen: tuple[Seen, ...] = ()

    def of(self, keys: Hashes) -> NDArray[np.intp]:
        """Number of the arrival that each row came with, -1 where it is none's; shape (n,)."""
        number = np.full(len(keys), NONE, np.intp)
        for place, seen in enumerate(self.seen):
            number[(number == NONE) & seen.holds(keys)] = place
        return number

    def grown(self, keys: Hashes) -> Arrivals:
        """What is remembered after a run on these rows: those that no arrival holds are a new one."""
        left = tuple(seen for seen in self.seen if seen.holds(keys).any())
        new = keys[self.of(keys) == NONE]
        return Arrivals((*left, Seen.of(new)) if len(new) else left)

    def write(self, path: Path) -> None:
        """Keep them in a file, whole or not at all."""
        with new_file(path) as aside:
            aside.write_text(json.dumps([seen.to_json() for seen in self.seen]) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Arrivals:
        """Read what `write` kept; none where there is no file."""
        return cls(tuple(map(Seen.from_json, json.loads(path.read_text(encoding="utf-8"))))) if path.exists() else cls()


def row_keys(data: Dataset) -> Hashes:
    """Hash what a row is known by: its group, else its name, else its content; shape (n,)."""
    if data.groups is not None:
        return group_hashes(data)
    return content_hashes(data.X) if data.numbered else id_hashes(data)
