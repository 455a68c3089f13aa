"""Find and read the file of a network that a user names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cascade.estimators.encoding.images.opened import opening, require
from cascade.estimators.encoding.texts.files import SHARED, Bytes, existing, read_bytes, version
from cascade.estimators.runtime.runtimes import KERAS


@dataclass(frozen=True)
class ImageFile:
    """The content of a file, compared by its digest.

    Attributes
    ----------
    digest : str
        SHA-256.
    runtime : {"onnx", "litert", "keras"}
    content : ndarray of uint8
    """

    digest: str
    runtime: str
    content: Bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, content: Bytes, runtime: str) -> ImageFile:
        """Return the file of some content."""
        return cls(hashlib.sha256(content.data).hexdigest(), runtime, content)


def read_network(model: Any, runtime: str) -> Bytes:
    """Return the content of a file as an array, as which skops files keep it; copies of an encoder share it.

    Raises
    ------
    ConfigError
        If there is no such file, or Keras does not open it.
    MissingExtraError
        If Keras is needed and not installed.
    """
    path = existing("model", model)
    return _without_training(path.resolve(), version(path)) if runtime == KERAS else read_bytes(path)


@lru_cache(maxsize=SHARED)
def _without_training(path: Path, about: tuple[int, int, int]) -> Bytes:
    """Return a Keras archive with the network alone: model folders refuse an optimizer, which encoders do not need."""
    require(KERAS)
    from cascade.estimators.encoding.images.archive import stripped

    with opening(KERAS):
        return np.frombuffer(stripped(path), dtype=np.uint8)
