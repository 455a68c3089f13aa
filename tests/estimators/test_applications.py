"""Networks of keras.applications: all names, pixels as each network takes them, weights from a file."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from cascade import KerasClassifier
from cascade.errors import ConfigError
from cascade.estimators.network_names import APPLICATIONS
from cascade.estimators.neural.applications import INCLUDED, preprocessed
from cascade.store.keras_file import check_archive

WITH_LAYERS_OF_THEIR_OWN = ("ConvNeXt", "InceptionResNet")
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
Y = (np.arange(24)[:, None] % [2, 3] == 0).astype(np.uint8)


def test_every_network_that_a_model_folder_may_hold_has_a_name() -> None:
    found = {name for name in dir(keras.applications) if name[0].isupper()}
    assert set(APPLICATIONS.values()) == {name for name in found if not name.startswith(WITH_LAYERS_OF_THEIR_OWN)}


@pytest.mark.parametrize("kind", sorted(set(APPLICATIONS.values())))
def test_pixels_are_preprocessed_as_keras_does(kind: str) -> None:
    """Compared with the functions of keras.applications, which run before a network."""
    if kind.startswith(INCLUDED):
        return
    function = getattr(keras.applications, kind)
    module = importlib.import_module(function.__module__)
    expected = module.preprocess_input(IMAGES.astype(np.float32))
    inputs = keras.Input((32, 32, 3))
    ours = keras.Model(inputs, preprocessed(kind, inputs))(IMAGES.astype(np.float32))
    np.testing.assert_allclose(np.asarray(ours), expected, atol=1e-4)


# One network of each form of preprocessing. The test of weights below trains one of them each time.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet", "resnet50", "densenet121", "efficientnet_b0"])
def test_a_network_is_trained_and_can_be_saved(name: str, tmp_path: Path) -> None:
    model = KerasClassifier(name, epochs=1, batch_size=24, validation_size=0.0).fit(IMAGES, Y)
    assert np.isfinite(model.predict_proba(IMAGES)).all()
    model.network_.save(tmp_path / "network.keras")
    check_archive(tmp_path / "network.keras")


def test_weights_of_a_file_are_taken_if_it_is_the_one_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "trunk.weights.h5"
    keras.utils.set_random_seed(3)
    trunk = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    trunk.save_weights(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def fit(**options: str) -> KerasClassifier:
        model = KerasClassifier("mobilenet", options, epochs=1, batch_size=24, validation_size=0.0, learning_rate=1e-12)
        return model.fit(IMAGES, Y)

    network = fit(weights=str(path), sha256=digest).network_
    taken = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    # A learning rate of nearly 0 leaves them as they were, but for the means of the batch normalisation.
    for one, other in zip(taken.trainable_variables, trunk.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(ConfigError, match=f"must be the digest of .*, which is {digest}. Received None"):
        fit(weights=str(path))
    with pytest.raises(ConfigError, match=f"which is {digest}. Received 'abc'"):
        fit(weights=str(path), sha256="abc")
    with pytest.raises(ConfigError, match=r"`network_options.weights` must be 'imagenet' or a file; .*No such file"):
        fit(weights=str(tmp_path / "absent.h5"), sha256=digest)
    (tmp_path / "text.weights.h5").write_text("no weights")
    other = hashlib.sha256(b"no weights").hexdigest()
    with pytest.raises(ConfigError, match="`network_options` do not suit network 'mobilenet'"):
        fit(weights=str(tmp_path / "text.weights.h5"), sha256=other)
