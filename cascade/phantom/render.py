"""From a patient's label plan to its images; the same seed and number give the same pixels in any process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.phantom.anatomy import add_skull_and_noise, brain_image, draw_head, slice_of
from cascade.phantom.findings import DRAW, draw_bleed
from cascade.phantom.patients import Patient


def render_patient(patient: Patient, size: int, seed: int) -> NDArray[np.uint8]:
    """Draw one patient's slices; uint8 of shape (n_slices, size, size, 1)."""
    rng = np.random.default_rng([seed, 1, patient.number])
    head = draw_head(rng)
    anchor = rng.uniform(-np.pi, np.pi)
    bleeds = [draw_bleed(rng, anchor) for _ in DRAW]
    levels = _levels(len(patient.labels), rng)
    strengths = _strengths(patient.labels[:, : len(DRAW)])
    images = np.empty((len(levels), size, size, 1), np.uint8)
    for row, level in enumerate(levels):
        place = slice_of(head, level, size, rng)
        image = brain_image(head, place, rng)
        for finding in np.flatnonzero(patient.labels[row, : len(DRAW)]):
            image += DRAW[finding](bleeds[finding], head, place, strengths[row, finding])
        images[row, :, :, 0] = add_skull_and_noise(image, head, place, rng)
    return images


def _levels(n_slices: int, rng: np.random.Generator) -> NDArray[np.float64]:
    first, last = sorted(rng.uniform(0.0, 0.95, size=2))
    middle, half = (first + last) / 2, max((last - first) / 2, 0.15)
    return np.clip(np.linspace(middle - half, middle + half, n_slices), 0.0, 0.97)


def _strengths(findings: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A bleed is thickest half-way through its run of slices and thin at the ends: 0.55 to 1."""
    strengths = np.zeros(findings.shape)
    for column, present in enumerate(findings.T):
        edges = np.flatnonzero(np.diff(np.r_[0, present, 0].astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            along = (np.arange(stop - start) + 0.5) / (stop - start)
            strengths[start:stop, column] = 0.55 + 0.45 * np.sin(np.pi * along)
    return strengths
