"""What encoders of texts share: each distinct text is encoded once, by files that are read when fitting."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from cascade.errors import ConfigError, DataError
from cascade.estimators.encoding.kept_vectors import is_training
from cascade.estimators.encoding.texts.files import Bytes
from cascade.utils.types import Floats32

SHORTEST, LONGEST = 8, 8192
"""Tokens to which a text may be cut: the special ones have to fit, and the time of a text is bounded."""


@dataclass(frozen=True)
class Files:
    """The content of files, compared by its digest.

    Attributes
    ----------
    digest : str
        SHA-256.
    contents : tuple of ndarray of uint8
    max_length : int
    """

    digest: str
    contents: tuple[Bytes, ...] = field(compare=False, repr=False)
    max_length: int

    @classmethod
    def of(cls, *contents: Bytes, max_length: int) -> Files:
        """Return the files of some contents."""
        digest = hashlib.sha256()
        for content in contents:
            digest.update(hashlib.sha256(content.data).digest())
        return cls(digest.hexdigest(), contents, max_length)


class TextEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base class of frozen encoders: `fit` reads files and learns nothing, `transform` needs no files."""

    max_length: int
    operations_are_unknown = True

    def fit(self, X: Any, y: Any = None) -> Self:
        """Read the files and check them.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Checked only.
        y : ignored

        Raises
        ------
        ConfigError
            If a file or an option is not valid.
        DataError
            If a row is no text.
        MissingExtraError
            If a package is not installed.
        """
        texts_of(X)
        self.check_max_length()
        self.__dict__.pop("_files", None)
        self._read_files()
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Floats32:
        """Read the files, and return the numbers of each text; see `fit` and `transform`.

        Vectors of a graph are kept for other trainings on the same texts, such as those of folds. Outside of a training
        `transform` keeps and uses none, so that its time is that of new rows.
        """
        return self.fit(X)._transformed(X, training=True)

    def transform(self, X: Any) -> Floats32:
        """Return the numbers of each text, float32 of shape (n, columns).

        Raises
        ------
        DataError
            If a row is no text.
        """
        check_is_fitted(self)
        return self._transformed(X, training=is_training())

    def _transformed(self, X: Any, training: bool) -> Floats32:
        texts = texts_of(X)
        distinct = dict.fromkeys(texts)
        made = self._encoded(list(distinct), training)
        if len(distinct) == len(texts):
            return made
        places = dict(zip(distinct, range(len(distinct)), strict=True))
        return made[[places[text] for text in texts]]

    def files(self) -> Files:
        """Return what the files hold, by which open ones are shared between copies of an encoder."""
        if "_files" not in vars(self):
            self._files = Files.of(*self._contents(), max_length=self.max_length)
        return self._files

    def __getstate__(self) -> dict[str, Any]:
        # As texts, since skops files hold no paths.
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in super().__getstate__().items()
            if name != "_files"
        }

    def check_max_length(self) -> None:
        """Raise ConfigError for a `max_length` that is no whole number, or out of bounds."""
        if type(self.max_length) is not int or not SHORTEST <= self.max_length <= LONGEST:
            raise ConfigError(
                f"`max_length` must be a whole number from {SHORTEST} to {LONGEST}. Received {self.max_length!r}."
            )

    @abstractmethod
    def check_fit(self) -> None:
        """Raise ConfigError where the files do not fit together."""

    @abstractmethod
    def _read_files(self) -> None:
        """Set the fitted attributes; raise ConfigError as `check_fit` does."""

    @abstractmethod
    def _contents(self) -> tuple[Bytes, ...]:
        """Return the fitted attributes that are contents of files to open."""

    @abstractmethod
    def _encoded(self, texts: Sequence[str], training: bool) -> Floats32:
        """Return the numbers of distinct texts; those of a training may be kept."""


def texts_of(X: Any) -> list[str]:
    """Return rows of texts as a list.

    Raises
    ------
    DataError
        If a row is no text.

    Examples
    --------
    >>> texts_of(("a", "b c"))
    ['a', 'b c']
    """
    shape = getattr(X, "shape", (len(X),))
    if len(shape) != 1:
        raise DataError(f"`X` must have one text per row. Received shape {shape}.")
    texts = X.tolist() if hasattr(X, "tolist") else list(X)
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise DataError(f"`X` must have texts alone. Received {texts[wrong]!r} in row {wrong}; fill it in with ''.")
    return texts


def blocks(n: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` of n rows."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
