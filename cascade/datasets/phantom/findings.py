"""The five types of bleeds, each at its typical place; every function returns grey values to add to the tissue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cascade.datasets.phantom.anatomy import FLUID, Head, Image, Slice, inner_skull, sulci, ventricles


@dataclass(frozen=True)
class Bleed:
    """One finding of one patient, the same in all slices that it spans."""

    angle: float
    extent: float
    size: float
    contrast: float
    depth: float
    phase: float


def draw_bleed(rng: np.random.Generator, anchor: float) -> Bleed:
    """Draw a bleed near the direction `anchor`, since the bleeds of a patient are close to each other."""
    return Bleed(
        angle=anchor + rng.normal(0.0, 0.9),
        extent=rng.uniform(0.0, 1.0),
        size=rng.uniform(0.0, 1.0),
        contrast=float(np.exp(rng.normal(0.0, 0.35))),
        depth=rng.uniform(0.15, 0.55),
        phase=rng.uniform(0, 2 * np.pi),
    )


def _away(place: Slice, angle: float) -> Image:
    # Wrapped to -pi to pi, so that a bleed is not cut where angles jump.
    turned = place.angle - np.float32(angle)
    away: Image = np.arctan2(np.sin(turned), np.cos(turned))
    return away


def epidural(bleed: Bleed, head: Head, place: Slice, strength: float) -> Image:
    """Draw a lens under the skull: short, thick in the middle, and dim."""
    half = 0.28 + 0.18 * bleed.extent
    thickness = (0.10 + 0.10 * bleed.size) * strength
    # The square tapers the lens; the fourth power below keeps a crescent even up to its ends.
    lens = thickness * np.clip(1 - (_away(place, bleed.angle) / half) ** 2, -1, 1)
    return 41.0 * bleed.contrast * place.below(inner_skull(head, place) - lens - place.radius)


def subdural(bleed: Bleed, head: Head, place: Slice, strength: float) -> Image:
    """Draw a crescent along the skull: long, thin, of even thickness."""
    half = 0.75 + 0.65 * bleed.extent
    thickness = (0.05 + 0.07 * bleed.size) * strength
    crescent = thickness * np.clip(1 - (_away(place, bleed.angle) / half) ** 4, -1, 1)
    return 82.0 * bleed.contrast * place.below(inner_skull(head, place) - crescent - place.radius)


def intraparenchymal(bleed: Bleed, head: Head, place: Slice, strength: float) -> Image:
    """Draw a blob with an uneven edge inside the brain."""
    x = place.x - np.float32(bleed.depth * np.cos(bleed.angle))
    y = place.y - np.float32(bleed.depth * np.sin(bleed.angle))
    around = np.arctan2(y, x)
    edge = 1 + 0.18 * np.sin(3 * around + bleed.phase) + 0.10 * np.sin(5 * around - bleed.phase)
    reach = (0.09 + 0.11 * bleed.size) * strength
    return 60.0 * bleed.contrast * place.below(np.hypot(x, y * (0.7 + 0.6 * bleed.extent)) - reach * edge)


def intraventricular(bleed: Bleed, head: Head, place: Slice, strength: float) -> Image:
    """Draw blood that settles at the back of the ventricles, often more on one side."""
    surface = 0.24 - (0.16 + 0.28 * bleed.size) * strength
    side: Image = 1 / (1 + np.exp(-np.clip(place.x * np.sign(np.cos(bleed.phase)) * 40, -30, 30)))
    share = np.ones_like(side) if bleed.extent > 0.6 else 0.15 + 0.85 * side
    settled = place.below(np.float32(surface) - place.y)
    # The ventricles have the grey of fluid: with this difference, blood is brighter than tissue (108).
    return (108.0 + 34.0 * bleed.contrast - FLUID) * share * ventricles(head, place) * settled


def subarachnoid(bleed: Bleed, head: Head, place: Slice, strength: float) -> Image:
    """Draw thin bright streaks where the sulci of one region fill with blood."""
    half = 0.45 + 0.55 * bleed.extent
    region = place.below(np.abs(_away(place, bleed.angle)) - np.float32(half))
    return (24.0 + 85.0 * bleed.contrast * (0.5 + 0.5 * strength)) * sulci(head, place) * region


DRAW: tuple[Callable[[Bleed, Head, Slice, float], Image], ...] = (
    epidural,
    intraparenchymal,
    intraventricular,
    subarachnoid,
    subdural,
)
"""The findings in the order of the label columns before `any`."""
