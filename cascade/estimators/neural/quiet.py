"""Import Keras without TensorFlow's start-up messages, which no log level turns off."""

from __future__ import annotations

import logging
import os
import sys

from cascade.errors import MissingExtraError
from cascade.utils.stderr import quiet_stderr

# Read by TensorFlow's native code when it is loaded; later it has no effect.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_keras() -> None:
    """Import Keras with standard error captured, and show what was written only if the import fails."""
    if sys.modules.get("keras") is not None:
        return
    try:
        with quiet_stderr():
            _import()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"networks need {error.name}, which is not installed; run `pip install cascade-multilabel[keras]`."
        ) from error


def _import() -> None:
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        # The search for devices writes more messages, which would otherwise come with the first network.
        tensorflow.config.list_logical_devices()
