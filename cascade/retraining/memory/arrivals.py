"""Which rows arrived together, so that a faulty arrival is checked separately and not hidden among good ones."""

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
"""Number of rows that are not recorded."""
FEWEST_GROUPS = 50
"""Groups that an arrival needs for reliable intervals, if rows of a group are alike."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Arrivals:
    """Rows by the run that first received them, numbered in order; only hashes are kept, and none is removed.

    Attributes
    ----------
    keys : ndarray of uint64, shape (m,)
        Sorted and unique; see `RowHashes.keys`.
    numbers : ndarray of int, shape (m,)
        Arrival of each key.

    Examples
    --------
    >>> first = Arrivals().grown(np.array([1, 5], np.uint64))
    >>> second = first.grown(np.array([1, 3, 5], np.uint64))
    >>> second.of(np.array([3, 1, 5, 4], np.uint64)).tolist()
    [1, 0, 0, -1]

    Rows that were removed are still known when they return.

    >>> second.grown(np.array([3], np.uint64)).of(np.array([3, 1], np.uint64)).tolist()
    [1, 0]
    """

    keys: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    numbers: Numbers = field(default_factory=lambda: np.empty(0, np.int64))

    def of(self, keys: Hashes) -> Numbers:
        """Return the number of each row's arrival, -1 for rows that are not recorded; shape (n,)."""
        if not len(self.keys):
            return np.full(len(keys), NONE, np.int64)
        # A key above the largest one is placed behind the end, where there is nothing to compare it with.
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.numbers[place], NONE)

    def grown(self, keys: Hashes) -> Arrivals:
        """Return the record after a run on these rows: rows without an arrival form the next one."""
        new = np.unique(keys[self.of(keys) == NONE])
        together = np.concatenate([self.keys, new])
        numbers = np.concatenate([self.numbers, np.full(len(new), self.numbers.max(initial=NONE) + 1, np.int64)])
        # Sorted again for the binary search in `of`; `new` has no key of `self.keys`, so keys stay unique.
        order = np.argsort(together)
        return Arrivals(together[order], numbers[order])

    def write(self, path: Path) -> None:
        """Write to a file, atomically."""
        body = {"protocol": PROTOCOL, "keys": as_text(self.keys), "numbers": as_text(self.numbers)}
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(body) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Arrivals:
        """Read what `write` wrote; without a file there are no arrivals yet.

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
            # Differences of unsigned numbers wrap around, so the order is checked against a sorted copy.
            if len(keys) != len(numbers) or (np.diff(keys) == 0).any() or (np.sort(keys) != keys).any():
                raise ValueError("keys are not in order")
        # Bytes that are not UTF-8 and text that is not JSON are ValueErrors too.
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"`{path}` does not record which rows arrived together ({type(error).__name__}: {error}); remove it to "
                "check all new rows as one arrival."
            ) from error
        return cls(keys.astype(np.uint64), numbers.astype(np.int64))


def parts_by_arrival(arrival: Numbers, group: Rows) -> list[Rows]:
    """Return the rows of each arrival, and then all rows; without rows, nothing.

    Arrivals of few groups are joined with the next ones, and the last ones with those before.

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
        # The part so far is too small to be checked separately, so it takes the next arrival in.
        if parts and _few(group[parts[-1]]):
            parts[-1] = np.concatenate([parts[-1], rows])
        else:
            parts.append(rows)
    if len(parts) > 1 and _few(group[parts[-1]]):
        parts[-2:] = [np.concatenate(parts[-2:])]
    # All rows as well: a small fault in every arrival may be shown only by their sum.
    return [*parts, np.arange(len(arrival))] if len(parts) > 1 else parts


def _few(group: Rows) -> bool:
    return len(np.unique(group)) < FEWEST_GROUPS
