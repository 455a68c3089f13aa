"""Rules of encoders of texts: their tokenizer, matrix or graph is checked before a library reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError
from cascade.store.networks.graph import check_operators
from cascade.store.networks.listed import ONNX_OF_ENCODERS
from cascade.store.skops.checks import Sizes

GRAPH = Path("encoder.onnx")
"""Names the graph in errors; it is a part of a skops file."""
LARGEST_NUMBER = 1e6
MOST_COLUMNS = 2**16


def file_content(value: Any, sizes: Sizes) -> bool:
    """Check the content of a file, which is an array of bytes."""
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 1 and len(value) > 0


def is_static_encoder(estimator: Any, sizes: Sizes) -> bool:
    """Check the tokenizer, and that each of its tokens has a vector."""
    # Paths of the machine that the model was trained on, which are not read here.
    estimator.embeddings = estimator.tokenizer = None
    _check(estimator)
    return estimator.vectors_.dtype == np.float32 and sizes["columns"] <= MOST_COLUMNS


def is_graph_encoder(estimator: Any, sizes: Sizes) -> bool:
    """Check the graph and the tokenizer; the graph is opened in another process first."""
    estimator.model = estimator.tokenizer = None
    check_operators(GRAPH, estimator.graph_.tobytes(), "onnx", ONNX_OF_ENCODERS)
    _check(estimator)
    return sizes["columns"] <= MOST_COLUMNS


def _check(estimator: Any) -> None:
    from cascade.estimators.encoding.texts.tokens import Tokens
    from cascade.estimators.encoding.texts.trial import try_graph

    try:
        estimator.check_max_length()
        if hasattr(estimator, "graph_"):
            tokens = Tokens(estimator.tokenizer_.tobytes(), estimator.max_length, special=True)
            try_graph(GRAPH, estimator.graph_.tobytes(), tokens.n_ids, estimator.max_length)
        estimator.check_fit()
    except MissingExtraError:
        raise
    except ConfigError as error:
        raise ModelRefusedError(f"an encoder of texts is not valid: {error}") from error
