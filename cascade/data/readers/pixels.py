"""How files become pixels: the windows of slices, and the size that images and slices are averaged down to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.frame import Fit, Frame
from cascade.errors import ConfigError, DataError

Windows = tuple[tuple[float, float], ...]

PRESETS: dict[str, Windows] = {"rsna": ((40.0, 80.0), (80.0, 200.0), (40.0, 380.0))}
"""Centre and width of each channel.

`rsna`: brain, subdural and soft tissue, as in many solutions of the RSNA 2019 challenge, among them team NoBrainer's,
https://github.com/darraghdog/rsna (`apply_window_policy` in `scripts/prepare_meta_dicom.py`).
"""

AUTO = "auto"
FILE = "file"
"""One channel, as the file itself is to be displayed: by its lookup table, its first window or its range of values."""
LETTERBOX: Fit = "letterbox"
HOUNSFIELD = "CT"
"""The modality whose units are Hounsfield units."""

MOST_CHANNELS = 16


@dataclass(frozen=True)
class PixelOptions:
    """How an image or a slice becomes pixels.

    Attributes
    ----------
    windows : tuple of (centre, width), "file" or "auto"
        Of a slice, one channel each; `file` is one channel, as the file itself is to be displayed; `auto` is the preset
        `rsna` where all slices are CT, and `file` otherwise.
    frame : Frame, or None
        Size after area averaging, and how images fit into it; None keeps the size that the file has.
    grey_bits : int, or None
        Bits of the greatest value in images of 16 bits, which becomes white; None finds it out, or is 16.
    """

    windows: Windows | str = AUTO
    frame: Frame | None = None
    grey_bits: int | None = None

    @classmethod
    def of(
        cls, windows: Any = AUTO, image_size: Any = None, grey_bits: Any = None, image_fit: Any = LETTERBOX
    ) -> PixelOptions:
        """Check the options, as a config or a saved model gives them."""
        if grey_bits is not None and grey_bits not in range(8, 17):
            raise ConfigError(f"`grey_bits` must be a whole number from 8 to 16. Received {grey_bits!r}.")
        return cls(check_windows(windows), Frame.of(image_size, image_fit), grey_bits)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers, from which `of` restores the same options."""
        windows = self.windows if isinstance(self.windows, str) else [list(window) for window in self.windows]
        bits = {} if self.grey_bits is None else {"grey_bits": self.grey_bits}
        return {"windows": windows, **frame_json(self.frame), **bits}

    def of_modalities(self, modalities: Collection[str]) -> PixelOptions:
        """Return the options with the windows that `auto` means for slices of these modalities."""
        if self.windows != AUTO:
            return self
        return replace(self, windows=PRESETS["rsna"] if set(modalities) <= {HOUNSFIELD} else FILE)

    def of_images(self) -> PixelOptions:
        """Return the options as models of images store them; windows are not used."""
        return self.of_modalities(())

    @property
    def n_channels(self) -> int:
        """Number of channels of a slice; `auto` must have been resolved."""
        return 1 if self.windows == FILE else len(self.windows)


def frame_json(frame: Frame | None) -> dict[str, Any]:
    """Return the options of a frame; those of a letterbox have always been the size alone."""
    if frame is None:
        return {"image_size": None}
    return {"image_size": frame.image_size} | ({} if frame.fit == LETTERBOX else {"image_fit": frame.fit})


def check_fits(name: Any, size: tuple[int, int], frame: Frame, most_pixels: int) -> None:
    """Raise a `DataError` if an image of a width and height is too long to be filled up, or too small for a frame."""
    received = f"{size[0]}x{size[1]}"
    if frame.fit == LETTERBOX and max(size) ** 2 > most_pixels:
        raise DataError(f"`{name}` is {received} pixels, too long to be made square.")
    if frame.must_enlarge(*size):
        raise DataError(f"`{name}` must not be smaller than `image_size` ({frame.image_size}). Received {received}.")


def check_windows(windows: Any) -> Windows | str:
    """Return `auto`, `file`, the windows of a preset, or of a list of [centre, width]; raise for anything else."""
    if isinstance(windows, str):
        if windows in (AUTO, FILE):
            return windows
        if windows not in PRESETS:
            names = [AUTO, FILE, *PRESETS]
            raise ConfigError(f"`windows` must be one of {names} or pairs. Received {windows!r}.")
        return PRESETS[windows]
    listed = isinstance(windows, (list, tuple)) and 1 <= len(windows) <= MOST_CHANNELS
    if not listed or not all(map(_is_window, windows)):
        raise ConfigError(
            f"`windows` must be 1 to {MOST_CHANNELS} pairs [centre, width], widths above 0. Received {windows!r}."
        )
    return tuple((float(centre), float(width)) for centre, width in windows)


def _is_window(pair: Any) -> bool:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        return False
    # Python's booleans are integers, so they have to be excluded.
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in pair)
    return numbers and bool(np.isfinite(pair).all()) and pair[1] > 0


def apply_windows(units: NDArray[np.float32], windows: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """Stretch each window of `units` (height, width) to 0 to 255, clipped; uint8 of shape (height, width, windows).

    This is DICOM's LINEAR_EXACT: the lowest unit of a window becomes 0, its centre 127.5, its highest 255.

    Examples
    --------
    >>> apply_windows(np.float32([[-10, 0, 16, 40, 80, 300]]), [(40, 80)])[0, :, 0]
    array([  0,   0,  51, 128, 255, 255], dtype=uint8)
    """
    channels = np.empty((*units.shape, len(windows)), np.uint8)
    for place, (centre, width) in enumerate(windows):
        grey = (units - np.float32(centre - width / 2)) * np.float32(255 / width)
        # The cast to uint8 truncates, so values are rounded first; both steps reuse the memory of `grey`.
        channels[..., place] = np.rint(np.clip(grey, 0, 255, out=grey), out=grey)
    return channels
