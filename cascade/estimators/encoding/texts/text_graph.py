"""A graph with its tokenizer, and the vectors of the texts that it was trained on last."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from cascade.errors import ConfigError
from cascade.estimators.encoding.kept_vectors import KeptVectors
from cascade.estimators.encoding.texts.base import blocks
from cascade.estimators.encoding.texts.graph import TokenGraph
from cascade.estimators.encoding.texts.tokens import Tokens
from cascade.utils.threads import in_threads, usable_cores
from cascade.utils.types import Floats32

TEXTS = 1024
"""Texts that are split into tokens at a time."""
KEPT = 256 * 2**20
"""Bytes of vectors that are kept, so that the folds and stages of a training encode each text once."""


class TextGraph:
    """A graph with its tokenizer.

    Each text is computed alone, in one of several threads. On processors that is as fast as a batch, which fills up its
    shorter texts, and the numbers of a text do not depend on the others.
    """

    def __init__(self, graph: TokenGraph, tokens: Tokens) -> None:
        self.graph, self.tokens = graph, tokens
        self._kept = KeptVectors(KEPT)

    def columns(self) -> int:
        """Return how many numbers a text has; the last token, and a text of the largest length, are tried."""
        longest = self.tokens(["a " * self.tokens.max_length])[0]
        return int(np.stack([self.graph(each) for each in ([self.tokens.n_ids - 1], longest)]).shape[1])

    def __call__(self, texts: Sequence[str], columns: int) -> Floats32:
        """Return the vectors of distinct texts."""
        made = np.empty((len(texts), columns), dtype=np.float32)
        for block in blocks(len(texts), TEXTS):
            self._compute(texts[block], made[block])
        return made

    def kept(self, texts: Sequence[str], columns: int) -> Floats32:
        """Return the same; vectors of earlier calls are not computed again, and those of this one are kept."""
        keys = [hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() for text in texts]
        return self._kept.complete(keys, columns, lambda new: self([texts[place] for place in new], columns))

    def _compute(self, texts: Sequence[str], made: Floats32) -> None:
        def work(pair: tuple[int, list[int]]) -> None:
            place, ids = pair
            vector = self.graph(ids)
            if len(vector) != made.shape[1]:
                raise ConfigError(f"`model` must return {made.shape[1]} numbers per text. Received {len(vector)}.")
            made[place] = vector

        in_threads(work, enumerate(self.tokens(texts)), min(usable_cores(), len(texts)))
