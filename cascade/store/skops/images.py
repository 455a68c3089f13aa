"""Rules of encoders of images: their network is checked before a library reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.errors import MissingExtraError, ModelRefusedError
from cascade.estimators.runtime.runtimes import KERAS
from cascade.store.networks.graph import check_operators
from cascade.store.networks.listed import ONNX_OF_ENCODERS
from cascade.store.skops.checks import Sizes
from cascade.store.skops.texts import MOST_COLUMNS

FILES = {"onnx": Path("encoder.onnx"), "litert": Path("encoder.tflite"), KERAS: Path("encoder.keras")}
"""Names of networks in errors; each is a part of a skops file."""


def is_image_encoder(estimator: Any, sizes: Sizes) -> bool:
    """Check the network: its operators or layers, and that it gives a vector of the declared size per image."""
    # A path of the machine that the model was trained on, which is not read here.
    estimator.model = None
    try:
        estimator.check_options()
        _check_content(estimator, estimator.content_.tobytes())
        estimator.check_fit()
    except (MissingExtraError, ModelRefusedError):
        raise
    # Keras has errors of many types for a config that no network has.
    except Exception as error:
        raise ModelRefusedError(f"an encoder of images is not valid: {error}") from error
    return sizes["columns"] <= MOST_COLUMNS


def _check_content(estimator: Any, content: bytes) -> None:
    runtime, path = estimator.runtime, FILES[estimator.runtime]
    if runtime == KERAS:
        # Imports Keras without its log output, and only where an encoder needs it.
        import cascade.estimators.neural  # noqa: F401
        from cascade.store.keras_file import check_content, check_memory

        check_memory(path, check_content(path, content), len(content), batch_size=1)
        return
    from cascade.estimators.encoding.images.trial import try_network

    check_operators(path, content, runtime, ONNX_OF_ENCODERS)
    try_network(path, content, runtime, estimator.image_size, estimator.pixels)
