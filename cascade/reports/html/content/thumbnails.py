"""Thumbnails of rows that are images, as PNG data URIs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.data.rows import take

LARGEST = 96
"""Largest width and height, in pixels; the page shows up to 48 of them and must stay small."""

CHANNELS = (1, 3)


def thumbnails(X: Any, rows: NDArray[np.intp]) -> dict[int, str]:
    """Return thumbnails by row number; none if the rows are not 8-bit grey or RGB images.

    Examples
    --------
    >>> pictures = thumbnails(np.zeros((5, 8, 8, 1), np.uint8), np.array([3]))
    >>> pictures[3][:22], thumbnails(np.zeros((5, 8)), np.array([3]))
    ('data:image/png;base64,', {})
    """
    if not (len(rows) and _are_images(X)):
        return {}
    return {int(row): _data_uri(pixels) for row, pixels in zip(rows, take(X, rows), strict=True)}


def _are_images(X: Any) -> bool:
    # Rows may be arrays, data frames, sparse matrices or lists; only arrays and image sources have both attributes.
    shape: tuple[int, ...] = getattr(X, "shape", ())
    has_image_shape = len(shape) == 3 or (len(shape) == 4 and shape[3] in CHANNELS)
    return has_image_shape and getattr(X, "dtype", None) == np.uint8


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    grey = pixels.ndim == 3 and pixels.shape[2] == 1
    # Pillow accepts grey images only without a channel axis.
    image = Image.fromarray(pixels[:, :, 0] if grey else pixels)
    # `thumbnail` keeps the aspect ratio and never enlarges, so small images keep their exact pixels.
    image.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
