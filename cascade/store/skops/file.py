"""scikit-learn estimators as skops files; this package, not the file, fixes what may be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.estimators.boosting.convert import with_plain_trees
from cascade.store.skops.decoder import Decoder
from cascade.store.skops.make import Maker, is_listed


def save_skops(estimator: Any, path: Path, name: str) -> None:
    """Write `estimator`, trees of other libraries as plain arrays; refuse it by name if it could not be loaded again.

    Raises
    ------
    ModelRefusedError
        If it has a class, an attribute or a number that is not loaded.
    """
    import skops.io

    try:
        content = skops.io.dumps(with_plain_trees(estimator))
    except ModelRefusedError as error:
        raise ModelRefusedError(f"`{name}` cannot be saved: {error}") from error
    # skops raises errors of many types for what it cannot write.
    except Exception as error:
        kind = type(estimator).__name__
        raise ModelRefusedError(
            f"`{name}` ({kind}) cannot be saved without running code to load it: {error}"
        ) from error
    # Found out now, and not when the model is loaded on another machine and the fitted one is gone.
    load_skops(content, name)
    path.write_bytes(content)


def load_skops(content: bytes, name: str) -> Any:
    """Load an estimator whose classes and attributes are all listed.

    Raises
    ------
    ModelRefusedError
        If they are not, or do not fit together.
    """
    return Decoder(content, name, is_listed, Maker(name)).decode()
