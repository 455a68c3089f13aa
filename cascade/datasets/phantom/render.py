"""Draw the images of a planned patient; the same seed and number give the same pixels in any process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.datasets.phantom.anatomy import add_skull_and_noise, brain_image, draw_head, inner_skull, slice_of
from cascade.datasets.phantom.findings import DRAW, draw_bleed
from cascade.datasets.phantom.patients import Patient

VISIBLE = 12.0
"""Grey values that a finding must add to a pixel to count there: more than the scanner's noise."""


def render_patient(patient: Patient, size: int, seed: int) -> NDArray[np.uint8]:
    """Draw one patient's slices; uint8 of shape (n_slices, size, size, 1)."""
    return render_findings(patient, size, seed)[0]


def render_findings(patient: Patient, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw the same slices, with the mask of each finding, bool of shape (n_slices, findings, size, size)."""
    # A stream per patient, so that pixels do not depend on which process draws whom.
    rng = np.random.default_rng([seed, 1, patient.number])
    head = draw_head(rng)
    anchor = rng.uniform(-np.pi, np.pi)
    # All bleeds are drawn, so that the numbers which follow do not depend on the labels.
    bleeds = [draw_bleed(rng, anchor) for _ in DRAW]
    levels = _levels(len(patient.labels), rng)
    strengths = _strengths(patient.labels[:, : len(DRAW)])
    images = np.empty((len(levels), size, size, 1), np.uint8)
    masks = np.zeros((len(levels), len(DRAW), size, size), np.bool_)
    for row, level in enumerate(levels):
        place = slice_of(head, level, size, rng)
        image = brain_image(head, place, rng)
        for finding in np.flatnonzero(patient.labels[row, : len(DRAW)]):
            bleed = DRAW[finding](bleeds[finding], head, place, strengths[row, finding])
            image += bleed
            # Pixels at the skull are partly bone, which is not part of the finding.
            inside = place.radius < inner_skull(head, place) - place.pixel
            masks[row, finding] = (bleed > VISIBLE) & inside
        images[row, :, :, 0] = add_skull_and_noise(image, head, place, rng)
    return images, masks


def _levels(n_slices: int, rng: np.random.Generator) -> NDArray[np.float64]:
    first, last = sorted(rng.uniform(0.0, 0.95, size=2))
    # A stack spans at least 0.3 of the head, however close its ends were drawn.
    middle, half = (first + last) / 2, max((last - first) / 2, 0.15)
    return np.clip(np.linspace(middle - half, middle + half, n_slices), 0.0, 0.97)


def _strengths(findings: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each bleed's thickness per slice: 1 half-way through its run of slices, down to 0.55 at the ends."""
    strengths = np.zeros(findings.shape)
    for column, present in enumerate(findings.T):
        # Zeros at both ends close runs that reach the first or last slice, so edges come in pairs.
        edges = np.flatnonzero(np.diff(np.r_[0, present, 0].astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            along = (np.arange(stop - start) + 0.5) / (stop - start)
            strengths[start:stop, column] = 0.55 + 0.45 * np.sin(np.pi * along)
    return strengths
