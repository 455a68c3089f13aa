"""Which rows came together: a spoilt arrival is examined by itself, or it would hide among good ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import DataError
from cascade.retraining.memory.row_hashes import Hashes, as_text, of_text
from cascade.utils.atomic import new_file
from cascade.utils.types import Rows

PROTOCOL = 1
NONE = -1
FEWEST_GROUPS = 50
"""Groups of which an interval can be trusted, where rows of a group are alike."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Arrivals:
    """Rows by the run that saw them first, numbered in order; only hashes are kept, and none is ever forgotten.

    Attributes
    ----------
    keys : ndarray of uint64, shape (m,)
        Sorted, each once; see `cascade.retraining.memory.record.keys_of`.
    numbers : ndarray of int, shape (m,)
        The arrival of each.

    Examples
    --------
    >>> first = Arrivals().grown(np.array([1, 5], np.uint64))
    >>> second = first.grown(np.array([1, 3, 5], np.uint64))
    >>> second.of(np.array([3, 1, 5, 4], np.uint64)).tolist()
    [1, 0, 0, -1]

    Rows that were taken out are still known when they come back.

    >>> second.grown(np.array([3], np.uint64)).of(np.array([3, 1], np.uint64)).tolist()
    [1, 0]
    """

    keys: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    numbers: Numbers = field(default_factory=lambda: np.empty(0, np.int64))

    def of(self, keys: Hashes) -> Numbers:
        """Number of the arrival that each row came with, -1 where it is none's; shape (n,)."""
        if not len(self.keys):
            return np.full(len(keys), NONE, np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.numbers[place], NONE)

    def grown(self, keys: Hashes) -> Arrivals:
        """What is remembered after a run on these rows: those that no arrival has are the next one."""
        new = np.unique(keys[self.of(keys) == NONE])
        together = np.concatenate([self.keys, new])
        numbers = np.concatenate([self.numbers, np.full(len(new), self.numbers.max(initial=NONE) + 1, np.int64)])
        order = np.argsort(together)
        return Arrivals(together[order], numbers[order])

    def write(self, path: Path) -> None:
        """Keep them in a file, whole or not at all."""
        body = {"protocol": PROTOCOL, "keys": as_text(self.keys), "numbers": as_text(self.numbers)}
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(body) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Arrivals:
        """Read what `write` kept; none where there is no file.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        if not path.exists():
            return cls()
        try:
            body: dict[str, Any] = json.loads(path.read_bytes())
            if body["protocol"] != PROTOCOL:
                raise ValueError(f"protocol {body['protocol']}")
            keys, numbers = of_text(body["keys"], "<u8"), of_text(body["numbers"], "<i8")
            if len(keys) != len(numbers) or (np.diff(keys) == 0).any() or (np.sort(keys) != keys).any():
                raise ValueError("keys that are not in order")
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"`{path}` does not tell which rows came together ({type(error).__name__}: {error}); remove it, and "
                "all rows since the champion are examined together."
            ) from error
        return cls(keys.astype(np.uint64), numbers.astype(np.int64))


def parts_by_arrival(arrival: Numbers, group: Rows) -> list[Rows]:
    """Rows of each arrival, and after them all rows; none where there are none.

    Arrivals of few groups are joined with the ones after them, and the last ones with those before.

    Examples
    --------
    >>> arrival = np.repeat([3, 7], 60)
    >>> [len(rows) for rows in parts_by_arrival(arrival, np.arange(120))]
    [60, 60, 120]
    >>> [len(rows) for rows in parts_by_arrival(arrival, np.arange(120) // 2)]
    [120]
    """
    parts: list[Rows] = []
    for number in np.unique(arrival):
        rows = np.flatnonzero(arrival == number)
        if parts and _few(group[parts[-1]]):
            parts[-1] = np.concatenate([parts[-1], rows])
        else:
            parts.append(rows)
    if len(parts) > 1 and _few(group[parts[-1]]):
        parts[-2:] = [np.concatenate(parts[-2:])]
    return [*parts, np.arange(len(arrival))] if len(parts) > 1 else parts


def _few(group: Rows) -> bool:
    return len(np.unique(group)) < FEWEST_GROUPS
