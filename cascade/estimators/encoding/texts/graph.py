"""An ONNX graph from the numbers of tokens to one vector per text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError, MissingExtraError
from cascade.utils.types import Floats32

POOLED = "sentence_embedding"
"""Name of the output that holds one vector per text, where there are several outputs."""
TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def require_onnxruntime() -> None:
    """Import ONNX Runtime, or raise an error that names the missing extra."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a graph of texts needs onnxruntime; install the extra `onnx`.") from error


class TokenGraph:
    """An open graph, which computes in the thread that calls it.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    ConfigError
        If its inputs are not those of an encoder of texts.
    MissingExtraError
        If ONNX Runtime is not installed.
    """

    def __init__(self, content: bytes) -> None:
        require_onnxruntime()
        from cascade.estimators.runtime.onnx import open_graph

        try:
            self._session = open_graph(content, threads=1)
        # ONNX Runtime has errors of many types.
        except Exception as error:
            raise ConfigError(f"`model` must be an ONNX file that ONNX Runtime opens: {str(error)[:200]}") from error
        self._types = {each.name: TYPES.get(each.type) for each in self._session.get_inputs()}
        if "input_ids" not in self._types or not set(self._types) <= set(INPUTS) or None in self._types.values():
            raise ConfigError(f"`model` must have inputs among {', '.join(INPUTS)}. Received {', '.join(self._types)}.")
        names = [each.name for each in self._session.get_outputs()]
        self._output = POOLED if POOLED in names else names[0]

    def __call__(self, ids: Sequence[int]) -> Floats32:
        """Return the vector of a text: that of the graph, or the mean of the vectors of its tokens.

        Raises
        ------
        ConfigError
            If the graph returns something else, or numbers that are not finite.
        """
        try:
            (states,) = self._session.run([self._output], self._feed(ids))
        except Exception as error:
            raise ConfigError(f"`model` must take {len(ids)} tokens of `tokenizer`: {str(error)[:200]}") from error
        if states.ndim == 3 and states.shape[:2] == (1, max(len(ids), 1)):
            states = states.mean(axis=1, dtype=np.float32)
        if states.ndim != 2 or len(states) != 1 or not np.isfinite(states).all():
            raise ConfigError(f"`model` must return finite vectors per text or token. Received shape {states.shape}.")
        return np.asarray(states[0], dtype=np.float32)

    def _feed(self, ids: Sequence[int]) -> dict[str, NDArray[Any]]:
        # Without any token, a filling that the mask leaves out.
        filled = np.array([ids or [0]])
        values = {
            "input_ids": filled,
            "attention_mask": np.full(filled.shape, bool(ids)),
            "token_type_ids": np.zeros(filled.shape),
        }
        return {name: values[name].astype(kind) for name, kind in self._types.items()}
