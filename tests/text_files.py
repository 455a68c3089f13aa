"""Small encoders of texts: a tokenizer, a matrix of vectors and a graph, which tests write to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["red", "green", "blue", "apple", "pear", "sky", "good", "bad", "very", "not", "##s", "!"]
VOCABULARY = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
COLUMNS = 6
TEXTS = ["red apples", "green pear", "", "very very good!", "the sky is not blue", "red apples", "Bad BAD bad"]
TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        "strategy": {"Fixed": 1000},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    },
    "added_tokens": [
        {
            "id": number,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, word in enumerate(SPECIAL)
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": VOCABULARY,
    },
}
"""As the library writes it; its padding and truncation must have no effect."""


def ids_of(text: str) -> list[int]:
    """Split a text independently of the library: words of the vocabulary, with the ending s and the sign ! apart."""
    parts = [piece for word in text.lower().replace("!", " !").split() for piece in pieces(word)]
    return [VOCABULARY.get(part, 1) for part in parts]


def pieces(word: str) -> list[str]:
    return [word[:-1], "##s"] if word not in VOCABULARY and word[:-1] in VOCABULARY and word[-1] == "s" else [word]


def vectors() -> Any:
    return np.random.default_rng(0).normal(size=(len(VOCABULARY), COLUMNS)).astype(np.float32)


def write_static(folder: Path, **changes: Any) -> Path:
    """Write `embeddings.npy` and `tokenizer.json`; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "embeddings.npy", vectors())
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER | changes))
    return folder


def graph(pooled: bool = False, inputs: tuple[str, ...] = ("input_ids", "attention_mask"), **changes: Any) -> bytes:
    """Return a graph of vectors with weights, which gives states of tokens, or their maximum as one vector."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["gathered"]),
        helper.make_node("MatMul", ["gathered", "weights"], ["product"]),
        helper.make_node(changes.get("operator", "Tanh"), ["product"], ["states"], domain=changes.get("domain", "")),
    ]
    outputs = [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["rows", "length", 4])]
    if pooled:
        nodes.append(helper.make_node("ReduceMax", ["states"], ["sentence_embedding"], axes=[1], keepdims=0))
        outputs.append(helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["rows", 4]))
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "length"]) for name in inputs]
    held = [numpy_helper.from_array(vectors(), "vectors"), numpy_helper.from_array(weights(), "weights")]
    made = helper.make_graph(nodes, "encoder", ids, outputs, held)
    opsets = [helper.make_opsetid(name, 17) for name in {"", changes.get("domain", "")}]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString())


def weights() -> Any:
    return np.random.default_rng(1).normal(size=(COLUMNS, 4)).astype(np.float32)


def write_onnx(folder: Path, **options: Any) -> Path:
    """Write `model.onnx` and `tokenizer.json`; return the path of the graph."""
    write_static(folder)
    (folder / "model.onnx").write_bytes(graph(**options))
    return folder / "model.onnx"
