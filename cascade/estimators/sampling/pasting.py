"""Paste the findings of one image into another, for images whose pixels of findings are known."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.rows import RowSource, RowView, take
from cascade.errors import ConfigError, DataError
from cascade.estimators.sampling.rarity import rarity_weights
from cascade.estimators.sampling.sparse_labels import Seed, as_sparse, labelled_rows
from cascade.utils.types import Rows

Frames = NDArray[np.int64]

NO_DONOR = -1


class ImagesWithFindings(Protocol):
    """Images with a mask of their findings."""

    def masks(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which pixels belong to a finding; bool of shape (len(rows), height, width)."""

    def frames(self, rows: Rows) -> NDArray[np.int64]:
        """Return top, left, bottom and right of the body in each image; int of shape (len(rows), 4)."""


class PastedRows(RowSource):
    """Rows of `X`, some of them with the findings of another row pasted over them.

    The donor's frame is stretched to the recipient's, so that a finding keeps its place in the body. The pasted image
    shows the findings of both rows and has the labels of both. It is not a real scan, so only training rows are pasted
    and only training rows are donors.

    Parameters
    ----------
    X : images with methods ``masks(rows)`` and ``frames(rows)``, or views of such images
        Rows of shape (height, width, channels); see `ImagesWithFindings`.
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    rows : ndarray of int, shape (m,)
    donors : ndarray of int, shape (m,)
        Row whose findings are pasted; -1 for none. A donor without a pixel of a finding is dropped.

    Attributes
    ----------
    Y : ndarray or sparse matrix, shape (m, L)
        Labels of either row, including `any`.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Ghiasi et al. (2021), Simple copy-paste is a strong data augmentation method for instance segmentation, CVPR.

    Examples
    --------
    >>> class Scans(RowView):
    ...     def masks(self, rows):
    ...         return take(self.X, rows)[..., 0] > 100
    ...     def frames(self, rows):
    ...         return np.tile([0, 0, 2, 1], (len(rows), 1))
    >>> X = Scans(np.array([[[[10], [20]]], [[[30], [200]]]], np.uint8), np.arange(2))
    >>> pasted = PastedRows(X, np.array([[1, 0], [0, 1]]), rows=np.array([0, 1]), donors=np.array([1, -1]))
    >>> pasted[np.array([0])].ravel().tolist(), pasted.Y.tolist()
    ([10, 200], [[1, 1], [0, 1]])
    """

    def __init__(self, X: Any, Y: Any, rows: Rows, donors: Rows) -> None:
        _check_has_masks(X)
        self.X, self.rows, self.donors = X, np.asarray(rows, dtype=np.intp), np.array(donors, dtype=np.intp)
        if self.rows.shape != self.donors.shape or self.rows.ndim != 1:
            raise DataError(f"`donors` must be one per row ({len(self.rows)}). Received shape {self.donors.shape}.")
        self.shape = (len(self.rows), *X.shape[1:])
        self.dtype = X.dtype
        pasted = np.flatnonzero(self.donors != NO_DONOR)
        source, numbers = _source(X, self.donors[pasted])
        # Before the labels are merged: a label without visible pixels must not be added.
        self.donors[pasted[~source.masks(numbers).any(axis=(1, 2))]] = NO_DONOR
        self.Y = _labels_of_both(Y, self.rows, self.donors)

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        # A copy, since `take` may return a view of the user's images.
        batch = np.array(take(self.X, self.rows[rows]))
        pasted = np.flatnonzero(self.donors[rows] != NO_DONOR)
        if len(pasted):
            source, donors = _source(self.X, self.donors[rows[pasted]])
            _, recipients = _source(self.X, self.rows[rows[pasted]])
            frames = source.frames(donors), source.frames(recipients)
            mask = _stretched(source.masks(donors)[..., None], *frames)
            batch[pasted] = np.where(mask, _stretched(take(source, donors), *frames), batch[pasted])
        return batch


def draw_donors(Y: Any, n: int, share: float, gamma: float = 0.5, seed: Seed = 0) -> Rows:
    """Draw a donor for a share of `n` rows, among the rows with a label and more often those with rare labels.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n_rows, L)
    n : int
    share : float in [0, 1]
    gamma : float in [0, 1], default=0.5
        As in `rarity_weights`.
    seed : int or sequence of int, default=0

    Returns
    -------
    ndarray of int, shape (n,)
        Row of `Y`, or -1 for no donor.

    Examples
    --------
    >>> sorted(draw_donors([[0, 0], [1, 0]], 4, share=0.5).tolist())
    [-1, -1, 1, 1]
    """
    labels = as_sparse(Y)
    rng = np.random.default_rng(seed)
    pool = labelled_rows(labels)
    donors: Rows = np.full(n, NO_DONOR, dtype=np.intp)
    if len(pool):
        weight = rarity_weights(labels, gamma)[pool]
        recipients = rng.permutation(n)[: round(share * n)]
        donors[recipients] = rng.choice(pool, len(recipients), p=weight / weight.sum())
    return donors


def _labels_of_both(Y: Any, rows: Rows, donors: Rows) -> Any:
    # -1 would index the last row; row 0 is read in its place and multiplied by 0.
    labels, added = Y[rows], Y[np.maximum(donors, 0)]
    has_donor = (donors != NO_DONOR)[:, None].astype(Y.dtype)
    if sparse.issparse(Y):
        return labels.maximum(added.multiply(has_donor).tocsr())
    return np.maximum(labels, added * has_donor)


def _check_has_masks(X: Any) -> None:
    source, _ = _source(X, np.empty(0, np.intp))
    if not hasattr(source, "masks"):
        kind = type(source).__name__
        raise ConfigError(f"pasting needs an `X` with masks of findings, such as PhantomImages. Received {kind}.")


def _source(X: Any, rows: Rows) -> tuple[Any, Rows]:
    """Follow views to the images that they show; return these and the row numbers there."""
    while isinstance(X, RowView) and not hasattr(X, "masks"):
        X, rows = X.X, X.rows[rows]
    return X, rows


def _stretched(images: NDArray[Any], frames: Frames, wanted: Frames) -> NDArray[Any]:
    """Move and scale images (m, height, width, channels) so that their frames match the wanted ones."""
    number, height, width = np.arange(len(images)), images.shape[1], images.shape[2]
    row = _places(frames[:, 0], frames[:, 2], wanted[:, 0], wanted[:, 2], height)
    column = _places(frames[:, 1], frames[:, 3], wanted[:, 1], wanted[:, 3], width)
    stretched: NDArray[Any] = images[number[:, None, None], row[:, :, None], column[:, None, :]]
    return stretched


def _places(low: Frames, high: Frames, wanted_low: Frames, wanted_high: Frames, size: int) -> Rows:
    """Return which pixel of an image is shown at each place along one axis; int of shape (m, size)."""
    # An empty frame has a width of 0. Halves are centres of pixels, so equal frames change nothing.
    scale = (high - low) / np.maximum(wanted_high - wanted_low, 1)
    place = low[:, None] + (np.arange(size) + 0.5 - wanted_low[:, None]) * scale[:, None]
    shown: Rows = np.clip(place.astype(np.intp), 0, size - 1)
    return shown
