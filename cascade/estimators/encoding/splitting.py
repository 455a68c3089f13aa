"""Words of texts, a block of texts at once, by the rule of scikit-learn's `CountVectorizer`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cascade.utils.types import Mask

IntArray = NDArray[np.int64]

SHORTEST = 2
"""Characters of the shortest word, as in scikit-learn."""
BETWEEN = "\n"
"""A character that is part of no word."""


class Split(NamedTuple):
    """The words of some texts, in the order of the texts.

    Attributes
    ----------
    rows : ndarray of int, shape (n_words,)
        Number of the text of each word.
    words : ndarray of int, shape (n_words,)
        Number of each word in `different`.
    different : pyarrow.LargeStringArray
        The different words, in lower case.
    """

    rows: IntArray
    words: IntArray
    different: Any


def split(texts: Sequence[str]) -> Split:
    r"""Return the words of texts: two or more neighbouring characters that Python's `\w` matches, in lower case.

    Examples
    --------
    >>> found = split(["A pump, a PUMP", "leaks"])
    >>> found.rows.tolist(), found.words.tolist(), found.different.to_pylist()
    ([0, 0, 1], [0, 0, 1], ['pump', 'leaks'])
    """
    # Python's lower case, which scikit-learn uses: of some letters, Arrow has another one.
    lower = [text.lower() for text in texts]
    # With a character in front and behind that is part of no word, each word has a begin and an end.
    joined = BETWEEN.join(["", *lower, ""])
    # Half of a character, which Python's texts may hold, is no part of a word.
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    of_word = _word_characters()[codes]
    edges = np.flatnonzero(of_word[1:] != of_word[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    is_word = lengths >= SHORTEST
    # All shorter ones have a single character.
    of_word[starts[~is_word]] = False
    ends = 1 + np.cumsum(np.fromiter(map(len, lower), np.int64, len(lower)) + len(BETWEEN))
    rows = np.repeat(np.arange(len(lower)), np.diff(np.searchsorted(starts[is_word], ends), prepend=0))
    encoded = _strings(codes[of_word], lengths[is_word]).dictionary_encode()
    return Split(rows, encoded.indices.to_numpy().astype(np.int64), encoded.dictionary)


def _strings(codes: NDArray[np.uint32], lengths: IntArray) -> Any:
    """Return an Arrow array of texts from their code points one after the other, and their numbers of characters."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # In UTF-8, characters beyond ASCII have further bytes.
    wide = np.flatnonzero(codes >= 0x80)
    if len(wide):
        content = codes.tobytes().decode("utf-32-le").encode()
        further = np.cumsum(1 + (codes[wide] >= 0x800) + (codes[wide] >= 0x10000))
        offsets += np.concatenate([[0], further])[np.searchsorted(wide, offsets)]
    else:
        content = codes.astype(np.uint8).tobytes()
    return pa.LargeStringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(content))


@lru_cache(maxsize=1)
def _word_characters() -> Mask:
    r"""Return which code points Python's `\w` matches, bool of shape (`sys.maxunicode` + 1,)."""
    every = np.arange(sys.maxunicode + 1, dtype=np.uint32).tobytes().decode("utf-32-le", "surrogatepass")
    matched = np.zeros(len(every), dtype=bool)
    for run in re.finditer(r"\w+", every):
        matched[run.start() : run.end()] = True
    return matched
