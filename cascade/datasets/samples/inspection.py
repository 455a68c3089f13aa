"""Images of parts whose findings were drawn from a known function of the marks that they show.

A part has marks, each with a strength; an image shows them as strong as its light does. Weak marks are harmless, and an
inspector reports a finding with

    p(y_k | strength) = expit(12 (strength - 0.6)), where the strength is 0 without a mark.

Given the strengths, findings are independent. The strength is the contrast of the mark, see `surfaces.py`, so a model
can only estimate it from the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.data.labels import Labels
from cascade.datasets.samples.surfaces import DRAW, draw_mark, grid, surface
from cascade.utils.types import Floats, Mask, Rows

LABEL_NAMES = tuple(DRAW)
NO_FINDING = "No Finding"
LIST = "Data_Entry.csv"
COLUMNS = ("Image Index", "Finding Labels", "Part ID", "Camera")

CAMERAS = ("camera_1", "camera_2", "camera_3")
"""Sub-folders of the images."""
CAMERA_SHARES = (0.45, 0.4, 0.15)
DEEP_CAMERA = 2
"""The camera that writes 16-bit images, over the full range: 257 times the grey values of the others."""
SIZE, OTHER_SIZES = (64, 64), ((96, 96), (80, 64))
"""Width and height of most images, and of a few."""
OTHER_SHARE = 0.03
UPPER_SHARE = 0.1
"""Share of names in the list that end in .PNG, where the file's name ends in .png."""

MARK_SHARES = np.array([0.09, 0.075, 0.07, 0.055, 0.035])
"""Shares of marked parts; twice as many among the worn parts, half as many among the others."""
WORN = 1 / 3
LIMIT, SLOPE = 0.6, 12.0
MOST_SHOTS = 4


@dataclass(frozen=True)
class Shots:
    """Images to draw, with findings and the probabilities that these were drawn from.

    Attributes
    ----------
    parts, cameras : ndarray of int, shape (n,)
        Number of the part, the group; index of the camera in `CAMERAS`.
    names : list of str
        File names without folder.
    sizes : ndarray of int, shape (n, 2)
        Width and height.
    upper : ndarray of bool, shape (n,)
        Whether the list has the name with the extension in capitals.
    strengths : ndarray of float, shape (n, 5)
    Y : ndarray of 0/1, shape (n, 5)
    p : ndarray of float, shape (n, 5)
        p(y_k | strengths).
    seed : int
    """

    parts: Rows
    cameras: Rows
    names: list[str]
    sizes: NDArray[np.intp]
    upper: Mask
    strengths: Floats
    Y: Labels
    p: Floats
    seed: int


def draw(n: int, seed: int) -> Shots:
    """Draw `n` images' strengths and findings; the same seed gives the same images.

    Examples
    --------
    >>> shots = draw(5000, seed=0)
    >>> expected = shots.p.sum(axis=0)
    >>> bool(np.all(abs(shots.Y.sum(axis=0) - expected) < 4 * np.sqrt(expected)))
    True
    """
    rng = np.random.default_rng([seed, 0])
    shots = rng.integers(1, MOST_SHOTS + 1, size=n)
    parts = np.repeat(np.arange(n), shots)[:n]
    first = np.searchsorted(parts, parts)
    strengths = _draw_strengths(parts, rng)
    p = true_proba(strengths)
    sizes = np.array([SIZE, *OTHER_SIZES])
    other = np.where(rng.random(n) < OTHER_SHARE, rng.integers(1, len(sizes), size=n), 0)
    return Shots(
        parts,
        rng.choice(len(CAMERAS), size=n, p=CAMERA_SHARES),
        [f"{part:06d}_{row - start:02d}.png" for row, (part, start) in enumerate(zip(parts, first, strict=True))],
        sizes[other],
        rng.random(n) < UPPER_SHARE,
        strengths,
        (rng.random(p.shape) < p).astype(np.uint8),
        p,
        seed,
    )


def true_proba(strengths: Floats) -> Floats:
    """Return p(y_k | strength) of the five findings, float of shape (n, 5).

    Examples
    --------
    >>> true_proba(np.array([[0.0, 0.5, 0.6, 0.7, 1.0]])).round(3).tolist()
    [[0.001, 0.231, 0.5, 0.769, 0.992]]
    """
    return np.asarray(expit(SLOPE * (strengths - LIMIT)), dtype=np.float64)


def render(shots: Shots, row: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Draw one image, of shape (height, width); uint16 for the camera of 16-bit images, else uint8.

    Examples
    --------
    >>> shots = draw(40, seed=0)
    >>> sorted({render(shots, row).dtype.name for row in range(40)})
    ['uint16', 'uint8']
    """
    width, height = shots.sizes[row].tolist()
    # The part's stream has the marks, which all of its images show; the image's stream has the surface and the shift.
    of_part = np.random.default_rng([shots.seed, 1, int(shots.parts[row])])
    of_image = np.random.default_rng([shots.seed, 2, row])
    image = surface(width, height, of_image)
    x, y = grid(width, height)
    shift_x, shift_y = of_image.uniform(-0.15, 0.15, size=2)
    for finding, strength in zip(DRAW.values(), shots.strengths[row].tolist(), strict=True):
        # Drawn at strength 0 as well: the place of a mark must not depend on which others the part has.
        mark = draw_mark(of_part)
        if strength > 0:
            image += strength * finding(mark, x - shift_x, y - shift_y)
    if shots.cameras[row] == DEEP_CAMERA:
        return np.clip(257 * image, 0, 65_535).round().astype(np.uint16)
    return np.clip(image, 0, 255).round().astype(np.uint8)


def write_images(folder: Path, shots: Shots, progress: Callable[[int], object]) -> None:
    """Write the images into one sub-folder per camera."""
    from PIL import Image

    for camera in CAMERAS:
        (folder / camera).mkdir()
    for row, name in enumerate(shots.names):
        Image.fromarray(render(shots, row)).save(folder / CAMERAS[shots.cameras[row]] / name)
        progress(1)


def table(shots: Shots) -> Iterator[list[object]]:
    """Yield one row per image, with the values of `COLUMNS`."""
    for row, name in enumerate(shots.names):
        findings = [finding for finding, present in zip(LABEL_NAMES, shots.Y[row], strict=True) if present]
        yield [
            name.replace(".png", ".PNG") if shots.upper[row] else name,
            "|".join(findings) or NO_FINDING,
            f"part-{shots.parts[row]:06d}",
            CAMERAS[shots.cameras[row]],
        ]


def _draw_strengths(parts: Rows, rng: np.random.Generator) -> Floats:
    """Return the strength of each mark on each image, float of shape (n, 5); 0 is no mark."""
    shape = (int(parts[-1]) + 1, len(DRAW))
    share = np.where(rng.random(shape[:1]) < WORN, 2, 0.5)[:, None] * MARK_SHARES
    marked = rng.random(shape) < share
    of_part = marked * rng.uniform(0.1, 1.3, size=shape)
    return np.asarray(of_part[parts] * rng.uniform(0.8, 1, size=(len(parts), 1)), dtype=np.float64)
