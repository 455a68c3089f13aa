"""A trial that takes its parts from trials before is the cascade that `fit` alone makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

pytest.importorskip("keras")

from cascade import CascadeClassifier, KerasClassifier
from cascade.estimators.neural.training.epoch_log import EpochLog
from cascade.fitting.defaults import POOL_FOLDS
from cascade.tuning.parts import Parts
from cascade.tuning.shared_stages import with_parts
from tests.data.test_image_size import scene


def labeler(n_networks: int) -> KerasClassifier:
    return KerasClassifier(
        "mlp", {"width": 8}, n_networks=n_networks, epochs=4, batch_size=64, validation_size=0, random_state=0
    )


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 5)).astype(np.float32)
    return X, (X[:, :2] + 0.5 * rng.normal(size=(1500, 2)) > 1).astype(np.uint8)


@pytest.mark.parametrize("n_networks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_pretrained_network_is_fine_tuned_from_the_weights_of_another_trial(
    n_networks: int, rows: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    X, Y = rows
    options: dict[str, Any] = {"pretrain": "all", "random_state": 0}
    parts = Parts(tmp_path)

    def cascade(pool: str) -> CascadeClassifier:
        return CascadeClassifier(LogisticRegression(), labeler(n_networks), negative_pool=pool, **options)

    whole = with_parts(cascade("all"), parts).fit(X, Y)
    fitted = len(list(tmp_path.iterdir()))
    shared = with_parts(cascade("gated"), parts).fit(X, Y)
    # The fine-tuned labeler and a gate per fold of the pool: gate and pretrained network are those of the trial before.
    assert len(list(tmp_path.iterdir())) == fitted + 1 + POOL_FOLDS
    alone = cascade("gated").fit(X, Y)
    np.testing.assert_allclose(shared.predict_proba(X), alone.predict_proba(X), atol=1e-6)
    # The fine-tuning has an effect, and the pretraining before it as well.
    assert np.abs(shared.predict_proba(X) - whole.predict_proba(X)).max() > 1e-3
    unprepared = CascadeClassifier(
        LogisticRegression(), labeler(n_networks), negative_pool="gated", pretrain="none", random_state=0
    ).fit(X, Y)
    assert np.abs(shared.predict_proba(X) - unprepared.predict_proba(X)).max() > 1e-3


def test_an_exit_is_taken_with_its_labeler(tmp_path: Path) -> None:
    X, Y = scene(300)
    model = KerasClassifier("cnn", {"width": 6}, epochs=2, batch_size=32, validation_size=0, random_state=0)
    cascade = CascadeClassifier("exit", model, random_state=0)
    # The flat model's labeler has other rows and outputs of the same kind, and is no part of an exit.
    with_parts(CascadeClassifier(model, model, negative_pool="all", random_state=0), Parts(tmp_path)).fit(X, Y)
    before = len(list(tmp_path.iterdir()))
    fitted = [with_parts(cascade, Parts(tmp_path)).fit(X, Y).predict_proba(X) for _ in range(2)]
    assert len(list(tmp_path.iterdir())) == before + 2
    np.testing.assert_array_equal(*fitted)
    np.testing.assert_allclose(fitted[0], cascade.fit(X, Y).predict_proba(X), atol=1e-6)


def test_a_network_goes_on_after_its_last_epoch(
    rows: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def logged(self: EpochLog, epoch: int, logs: Any = None) -> None:
        begun.append(epoch)
        if len(begun) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(EpochLog, "on_epoch_end", logged)
    with pytest.raises(KeyboardInterrupt):
        Parts(tmp_path / "killed").get("a", lambda: labeler(1).fit(*rows))
    resumed = Parts(tmp_path / "killed").get("a", lambda: labeler(1).fit(*rows))
    assert begun == [0, 1, 2, 2, 3]
    undisturbed = Parts(tmp_path / "other").get("a", lambda: labeler(1).fit(*rows))
    np.testing.assert_array_equal(resumed.predict_log_odds(rows[0]), undisturbed.predict_log_odds(rows[0]))
    # The states are needed no more.
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["a"]
