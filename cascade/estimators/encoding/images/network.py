"""A frozen network of images, with the vectors of the images that it was trained on last."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import CascadeError, ConfigError
from cascade.estimators.encoding.images.files import ImageFile
from cascade.estimators.encoding.images.form import InputForm
from cascade.estimators.encoding.images.opened import Opened, opened
from cascade.estimators.encoding.kept_vectors import KeptVectors
from cascade.utils.threads import in_threads
from cascade.utils.types import Floats32, Rows

KEPT = 512 * 2**20
"""Bytes of vectors that are kept, so that folds, labels and calibration of a training encode each image once."""


class ImageNetwork:
    """An open network and the form of its input.

    Each image is computed alone, so that its numbers do not depend on the others, and with ONNX Runtime and LiteRT in
    one of several threads. In a batch, also the place of an image may change the last digit.
    """

    def __init__(self, network: Opened, image_size: int | None, pixels: str) -> None:
        self.form = InputForm.of(network.axes, network.dtype, image_size)
        self.form.check_pixels(pixels)
        self._network, self._pixels, self._kept = network, pixels, KeptVectors(KEPT)

    @cached_property
    def columns(self) -> int:
        """How many numbers an image has; a black one is tried."""
        form = self.form
        return len(self._computed(np.zeros((1, form.height, form.width, form.channels), np.uint8)))

    def __call__(self, images: NDArray[np.uint8], columns: int) -> Floats32:
        """Return the vectors of images (n, height, width, channels)."""
        made = np.empty((len(images), columns), dtype=np.float32)
        threads = max(1, min(self._network.threads, len(images)))

        def work(rows: Rows) -> None:
            for row in rows:
                vector = self._computed(images[row : row + 1])
                if len(vector) != columns:
                    raise ConfigError(f"`model` must return {columns} numbers per image. Received {len(vector)}.")
                made[row] = vector

        in_threads(work, np.array_split(np.arange(len(images)), threads), threads)
        return made

    def kept(self, images: NDArray[np.uint8], columns: int) -> Floats32:
        """Return the same; vectors of earlier calls are not computed again, and those of this one are kept."""
        keys = [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
        return self._kept.complete(keys, columns, lambda new: self(images[new], columns))

    def _computed(self, image: NDArray[np.uint8]) -> Floats32:
        """Return the vector of one image (1, height, width, channels)."""
        try:
            states = self._network.run(self.form.prepared(image, self._pixels))
        except CascadeError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ConfigError(f"`model` must compute images of its own input: {reason[:200]}") from error
        return self.form.pooled(states)


# Two, since gate and labeler may have different encoders; each takes the memory of its network.
@lru_cache(maxsize=2)
def network_of(file: ImageFile, image_size: Any, pixels: str) -> ImageNetwork:
    """Return the open network of a file; copies of an encoder share it."""
    return ImageNetwork(opened(file.content.tobytes(), file.runtime), image_size, pixels)
