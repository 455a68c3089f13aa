"""Frozen encoders of texts equal an independent computation, and learn nothing."""

from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cascade.errors import CascadeError, ConfigError, DataError, MissingExtraError
from cascade.estimators.encoding.encoder import make_encoder
from cascade.estimators.encoding.texts import text_graph
from cascade.estimators.encoding.texts.onnx import OnnxTextEncoder
from cascade.estimators.encoding.texts.static import StaticTextEncoder
from cascade.metrics.operations import operations_per_row
from cascade.store.skops.file import load_skops, save_skops
from tests.text_files import COLUMNS, TEXTS, TOKENIZER, VOCABULARY, graph, ids_of, vectors, weights, write_onnx
from tests.text_files import write_static as write

pytest.importorskip("tokenizers")
UNKNOWN = VOCABULARY["[UNK]"]


def means(texts: list[str]) -> Any:
    """Return the mean vector of the known tokens of each text, zeros without any."""
    known = [[number for number in ids_of(text) if number != UNKNOWN] for text in texts]
    return np.array([vectors()[ids].astype(float).mean(0) if ids else np.zeros(COLUMNS) for ids in known])


def states(text: str, length: int) -> Any:
    """Return the states of the tokens of a text, with the special ones at both ends, cut to a length."""
    ids = [2, *ids_of(text)[: length - 2], 3]
    return np.tanh(vectors()[ids].astype(float) @ weights())


def test_static_embeddings_are_the_mean_of_known_tokens(tmp_path: Path) -> None:
    encoder = StaticTextEncoder(write(tmp_path)).fit(TEXTS)
    made = encoder.transform(TEXTS)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, means(TEXTS), atol=1e-6)
    assert not made[2].any()


@given(st.lists(st.lists(st.sampled_from([*VOCABULARY, "unknown", "apples"]), max_size=9), min_size=1, max_size=9))
def test_a_text_is_the_same_in_any_company(tmp_path_factory: pytest.TempPathFactory, words: list[list[str]]) -> None:
    texts = [" ".join(word for word in each if not word.startswith(("[", "#"))) for each in words]
    encoder = StaticTextEncoder(write(tmp_path_factory.mktemp("static"))).fit(texts)
    alone = [encoder.transform([text])[0] for text in texts]
    assert np.array_equal(encoder.transform(texts), alone)
    np.testing.assert_allclose(alone, means(texts), atol=1e-6)


def test_files_of_model2vec_have_weights_and_shared_rows(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    write(tmp_path)
    (tmp_path / "embeddings.npy").unlink()
    weight = np.linspace(0.1, 2, len(VOCABULARY))
    mapping = np.arange(len(VOCABULARY))[::-1].copy()
    tensors = {"embeddings": vectors()[::-1].astype(np.float16), "weights": weight, "mapping": mapping}
    numpy.save_file(tensors, tmp_path / "model.safetensors")
    found = StaticTextEncoder(str(tmp_path)).fit(TEXTS).vectors_
    np.testing.assert_allclose(found, vectors().astype(np.float16) * weight[:, None], rtol=1e-3)


def test_the_embeddings_of_wordllama_are_those_of_its_package() -> None:
    package = pytest.importorskip("wordllama", exc_type=ImportError)
    inference = pytest.importorskip("wordllama.inference", exc_type=ImportError)
    folder = Path(package.__file__).parent
    numpy, library = pytest.importorskip("safetensors.numpy"), pytest.importorskip("tokenizers")
    matrix = numpy.load_file(folder / "weights/l2_supercat_256.safetensors")["embedding.weight"]
    tokenizer = library.Tokenizer.from_file(str(folder / "tokenizers/l2_supercat_tokenizer_config.json"))
    texts = ["The quick brown fox", "naïve café 日本語 😀", "  "]
    wanted = inference.WordLlamaInference(matrix, tokenizer).embed(texts)
    np.testing.assert_allclose(StaticTextEncoder("wordllama").fit(texts).transform(texts), wanted, atol=1e-6)


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")])
def test_states_of_tokens_are_averaged(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    encoder = OnnxTextEncoder(write_onnx(tmp_path, inputs=inputs)).fit(TEXTS)
    made = encoder.transform(pd.Series(TEXTS, index=range(7, 14)))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, [states(text, 256).mean(0) for text in TEXTS], atol=1e-5)


def test_an_output_per_text_is_taken_as_it_is(tmp_path: Path) -> None:
    encoder = OnnxTextEncoder(write_onnx(tmp_path, pooled=True)).fit(TEXTS)
    text = "green apples are not bad"
    np.testing.assert_allclose(encoder.transform([text])[0], states(text, 256).max(0), atol=1e-5)


def test_texts_are_cut_at_the_largest_length(tmp_path: Path) -> None:
    text = " ".join(["red", "apple", "sky"] * 20)
    encoder = OnnxTextEncoder(write_onnx(tmp_path), max_length=8).fit([text])
    np.testing.assert_allclose(encoder.transform([text])[0], states(text, 8).mean(0), atol=1e-5)
    cut = StaticTextEncoder(tmp_path, max_length=8).fit([text]).transform([text])
    np.testing.assert_allclose(cut, means([" ".join(text.split()[:8])]), atol=1e-6)


def test_each_text_is_encoded_once_by_all_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = write_onnx(tmp_path), []
    compute = text_graph.TokenGraph.__call__
    monkeypatch.setattr(text_graph.TokenGraph, "__call__", lambda *args: seen.append(args[1]) or compute(*args))
    first = OnnxTextEncoder(model, max_length=31).fit(TEXTS)
    seen.clear()
    made = first.fit_transform(TEXTS)
    # Two more where the graph is tried.
    assert len(seen) == len(set(TEXTS)) + 2
    seen.clear()
    # A copy, such as that of another fold or stage.
    assert np.array_equal(clone(first).fit_transform([*TEXTS[::-1], "sky sky"])[:-1], made[::-1])
    assert len(seen) == 1 + 2
    seen.clear()
    # The time of a prediction is that of new rows.
    assert np.array_equal(first.transform(TEXTS), made)
    assert len(seen) == len(set(TEXTS))


def test_vectors_that_are_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_graph, "KEPT", 3 * 4 * 4)
    encoder = OnnxTextEncoder(write_onnx(tmp_path), max_length=33)
    for texts in (TEXTS, TEXTS[::-1], TEXTS[:2]):
        made = encoder.fit_transform(texts)
        np.testing.assert_allclose(made, [states(text, 33).mean(0) for text in texts], atol=1e-5)
        assert len(encoder._open()._kept) == 3


def test_a_text_alone_and_among_others_has_equal_bits(tmp_path: Path) -> None:
    model = write_onnx(tmp_path)
    texts = [" ".join(["red"] * (1 + number % 17)) + " pear" * (number // 17) for number in range(60)]
    together = OnnxTextEncoder(model, max_length=34).fit(texts).transform(texts)
    encoder = OnnxTextEncoder(model, max_length=34).fit(texts)
    assert np.array_equal([encoder.transform([text])[0] for text in texts[::-1]], together[::-1])


@pytest.mark.parametrize("kind", [StaticTextEncoder, OnnxTextEncoder])
def test_a_saved_encoder_needs_no_file_and_gives_equal_bits(kind: Any, tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "files")
    encoder = kind(model if kind is OnnxTextEncoder else model.parent).fit(TEXTS)
    made = encoder.transform(TEXTS)
    save_skops(encoder, tmp_path / "encoder.skops", "encoder")
    for path in list(model.parent.iterdir()):
        path.unlink()
    loaded = load_skops((tmp_path / "encoder.skops").read_bytes(), "encoder")
    for other in (loaded, pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        assert np.array_equal(other.transform(TEXTS), made)
    # Paths of another machine would be read by a later fit.
    assert set(loaded.get_params().values()) == {None, encoder.max_length}


def test_a_fork_is_refused_instead_of_waiting_for_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = OnnxTextEncoder(write_onnx(tmp_path)).fit(TEXTS)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(CascadeError, match="was forked after its parent had used an encoder of texts"):
        encoder.transform(TEXTS)


def test_columns_of_texts_become_dense_numbers_beside_others(tmp_path: Path) -> None:
    X = pd.DataFrame({"comment": TEXTS, "site": list("abababa"), "age": np.arange(7.0)})
    kinds: Any = {"comment": "text", "site": "category", "age": "number"}
    made = make_encoder(kinds, text={"embeddings": str(write(tmp_path)), "tokenizer": None}).fit_transform(X)
    # A category of fewer than five rows is taken together with other rare ones.
    assert made.shape == (7, 1 + 1 + COLUMNS)
    # As vectors of length 1; an empty text stays at zero.
    wanted = means(TEXTS)
    wanted /= np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(made[:, 2:], wanted, atol=1e-5)
    made = make_encoder(kinds, dense=True, text={"embeddings": str(tmp_path)}).fit_transform(X)
    np.testing.assert_allclose(made[:, 2:], wanted, atol=1e-5)


def test_copies_share_their_content_until_a_file_changes(tmp_path: Path) -> None:
    model = write_onnx(tmp_path)
    static, again = (StaticTextEncoder(tmp_path).fit(TEXTS) for _ in range(2))
    assert static.vectors_ is again.vectors_
    assert OnnxTextEncoder(model).fit(TEXTS).graph_ is OnnxTextEncoder(model).fit(TEXTS).graph_
    np.save(tmp_path / "embeddings.npy", 2 * vectors())
    changed = StaticTextEncoder(tmp_path).fit(TEXTS)
    assert np.array_equal(changed.transform(TEXTS), 2 * static.transform(TEXTS))


@pytest.mark.parametrize("kind", [StaticTextEncoder, OnnxTextEncoder])
def test_any_text_is_encoded(kind: Any, tmp_path: Path) -> None:
    model = write_onnx(tmp_path)
    texts = ["\ud800 red", "? red", "\0", "e\u0301" * 9999, "red " * 99999, "\U0001f600"]
    made = kind(model if kind is OnnxTextEncoder else tmp_path).fit(texts).transform(texts)
    assert np.isfinite(made).all()
    assert np.array_equal(made[0], made[1])


def test_names_of_columns_count_them(tmp_path: Path) -> None:
    encoder = StaticTextEncoder(write(tmp_path)).fit(TEXTS)
    assert encoder.get_feature_names_out().tolist() == [f"statictextencoder{k}" for k in range(COLUMNS)]


def test_the_arithmetic_of_a_frozen_encoder_is_not_known(tmp_path: Path) -> None:
    X, y = pd.DataFrame({"comment": TEXTS}), np.arange(7) % 2
    encoder = make_encoder({"comment": "text"}, text={"embeddings": str(write(tmp_path))})
    assert np.isnan(operations_per_row(make_pipeline(encoder, LogisticRegression()).fit(X, y)))
    hashed = make_pipeline(make_encoder({"comment": "text"}, text="hashing"), LogisticRegression()).fit(X, y)
    assert operations_per_row(hashed) == 2 * 2**15


@pytest.mark.parametrize("X", [[1.5], ["a", None], [["a"]], pd.DataFrame({"a": ["x"]}), np.array([["x"]])])
def test_rows_that_are_no_texts_are_refused(X: Any, tmp_path: Path) -> None:
    encoder = StaticTextEncoder(write(tmp_path))
    with pytest.raises(DataError, match="`X` must have"):
        encoder.fit(X)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no path": ({"embeddings": 3}, "`embeddings` must be a path"),
    "no file": ({"embeddings": "nowhere.npy"}, "`embeddings` must be a file"),
    "another folder": ({"embeddings": "."}, "`embeddings` must be a file, or a folder with one of"),
    "no tokenizer": ({"tokenizer": "nowhere.json"}, "`tokenizer` must be a file"),
    "a length of text": ({"max_length": "9"}, "`max_length` must be a whole number from 8 to 8192"),
    "a tokenizer of another kind": ({"tokenizer": "words.json"}, "`tokenizer` must be valid for the library"),
    "a short length": ({"max_length": 7}, "`max_length` must be a whole number from 8 to 8192"),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_that_are_not_valid_are_named(
    options: tuple[dict[str, Any], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, sentence = options
    folder = write(tmp_path / "encoder")
    scores = {"type": "Unigram", "unk_id": 0, "vocab": [["a", float("nan")]]}
    (tmp_path / "words.json").write_text(json.dumps(TOKENIZER | {"model": scores}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        StaticTextEncoder(**{"embeddings": folder, **changes}).fit(TEXTS)


MATRICES = {
    "too few rows": (vectors()[:-1], "must have a vector for each of the 16 tokens"),
    "one axis": (vectors()[0], "must have a matrix of floats"),
    "whole numbers": (vectors().astype(np.int32), "must have a matrix of floats"),
    "NaN": (np.where(np.arange(COLUMNS) == 2, np.nan, vectors()), "must have finite numbers"),
    "large": (1e9 * vectors(), "must have finite numbers"),
    "objects": (vectors().astype(object), "must be a .npy or .safetensors file"),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_matrices_that_are_not_valid_are_refused(matrix: tuple[Any, str], tmp_path: Path) -> None:
    np.save(write(tmp_path) / "embeddings.npy", matrix[0])
    with pytest.raises(ConfigError, match=matrix[1]):
        StaticTextEncoder(tmp_path).fit(TEXTS)


GRAPHS: dict[str, tuple[dict[str, Any], str]] = {
    "other inputs": ({"inputs": ("input_ids", "pixels")}, "`model` must have inputs among input_ids"),
    "no graph": ({}, "`model` must be an ONNX file"),
}


@pytest.mark.parametrize("case", GRAPHS.values(), ids=GRAPHS)
def test_graphs_of_something_else_are_refused(case: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "model.onnx").write_bytes(graph(**case[0]) if case[0] else b"no graph")
    with pytest.raises(ConfigError, match=case[1]):
        OnnxTextEncoder(tmp_path / "model.onnx").fit(TEXTS)


def test_a_graph_with_too_few_vectors_is_refused_when_fitting(tmp_path: Path) -> None:
    model = write_onnx(tmp_path)
    write(tmp_path, model=TOKENIZER["model"] | {"vocab": VOCABULARY | {"more": 99}})
    with pytest.raises(ConfigError, match="`model` must take 1 tokens of `tokenizer`"):
        OnnxTextEncoder(model).fit(TEXTS)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    write(tmp_path)
    with pytest.raises(MissingExtraError, match="install the extra `text`"):
        StaticTextEncoder(tmp_path, max_length=77).fit(TEXTS)
