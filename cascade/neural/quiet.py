"""Import Keras without TensorFlow's start-up chatter, which no log level turns off."""

from __future__ import annotations

import logging
import os
import sys
import tempfile

from cascade.errors import MissingExtraError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_keras() -> None:
    """Import Keras with the process's standard error set aside; show what was said only if the import fails."""
    if sys.modules.get("keras") is not None:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras

            logging.getLogger("tensorflow").setLevel(logging.ERROR)
            if keras.backend.backend() == "tensorflow":
                import tensorflow

                # The search for devices says more, and would otherwise say it at the first network.
                tensorflow.config.list_logical_devices()
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"networks need {error.name}, which is not installed; run `pip install cascade-multilabel[keras]`."
            ) from error
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
