"""The normal head: skull ring, brain texture, sulci, ventricles, and the harmless things that look like bleeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Image = NDArray[np.floating[Any]]

AIR, BONE, BRAIN, FLUID = 8.0, 225.0, 108.0, 72.0
INNER_SKULL = 0.87


@dataclass(frozen=True)
class Head:
    """What stays the same from slice to slice of one patient; lengths in units of half the image's width."""

    half_width: float
    half_height: float
    centre: tuple[float, float]
    tilt: float
    skull: float
    ventricle: float
    n_sulci: int
    sulcus_phase: float
    sulcus_depth: float
    bump_angle: float
    bump_height: float
    noise: float


@dataclass(frozen=True)
class Slice:
    """Coordinates of one slice: `x`, `y` upright in the head, polar `radius` (1 at the scalp) and `angle`."""

    x: Image
    y: Image
    radius: Image
    angle: Image
    level: float
    pixel: float

    def below(self, distance: Image) -> Image:
        """Return a soft mask of the region where `distance` (in head units) is negative, with an edge of one pixel."""
        # Clipped, since `exp` would overflow far outside of the region.
        soft: Image = 1.0 / (1.0 + np.exp(np.clip(distance / (0.6 * self.pixel), -30, 30)))
        return soft.astype(np.float32)


def draw_head(rng: np.random.Generator) -> Head:
    """Draw one patient's head."""
    return Head(
        half_width=rng.uniform(0.70, 0.82),
        half_height=rng.uniform(0.82, 0.94),
        centre=(rng.uniform(-0.07, 0.07), rng.uniform(-0.05, 0.05)),
        tilt=rng.normal(0.0, 0.12),
        skull=rng.uniform(0.0, 0.04),
        ventricle=rng.uniform(0.7, 1.4),
        n_sulci=int(rng.integers(10, 15)),
        sulcus_phase=rng.uniform(0, 2 * np.pi),
        sulcus_depth=rng.uniform(0.16, 0.28),
        bump_angle=rng.uniform(-np.pi, np.pi),
        bump_height=rng.choice([0.0, rng.uniform(0.02, 0.05)]),
        noise=rng.uniform(5.0, 9.0),
    )


def slice_of(head: Head, level: float, size: int, rng: np.random.Generator) -> Slice:
    """Place the head in an image of `size` pixels at `level` (0 base, 1 vertex), with a little motion."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1).astype(np.float32)
    shift = rng.normal(0.0, 0.008, size=2)
    u = axis[None, :] - np.float32(head.centre[0] + shift[0])
    v = axis[:, None] - np.float32(head.centre[1] + shift[1])
    turn = head.tilt + rng.normal(0.0, 0.01)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    # The head narrows towards the vertex.
    taper = np.float32(np.sqrt(1.0 - 0.45 * level**2))
    x = (u * cos + v * sin) / (np.float32(head.half_width) * taper)
    y = (v * cos - u * sin) / (np.float32(head.half_height) * taper)
    pixel = 2.0 / size / (0.5 * (head.half_width + head.half_height) * float(taper))
    return Slice(x, y, np.hypot(x, y), np.arctan2(y, x), level, pixel)


def ventricles(head: Head, place: Slice) -> Image:
    """Return a soft mask of the two lateral ventricles, mirrored and curved, widest half-way up."""
    width = 0.085 * head.ventricle * (0.35 + np.sin(np.pi * np.clip(place.level, 0.05, 0.95)))
    length = 0.34 * (0.8 + 0.2 * head.ventricle)
    bend: Image = 0.13 + 0.35 * (place.y - 0.02) ** 2
    distance = np.hypot((np.abs(place.x) - bend) / width, (place.y - 0.02) / length) - 1.0
    return place.below(distance * np.float32(width))


def sulci(head: Head, place: Slice) -> Image:
    """Return a soft mask of the thin dark furrows that run inwards from the surface of the brain."""
    wiggle = 0.5 * np.sin(9.0 * place.radius + head.sulcus_phase)
    furrow = np.cos(head.n_sulci * place.angle + head.sulcus_phase + wiggle)
    inside = place.below(place.radius - INNER_SKULL + 0.02)
    deep = place.below(INNER_SKULL - head.sulcus_depth - place.radius)
    dark: Image = np.clip((furrow - 0.55) / 0.45, 0, 1).astype(np.float32)
    return dark * inside * deep


def inner_skull(head: Head, place: Slice) -> Image:
    """Return the radius of the skull's inner side by angle, with a harmless bump that looks like a small lens."""
    # Angles wrap around, so that a bump is not cut where they jump from pi to -pi.
    away = np.angle(np.exp(1j * (place.angle - head.bump_angle))).astype(np.float32)
    bump = head.bump_height * np.exp(-((away / 0.22) ** 2))
    radius: Image = (INNER_SKULL - head.skull - bump).astype(np.float32)
    return radius


def brain_image(head: Head, place: Slice, rng: np.random.Generator) -> Image:
    """Draw the tissue of a normal slice, before skull and noise."""
    size = place.radius.shape[0]
    mottle = gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), size / 14)
    # The filter removes most of the noise's variance, the more the larger the image; texture must not depend on it.
    image: Image = BRAIN + mottle * np.float32(3.0 / max(float(mottle.std()), 1e-6))
    image += 7.0 * place.below(np.abs(place.radius - 0.70) - 0.14)
    image -= 22.0 * sulci(head, place)
    image += (FLUID - BRAIN) * ventricles(head, place)
    falx = place.below(np.abs(place.x) - 0.012) * place.below(0.42 - np.abs(place.y))
    image += 16.0 * falx
    if rng.random() < 0.25:
        image += _calcification(place, rng)
    return image


def _calcification(place: Slice, rng: np.random.Generator) -> Image:
    """Draw a small dot in the choroid plexus or the pineal gland: normal, but as bright as blood."""
    x, y = rng.choice([-0.16, 0.0, 0.16]), rng.uniform(0.08, 0.22)
    return np.float32(rng.uniform(25, 60)) * place.below(np.hypot(place.x - x, place.y - y) - np.float32(0.03))


def add_skull_and_noise(image: Image, head: Head, place: Slice, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Close the head with its skull, darken the outside, blur and add the scanner's noise; uint8 grey values."""
    bone = place.below(inner_skull(head, place) - place.radius)
    image = image * (1 - bone) + BONE * bone
    outside = place.below(1.0 - place.radius)
    image = image * (1 - outside) + AIR * outside
    # In proportion to the image's size, and before the noise, which a scanner adds without blur.
    image = gaussian_filter(image, 0.4 * image.shape[0] / 64)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(head.noise)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
