"""Images at the size that a network looks at: a gate may see a smaller image than the labeler.

Files are decoded at that size, JPEG at a reduced scale by the codec itself; arrays are averaged.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import RowSource, RowView, is_in_memory, take
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Rows


@runtime_checkable
class Resizable(Protocol):
    """Rows that can be had at a smaller size for less than it costs to average them."""

    def at_size(self, size: int) -> RowSource:
        """The same rows, `size` pixels high and wide."""
        ...


class Averaged(RowSource):
    """Square images in memory, averaged down when they are asked for.

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
        # Brings the image library, which models of other rows do not wait for.
        from cascade.data.averaging import averaged

        return averaged(np.asarray(take(self.X, rows)), self.size)


def check_image_size(size: Any) -> int | None:
    """Refuse what is neither None nor a number of pixels."""
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise ConfigError(f"`image_size` must be a number of pixels, 1 or more. Received {size!r}.")
    return size


def at_size(X: Any, size: int | None) -> Any:
    """The images of `X` at a size; `X` itself where that is None or the size that it has.

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
    if max(shape[1:3]) < size:
        raise DataError(f"`X` must hold images of at least {size} pixels. Received {shape[2]}x{shape[1]}.")
    if isinstance(X, RowView):
        return RowView(at_size(X.X, size), X.rows)
    return X.at_size(size) if isinstance(X, Resizable) else Averaged(X, size)
