"""A gate that is an exit of the labeler's network: one training, then two networks that serve apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

pytest.importorskip("ai_edge_litert")

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.config.schema import RunConfig
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.estimators.neural.exit_classifier import ExitClassifier
from cascade.estimators.neural.networks import cnn_with_exit
from cascade.fitting.training_set import TrainingSet
from cascade.metrics.operations import operations_per_row
from tests.data.test_image_size import scene

SMALL = {"width": 6}


def network(**options: Any) -> KerasClassifier:
    given = {"epochs": 2, "batch_size": 32, "validation_size": 0.0, "random_state": 0}
    return KerasClassifier("cnn", SMALL, **given | options)


def with_any(Y: np.ndarray) -> np.ndarray:
    return np.hstack([Y.max(axis=1, keepdims=True), Y, Y])


def test_both_networks_compute_what_was_trained_as_one() -> None:
    X, Y = scene(90)
    n_labels = Y.shape[1]
    gate = ExitClassifier(**network(n_networks=2).get_params()).fit(X, with_any(Y), n_gate_outputs=1 + n_labels)
    logits = [one.predict(X, verbose=0) for one in gate.labeler_.networks_]
    np.testing.assert_allclose(gate.labeler_.predict_log_odds(X), np.mean(logits, axis=0), atol=1e-5)
    # The network as it was trained, put together again from the weights of both.
    joint = cnn_with_exit(X.shape[1:], 1 + 2 * n_labels, "uint8", 1 + n_labels, **SMALL)
    first = gate.labeler_.networks_[0]
    # The stem is common: its weights are equal in both, though they are not the same variables.
    stem, other = (
        next(layer for layer in one.layers if isinstance(layer, keras.layers.Conv2D)) for one in (gate.network_, first)
    )
    for mine, its in zip(stem.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert stem is not other
    for layer in joint.layers:
        if layer.weights:
            source = gate.network_ if _is_in_branch(layer, joint) else first
            layer.set_weights(_like(layer, source).get_weights())
    whole = joint.predict(X, verbose=0)
    np.testing.assert_allclose(whole[:, : 1 + n_labels], gate.predict_log_odds(X), atol=1e-5)
    np.testing.assert_allclose(whole[:, 1 + n_labels :], logits[0], atol=1e-5)


def _is_in_branch(layer: Any, joint: keras.Model) -> bool:
    """Whether only the exit depends on a layer."""
    head = keras.Model(joint.inputs, joint.get_layer("head").output)
    return layer not in head.layers


def _like(layer: Any, network: keras.Model) -> Any:
    """Return the layer of a network whose weights have the same shapes."""
    shapes = [weight.shape for weight in layer.weights]
    (found,) = (each for each in network.layers if [weight.shape for weight in each.weights] == shapes)
    return found


def test_an_exit_costs_a_fifth_and_learns() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 64, 64, 1), dtype=np.uint8)
    gate = ExitClassifier("cnn", epochs=1, validation_size=0).fit(images, rng.integers(0, 2, (32, 4)), n_gate_outputs=2)
    assert 0.15 < operations_per_row(gate) / operations_per_row(gate.labeler_) < 0.25
    X, Y = scene(400)
    model = CascadeClassifier("exit", network(epochs=12), random_state=0).fit(X, Y)
    assert model.predictor_.provenance["recipe"]["negative_pool"] == "all"
    target = Y.any(axis=1)
    gate = model.gate_proba(X)
    assert gate[target].mean() > gate[~target].mean() + 0.1


@pytest.mark.parametrize(
    "pool", ["all", *(pytest.param(pool, marks=pytest.mark.slow) for pool in ("positives", "gated"))]
)
def test_a_cascade_with_an_exit_is_saved_and_served_apart(pool: str, tmp_path: Path) -> None:
    X, Y = scene(240)
    model = CascadeClassifier("exit", network(), negative_pool=pool, random_state=0).fit(X, Y)
    model.predictor_.save(tmp_path / "model", runtimes=("litert",))
    proba = model.predict_proba(X)
    for runtime in ("keras", "litert"):
        loaded = CascadePredictor.load(tmp_path / "model", runtime=runtime)
        np.testing.assert_allclose(loaded.predict_proba(X), proba, atol=1e-5)
    again = CascadeClassifier("exit", network(), negative_pool=pool, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), proba)


def test_fine_tuning_leaves_the_gate_as_it_is() -> None:
    X, Y = scene(240)
    fitted = [
        CascadeClassifier("exit", network(), negative_pool=pool, random_state=0).fit(X, Y)
        for pool in ("all", "positives")
    ]
    gates = [model.gate_.predict_log_odds(X) for model in fitted]
    labelers = [model.labeler_.predict_log_odds(X) for model in fitted]
    np.testing.assert_array_equal(*gates)
    assert np.abs(labelers[0] - labelers[1]).max() > 1e-3


def test_a_row_without_gate_target_teaches_the_labeler_alone() -> None:
    X, Y = scene(240)
    known = np.ones(Y.shape, dtype=bool)
    # Rows without a positive, on which the first label alone is known: whether they have a label is not.
    rows = np.flatnonzero(~Y.any(axis=1))[:60]
    known[np.ix_(rows, range(1, Y.shape[1]))] = False
    examples = TrainingSet(X, LabelMatrix(Y * known, known), ("a", "b", "c")[: Y.shape[1]], None, None, None)
    target = examples.gate_target(np.arange(240), np.arange(Y.shape[1]))
    assert target.known is not None
    np.testing.assert_array_equal(np.flatnonzero(~target.known[:, 0]), rows)
    np.testing.assert_array_equal(target.known[:, 1:], known)
    masked = np.ma.masked_array(Y, mask=~known)
    with_rows = CascadeClassifier("exit", network(), random_state=0).fit(X, masked)
    # Where nothing of these rows is known, both networks are trained on other numbers.
    known[rows, 0] = False
    without = CascadeClassifier("exit", network(), random_state=0).fit(X, np.ma.masked_array(Y, mask=~known))
    assert np.abs(with_rows.labeler_.predict_log_odds(X) - without.labeler_.predict_log_odds(X)).max() > 1e-6


@pytest.mark.parametrize("targets", ["any", "labels"])
def test_the_exit_has_the_outputs_of_a_gate(targets: str) -> None:
    X, Y = scene(240)
    model = CascadeClassifier("exit", network(), gate_targets=targets, random_state=0).fit(X, Y)
    assert model.gate_.network_.output_shape[1] == (1 if targets == "any" else 1 + Y.shape[1])
    assert model.predict_proba(X).shape == Y.shape


def test_where_every_row_has_a_label_the_labeler_is_trained_alone() -> None:
    X, Y = scene(120)
    Y[:, 0] |= 1 - Y[:, 1]
    model = CascadeClassifier("exit", network(), random_state=0).fit(X, Y)
    assert model.labeler_.network_.output_shape[1] == Y.shape[1]
    assert model.predict_proba(X).shape == Y.shape


@pytest.mark.filterwarnings("ignore:label 'label_0' always occurs")
@pytest.mark.parametrize("form", ["vector", pytest.param("one label", marks=pytest.mark.slow), "label and any"])
def test_without_labels_to_learn_the_network_is_the_gate_alone(form: str) -> None:
    X, Y = scene(200)
    one = Y[:, :1]
    target = {"one label": one, "vector": one[:, 0], "label and any": np.hstack([one, one])}[form]
    any_label = "label_1" if form == "label and any" else "auto"
    model = CascadeClassifier("exit", network(), any_label=any_label, random_state=0).fit(X, target)
    assert model.labeler_ is None
    assert operations_per_row(model.gate_) == operations_per_row(network().fit(X, one))


OTHER = {
    "loss": network(loss="focal"),
    "sampling": network(sampling="rare"),
    "top_k": network(top_k=1),
    "network": KerasClassifier("mlp"),
    "kind": BalancedBinaryRelevance(LogisticRegression()),
}


@pytest.mark.parametrize("labeler", OTHER.values(), ids=OTHER)
def test_a_labeler_that_can_have_no_exit_is_refused(labeler: Any) -> None:
    X, Y = scene(90)
    with pytest.raises(ConfigError, match=re.escape("`gate` 'exit' needs a labeler that is one network among ['cnn']")):
        CascadeClassifier("exit", labeler).fit(X, Y)


def test_only_the_word_names_an_exit() -> None:
    X, Y = scene(90)
    with pytest.raises(ConfigError, match="`gate` must be 'exit'"):
        CascadeClassifier(ExitClassifier("cnn"), network()).fit(X, Y)
    # A cascade as gate has a labeler of its own, and is no exit.
    inner = CascadeClassifier(network(), network(), negative_pool="all")
    CascadeClassifier(inner, network(), gate_targets="labels", negative_pool="all").fit(X, Y)


SECTIONS = [
    ({"labeler": {"strategy": "balanced"}}, "labeler.strategy"),
    ({"labeler": {"pretrain": "none"}}, "labeler.pretrain"),
    ({"cascade": {"share_trunk": True}}, "cascade.share_trunk"),
]


@pytest.mark.parametrize(("section", "key"), SECTIONS)
def test_a_config_of_an_exit_is_refused_before_the_data_is_read(section: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        RunConfig.model_validate({"name": "x", "data": {"path": "x"}, "gate": {"kind": "exit"}, **section})


@pytest.mark.parametrize("options", [{"share_trunk": True}, {"pretrain": "none"}])
def test_options_without_effect_are_refused(options: dict[str, Any]) -> None:
    X, Y = scene(90)
    with pytest.raises(ConfigError, match=f"`{next(iter(options))}` must have its default with `gate='exit'`"):
        CascadeClassifier("exit", network(), **options).fit(X, Y)
