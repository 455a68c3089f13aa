"""A frozen encoder of images, such as the trunk of a pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from cascade.data.images.size import at_size, check_image_size
from cascade.data.rows import blocks, n_rows
from cascade.errors import ConfigError, DataError
from cascade.estimators.encoding.images.files import ImageFile, read_network
from cascade.estimators.encoding.images.network import ImageNetwork, network_of
from cascade.estimators.encoding.images.opened import NETWORKS
from cascade.estimators.encoding.kept_vectors import is_training
from cascade.estimators.forking import check_threads_of
from cascade.utils.types import Floats32

IMAGES = 64
"""Images that are read at a time."""


class ImageEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Images as the output of a frozen network; nothing is learnt.

    The network takes one image, NCHW or NHWC. Its first output of two axes, or else its first one, is the vector of an
    image; of an output of several positions the mean is taken. Larger images are averaged down to its size, and grey is
    repeated for a network of colours, in the order red, green, blue.

    Parameters
    ----------
    model : path
        A network without weights in other files.
    runtime : {"onnx", "litert", "keras"}, default="onnx"
        What the file is for, and what computes it.
    image_size : int, optional
        Height and width of the images, where the network takes any. Default: its own size.
    pixels : {"raw", "unit", "signed", "imagenet"}, default="raw"
        Range of the pixels that the network takes: 0 to 255, as networks of this package, 0 to 1, -1 to 1, or
        standardised by the mean and standard deviation of ImageNet.

    Attributes
    ----------
    content_ : ndarray of uint8
        Content of the file.
    image_size_ : int or None
        Height and width of the images, where these are equal.
    n_columns_ : int

    Examples
    --------
    >>> encoder = ImageEncoder("resnet.onnx", pixels="imagenet").fit(images)  # doctest: +SKIP
    >>> encoder.transform(images).shape  # doctest: +SKIP
    (1000, 512)
    """

    makes_batches = True
    operations_are_unknown = True

    def __init__(self, model: Any, runtime: str = "onnx", image_size: int | None = None, pixels: str = "raw") -> None:
        self.model = model
        self.runtime = runtime
        self.image_size = image_size
        self.pixels = pixels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Read the file and check it.

        Parameters
        ----------
        X : images of 8 bits, shape (n, height, width, channels)
            Checked only.
        y : ignored

        Raises
        ------
        ConfigError
            If the file or an option is not valid.
        DataError
            If the network does not take such images.
        MissingExtraError
            If a package is not installed.
        """
        self.check_options()
        self.__dict__.pop("_file", None)
        self.content_ = read_network(self.model, self.runtime)
        network = self._open()
        self.image_size_, self.n_columns_ = network.form.image_size, network.columns
        if n_rows(X):
            self.check_rows(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Floats32:
        """Read the file, and return the numbers of each image; see `fit` and `transform`.

        They are kept for other fits on the same images, such as those of folds. Outside of a training `transform` keeps
        and uses none, so that its time is that of new rows.
        """
        return self.fit(X)._transformed(X, training=True)

    def transform(self, X: Any) -> Floats32:
        """Return the numbers of each image, float32 of shape (n, columns).

        Raises
        ------
        DataError
            If the network does not take such images.
        """
        check_is_fitted(self)
        return self._transformed(X, training=is_training())

    def check_rows(self, X: Any) -> None:
        """Raise DataError for rows that the network does not take."""
        shape: tuple[int, ...] = tuple(getattr(X, "shape", np.shape(X)))
        self.check_row(shape[1:])
        if getattr(X, "dtype", None) != np.uint8:
            given = getattr(X, "dtype", type(X).__name__)
            raise DataError(f"`X` must have images of 8 bits (uint8) for an encoder of images. Received {given}.")

    def check_row(self, shape: tuple[int, ...]) -> None:
        """Raise DataError for the shape of a row that the network does not take."""
        self._open().form.check_row(shape)

    def check_options(self) -> None:
        """Raise ConfigError for options that are not valid for any file."""
        if self.runtime not in NETWORKS:
            raise ConfigError(f"`runtime` must be one of {', '.join(NETWORKS)}. Received {self.runtime!r}.")
        check_image_size(self.image_size)

    def check_fit(self) -> None:
        """Raise ConfigError where the fitted attributes are not those of the network."""
        network = self._open()
        found = network.form.image_size, network.columns
        if found != (self.image_size_, self.n_columns_):
            raise ConfigError(
                f"`model` must have size {self.image_size_} and {self.n_columns_} columns. Received {found}."
            )

    def files(self) -> ImageFile:
        """Return what the file holds, by which an open network is shared between copies of an encoder."""
        if "_file" not in vars(self):
            self._file = ImageFile.of(self.content_, self.runtime)
        return self._file

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape of the images that the network takes."""
        form = self._open().form
        return form.height, form.width, form.channels

    @property
    def _n_features_out(self) -> int:
        return int(self.n_columns_)

    def _transformed(self, X: Any, training: bool) -> Floats32:
        network, made = self._open(), np.empty((n_rows(X), self.n_columns_), dtype=np.float32)
        if not len(made):
            return made
        self.check_rows(X)
        compute = network.kept if training else network
        for rows, images in blocks(at_size(X, self.image_size_), np.arange(len(made)), IMAGES, pad=False):
            made[rows] = compute(np.asarray(images), self.n_columns_)
        return made

    def _open(self) -> ImageNetwork:
        check_threads_of("an encoder of images")
        return network_of(self.files(), self.image_size, self.pixels)

    def __getstate__(self) -> dict[str, Any]:
        # As texts, since skops files hold no paths.
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in super().__getstate__().items()
            if name != "_file"
        }
