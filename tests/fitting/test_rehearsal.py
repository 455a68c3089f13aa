"""What cannot be fitted, or not be saved, is found before the first fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cascade import BalancedBinaryRelevance, CascadeClassifier, ManyLabelClassifier
from cascade.errors import ConfigError, ModelRefusedError


class Untouched(LogisticRegression):
    """A gate whose fit fails: a fault must be found before it."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if len(X) > 100:
            raise AssertionError("the gate was fitted")
        return super().fit(X, y)


def rows(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4)).astype("float32")
    return X, (X[:, :3] + rng.normal(size=(n, 3)) > 2.2).astype(int)


def test_an_option_of_a_labeler_is_refused_before_the_gate_is_fitted() -> None:
    for labeler in (
        MultiOutputClassifier(LogisticRegression(C=-1.0)),
        BalancedBinaryRelevance(LogisticRegression(max_iter="many")),
    ):
        with pytest.raises(ConfigError, match=r"`labeler`: The '(C|max_iter)' parameter of LogisticRegression must be"):
            CascadeClassifier(Untouched(), labeler).fit(*rows())


def shifted(X: Any) -> Any:
    return X + 1


def test_an_estimator_that_cannot_be_saved_is_named_before_the_fit(caplog: pytest.LogCaptureFixture) -> None:
    labeler = MultiOutputClassifier(make_pipeline(FunctionTransformer(shifted), LogisticRegression()))
    model = CascadeClassifier(LogisticRegression(), labeler).fit(*rows())
    (warned,) = [text for text in caplog.messages if "not saved" in text]
    assert warned.startswith("labeler: it can be fitted, but not saved: `labeler` holds ")
    assert warned.count("shifted") == 1
    assert caplog.messages.index(warned) == 0
    with pytest.raises(ModelRefusedError, match="shifted"):
        model.save("nowhere")


KERAS = [
    ({"loss": {"kind": "weighted", "weights": [[1, 2], [1, 3]]}}, "must have one pair per label"),
    ({"network": "cnn"}, "takes images of height"),
    ({"network_options": {"dpth": 3}}, "unexpected keyword argument 'dpth'"),
    ({"epochs": 0}, "`epochs` must be a whole number"),
]


@pytest.mark.parametrize(("options", "sentence"), KERAS)
def test_an_option_of_a_network_is_refused_before_the_gate_is_fitted(options: dict, sentence: str) -> None:
    pytest.importorskip("tensorflow")
    from cascade import KerasClassifier

    labeler = KerasClassifier(**{"network": "mlp", **options})
    with pytest.raises(ConfigError, match=f"`labeler`: .*{sentence}"):
        CascadeClassifier(Untouched(), labeler).fit(*rows())
    if "loss" not in options:
        with pytest.raises(ConfigError, match=f"`labeler`: .*{sentence}"):
            CascadeClassifier(Untouched(), BalancedBinaryRelevance(labeler)).fit(*rows())


def test_the_model_of_many_labels_is_rehearsed_too(caplog: pytest.LogCaptureFixture) -> None:
    X, Y = rows()
    with pytest.raises(ConfigError, match=r"`estimator`: The 'C' parameter of Untouched must be"):
        ManyLabelClassifier(MultiOutputClassifier(Untouched(C=-1.0))).fit(X, Y)
    steps = make_pipeline(FunctionTransformer(shifted), LogisticRegression())
    for target in (Y, sparse.csr_matrix(Y)):
        caplog.clear()
        ManyLabelClassifier(OneVsRestClassifier(steps)).fit(X, target)
        (warned,) = [text for text in caplog.messages if "not saved" in text]
        assert warned.startswith("estimator: it can be fitted, but not saved: `estimator` holds ")
        assert caplog.messages.index(warned) == 0


def test_networks_of_ones_own_are_built_or_refused_by_name() -> None:
    keras = pytest.importorskip("keras")
    from cascade import KerasClassifier

    dense = keras.layers.Dense

    def shapeless(shape: tuple[int, ...], n: int) -> Any:
        return keras.Sequential([dense(8, activation="relu"), dense(n)])

    def in_dict(shape: tuple[int, ...], n: int) -> Any:
        inputs = keras.Input(shape)
        return keras.Model(inputs, {"logits": dense(n)(inputs)})

    def too_wide(shape: tuple[int, ...], n: int) -> Any:
        inputs = keras.Input(shape)
        return keras.Model(inputs, dense(n + 1)(inputs))

    def two_inputs(shape: tuple[int, ...], n: int) -> Any:
        inputs = [keras.Input(shape), keras.Input(shape)]
        return keras.Model(inputs, dense(n)(keras.layers.Add()(inputs)))

    def no_model(shape: tuple[int, ...], n: int) -> Any:
        return dense(n)

    X, Y = rows(200)
    for network in (in_dict, too_wide, two_inputs, no_model):
        with pytest.raises(ConfigError, match=f"`network` function '{network.__name__}' must"):
            KerasClassifier(network, epochs=1).fit(X, Y)
        with pytest.raises(ConfigError, match=f"`labeler`: `network` function '{network.__name__}' must"):
            CascadeClassifier(Untouched(), KerasClassifier(network, epochs=1)).fit(X, Y)
    proba = KerasClassifier(shapeless, epochs=1).fit(X, Y).predict_proba(X)
    assert proba.shape == (200, 3)


@pytest.mark.parametrize("module", ["__main__", "mine.layers"])
def test_classes_of_ones_own_are_refused_by_name(module: str, caplog: pytest.LogCaptureFixture, tmp_path: Any) -> None:
    keras = pytest.importorskip("keras")
    from cascade import KerasClassifier

    class Scale(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    Scale.__module__ = module

    def network(shape: tuple[int, ...], n: int) -> Any:
        inputs = keras.Input(shape)
        return keras.Model(inputs, keras.layers.Dense(n)(Scale()(inputs)))

    def good(shape: tuple[int, ...], n: int) -> Any:
        inputs = keras.Input(shape)
        return keras.Model(inputs, keras.layers.Dense(n, activation="linear", kernel_initializer="zeros")(inputs))

    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(KerasClassifier(network, epochs=1), labeler).fit(*rows(300))
    assert caplog.messages[0].startswith("gate: it can be fitted, but not saved: ")
    assert "Scale" in caplog.messages[0]
    with pytest.raises(ModelRefusedError, match=r"gate.* holds (None|mine\.layers)\.Scale"):
        model.save(tmp_path / "model")
    caplog.clear()
    CascadeClassifier(KerasClassifier(good, epochs=1), labeler).fit(*rows(300)).save(tmp_path / "good")
    assert not any("not saved" in text for text in caplog.messages)
