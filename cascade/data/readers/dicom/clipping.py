"""Whether windows show what slices hold: a sample of slices must not be clipped throughout."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.dicom.slices import DicomFiles
from cascade.data.readers.files import attempts_at
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

SAMPLE = 16
"""Slices that are decoded, spread evenly over all."""
LARGEST_SHARE = 0.99
"""Share of clipped pixels above which a window shows next to nothing; head CT in the brain window has about .8."""


def warn_where_clipped(slices: DicomFiles) -> None:
    """Warn about each window in which nearly all pixels of a sample are black or white."""
    places = np.unique(np.linspace(0, len(slices) - 1, SAMPLE).astype(int)).tolist()

    def share(place: int) -> NDArray[np.float64]:
        channels, visible = slices.channels(slices.paths[place])
        seen = channels[visible]
        # A slice of padding alone has no pixels, and shows nothing as well.
        return np.isin(seen, (0, 255)).mean(axis=0) if len(seen) else np.ones(channels.shape[2])

    # A slice that cannot be decoded is named when it is used.
    shares = [share for share in attempts_at(share, places) if not isinstance(share, DataError)]
    if not shares:
        return
    for channel, clipped in enumerate(np.mean(shares, axis=0)):
        if clipped > LARGEST_SHARE:
            windows = slices.options.windows
            name = windows if isinstance(windows, str) else windows[channel]
            logger.warning(
                "data: in window %s, %.0f %% of the pixels of %d slices are black or white; choose `data.windows`",
                name,
                100 * clipped,
                len(shares),
            )
