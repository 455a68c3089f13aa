"""Import Keras without TensorFlow's start-up chatter, which no log level turns off."""

from __future__ import annotations

import logging
import os
import sys

from cascade.errors import MissingExtraError
from cascade.utils.stderr import quiet_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_keras() -> None:
    """Import Keras with the process's standard error set aside; show what was said only if the import fails."""
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

        # The search for devices says more, and would otherwise say it at the first network.
        tensorflow.config.list_logical_devices()
