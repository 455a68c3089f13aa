"""The form in which a network takes images: size, channels, their order in memory, and the range of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats32

Pixels = Literal["raw", "unit", "signed", "imagenet"]
RANGES: dict[str, tuple[Any, Any]] = {
    "raw": (0.0, 1.0),
    "unit": (0.0, 255.0),
    "signed": (127.5, 127.5),
    "imagenet": (255 * np.array([0.485, 0.456, 0.406]), 255 * np.array([0.229, 0.224, 0.225])),
}
"""What is subtracted from pixels of 0 to 255, and what the difference is divided by."""
TYPES = ("float32", "uint8")
CHANNELS = range(1, 5)
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class InputForm:
    """The input of a network of images.

    Attributes
    ----------
    height, width, channels : int
    channels_first : bool
        Whether the order is NCHW rather than NHWC.
    dtype : {"float32", "uint8"}
    """

    height: int
    width: int
    channels: int
    channels_first: bool
    dtype: str

    @classmethod
    def of(cls, axes: Sequence[Any], dtype: str, image_size: int | None = None) -> InputForm:
        """Return the form of an input whose axes are numbers, or anything else where they are open.

        Raises
        ------
        ConfigError
            If that is no input of images, or its size is not that of `image_size`.

        Examples
        --------
        >>> InputForm.of(["batch", 3, None, None], "float32", 64)
        InputForm(height=64, width=64, channels=3, channels_first=True, dtype='float32')
        """
        sides = [axis if isinstance(axis, int) and axis > 0 else None for axis in axes]
        described = f"{dtype} {list(axes)}"
        places = [place for place in (1, 3) if len(sides) == 4 and sides[place] in CHANNELS]
        if len(places) != 1 or sides[0] not in (None, 1) or dtype not in TYPES:
            raise ConfigError(
                f"`model` must take one image at a time, NCHW or NHWC of 1 to 4 channels, as {' or '.join(TYPES)}. "
                f"Received {described}."
            )
        first = places[0] == 1
        shape = sides[2:] if first else sides[1:3]
        if None in shape and image_size is None:
            raise ConfigError(f"`image_size` must be given, since `model` takes images of any size: {described}.")
        height, width = (side or image_size for side in shape)
        if image_size not in (None, height) or image_size not in (None, width):
            raise ConfigError(f"`image_size` must be that of `model`, {width}x{height}. Received {image_size}.")
        if max(height or 0, width or 0) > LARGEST_SIDE:
            raise ConfigError(f"`model` must take images of at most {LARGEST_SIDE} pixels. Received {described}.")
        return cls(int(height or 0), int(width or 0), int(sides[places[0]] or 0), first, dtype)

    @property
    def image_size(self) -> int | None:
        """Height and width of the images; None where they differ."""
        return self.height if self.height == self.width else None

    def check_pixels(self, pixels: Any) -> None:
        """Raise ConfigError for a range of pixels that is unknown, or that this input does not have."""
        if pixels not in get_args(Pixels):
            raise ConfigError(f"`pixels` must be one of {', '.join(get_args(Pixels))}. Received {pixels!r}.")
        if self.dtype == "uint8" and pixels != "raw":
            raise ConfigError(f"`pixels` must be raw, since `model` takes whole numbers. Received {pixels!r}.")
        if pixels == "imagenet" and self.channels != len(RANGES["imagenet"][0]):
            raise ConfigError(f"`pixels` must not be imagenet, since `model` takes {self.channels} channels.")

    def check_row(self, shape: tuple[int, ...]) -> None:
        """Raise DataError for the shape of a row that is no image, or one that this input does not take."""
        if len(shape) != 3:
            raise DataError(f"`X` must have images for an encoder of images. Received rows of shape {shape}.")
        height, width, channels = shape
        if channels not in (1, self.channels):
            raise DataError(f"`X` must have images of {self.channels} channels for the encoder. Received {channels}.")
        fits = (height, width) == (self.height, self.width)
        if self.image_size is None and not fits:
            raise DataError(
                f"`X` must have images of {self.width}x{self.height} pixels for the encoder; set `data.image_size`. "
                f"Received {width}x{height}."
            )
        if self.image_size is not None and max(height, width) < self.image_size:
            raise DataError(
                f"`X` must have images of at least {self.image_size} pixels for the encoder; set `data.image_size`. "
                f"Received {width}x{height}."
            )

    def prepared(self, images: NDArray[np.uint8], pixels: str) -> NDArray[Any]:
        """Return images (n, height, width, channels), or grey ones, in this form; grey becomes equal channels."""
        if images.shape[3] != self.channels:
            images = np.repeat(images, self.channels, axis=3)
        made: NDArray[Any] = images if self.dtype == "uint8" else _scaled(images, pixels)
        return np.ascontiguousarray(made.transpose(0, 3, 1, 2) if self.channels_first else made)

    def pooled(self, states: NDArray[Any]) -> Floats32:
        """Return the vector of one image: the output as it is, or its mean over positions.

        Raises
        ------
        ConfigError
            If the output is something else, or has numbers that are not finite.
        """
        if states.ndim == 4:
            states = states.mean(axis=(2, 3) if self.channels_first else (1, 2), dtype=np.float32)
        elif states.ndim == 3:
            states = states.mean(axis=1, dtype=np.float32)
        if states.ndim != 2 or len(states) != 1 or not states.shape[1] or not np.isfinite(states).all():
            raise ConfigError(f"`model` must return a finite vector per image. Received shape {states.shape}.")
        return np.asarray(states[0], dtype=np.float32)


def _scaled(images: NDArray[np.uint8], pixels: str) -> Floats32:
    centre, scale = (np.asarray(value, dtype=np.float32) for value in RANGES[pixels])
    scaled: Floats32 = (images.astype(np.float32) - centre) / scale
    return scaled
