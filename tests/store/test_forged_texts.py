"""Encoders of texts from elsewhere: tokenizer, matrix and graph are checked before a library reads them."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError
from cascade.estimators.encoding.texts import tokenizer_file
from cascade.estimators.encoding.texts.onnx import OnnxTextEncoder
from cascade.estimators.encoding.texts.static import StaticTextEncoder
from cascade.estimators.encoding.texts.tokenizer_file import check_tokenizer
from cascade.store.skops.file import load_skops
from tests.onnx_graphs import with_weights_outside
from tests.text_files import TEXTS, TOKENIZER, graph, write_onnx, write_static


def content(value: bytes | dict[str, Any]) -> Any:
    return np.frombuffer(value if isinstance(value, bytes) else json.dumps(value).encode(), np.uint8)


def parts(section: str, *each: dict[str, Any]) -> dict[str, Any]:
    inner = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}[section]
    return TOKENIZER | {section: {"type": "Sequence", inner: list(each)}}


def model(**changes: Any) -> dict[str, Any]:
    return TOKENIZER | {"model": TOKENIZER["model"] | changes}


def replaced(text: str, by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": text}, "content": by}


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def compiled(table: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
TOKENIZERS: dict[str, tuple[Any, str]] = {
    "no JSON": (b"\x80\x04.", "be a tokenizer.json"),
    "a list": ([], "be a tokenizer.json|have a model"),
    "nested": (b"[" * 200_000, "be a tokenizer.json"),
    "no model": ({"version": "1.0"}, "be a tokenizer.json"),
    "another model": (model(type="Script"), "have a model of WordPiece"),
    "no tokens": (model(vocab={}) | {"added_tokens": []}, "have tokens of the numbers"),
    "a negative number": (model(vocab={"a": -1}), "have tokens of the numbers"),
    "a large number": (model(vocab={"a": 2**40}), "have tokens of the numbers"),
    "true as a number": (model(vocab={"a": True}), "have tokens of the numbers"),
    "words of any length": (model(max_input_chars_per_word=10**9), "have tokens of the numbers"),
    "a long prefix": (model(continuing_subword_prefix="#" * 10**6), "have tokens of the numbers"),
    "an empty token": (TOKENIZER | {"added_tokens": [{"id": 1, "content": ""}]}, "have tokens of the numbers"),
    "an unknown part": (parts("normalizer", {"type": "Python"}), "have a listed normalizer"),
    "a part in another place": (parts("pre_tokenizer", {"type": "BertProcessing"}), "have a listed pre_tokenizer"),
    "doubling": (parts("normalizer", *[replaced("a", "aa")] * 9), "at most 16 times its length"),
    "doubling by bytes": (parts("normalizer", BYTE_LEVEL, BYTE_LEVEL), "have each normalizer once"),
    "many parts": (parts("pre_tokenizer", *[split("a")] * 99), "at most 32"),
    "a long prefix of texts": (parts("normalizer", {"type": "Prepend", "prepend": "a" * 99}), "at most 16 times"),
    "a repetition inside of one": (parts("pre_tokenizer", split("(a+)+$")), "without a repetition inside"),
    "many repetitions": (parts("pre_tokenizer", split("a*a*a*a*a*b")), "without a repetition inside"),
    "a reference": (parts("pre_tokenizer", split(r"(a)\1")), "without a repetition inside"),
    "a large count": (parts("pre_tokenizer", split("a{100000}")), "without a repetition inside"),
    "an empty pattern": (parts("pre_tokenizer", split("")), "without a repetition inside"),
    "a table of long texts": (parts("normalizer", compiled(bytes(4) + b"a" * 999 + b"\0")), "by at most 64 bytes"),
    "a table that ends early": (parts("normalizer", compiled(b"\xff\xff\xff\x7f")), "by at most 64 bytes"),
    "a long template": (
        parts("post_processor", {"type": "TemplateProcessing", "single": [{}] * 99, "special_tokens": {}}),
        "at most 16 tokens",
    ),
    "many tokens of one name": (
        parts(
            "post_processor",
            {"type": "TemplateProcessing", "single": [], "special_tokens": {"a": {"id": "a", "ids": [1] * 99}}},
        ),
        "at most 16 tokens",
    ),
}


@pytest.mark.parametrize("case", TOKENIZERS.values(), ids=TOKENIZERS)
def test_a_tokenizer_with_a_part_that_is_not_listed_or_out_of_bounds_is_refused(case: tuple[Any, str]) -> None:
    declared, sentence = case
    started = time.process_time()
    with pytest.raises(ConfigError, match=sentence):
        check_tokenizer(declared if isinstance(declared, bytes) else json.dumps(declared).encode())
    assert time.process_time() - started < 5


def test_a_large_tokenizer_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_file, "LARGEST", 10)
    with pytest.raises(ConfigError, match="at most 10 bytes"):
        check_tokenizer(json.dumps(TOKENIZER).encode())


QUICK = [
    # Of GPT-2, Llama 3 and GPT-4o.
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*[\p{Ll}\p{Lm}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+",
]


@pytest.mark.parametrize("pattern", QUICK)
def test_patterns_of_public_tokenizers_are_listed(pattern: str) -> None:
    library = pytest.importorskip("tokenizers")
    declared = parts("pre_tokenizer", split(pattern), {"type": "Whitespace"})
    library.Tokenizer.from_str(json.dumps(check_tokenizer(json.dumps(declared).encode())))


def saved(folder: Path, kind: Any, change: Callable[[Any], object]) -> bytes:
    """Return the skops file of an encoder whose attributes were changed after the fit."""
    pytest.importorskip("tokenizers")
    graph_path = write_onnx(folder)
    encoder = kind(graph_path if kind is OnnxTextEncoder else folder).fit(TEXTS)
    change(encoder)
    return bytes(skops.io.dumps(encoder))


def refused(file: bytes, sentence: str) -> None:
    with pytest.raises(ModelRefusedError, match=sentence):
        load_skops(file, "forged")


NEITHER: dict[str, tuple[dict[str, Any], str]] = {
    "no tokenizer": ({"tokenizer_": content(b"junk")}, "`tokenizer` must be a tokenizer.json"),
    "an unlisted part": ({"tokenizer_": content(parts("normalizer", {"type": "X"}))}, "have a listed normalizer"),
    "a panic": ({"tokenizer_": content(parts("normalizer", compiled(bytes(5))))}, "must be valid for the library"),
    "numbers for bytes": ({"tokenizer_": np.arange(9)}, "an attribute `tokenizer_` that no fit gives"),
    "no content": ({"tokenizer_": content(b"")}, "an attribute `tokenizer_` that no fit gives"),
    "a large length": ({"max_length": 10**9}, "`max_length` must be a whole number"),
    "another attribute": ({"extra_": 1}, "which is not listed"),
}


@pytest.mark.parametrize("kind", [StaticTextEncoder, OnnxTextEncoder])
@pytest.mark.parametrize("case", NEITHER.values(), ids=NEITHER)
def test_forged_attributes_are_refused(case: tuple[dict[str, Any], str], kind: Any, tmp_path: Path) -> None:
    changes, sentence = case
    refused(saved(tmp_path, kind, lambda encoder: vars(encoder).update(changes)), sentence)


MATRICES: dict[str, tuple[Any, str]] = {
    "too few rows": (np.ones((15, 6), np.float32), "a vector for each of the 16 tokens"),
    "NaN": (np.full((16, 6), np.nan, np.float32), "that no fit gives"),
    "huge": (np.full((16, 6), 1e30, np.float32), "that no fit gives"),
    "one axis": (np.ones(16, np.float32), "that no fit gives"),
    "double precision": (np.ones((16, 6)), "do not fit together"),
    "many columns": (np.ones((16, 2**17), np.float32), "do not fit together"),
}


@pytest.mark.parametrize("case", MATRICES.values(), ids=MATRICES)
def test_a_forged_matrix_is_refused(case: tuple[Any, str], tmp_path: Path) -> None:
    refused(saved(tmp_path, StaticTextEncoder, lambda encoder: vars(encoder).update(vectors_=case[0])), case[1])


def growing() -> bytes:
    """Return a graph whose memory doubles forty times."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Cast", ["input_ids"], ["x0"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Concat", [f"x{k}", f"x{k}"], [f"x{k + 1}"], axis=1) for k in range(40)]
    ids = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["rows", "length"])]
    outputs = [helper.make_tensor_value_info("x40", TensorProto.FLOAT, ["rows", "columns"])]
    made = helper.make_graph(nodes, "growing", ids, outputs)
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


GRAPHS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no graph": (lambda: b"junk", "the network is not loaded"),
    "random numbers": (lambda: graph(operator="RandomNormalLike"), "the operator RandomNormalLike"),
    "control flow": (lambda: graph(operator="If"), "the operator If"),
    "another domain": (lambda: graph(operator="Run", domain="com.example"), "the operator com.example.Run"),
    "weights outside": (lambda: with_weights_outside(graph()), "weights in another file"),
    "pixels": (lambda: graph(inputs=("input_ids", "pixels")), "cannot be computed in onnx"),
    "memory": (growing, "cannot be computed in onnx"),
}


@pytest.mark.parametrize("case", GRAPHS.values(), ids=GRAPHS)
def test_a_forged_graph_is_refused(case: tuple[Callable[[], bytes], str], tmp_path: Path) -> None:
    make, sentence = case
    changed = content(make())
    refused(saved(tmp_path, OnnxTextEncoder, lambda encoder: vars(encoder).update(graph_=changed)), sentence)


def test_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, OnnxTextEncoder, lambda encoder: vars(encoder).update(n_columns_=5))
    refused(file, "must return 5 numbers per text. Received 4")


def test_paths_of_a_forged_file_are_not_kept(tmp_path: Path) -> None:
    file = saved(tmp_path, StaticTextEncoder, lambda encoder: encoder.set_params(embeddings="/etc/passwd"))
    loaded = load_skops(file, "forged")
    with pytest.raises(ConfigError, match=r"`embeddings` must be a path. Received None"):
        loaded.fit(TEXTS)


MISSING = {"tokenizers": (StaticTextEncoder, "text"), "onnxruntime": (OnnxTextEncoder, "onnx")}


@pytest.mark.parametrize("package", MISSING)
def test_a_machine_without_a_package_is_no_refusal(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, extra = MISSING[package]
    # A length of its own, so that nothing is open yet.
    file = saved(tmp_path, kind, lambda encoder: encoder.set_params(max_length=99))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"install the extra `{extra}`"):
        load_skops(file, "model")


def test_the_files_of_a_test_are_valid(tmp_path: Path) -> None:
    assert check_tokenizer((write_static(tmp_path) / "tokenizer.json").read_bytes())["padding"] is None
