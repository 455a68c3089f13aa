"""Images at the input size of a network: a gate may take smaller images than the labeler.

Files are decoded at that size, JPEG at a reduced scale by the codec itself; arrays are averaged.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.frame import is_side
from cascade.data.rows import RowSource, RowView, is_in_memory, take
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Rows


@runtime_checkable
class Resizable(Protocol):
    """Rows that can be read at a smaller size at less cost than by averaging."""

    def at_size(self, size: int) -> RowSource:
        """Return the same rows, `size` pixels high and wide."""
        ...


class Averaged(RowSource):
    """Images averaged down to squares on access.

    Parameters
    ----------
    X : array-like or RowSource of uint8, shape (n, height, width, channels)
    size : int
    """

    def __init__(self, X: Any, size: int) -> None:
        self.X, self.size = X, size
        self.in_memory = is_in_memory(X)
        self.dtype = np.dtype(np.uint8)
        self.shape = (len(X), size, size, X.shape[3])

    def __getitem__(self, rows: Rows) -> NDArray[np.uint8]:
        # Imported here: it loads Pillow, which models of other rows do not need.
        from cascade.data.images.averaging import averaged

        return averaged(np.asarray(take(self.X, rows)), self.size)


def check_image_size(size: Any) -> int | None:
    """Return `size` if it is None or a number of pixels; raise otherwise."""
    if size is not None and not is_side(size):
        raise ConfigError(f"`image_size` must be a number of pixels, 1 or more. Received {size!r}.")
    checked: int | None = size
    return checked


def at_size(X: Any, size: int | None) -> Any:
    """Return the images of `X` at a size; `X` itself if that is None or already its size.

    Parameters
    ----------
    X : rows of images, uint8 of shape (n, height, width, channels)
    size : int or None

    Raises
    ------
    DataError
        If `X` holds no 8-bit images, or smaller ones.
    """
    shape: tuple[int, ...] = tuple(getattr(X, "shape", ()))
    if size is None or shape[1:3] == (size, size):
        return X
    if len(shape) != 4 or X.dtype != np.uint8:
        raise DataError(f"`image_size` needs images of 8 bits. Received rows of shape {shape[1:]}.")
    # The longer side counts, since the shorter one is filled up to a square.
    if max(shape[1:3]) < size:
        raise DataError(f"`X` must hold images of at least {size} pixels. Received {shape[2]}x{shape[1]}.")
    # Files under a view should be decoded at the smaller size, so it is the view's source that is resized.
    if isinstance(X, RowView):
        return RowView(at_size(X.X, size), X.rows)
    return X.at_size(size) if isinstance(X, Resizable) else Averaged(X, size)
