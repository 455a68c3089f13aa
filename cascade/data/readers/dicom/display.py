"""How a DICOM file itself is to be displayed: its window, its lookup table, or the range of its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.dicom.lookup import LookupTable

NARROWEST = 1e-6
"""Width that a window of one value gets, so that its slope is finite."""


@dataclass(frozen=True)
class FileWindow:
    """The first window of a file.

    Attributes
    ----------
    centre, width : float
    function : str
        `LINEAR`, `LINEAR_EXACT` or `SIGMOID`, as in PS3.3, C.11.2.1.2 and C.11.2.1.3.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    def shares(self, units: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how bright each unit is displayed, from 0 to 1.

        Examples
        --------
        >>> FileWindow(50.5, 101).shares(np.float32([-9, 0, 50, 100, 999]))
        array([0. , 0. , 0.5, 1. , 1. ], dtype=float32)
        """
        if self.function == "SIGMOID":
            # Beyond 50 the exponential would overflow in 32 bits, and the share is 0 or 1.
            steps = np.clip(-4 * (units - np.float32(self.centre)) / np.float32(self.width), -50, 50)
            sigmoid: NDArray[np.float32] = np.float32(1) / (1 + np.exp(steps))
            return sigmoid
        # LINEAR counts the values of a window: from half a value above its lowest end to half below its highest.
        exact = self.function == "LINEAR_EXACT"
        centre, width = (self.centre, self.width) if exact else (self.centre - 0.5, self.width - 1)
        shares: NDArray[np.float32] = (units - np.float32(centre)) / np.float32(max(width, NARROWEST)) + np.float32(0.5)
        return np.clip(shares, 0, 1, out=shares)


def displayed(
    units: NDArray[np.float32],
    visible: NDArray[np.bool_],
    table: LookupTable | None,
    window: FileWindow | None,
    full_range: tuple[float, float] | None,
) -> NDArray[np.uint8]:
    """Return grey values as a viewer shows them, shape (height, width).

    Parameters
    ----------
    units : ndarray of float32, shape (height, width)
    visible : ndarray of bool
        Which pixels are no padding.
    table : LookupTable or None
        Used first, as it can describe more than a window.
    window : FileWindow or None
        Used without a table.
    full_range : tuple of float, or None
        Units shown as black and white without both; None takes the lowest and the highest visible unit.
    """
    if table is not None:
        shares = (table(np.rint(units)) / np.float32(2**table.bits - 1)).astype(np.float32)
    elif window is not None:
        shares = window.shares(units)
    else:
        low, high = sorted(full_range or _ends(units[visible]))
        shares = (units - np.float32(low)) / np.float32(max(high - low, NARROWEST))
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _ends(units: NDArray[np.float32]) -> tuple[float, float]:
    return (float(units.min()), float(units.max())) if units.size else (0.0, 1.0)
