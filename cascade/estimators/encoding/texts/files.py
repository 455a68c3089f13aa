"""Find and read the files of an encoder that a user names."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError, MissingExtraError
from cascade.utils.types import Floats32

LARGEST = 2**30
"""Bytes of a matrix or of a graph."""
WORDLLAMA = "wordllama"
"""Name of the embeddings that the package of this name contains."""
PACKAGED = ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json")
TOKENIZER = "tokenizer.json"
VECTORS = ("model.safetensors", "embeddings.safetensors", "embeddings.npy", "vectors.npy")
NAMES = ("embeddings", "embedding.weight")
"""Names that Model2Vec and WordLlama give to the matrix."""
LARGEST_NUMBER = 1e6
SHARED = 4
"""Files whose content is shared between the copies of an encoder: folds, labels and bags have many."""

Bytes = NDArray[np.uint8]


def find_embeddings(embeddings: Any, tokenizer: Any) -> tuple[Path, Path]:
    """Return the files of the matrix and of the tokenizer.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    if embeddings == WORDLLAMA and tokenizer is None:
        return _packaged()
    path = _path("embeddings", embeddings)
    if path.is_dir():
        found = [path / name for name in VECTORS if (path / name).is_file()]
        if not found:
            raise ConfigError(f"`embeddings` must be a file, or a folder with one of {', '.join(VECTORS)}: `{path}`.")
        path = found[0]
    return existing("embeddings", path), find_tokenizer(tokenizer, path)


def find_tokenizer(tokenizer: Any, beside: Path) -> Path:
    """Return the file of a tokenizer, by default `tokenizer.json` in the folder of another file."""
    return existing("tokenizer", beside.parent / TOKENIZER if tokenizer is None else _path("tokenizer", tokenizer))


def existing(name: str, given: Any) -> Path:
    """Return the path of a file of an option; raise ConfigError if there is none, or if it is too large."""
    path = _path(name, given)
    if not path.is_file():
        raise ConfigError(f"`{name}` must be a file. Received `{path}`, which is none.")
    if path.stat().st_size > LARGEST:
        raise ConfigError(f"`{name}` must have at most {LARGEST} bytes. Received {path.stat().st_size}: `{path}`.")
    return path


def read_bytes(path: Path) -> Bytes:
    """Return the content of a file as an array, as which skops files keep it; copies of an encoder share it."""
    return _bytes(path.resolve(), version(path))


def read_vectors(path: Path) -> Floats32:
    """Return the matrix of a `.npy` or `.safetensors` file, one row per token; copies of an encoder share it.

    Of Model2Vec's files, the weights of tokens are multiplied in, and shared rows are repeated.

    Raises
    ------
    ConfigError
        If it is no matrix of finite numbers.
    """
    return _matrix(path.resolve(), version(path))


def version(path: Path) -> tuple[int, int, int]:
    """Return what changes with the content of a file."""
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


@lru_cache(maxsize=SHARED)
def _bytes(path: Path, about: tuple[int, int, int]) -> Bytes:
    return np.frombuffer(path.read_bytes(), dtype=np.uint8)


@lru_cache(maxsize=SHARED)
def _matrix(path: Path, about: tuple[int, int, int]) -> Floats32:
    try:
        vectors = _vectors(path)
    except (ConfigError, ImportError):
        raise
    except Exception as error:
        raise ConfigError(f"`embeddings` must be a .npy or .safetensors file: `{path}` ({error}).") from error
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind != "f":
        raise ConfigError(f"`embeddings` must have a matrix of floats. Received {vectors.dtype} {vectors.shape}.")
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    # Negated, so that NaN, which fails every comparison, is refused too.
    if not (np.abs(vectors) <= LARGEST_NUMBER).all():
        raise ConfigError(f"`embeddings` must have finite numbers of at most {LARGEST_NUMBER:g}: `{path}` has others.")
    vectors.flags.writeable = False
    return vectors


def _vectors(path: Path) -> NDArray[Any]:
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise MissingExtraError("a .safetensors file needs safetensors; install the extra `text`.") from error
    tensors = load_file(path)
    name = next((name for name in NAMES if name in tensors), None)
    if name is None:
        raise ConfigError(f"`embeddings` must have a tensor {' or '.join(NAMES)}. Received {', '.join(tensors)[:100]}.")
    vectors = tensors[name]
    if "mapping" in tensors:
        vectors = vectors[tensors["mapping"]]
    return np.asarray(vectors * tensors["weights"][:, None] if "weights" in tensors else vectors)


def _packaged() -> tuple[Path, Path]:
    # Found and not imported: the files are all that is needed of the package.
    spec = find_spec(WORDLLAMA)
    folder = Path((spec.submodule_search_locations or [""])[0]) if spec is not None else None
    if folder is None or not all((folder / name).is_file() for name in PACKAGED):
        raise MissingExtraError("the embeddings `wordllama` need the package wordllama; install the extra `wordllama`.")
    return folder / PACKAGED[0], folder / PACKAGED[1]


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, (str, Path)):
        raise ConfigError(f"`{name}` must be a path. Received {value!r}.")
    return Path(value)
