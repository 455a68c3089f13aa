"""Networks as the bytes of a `.keras` archive."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import keras

NAME = "network.keras"


def read_archive(content: bytes) -> keras.Model:
    """Return the network of an archive in the safe mode of Keras, which reads a file that nobody else can change."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(content)
        # Not compiled: prediction needs no optimizer, whose config would be one more part of the file to trust.
        return keras.saving.load_model(path, compile=False, safe_mode=True)


def stripped(path: Path) -> bytes:
    """Return the archive of a user's network without its optimizer and loss."""
    network = read_archive(path.read_bytes())
    with TemporaryDirectory() as folder:
        copy = Path(folder) / NAME
        network.save(copy)
        return copy.read_bytes()
