"""Draw grey images of a brushed metal surface with marks, whose contrast is their strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cascade.utils.types import Floats

GREY, STREAKS, NOISE = 128.0, 7.0, 3.0


@dataclass(frozen=True)
class Mark:
    """Place and form of one mark of a part; coordinates run from -1 to 1."""

    x: float
    y: float
    angle: float
    extent: float
    phase: float


def draw_mark(rng: np.random.Generator) -> Mark:
    """Draw a mark that is on the image whatever its angle is."""
    x, y = rng.uniform(-0.55, 0.55, size=2)
    return Mark(x, y, rng.uniform(0, np.pi), rng.uniform(), rng.uniform(0, 2 * np.pi))


def _turned(mark: Mark, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return coordinates along and across the mark."""
    dx, dy = x - mark.x, y - mark.y
    cos, sin = np.cos(mark.angle), np.sin(mark.angle)
    return cos * dx + sin * dy, cos * dy - sin * dx


def scratch(mark: Mark, x: Floats, y: Floats) -> Floats:
    """Draw a thin, straight, bright line."""
    along, across = _turned(mark, x, y)
    line: Floats = 110 * np.exp(-((across / 0.03) ** 2)) * (np.abs(along) < 0.3 + 0.3 * mark.extent)
    return line


def pit(mark: Mark, x: Floats, y: Floats) -> Floats:
    """Draw a small dark hole with a bright rim."""
    radius = np.hypot(x - mark.x, y - mark.y) / (0.06 + 0.05 * mark.extent)
    hole: Floats = 60 * np.exp(-((3 * (radius - 1.3)) ** 2)) - 110 * np.exp(-(radius**4))
    return hole


def stain(mark: Mark, x: Floats, y: Floats) -> Floats:
    """Draw a large dark patch with a soft edge."""
    along, across = _turned(mark, x, y)
    edge = 0.3 + 0.15 * mark.extent + 0.04 * np.sin(3 * np.arctan2(across, along) + mark.phase)
    return -55 / (1 + np.exp((np.hypot(along, 1.4 * across) - edge) / 0.05))


def dent(mark: Mark, x: Floats, y: Floats) -> Floats:
    """Draw a hollow: bright on one side, dark on the other."""
    along, across = _turned(mark, x, y)
    reach = 0.16 + 0.08 * mark.extent
    return 120 * (along / reach) * np.exp(-((np.hypot(along, across) / reach) ** 2))


def crack(mark: Mark, x: Floats, y: Floats) -> Floats:
    """Draw a thin, jagged, dark line."""
    along, across = _turned(mark, x, y)
    # A triangle wave has corners, as cracks do.
    jag = 0.06 * (2 / np.pi) * np.arcsin(np.sin(14 * along + mark.phase))
    return -110 * np.exp(-(((across - jag) / 0.035) ** 2)) * (np.abs(along) < 0.25 + 0.25 * mark.extent)


DRAW: dict[str, Callable[[Mark, Floats, Floats], Floats]] = {
    "Scratch": scratch,
    "Pit": pit,
    "Stain": stain,
    "Dent": dent,
    "Crack": crack,
}
"""What each finding adds to the grey values, at strength 1."""


def surface(width: int, height: int, rng: np.random.Generator) -> Floats:
    """Draw the surface without marks: streaks, uneven light and noise; float of shape (height, width)."""
    x, y = grid(width, height)
    light = rng.normal(0, 8, size=2)
    streaks = rng.normal(0, STREAKS, size=(height, 1))
    noise = rng.normal(0, NOISE, size=(height, width))
    image: Floats = GREY + rng.normal(0, 6) + light[0] * x + light[1] * y + streaks + noise
    return image


def grid(width: int, height: int) -> tuple[Floats, Floats]:
    """Return coordinates of shapes (1, width) and (height, 1); the shorter side runs from -1 to 1."""
    shorter = min(width, height)
    x: Floats = (np.arange(width, dtype=np.float64) - (width - 1) / 2) * (2 / shorter)
    y: Floats = (np.arange(height, dtype=np.float64) - (height - 1) / 2) * (2 / shorter)
    return x[None, :], y[:, None]
