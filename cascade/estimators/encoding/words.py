"""Counts of words and of pairs of words, by columns of text instead of row by row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from cascade.estimators.encoding.splitting import BETWEEN, IntArray, split


class WordCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """How often each frequent word, and pair of neighbouring words, occurs per text.

    The columns and counts are those of scikit-learn's `CountVectorizer(ngram_range=(1, 2))`. Texts are split and
    looked up in compiled code, a block of rows at once, which takes a sixth of the time. The terms are kept as one
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
    """Column of each word, -1 for a word that occurs in pairs only; one more, -1, is that of unknown words."""
    pairs: Any
    """Arrow array of the pairs."""
    column_of_pair: IntArray
    """Column of each pair; one more, -1, is that of unknown pairs."""
    width: int


def count(texts: list[str], terms: str) -> csr_matrix:
    """Return how often each term occurs per text, shape (n_texts, n_terms)."""
    lookup = _lookup(terms)
    rows, words, different = split(texts)
    words = _numbers_in(lookup.words, different)[words]
    columns = lookup.column[words]
    # Two neighbours in one text. An unknown word between two others separates them, as it is still a word.
    known = words >= 0
    together = (rows[1:] == rows[:-1]) & known[1:] & known[:-1]
    keys = words[:-1][together] * len(lookup.words) + words[1:][together]
    columns_of_pairs = lookup.column_of_pair[_numbers_in(lookup.pairs, keys)]
    single, paired = columns >= 0, columns_of_pairs >= 0
    row = np.concatenate([rows[single], rows[:-1][together][paired]])
    column = np.concatenate([columns[single], columns_of_pairs[paired]])
    counts = coo_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), lookup.width)).tocsr()
    counts.sum_duplicates()
    return counts


def _numbers_in(known: Any, values: Any) -> IntArray:
    """Return the place of each value in an Arrow array of known ones, -1 for others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.index_in(pa.array(values), value_set=known).fill_null(-1)
    return np.asarray(places.to_numpy(), dtype=np.int64)


@lru_cache(maxsize=8)
def _lookup(terms: str) -> Lookup:
    import pyarrow as pa

    parted = [term.split(" ") for term in terms.split(BETWEEN)]
    words = sorted({word for term in parted for word in term})
    number = {word: at for at, word in enumerate(words)}
    column = np.full(len(words) + 1, -1, np.int64)
    pairs, column_of_pair = [], []
    for at, term in enumerate(parted):
        if len(term) == 1:
            column[number[term[0]]] = at
        else:
            pairs.append(number[term[0]] * len(words) + number[term[1]])
            column_of_pair.append(at)
    known = pa.array(words, pa.large_string())
    return Lookup(known, column, pa.array(pairs, pa.int64()), np.array([*column_of_pair, -1], np.int64), len(parted))
