"""Figures of each epoch in the files that TensorBoard reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import keras

from cascade.errors import ConfigError


class EventLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Write the losses, metrics and learning rate of each epoch to a new folder.

    Unlike `keras.callbacks.TensorBoard` it remembers nothing that a killed training would miss. The package
    `tensorboard` is needed to show the files, not to write them.

    Parameters
    ----------
    folder : path
        Folder of all trainings; each start of a training has its own within it.
    name : str
        Name of what is trained.
    """

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__()
        self.folder, self.name = folder, name

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Make the folder."""
        import tensorflow as tf

        # In the order in which they began, and not one for two trainings of the same name.
        name = self.name.replace("/", " of ")
        self.writer = tf.summary.create_file_writer(str(self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ} {name}"))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the figures of an epoch."""
        import tensorflow as tf

        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "scalars"
        figures = {**(logs or {}), "learning_rate": float(self.model.optimizer.learning_rate)}
        with self.writer.as_default():
            for key, value in figures.items():
                tf.summary.write(f"epoch_{key}", tf.constant(value, tf.float32), step=epoch + 1, metadata=metadata)
        # After each epoch, so that a running training can be watched.
        self.writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the file."""
        self.writer.close()


def event_log(folder: str | None, name: str) -> list[EventLog]:
    """Return the callback for a folder of logs; none without a folder.

    Raises
    ------
    ConfigError
        If the folder cannot be made, or Keras does not run on TensorFlow.
    """
    if folder is None:
        return []
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("`training.tensorboard` needs Keras on TensorFlow; leave it out.")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"`training.tensorboard` must be a folder that can be made: {error}.") from error
    return [EventLog(Path(folder), name)]
