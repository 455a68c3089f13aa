"""The size that images are averaged down to, and how images of other proportions fit into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from cascade.errors import ConfigError

Fit = Literal["letterbox", "stretch", "crop"]
Box = tuple[float, float, float, float]
"""Left, upper, right and lower end of a part of an image."""


@dataclass(frozen=True)
class Frame:
    """A size in pixels, and how an image is fitted into it.

    Attributes
    ----------
    width, height : int
    fit : {"letterbox", "stretch", "crop"}
        `letterbox` keeps the whole image and its proportions, with black borders. `stretch` keeps the whole image, not
        its proportions. `crop` keeps the proportions, and the largest part around the centre.
    side : int, optional
        Longer side of the smaller images of a gate, which are filled up to a square. Default: the frame's own size.
    """

    width: int
    height: int
    fit: Fit = "letterbox"
    side: int | None = None

    @classmethod
    def of(cls, image_size: Any, fit: Any = "letterbox") -> Frame | None:
        """Return the frame of an option `image_size`: None, pixels of a square, or [width, height].

        Raises
        ------
        ConfigError
            If the size or `fit` is none of these.

        Examples
        --------
        >>> Frame.of([640, 480], "crop").shape
        (480, 640)
        """
        if fit not in get_args(Fit):
            raise ConfigError(f"`image_fit` must be one of {', '.join(get_args(Fit))}. Received {fit!r}.")
        if image_size is None:
            return None
        sides = image_size if isinstance(image_size, (list, tuple)) else (image_size, image_size)
        if len(sides) != 2 or not all(map(is_side, sides)):
            raise ConfigError(
                f"`image_size` must be a number of pixels, or [width, height], each 1 or more. Received {image_size!r}."
            )
        return cls(sides[0], sides[1], fit)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the rows."""
        return (self.height, self.width) if self.side is None else (self.side, self.side)

    @property
    def image_size(self) -> int | list[int]:
        """The option that `of` takes: one number for a square."""
        return self.width if self.width == self.height else [self.width, self.height]

    def at(self, size: int) -> Frame:
        """Return the frame of the same images at a smaller size: `size` is the longer side, and the shorter one is
        filled up to a square.
        """
        return replace(self, side=size)

    def seen(self, transposed: bool) -> Frame:
        """Return the frame as it is for an image that is stored with its width and height exchanged, or not."""
        return replace(self, width=self.height, height=self.width) if transposed else self

    def needed(self, width: int, height: int) -> tuple[int, int]:
        """Return the side of an image of which the frame needs the most pixels, and how many it needs of it."""
        inner = self._inner()
        sides = (width, inner[0]), (height, inner[1])
        side, most = (min if self.fit == "letterbox" else max)(sides, key=lambda pair: pair[1] / pair[0])
        return side, max(1, round(most))

    def must_enlarge(self, width: int, height: int) -> bool:
        """Return whether an image of a size has too few pixels."""
        smaller = width < self.width, height < self.height
        return all(smaller) if self.fit == "letterbox" else any(smaller)

    def place(self, box: Box) -> tuple[Box, tuple[int, int]]:
        """Return the part of `box` that is shown, and its width and height within the rows."""
        left, upper, right, lower = box
        width, height = right - left, lower - upper
        across, down = self._inner()
        if self.fit == "letterbox":
            share = min(across / width, down / height)
            across, down = width * share, height * share
        elif self.fit == "crop":
            share = max(across / width, down / height)
            # Rounding must not place the part outside of the image by a last digit.
            cut = max(0.0, (width - across / share) / 2), max(0.0, (height - down / share) / 2)
            box = left + cut[0], upper + cut[1], right - cut[0], lower - cut[1]
        # The shorter side of a very long image may round to 0.
        return box, (max(1, round(across)), max(1, round(down)))

    def _inner(self) -> tuple[float, float]:
        """Return width and height without the border up to a square."""
        if self.side is None:
            return self.width, self.height
        longest = max(self.width, self.height)
        return self.width * self.side / longest, self.height * self.side / longest


def frame_at(frame: Frame | None, row_shape: tuple[int, ...], size: int | None) -> Frame | None:
    """Return the frame of rows of a shape at a network's size; without a size it is their own, if they have one."""
    if size is None:
        return frame
    height, width = row_shape[:2]
    return (frame or Frame(width, height)).at(size)


def is_side(value: Any) -> bool:
    """Return whether a value is a number of pixels; YAML's true and false are integers for Python."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
