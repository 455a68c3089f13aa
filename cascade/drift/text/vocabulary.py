"""Hashes of the categories, words or scripts that a column had in training: values can be recognised, but not read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from cascade.errors import DataError

VocabularyKind = Literal["category", "words", "script"]

BYTES = 4
"""Length of a hash: a new word has the hash of one of 5,000 others with a probability of 1 in 860,000."""
MOST_HASHES = 5000
"""Values kept of a column at most."""
FEWEST_GROUPS = {"category": 1, "words": 5, "script": 1}
"""Groups, or rows without groups, that a value needs to be kept. Names in texts are mostly rarer than that."""


@dataclass(frozen=True)
class Vocabulary:
    """Values of a column in training, as hashes.

    Attributes
    ----------
    column : str
        Name of the column; empty for rows that are texts.
    kind : {"category", "words", "script"}
    hashes : tuple of int
        Of the values, the most frequent first.

    Examples
    --------
    >>> sites = Vocabulary("site", "category", (hash_of("north"), hash_of("south")))
    >>> sites.number_of("south"), sites.number_of("east")
    (1, 2)
    >>> Vocabulary.from_json(sites.to_json()) == sites
    True
    """

    column: str
    kind: VocabularyKind
    hashes: tuple[int, ...]

    def number_of(self, value: str, depth: int | None = None) -> int:
        """Return the number of a value among the first `depth` ones; the number of hashes if it is not among them."""
        number = self._numbers.get(hash_of(value), len(self.hashes))
        return number if depth is None or number < depth else len(self.hashes)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {value: number for number, value in enumerate(self.hashes)}

    def quantity(self, part: str = "") -> str:
        """Return the name of a quantity of the column, such as "comment, length"."""
        return ", ".join(filter(None, (self.column, part)))

    def names_category(self, name: str) -> bool:
        """Return whether `name` is the quantity whose values are numbers of this vocabulary."""
        return self.kind != "words" and name == self.quantity("script" if self.kind == "script" else "")

    def to_json(self) -> dict[str, str]:
        """Return plain data."""
        content = np.array(self.hashes, "<u4").tobytes()
        return {"column": self.column, "kind": self.kind, "hashes": base64.b64encode(content).decode("ascii")}

    @classmethod
    def from_json(cls, body: Any) -> Vocabulary:
        """Read what `to_json` wrote, and raise for anything that it could not have written."""
        kind, text = body["kind"], body["hashes"]
        if kind not in get_args(VocabularyKind) or not isinstance(text, str) or not isinstance(body["column"], str):
            raise DataError(f"a profile's vocabulary must have a known kind, a column and hashes. Received {kind!r}.")
        try:
            # Four bytes become six characters at most; nothing is decoded beyond the limit.
            content = base64.b64decode(text[: 2 * BYTES * MOST_HASHES], validate=True)
            hashes = tuple(np.frombuffer(content, "<u4").tolist())
        except ValueError as error:
            raise DataError("a profile's `hashes` must be base64 of 4-byte integers.") from error
        if len(hashes) > MOST_HASHES or len(set(hashes)) < len(hashes):
            raise DataError(f"a profile's `hashes` must be at most {MOST_HASHES} different ones.")
        return cls(body["column"], kind, hashes)


def hash_of(value: str) -> int:
    """Return the hash of a value, the same in every process."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=BYTES).digest()
    return int.from_bytes(digest, "little")


def make_vocabulary(column: str, kind: VocabularyKind, groups_with: Mapping[str, int]) -> tuple[Vocabulary, int]:
    """Make a vocabulary of the values in the most groups, and count those that each row would know from the others.

    Parameters
    ----------
    column : str
    kind : {"category", "words", "script"}
    groups_with : mapping from value to int
        Number of groups that each value occurs in.

    Returns
    -------
    vocabulary : Vocabulary
    depth : int
        The first `depth` values would be in the vocabulary without any one of their groups. A training row is
        measured by these alone, so that it knows as few of its own values as a new row does.

    Examples
    --------
    >>> vocabulary, depth = make_vocabulary("site", "category", {"north": 7, "south": 3, "east": 1})
    >>> len(vocabulary.hashes), depth
    (3, 2)
    """
    # By frequency, then by hash: the order of the values' names would say something about them.
    counts = sorted(((count, hash_of(value)) for value, count in groups_with.items()), reverse=True)
    fewest = FEWEST_GROUPS[kind]
    if len(counts) > MOST_HASHES:
        # All values of one frequency are kept or none.
        fewest = max(fewest, counts[MOST_HASHES][0] + 1)
    kept = {value: count for count, value in reversed(counts) if count >= fewest}
    hashes = tuple(sorted(kept, key=lambda value: (-kept[value], value)))
    return Vocabulary(column, kind, hashes), sum(count > fewest for count in kept.values())
