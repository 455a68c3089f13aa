"""A labeler network begins as the flat model: the same training, of which the labels' outputs are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

from sklearn.linear_model import LogisticRegression

from cascade import CascadeClassifier, KerasClassifier
from cascade.estimators.neural.stored_training import StoredTraining
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


@pytest.mark.parametrize("n_networks", [1, 2])
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


OTHERS = {
    "loss": (mlp(loss="focal"), {}, TABLE[1]),
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
