"""A training that was killed goes on after its last finished epoch, to the weights of an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

from cascade.data.rows import RowView
from cascade.estimators.neural import KerasClassifier
from cascade.estimators.neural.training.stored_training import StoredTraining
from cascade.estimators.resumption import resumable

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (160, 8, 8, 1), dtype=np.uint8)
TABLE = RNG.normal(size=(160, 4)).astype(np.float32)
Y = np.column_stack([TABLE[:, 0] > 0, TABLE[:, 1] > 1]).astype(np.uint8)

Make = Callable[[], KerasClassifier]


def images(**options: Any) -> KerasClassifier:
    network_options = {"width": 2, "augment": {"contrast": 0.1}}
    return KerasClassifier("cnn", network_options, epochs=4, batch_size=80, random_state=3, **options)


MODELS: dict[str, tuple[Make, np.ndarray]] = {
    "several networks": (lambda: KerasClassifier("mlp", {"width": 4}, epochs=3, batch_size=32, n_networks=2), TABLE),
    "sampled and augmented images": (lambda: images(sampling="rare"), IMAGES),
    "early stopping": (lambda: images(validation_size=0.3, patience=1, learning_rate=0.3), IMAGES),
}


class Killed(BaseException):
    """A kill within the process: nothing of the package catches it."""


def weights(model: KerasClassifier) -> list[np.ndarray]:
    return [value for network in model.networks_ for value in network.get_weights()]


def assert_equal(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def epochs_of(monkeypatch: pytest.MonkeyPatch, kill_after: int | None = None) -> list[int]:
    """Return the list that the number of each trained epoch is added to; kill after so many states were written."""
    trained: list[int] = []
    written = 0
    write, on_epoch_end = StoredTraining._write, StoredTraining.on_epoch_end

    def counted(self: StoredTraining, *given: Any) -> None:
        nonlocal written
        write(self, *given)
        written += 1
        if written == kill_after:
            raise Killed

    def noted(self: StoredTraining, epoch: int, logs: Any = None) -> None:
        trained.append(epoch)
        on_epoch_end(self, epoch, logs)

    monkeypatch.setattr(StoredTraining, "_write", counted)
    monkeypatch.setattr(StoredTraining, "on_epoch_end", noted)
    return trained


def killed_until_done(fit: Callable[[], Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """Fit in one start after another, each killed when it has written a state; return the model and the starts."""
    for starts in range(1, 21):
        with monkeypatch.context() as killing, resumable(folder):
            epochs_of(killing, kill_after=1)
            try:
                return fit(), starts
            except Killed:
                continue
    raise AssertionError("the training does not end")


@pytest.mark.parametrize("kind", MODELS)
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, X = MODELS[kind]
    undisturbed, trained = weights(make().fit(X, Y)), []
    # Two states per start, so that kills hit epochs as well as what follows the last of them.
    for _ in range(40):
        with monkeypatch.context() as killing, resumable(tmp_path):
            epochs = epochs_of(killing, kill_after=2)
            try:
                resumed = make().fit(X, Y)
            except Killed:
                trained += epochs
                continue
            trained += epochs
            break
    assert_equal(weights(resumed), undisturbed)
    # Each epoch of each network was trained once.
    for number in range(max(trained) + 1):
        assert trained.count(number) <= len(resumed.networks_)
    assert trained.count(0) == len(resumed.networks_)
    with monkeypatch.context() as counting, resumable(tmp_path):
        again = epochs_of(counting)
        assert_equal(weights(make().fit(X, Y)), undisturbed)
    assert not again


@pytest.mark.slow
def test_storing_changes_no_weight_and_what_fits_not_is_not_used(tmp_path: Path) -> None:
    make, X = MODELS["several networks"]
    with resumable(tmp_path):
        assert_equal(weights(make().fit(X, Y)), weights(make().fit(X, Y)))
    for options, labels in (({"learning_rate": 1e-4}, Y), ({}, 1 - Y)):
        with resumable(tmp_path):
            found = make().set_params(**options).fit(X, labels)
        assert_equal(weights(found), weights(make().set_params(**options).fit(X, labels)))


def test_equal_trainings_of_a_run_are_done_once_and_views_of_other_rows_are_not_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = len(IMAGES) // 2
    views = [RowView(IMAGES, np.arange(first, first + half)) for first in (0, half, 0)]
    with monkeypatch.context() as counting, resumable(tmp_path):
        epochs = epochs_of(counting)
        # The same labels for all, so that nothing else tells the halves apart.
        found = [weights(images().fit(view, Y[:half])) for view in views]
    assert epochs.count(0) == 2
    assert_equal(found[0], found[2])
    assert_equal(found[1], weights(images().fit(IMAGES[half:], Y[:half])))
    assert any((one != other).any() for one, other in zip(found[0], found[1], strict=True))


def test_a_damaged_state_begins_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make, X = MODELS["several networks"]
    with resumable(tmp_path):
        undisturbed = weights(make().fit(X, Y))
    for state, content in zip(tmp_path.iterdir(), (b"PK\x03\x04 cut", b""), strict=True):
        state.write_bytes(content)
    with resumable(tmp_path):
        assert_equal(weights(make().fit(X, Y)), undisturbed)
    assert "cannot be read, it begins again" in caplog.text
