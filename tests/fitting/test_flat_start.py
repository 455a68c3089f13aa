"""A labeler network begins as the flat model: the same training, of which the labels' outputs are kept."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

pytest.importorskip("keras")

from sklearn.linear_model import LogisticRegression

from cascade import CascadeClassifier, KerasClassifier
from cascade.estimators.neural.training.stored_training import StoredTraining
from cascade.estimators.resumption import resumable
from tests.data.test_image_size import scene

ROWS = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
TABLE = ROWS, (ROWS[:, :3] > [1.0, 1.2, 1.5]).astype(np.uint8)


def mlp(**options: Any) -> KerasClassifier:
    return KerasClassifier("mlp", {"width": 6}, **{"epochs": 2, "batch_size": 64, "validation_size": 0, **options})


def cnn(**options: Any) -> KerasClassifier:
    return KerasClassifier("cnn", {"width": 4}, **{"epochs": 2, "batch_size": 64, "validation_size": 0, **options})


def cascade(gate: Any, labeler: Any, **options: Any) -> CascadeClassifier:
    return CascadeClassifier(gate, labeler, random_state=0, **options)


@pytest.mark.parametrize("n_networks", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("make", "data"), [(mlp, TABLE), (cnn, scene(300))], ids=["table", "images"])
def test_a_labeler_of_all_rows_has_the_label_outputs_of_the_flat_model(make: Any, data: Any, n_networks: int) -> None:
    X, Y = data
    labeler = make(n_networks=n_networks)
    flat = cascade("none", labeler).fit(X, Y)
    gate = LogisticRegression() if X.ndim == 2 else make()
    model = cascade(gate, labeler, negative_pool="all").fit(X, Y)
    np.testing.assert_allclose(
        model.labeler_.predict_log_odds(X), flat.gate_.predict_log_odds(X)[:, 1:], rtol=1e-4, atol=1e-5
    )
    # Fine-tuning changes the labeler and not the flat model of the same run.
    tuned = cascade(gate, labeler, negative_pool="positives").fit(X, Y)
    assert np.abs(tuned.labeler_.predict_log_odds(X) - model.labeler_.predict_log_odds(X)).max() > 1e-3


def test_both_are_one_training_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = TABLE
    finished: list[Path] = []
    finish = StoredTraining.finish

    def noted(self: StoredTraining, network: Any) -> None:
        finished.append(self.path)
        finish(self, network)

    monkeypatch.setattr(StoredTraining, "finish", noted)
    alone = cascade("none", mlp()).fit(X, Y).predict_proba(X)
    with resumable(tmp_path):
        cascade(LogisticRegression(), mlp(), negative_pool="gated").fit(X, Y)
        # The flat model, and its fine-tuning behind the gate.
        assert len(finished) == 2
        together = cascade("none", mlp()).fit(X, Y).predict_proba(X)
    assert len(finished) == 2
    np.testing.assert_array_equal(together, alone)


DIFFERENT = [
    ({"last_stride": 2}, {}),
    pytest.param({"reduce": 2}, {}, marks=pytest.mark.slow),
    pytest.param({"augment": {"rotation": 0.3}}, {"augment": {"rotation": 0.01}}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_a_training_is_never_taken_for_one_of_another_network(
    first: dict[str, Any], second: dict[str, Any], tmp_path: Path
) -> None:
    X, Y = scene(120)

    def found(options: dict[str, Any]) -> Any:
        model = KerasClassifier("cnn", {"width": 4, **options}, epochs=2, validation_size=0, random_state=0)
        return model.fit(X, Y).predict_log_odds(X)

    with resumable(tmp_path):
        # Their weights have the same shapes and the same first values.
        together = found(first), found(second)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    np.testing.assert_array_equal(together[1], found(second))


def test_a_gate_of_the_labelers_own_network_begins_from_other_weights() -> None:
    X, Y = scene(240)
    model = cascade(cnn(), cnn(), negative_pool="all").fit(X, Y)
    # Two equal models are worth one.
    assert np.abs(model.gate_.predict_log_odds(X)[:, 1:] - model.labeler_.predict_log_odds(X)).max() > 1e-3


@pytest.mark.parametrize("other", [{"loss": {"kind": "weighted", "temper": 0.5}}, {"loss": "focal"}])
def test_a_training_is_never_taken_for_one_of_another_loss(other: dict[str, Any], tmp_path: Path) -> None:
    X, Y = TABLE
    with resumable(tmp_path):
        mlp(loss="weighted").fit(X, Y)
        together = mlp(**other).fit(X, Y).predict_log_odds(X)
    np.testing.assert_array_equal(together, mlp(**other).fit(X, Y).predict_log_odds(X))


@pytest.mark.parametrize("n_networks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_fine_tuning_is_the_same_each_time_and_goes_on(n_networks: int, tmp_path: Path) -> None:
    X, Y = scene(240)
    flipped = KerasClassifier("cnn", {"width": 4, "flip": True}, epochs=2, validation_size=0, n_networks=n_networks)

    def found() -> np.ndarray:
        return cascade(cnn(), flipped, negative_pool="positives").fit(X, Y).labeler_.predict_log_odds(X)

    alone = found()
    np.testing.assert_array_equal(found(), alone)
    for _ in range(2):
        with resumable(tmp_path):
            np.testing.assert_array_equal(found(), alone)
    # The gate, the flat model, and its fine-tuning, each once.
    assert len(list(tmp_path.iterdir())) == 1 + 2 * n_networks


def test_a_labeler_that_began_flat_knows_its_columns() -> None:
    names = [f"column {number}" for number in range(4)]
    frame = pandas.DataFrame(TABLE[0], columns=names)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*feature names")
        model = cascade(LogisticRegression(), mlp(), negative_pool="all").fit(frame, TABLE[1])
        model.predict_proba(frame)
    assert model.labeler_.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names should match"):
        model.labeler_.predict_log_odds(frame[names[::-1]])


class Wide(KerasClassifier):
    """A user's own way to build a network."""

    def _build(self, X: Any, n_outputs: int, training: Any) -> Any:
        return self.set_params(network_options={"width": 9})._built(X, n_outputs, training)

    def _built(self, X: Any, n_outputs: int, training: Any) -> Any:
        return super()._build(X, n_outputs, training)


OTHERS = {
    "loss": (mlp(loss="focal"), {}, TABLE[1]),
    "top_k": (mlp(top_k=1), {}, TABLE[1]),
    "subclass": (Wide("mlp", epochs=1), {}, TABLE[1]),
    "pretrain": (mlp(), {"pretrain": "none"}, TABLE[1]),
    "missing": (mlp(), {}, np.where(np.random.default_rng(1).random(TABLE[1].shape) < 0.05, np.nan, TABLE[1])),
}


@pytest.mark.parametrize(("labeler", "options", "Y"), OTHERS.values(), ids=OTHERS)
def test_where_outputs_depend_on_each_other_a_labeler_learns_its_labels_alone(
    labeler: Any, options: dict[str, Any], Y: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: Any, **named: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(KerasClassifier, "take_outputs", refused)
    model = cascade(LogisticRegression(), labeler, negative_pool="gated", **options).fit(TABLE[0], Y)
    assert model.labeler_.network_.output_shape[1] == Y.shape[1]
