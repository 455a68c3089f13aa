"""Counts of words: those of scikit-learn, for any text of any language."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from cascade.errors import ModelRefusedError
from cascade.estimators.encoding.encoder import weighted_words
from cascade.estimators.encoding.words import WordCounts
from cascade.store.parts import load_part, save_part
from cascade.store.plain_file import ModelFiles

# Few letters, so that words repeat; a capital whose lower case has two characters, a final sigma, digits of other
# scripts, a combining mark, an ideograph, half of a character, and what separates words.
LETTERS = "abE_7 .,\n\0-'İΣσςßé\u0301٣²Ⅷ中文\ud800"
TEXTS = st.lists(st.text(st.sampled_from(LETTERS) | st.characters(), max_size=20), min_size=1, max_size=12)


@given(training=TEXTS, texts=TEXTS)
def test_columns_and_counts_are_those_of_scikit_learn(training, texts):
    training = [*training, "some words"]
    theirs, ours = CountVectorizer(ngram_range=(1, 2)).fit(training), WordCounts().fit(training)
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()
    for rows in (training, texts):
        wanted, found = theirs.transform(rows), ours.transform(rows)
        np.testing.assert_array_equal(found.toarray(), wanted.toarray())
        assert found.has_sorted_indices
        np.testing.assert_array_equal(found.indices, wanted.indices)


def test_the_most_frequent_terms_are_kept():
    training = ["one two two", "two one", "three"]
    theirs = CountVectorizer(ngram_range=(1, 2), max_features=3).fit(training)
    assert WordCounts(max_features=3).fit(training).terms_.split("\n") == theirs.get_feature_names_out().tolist()


def test_weights_are_those_of_tfidf():
    training = ["the pump leaks oil", "the oil pump", "a pump", "pressure is low low"]
    theirs = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit(training)
    ours = make_pipeline(*weighted_words()).fit(training)
    texts = ["low pressure of the pump", "", "low low low pump"]
    np.testing.assert_array_equal(ours.transform(texts).toarray(), theirs.transform(texts).toarray())


def test_counts_do_not_depend_on_the_other_texts_of_a_call():
    counts = WordCounts().fit(["red pump", "blue pump leaks"])
    texts = ["red", "pump leaks", "", "blue pump leaks"]
    whole = counts.transform(texts).toarray()
    np.testing.assert_array_equal(np.vstack([counts.transform([text]).toarray() for text in texts]), whole)


def test_texts_without_a_word_cannot_be_fitted():
    with pytest.raises(ValueError, match="vocabulary"):
        WordCounts().fit(["", "a ."])


@pytest.mark.parametrize("terms", ["", "pump\npump", "pump leaks oil", "pump\n", "pump  leaks", "a"])
def test_forged_terms_are_refused(terms, tmp_path):
    pipeline = make_pipeline(WordCounts(), TfidfTransformer()).fit(["pump leaks"])
    spec = save_part(pipeline, tmp_path, "words")
    loaded = load_part(spec, ModelFiles(tmp_path))
    np.testing.assert_array_equal(loaded.transform(["leaks"]).toarray(), pipeline.transform(["leaks"]).toarray())
    pipeline[0].terms_ = terms
    # What is saved is loaded again at once, by the reader of files from elsewhere.
    with pytest.raises(ModelRefusedError, match="WordCounts"):
        save_part(pipeline, tmp_path, "words")
