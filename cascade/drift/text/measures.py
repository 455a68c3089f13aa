"""Quantities of text and categories: length, number of words, share of unknown words, script, and category."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cascade.data.column_kinds import column_types, is_category, is_mixed
from cascade.data.rows import n_rows, take
from cascade.drift.counts import CATEGORY, FEATURE
from cascade.drift.text.vocabulary import Vocabulary, VocabularyKind, make_vocabulary
from cascade.utils.types import Floats, Rows

WORD = re.compile(r"\w+")
MOST_CHARACTERS = 5000
"""Characters of a text in which words and letters are counted, so that long documents cost no more than pages."""
NUMERIC = ("boolean", "integer", "floating", "mixed-integer-float", "decimal", "complex", "empty")


class Quantity(NamedTuple):
    """A quantity of n rows: its kind, "feature" or "category", its name and its values (n,), NaN where missing."""

    kind: str
    name: str
    values: Floats


class Learned(NamedTuple):
    """A vocabulary, and how many of its values are used for the rows that it was made from."""

    vocabulary: Vocabulary
    depth: int


def learn_vocabularies(X: Any, rows: Rows, group: Rows | None) -> list[Learned]:
    """Make the vocabularies of the columns of text and categories.

    Parameters
    ----------
    X : rows of any container
        Only lists of texts and data frames have any.
    rows : ndarray of int
        Rows whose words are counted. Categories are counted on all rows.
    group : ndarray of int, shape (n,), optional
    """
    number = np.arange(n_rows(X)) if group is None else group
    learned: list[Learned] = []
    for name, column in _text_columns(X):
        present = np.flatnonzero(~_missing(column))
        if name and is_category(len(set(column[present])), len(present)):
            learned.append(_learn(name, "category", column[present], number[present], lambda value: [str(value)]))
        else:
            learned.append(_learn(name, "words", column[rows], number[rows], words_of))
            learned.append(_learn(name, "script", column[rows], number[rows], _scripts))
    return learned


def measure_texts(X: Any, rows: Rows, learned: Iterable[Learned]) -> Iterator[Quantity]:
    """Measure rows by vocabularies; a column that the rows do not have is left out."""
    texts: dict[str, Any] = {}
    for vocabulary, depth in learned:
        name = vocabulary.column
        if name not in texts:
            texts[name] = _column(X, name, rows)
        if texts[name] is not None:
            yield from MEASURES[vocabulary.kind](texts[name], vocabulary, depth)


def in_full(vocabularies: Iterable[Vocabulary]) -> list[Learned]:
    """Return vocabularies with all of their values, as they are used for rows that they were not made from."""
    return [Learned(each, len(each.hashes)) for each in vocabularies]


def words_of(text: Any) -> list[str]:
    """Return the words of a text in lower case; none for a missing one.

    Examples
    --------
    >>> words_of("It doesn't work!"), words_of(None)
    (['it', 'doesn', 't', 'work'], [])
    """
    return WORD.findall(text[:MOST_CHARACTERS].lower()) if isinstance(text, str) else []


def script_of(text: Any) -> str:
    """Return the script of most letters of a text, by the first word of their Unicode names; empty without letters.

    Examples
    --------
    >>> script_of("works well"), script_of("работает"), script_of("42")
    ('LATIN', 'CYRILLIC', '')
    """
    if not isinstance(text, str):
        return ""
    letters: Counter[str] = Counter()
    for character, count in Counter(text[:MOST_CHARACTERS]).items():
        if character.isalpha():
            letters[_script(character)] += count
    # The name decides between equal counts, so that the order of the letters does not.
    return max(letters, key=lambda script: (letters[script], script), default="")


@lru_cache(maxsize=10_000)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]


def _scripts(text: Any) -> list[str]:
    return [script for script in [script_of(text)] if script]


def _learn(name: str, kind: VocabularyKind, column: Any, group: Rows, parts: Callable[[Any], list[str]]) -> Learned:
    found: dict[int, set[str]] = {}
    for number, value in zip(group.tolist(), column, strict=True):
        found.setdefault(number, set()).update(parts(value))
    return Learned(*make_vocabulary(name, kind, Counter(part for each in found.values() for part in each)))


def _measure_words(texts: Any, vocabulary: Vocabulary, depth: int) -> Iterator[Quantity]:
    known: dict[str, bool] = {}
    measured = np.array([_measure_text(text, vocabulary, depth, known) for text in texts]).reshape(-1, 3)
    for part, values in zip(("length", "words", "unknown words"), measured.T, strict=True):
        yield Quantity(FEATURE, vocabulary.quantity(part), values)


def _measure_text(text: Any, vocabulary: Vocabulary, depth: int, known: dict[str, bool]) -> tuple[float, float, float]:
    words = words_of(text)
    for word in set(words) - known.keys():
        known[word] = vocabulary.number_of(word, depth) < depth
    length = float(len(text)) if isinstance(text, str) else 0.0
    # A text without words is an empty one: its other two quantities are missing.
    if not words:
        return length, np.nan, np.nan
    return length, len(words), 1 - sum(map(known.__getitem__, words)) / len(words)


def _measure_scripts(texts: Any, vocabulary: Vocabulary, depth: int) -> Iterator[Quantity]:
    scripts = np.array([script_of(text) or None for text in texts], dtype=object)
    yield Quantity(CATEGORY, vocabulary.quantity("script"), _numbers(scripts, vocabulary, depth))


def _measure_categories(values: Any, vocabulary: Vocabulary, depth: int) -> Iterator[Quantity]:
    yield Quantity(CATEGORY, vocabulary.quantity(), _numbers(values, vocabulary, depth))


MEASURES = {"category": _measure_categories, "words": _measure_words, "script": _measure_scripts}


def _numbers(values: Any, vocabulary: Vocabulary, depth: int) -> Floats:
    numbers: dict[Any, float] = {}
    missing = _missing(values)
    for value in set(values[~missing]):
        numbers[value] = float(vocabulary.number_of(str(value), depth))
    return np.array([np.nan if gone else numbers[value] for value, gone in zip(values, missing, strict=True)], float)


def _missing(values: Any) -> Any:
    # None, NaN and NaT are unequal to themselves or None; other objects are equal to themselves.
    return np.array([value is None or value != value for value in values], dtype=bool)


def _text_columns(X: Any) -> Iterator[tuple[str, Any]]:
    if is_mixed(X):
        from pandas.api.types import infer_dtype

        for name, kind in zip(X.columns, column_types(X), strict=True):
            # Numbers that are kept as objects are measured as numbers.
            if kind == "text" and infer_dtype(X[name], skipna=True) not in NUMERIC:
                yield str(name), _objects(X[name])
    elif _is_list_of_texts(X):
        yield "", _objects(take(X, np.arange(n_rows(X))))


def _column(X: Any, name: str, rows: Rows) -> Any:
    if is_mixed(X):
        found = [column for column in X.columns if str(column) == name]
        return _objects(take(X, rows)[found[0]]) if found else None
    return _objects(take(X, rows)) if not name and _is_list_of_texts(X) else None


def _is_list_of_texts(X: Any) -> bool:
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        return False
    return any(isinstance(value, str) for value in take(X, np.arange(min(n_rows(X), 1000))))


def _objects(column: Any) -> Any:
    if hasattr(column, "to_numpy"):
        return column.astype(object).to_numpy(dtype=object, na_value=None)
    values = np.empty(len(column), dtype=object)
    values[:] = list(column)
    return values
