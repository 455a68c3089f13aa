"""Static embeddings: a text is the mean of the vectors of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from cascade.errors import ConfigError
from cascade.estimators.encoding.texts.base import Files, TextEncoder, blocks
from cascade.estimators.encoding.texts.files import Bytes, find_embeddings, read_bytes, read_vectors
from cascade.estimators.encoding.texts.tokens import Tokens
from cascade.utils.types import Floats32

BATCH = 1024
"""Texts that are split into tokens at a time."""


class StaticTextEncoder(TextEncoder):
    """Texts as the mean of the vectors of their tokens, as in WordLlama and Model2Vec; nothing is learnt.

    Tokens without a known word do not count. A text without tokens is a row of zeros.

    Parameters
    ----------
    embeddings : path or "wordllama"
        A `.npy` or `.safetensors` file with one vector per token, or a folder with `model.safetensors`, or those of the
        package wordllama.
    tokenizer : path, optional
        File of the library tokenizers. Default: `tokenizer.json` in the same folder.
    max_length : int, default=512
        Tokens beyond are cut off; so are characters beyond 16 times as many.

    Attributes
    ----------
    vectors_ : ndarray of float32, shape (tokens, columns)
    tokenizer_ : ndarray of uint8
        Content of the tokenizer's file.

    Examples
    --------
    >>> encoder = StaticTextEncoder("wordllama").fit(["works well"])  # doctest: +SKIP
    >>> encoder.transform(["works well", "does not work"]).shape  # doctest: +SKIP
    (2, 256)
    """

    def __init__(self, embeddings: Any, tokenizer: Any = None, max_length: int = 512) -> None:
        self.embeddings = embeddings
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def _n_features_out(self) -> int:
        return int(self.vectors_.shape[1])

    def _read_files(self) -> None:
        vectors, tokenizer = find_embeddings(self.embeddings, self.tokenizer)
        self.vectors_ = read_vectors(vectors)
        self.tokenizer_ = read_bytes(tokenizer)
        self.check_fit()

    def check_fit(self) -> None:
        """Raise ConfigError where a token has no vector."""
        tokens = _opened(self.files())
        if tokens.n_ids > len(self.vectors_):
            raise ConfigError(
                f"`embeddings` must have a vector for each of the {tokens.n_ids} tokens of `tokenizer`. Received "
                f"{len(self.vectors_)}."
            )

    def _contents(self) -> tuple[Bytes, ...]:
        return (self.tokenizer_,)

    def _encoded(self, texts: Sequence[str], training: bool) -> Floats32:
        tokens = _opened(self.files())
        made = np.empty((len(texts), self.vectors_.shape[1]), dtype=np.float32)
        for block in blocks(len(texts), BATCH):
            ids = [[n for n in each if n != tokens.unknown_id] for each in tokens(texts[block])]
            counts = np.array([len(each) for each in ids])
            ends = np.concatenate([[0], np.cumsum(counts)])
            columns = np.concatenate([np.asarray(each, dtype=np.int64) for each in ids])
            shape = (len(ids), len(self.vectors_))
            picked = sparse.csr_array((np.ones(len(columns), np.float32), columns, ends), shape=shape)
            # The product adds the vectors of a row in their order, so a text's numbers do not depend on its batch.
            made[block] = (picked @ self.vectors_) / np.maximum(counts, 1)[:, None].astype(np.float32)
        return made


@lru_cache(maxsize=4)
def _opened(files: Files) -> Tokens:
    return Tokens(files.contents[0].tobytes(), files.max_length, special=False)
