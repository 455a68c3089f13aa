"""Rules of whole transformers: the columns, categories and words that they make must be those that they declare.

Each rule is a function of an estimator, whose attributes have passed their own checks, and of its sizes.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from cascade.estimators.encoding.splitting import BETWEEN
from cascade.store.skops.checks import Sizes

MOST_COLUMNS = 2**16
"""Columns that polynomial features may make. A block of rows with more of them, which are dense, takes gigabytes."""
MOST_DEGREE = 16
LONGEST_NGRAM = 20
TERM = re.compile(r"\w\w+( \w\w+)?")


def is_of_columns(estimator: Any, sizes: Sizes) -> bool:
    """Check that every transformer takes columns that exist."""
    count, known = sizes["features"], set(getattr(estimator, "feature_names_in_", ()))
    for step in estimator.transformers_:
        if not isinstance(step, tuple) or len(step) != 3 or not _are_columns(step[2], count, known):
            return False
    indices = getattr(estimator, "_transformer_to_input_indices", {})
    return isinstance(indices, dict) and all(_are_columns(one, count, known) for one in indices.values())


def _are_columns(columns: Any, count: int, known: set[str]) -> bool:
    if isinstance(columns, slice):
        return True
    if isinstance(columns, np.ndarray) and columns.dtype == bool:
        return bool(columns.shape == (count,))
    listed = np.ravel(columns).tolist() if not isinstance(columns, str) else [columns]
    return all(
        one in known if isinstance(one, str) else isinstance(one, bool) or -count <= one < count for one in listed
    )


def is_polynomial(estimator: Any, sizes: Sizes) -> bool:
    """Check that as many columns are made as the degrees give, and not more than fit in memory."""
    least, most, features = sizes["least"], sizes["most"], sizes["features"]
    if not least <= most <= MOST_DEGREE or math.comb(features + most, most) > MOST_COLUMNS:
        return False
    flags = {"interaction_only": estimator.interaction_only, "include_bias": estimator.include_bias}
    made = estimator._num_combinations(n_features=features, min_degree=least, max_degree=most, **flags)
    full = estimator._num_combinations(n_features=features, min_degree=0, max_degree=most, **flags)
    return bool(estimator.n_output_features_ == made and getattr(estimator, "_n_out_full", full) == full)


def is_encoder(estimator: Any, sizes: Sizes) -> bool:
    """Check the categories of each column, and the numbers that are derived from them."""
    categories = estimator.categories_
    if not all(_are_categories(values) for values in categories):
        return False
    encodings = getattr(estimator, "encodings_", None)
    if encodings is not None and [len(each) for each in encodings] != [len(each) for each in categories]:
        return False
    if getattr(estimator, "_missing_indices", {}) and not all(
        0 <= column < len(categories) and 0 <= place < len(categories[column])
        for column, place in estimator._missing_indices.items()
    ):
        return False
    if estimator._infrequent_enabled and not _are_grouped(estimator, categories):
        return False
    if not hasattr(estimator, "_n_features_outs"):
        return True
    dropped = estimator._drop_idx_after_grouping
    counts = estimator._compute_n_features_outs() if _are_dropped(dropped, estimator, categories) else None
    # The columns of the result follow from these numbers, and those of its entries from the categories.
    return bool(estimator._n_features_outs == counts)


def is_target_encoder(estimator: Any, sizes: Sizes) -> bool:
    """Check that each label has an encoder of the numbers that the first one gives to the categories."""
    ordinal, count = estimator.ordinal_, sizes["features"]
    return (
        type(ordinal).__name__ == "OrdinalEncoder"
        and getattr(ordinal, "n_features_in_", None) == count
        and (ordinal.handle_unknown, ordinal.unknown_value) == ("use_encoded_value", -1)
        and len(estimator.encoders_) > 0
        and all(
            type(each).__name__ == "TargetEncoder"
            and getattr(each, "n_features_in_", None) == count
            and getattr(each, "target_type_", None) == "continuous"
            and all(numbers.dtype.kind == "f" for numbers in each.categories_)
            for each in estimator.encoders_
        )
    )


def is_binned(estimator: Any, sizes: Sizes) -> bool:
    """Check that each column has the edges of its bins, and the encoder their numbers as categories."""
    edges, counts = estimator.bin_edges_, estimator.n_bins_.tolist()
    encoder = getattr(estimator, "_encoder", None)
    known = [range(count) for count in counts] if encoder is None else getattr(encoder, "categories_", [])
    return (
        isinstance(edges, np.ndarray)
        and len(edges) == len(known) == len(counts)
        and all(_are_edges(each, count) for each, count in zip(edges, counts, strict=True))
        # Another list of categories would not have the numbers that bins have.
        and all(np.array_equal(each, np.arange(count)) for each, count in zip(known, counts, strict=True))
    )


def _are_edges(edges: Any, count: int) -> bool:
    is_array = isinstance(edges, np.ndarray) and edges.dtype.kind == "f" and edges.shape == (count + 1,)
    return is_array and bool(np.isfinite(edges).all() and (np.diff(edges) >= 0).all())


def _are_categories(values: Any) -> bool:
    if not isinstance(values, np.ndarray) or values.ndim != 1 or not 0 < len(values) <= 2**24:
        return False
    if values.dtype == object:
        plain = all(isinstance(each, (str, int, float, bool, type(None), np.generic)) for each in values)
        return plain and len({str(each) for each in values}) == len(values)
    if values.dtype.kind == "U":
        return bool((values[:-1] < values[1:]).all())
    # A search in the categories needs them in order; a missing value is the last one.
    finite = values[:-1] if values.dtype.kind == "f" and np.isnan(values[-1]) else values
    return values.dtype.kind in "iufb" and bool(np.isfinite(finite).all() and (finite[:-1] < finite[1:]).all())


def _are_grouped(estimator: Any, categories: list[Any]) -> bool:
    """Return whether the numbers of grouped categories are those that scikit-learn derives."""
    rare, mappings = estimator._infrequent_indices, estimator._default_to_infrequent_mappings
    if not len(rare) == len(mappings) == len(categories):
        return False
    for values, few, mapping in zip(categories, rare, mappings, strict=True):
        if few is None or mapping is None:
            if few is not mapping:
                return False
            continue
        known = np.arange(len(values))
        if not set(few.tolist()) <= set(known.tolist()) or len(set(few.tolist())) != len(few):
            return False
        wanted = np.full(len(values), len(values) - len(few))
        wanted[np.setdiff1d(known, few)] = np.arange(len(values) - len(few))
        if not np.array_equal(mapping, wanted):
            return False
    return True


def _are_dropped(dropped: Any, estimator: Any, categories: list[Any]) -> bool:
    if dropped is None:
        return True
    return bool(len(dropped) == len(categories)) and all(
        place is None or 0 <= int(place) < len(values) for place, values in zip(dropped, categories, strict=True)
    )


def is_vectorizer(estimator: Any, sizes: Sizes) -> bool:
    """Check that words have the numbers 0 to n - 1, and that no option opens files or takes unlimited time."""
    words = getattr(estimator, "vocabulary_", {})
    numbered = isinstance(words, dict) and all(isinstance(word, str) for word in words)
    weights = getattr(getattr(estimator, "_tfidf", None), "idf_", None)
    return (
        numbered
        and all(type(place) is int for place in map(_plain, words.values()))
        and sorted(map(int, words.values())) == list(range(len(words)))
        and (weights is None or len(weights) == len(words))
        # Rows would be names of files to read.
        and estimator.input == "content"
        and estimator.ngram_range[1] <= LONGEST_NGRAM
        and is_quick_pattern(estimator.token_pattern)
    )


def has_terms(estimator: Any, sizes: Sizes) -> bool:
    """Check that terms are different words, and pairs of words."""
    terms = estimator.terms_.split(BETWEEN)
    return len(set(terms)) == len(terms) and all(TERM.fullmatch(term) for term in terms)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.integer) else value


def is_quick_pattern(pattern: str | None) -> bool:
    """Return whether a regular expression has no repetition inside of a repetition, which may take exponential time.

    Examples
    --------
    >>> is_quick_pattern("[a-z]+"), is_quick_pattern("(a+)+$")
    (True, False)
    """
    if pattern is None:
        return True
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    # Without groups there is nothing that could be repeated as a whole. A few groups without a sign behind are common.
    return not re.search(r"\)[*+?{]|\\[1-9]|\(\?P=", pattern) and pattern.count("*") + pattern.count("+") <= 4
