"""Counts of words and of pairs of words, by columns of text instead of row by row."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

IntArray = NDArray[np.int64]

SHORTEST = 2
"""Characters of the shortest word, as in scikit-learn."""
BETWEEN = "\n"
"""Between two terms in `terms_`. No word has it."""


class WordCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """How often each frequent word, and pair of neighbouring words, occurs per text.

    The columns and counts are those of scikit-learn's `CountVectorizer(ngram_range=(1, 2))`. Texts are split and
    looked up in compiled code, a block of rows at once, which takes a third of the time. The terms are kept as one
    string, which is loaded at once from a model folder.

    Parameters
    ----------
    max_features : int, default=60_000
        Terms to keep, the most frequent in training.

    Attributes
    ----------
    terms_ : str
        The terms in the order of the columns, separated by line feeds.

    Examples
    --------
    >>> counts = WordCounts().fit(["The pump leaks", "the pump"])
    >>> counts.get_feature_names_out().tolist()
    ['leaks', 'pump', 'pump leaks', 'the', 'the pump']
    >>> counts.transform(["A pump, a PUMP"]).toarray().tolist()
    [[0.0, 2.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, max_features: int = 60_000) -> None:
        self.max_features = max_features

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Find the most frequent terms.

        Parameters
        ----------
        X : iterable of str
        y : ignored

        Raises
        ------
        ValueError
            If no text has a word.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(ngram_range=(1, 2), max_features=self.max_features).fit(X)
        self.terms_ = BETWEEN.join(counter.get_feature_names_out())
        return self

    def transform(self, X: Iterable[str]) -> csr_matrix:
        """Return the counts, a sparse matrix of float of shape (n_texts, n_terms) with sorted columns."""
        check_is_fitted(self)
        return count(list(X), self.terms_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the terms, str of shape (n_terms,)."""
        check_is_fitted(self)
        return np.array(self.terms_.split(BETWEEN), dtype=object)


class Lookup(NamedTuple):
    """Terms as numbers: words in an order of their own, pairs as `first * n_words + second`."""

    words: Any
    """Arrow array of the different words of all terms, n_words."""
    column: IntArray
    """Column of each word, -1 for a word that occurs in pairs only."""
    pairs: Any
    """Arrow array of the pairs."""
    column_of_pair: IntArray
    width: int


def count(texts: list[str], terms: str) -> csr_matrix:
    """Return how often each term occurs per text, shape (n_texts, n_terms)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lookup = _lookup(terms)
    rows, words = _words(texts, lookup)
    known = words >= 0
    columns = np.where(known, lookup.column[words], -1)
    # Two neighbours in one text. An unknown word between two others separates them, as it is still a word.
    together = (rows[1:] == rows[:-1]) & known[1:] & known[:-1]
    keys = words[:-1][together] * len(lookup.words) + words[1:][together]
    found = pc.index_in(pa.array(keys), value_set=lookup.pairs).fill_null(-1).to_numpy()
    single, paired = columns >= 0, found >= 0
    row = np.concatenate([rows[single], rows[:-1][together][paired]])
    column = np.concatenate([columns[single], lookup.column_of_pair[found[paired]]])
    counts = coo_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), lookup.width)).tocsr()
    counts.sum_duplicates()
    return counts


def _words(texts: list[str], lookup: Lookup) -> tuple[IntArray, IntArray]:
    """Return the row of each word of the texts, and its number in `lookup`, -1 if it is unknown."""
    import pyarrow.compute as pc

    parts = pc.split_pattern_regex(_lower_case(texts), _gaps())
    split = parts.flatten().dictionary_encode()
    words = split.indices.to_numpy()
    rows = np.repeat(np.arange(len(texts)), np.diff(parts.offsets.to_numpy()))
    # Empty ones are before the first word and behind the last.
    is_word = pc.utf8_length(split.dictionary).to_numpy() >= SHORTEST
    number = pc.index_in(split.dictionary, value_set=lookup.words).fill_null(-1).to_numpy().astype(np.int64)
    kept = is_word[words]
    return rows[kept], number[words[kept]]


def _lower_case(texts: list[str]) -> Any:
    import pyarrow as pa

    # Python's lower case, which scikit-learn uses: of some letters, Arrow has another one.
    lower = [text.lower() for text in texts]
    try:
        return pa.array(lower, pa.large_string())
    except UnicodeEncodeError:
        # Half of a character, which is no part of a word. A question mark is none either.
        return pa.array([text.encode("utf-8", "replace").decode() for text in lower], pa.large_string())


@lru_cache(maxsize=1)
def _gaps() -> str:
    r"""Return a regular expression of RE2 for what is between words: characters that Python's `\w` does not match.

    The two know different versions of Unicode, and RE2's own `\w` matches ASCII alone.
    """
    surrogates = range(0xD800, 0xE000)
    characters = "".join(chr(code) for code in range(sys.maxunicode + 1) if code not in surrogates)
    runs = [(match[0][0], match[0][-1]) for match in re.finditer(r"\w+", characters)]
    return "[^" + "".join(rf"\x{{{ord(first):x}}}-\x{{{ord(last):x}}}" for first, last in runs) + "]+"


@lru_cache(maxsize=8)
def _lookup(terms: str) -> Lookup:
    import pyarrow as pa

    split = [term.split(" ") for term in terms.split(BETWEEN)]
    words = sorted({word for term in split for word in term})
    number = {word: at for at, word in enumerate(words)}
    column = np.full(len(words), -1, np.int64)
    pairs, column_of_pair = [], []
    for at, term in enumerate(split):
        if len(term) == 1:
            column[number[term[0]]] = at
        else:
            pairs.append(number[term[0]] * len(words) + number[term[1]])
            column_of_pair.append(at)
    known = pa.array(words, pa.large_string())
    return Lookup(known, column, pa.array(pairs, pa.int64()), np.array(column_of_pair, np.int64), len(split))
