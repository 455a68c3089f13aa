"""A frozen encoder of texts in an ONNX file, such as a sentence transformer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cascade.errors import ConfigError
from cascade.estimators.encoding.texts.base import Files, TextEncoder
from cascade.estimators.encoding.texts.files import Bytes, existing, find_tokenizer, read_bytes
from cascade.estimators.encoding.texts.graph import TokenGraph
from cascade.estimators.encoding.texts.text_graph import TextGraph
from cascade.estimators.encoding.texts.tokens import Tokens
from cascade.estimators.forking import check_threads_of
from cascade.utils.types import Floats32


class OnnxTextEncoder(TextEncoder):
    """Texts as the output of a frozen ONNX graph; nothing is learnt.

    The graph takes `input_ids` and, where it has these inputs, `attention_mask` and `token_type_ids`. Its output
    `sentence_embedding`, or else its first one, is one vector per text, or one per token, whose mean is taken.

    Parameters
    ----------
    model : path
        An ONNX file without weights in other files.
    tokenizer : path, optional
        File of the library tokenizers. Default: `tokenizer.json` in the same folder.
    max_length : int, default=256
        Tokens beyond are cut off; so are characters beyond 16 times as many.

    Attributes
    ----------
    graph_, tokenizer_ : ndarray of uint8
        Content of the files.
    n_columns_ : int

    Examples
    --------
    >>> encoder = OnnxTextEncoder("minilm/model.onnx").fit(["works well"])  # doctest: +SKIP
    >>> encoder.transform(["works well", "does not work"]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(self, model: Any, tokenizer: Any = None, max_length: int = 256) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def _n_features_out(self) -> int:
        return int(self.n_columns_)

    def check_fit(self) -> None:
        """Raise ConfigError where the graph does not take the tokens, or returns another number of columns."""
        columns = self._open().columns()
        if columns != self.n_columns_:
            raise ConfigError(f"`model` must return {self.n_columns_} numbers per text. Received {columns}.")

    def _read_files(self) -> None:
        model = existing("model", self.model)
        self.graph_, self.tokenizer_ = read_bytes(model), read_bytes(find_tokenizer(self.tokenizer, model))
        self.n_columns_ = self._open().columns()

    def _contents(self) -> tuple[Bytes, ...]:
        return self.graph_, self.tokenizer_

    def _open(self) -> TextGraph:
        check_threads_of("an encoder of texts")
        return _opened(self.files())

    def _encoded(self, texts: Sequence[str], training: bool) -> Floats32:
        graph = self._open()
        return graph.kept(texts, self.n_columns_) if training else graph(texts, self.n_columns_)


# Two, since gate and labeler may have different encoders; each takes the memory of its graph.
@lru_cache(maxsize=2)
def _opened(files: Files) -> TextGraph:
    graph, tokenizer = files.contents
    return TextGraph(TokenGraph(graph.tobytes()), Tokens(tokenizer.tobytes(), files.max_length, special=True))
