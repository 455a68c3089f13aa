"""What a training reports: a line of the log per epoch, each batch, and on request figures for TensorBoard."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import keras

from cascade.utils.progress import Advance

logger = logging.getLogger("cascade.training")


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Log one line of progress per epoch, with the time that the epochs left take at most."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.began: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note when the first epoch of this start began."""
        if self.began is None:
            self.first, self.began = epoch, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log the losses."""
        assert self.began is not None
        shown = ", ".join(f"{key} {value:.4f}" for key, value in (logs or {}).items())
        done, epochs = epoch + 1, self.params["epochs"]
        # At most, since early stopping may end it before.
        left = (epochs - done) * (time.monotonic() - self.began) / (done - self.first)
        more = f", at most {timedelta(seconds=round(left))} left" if done < epochs else ""
        logger.info("%s: epoch %d/%d, %s%s", self.name, done, epochs, shown, more)


class BatchCount(keras.callbacks.Callback):  # type: ignore[misc]
    """Report each batch of a training that is done."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self.advance = advance

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Report one batch more."""
        self.advance(1)
