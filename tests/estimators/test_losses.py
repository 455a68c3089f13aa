"""Losses: their minimisers, gradients and corrections against independent computations, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax

pytest.importorskip("keras")

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError, ModelRefusedError
from cascade.estimators.loss_options import DEFAULTS, make_loss
from cascade.estimators.losses import FURTHEST, AsymmetricLoss, loss_from_json, loss_to_json
from cascade.estimators.neural.losses import LogitLoss

RNG = np.random.default_rng(0)
Y = (RNG.random((400, 3)) < [0.02, 0.2, 0.7]).astype(np.uint8)

MARGIN: list[Any] = [
    "bce",
    "weighted",
    {"kind": "weighted", "method": "effective", "beta": 0.99, "temper": 0.7},
    {"kind": "weighted", "weights": [[1, 2.5], [1, 10], [1, 5]]},
    "focal",
    {"kind": "focal", "gamma": 0.5, "alpha": [0.9, 0.5, 0.2]},
    "asymmetric",
    {"kind": "asymmetric", "gamma_negative": 3, "gamma_positive": 0, "clip": 0},
    "logit_adjusted",
    {"kind": "logit_adjusted", "temper": 0.5},
    "smoothed",
    {"kind": "smoothed", "smoothing": 0.02},
]


def reference(option: Any, k: int, z: float) -> tuple[float, float]:
    """Loss of a positive and of a negative of label k, written down a second time in plain probabilities."""
    kind = option if isinstance(option, str) else option["kind"]
    own = {**DEFAULTS[kind], **({} if isinstance(option, str) else option)}
    n, count = len(Y), Y.sum(axis=0).astype(float)
    p = 1 / (1 + np.exp(-z))
    if kind == "bce":
        return -np.log(p), -np.log(1 - p)
    if kind == "weighted":
        if own["weights"] is not None:
            w0, w1 = own["weights"][k]
        else:
            sizes = [n - count[k], count[k]]
            if own["method"] == "effective":
                sizes = [(1 - own["beta"] ** size) / (1 - own["beta"]) for size in sizes]
            raw = [(1 / size) ** own["temper"] for size in sizes]
            mean = (raw[0] * (n - count[k]) + raw[1] * count[k]) / n
            w0, w1 = raw[0] / mean, raw[1] / mean
        return -w1 * np.log(p), -w0 * np.log(1 - p)
    if kind == "focal":
        alpha = np.broadcast_to(own["alpha"], 3)[k]
        return -alpha * (1 - p) ** own["gamma"] * np.log(p), -(1 - alpha) * p ** own["gamma"] * np.log(1 - p)
    if kind == "asymmetric":
        shown = max(p - own["clip"], 0)
        return (
            -((1 - p) ** own["gamma_positive"]) * np.log(p),
            -(shown ** own["gamma_negative"]) * np.log(1 - shown),
        )
    if kind == "smoothed":
        # Of a positive, the smaller part of the target is on the negative class, and the other way round.
        s = own["smoothing"] / 2
        return -(1 - s) * np.log(p) - s * np.log(1 - p), -s * np.log(p) - (1 - s) * np.log(1 - p)
    q = expit(z + own["temper"] * np.log((count[k] + 0.5) / (n - count[k] + 0.5)))
    return -np.log(q), -np.log(1 - q)


def with_slope(value_of: Callable[[Any], Any], logits: np.ndarray) -> tuple[float, np.ndarray]:
    """A scalar of the logits and its gradient, on the backend in use (`KERAS_BACKEND=jax` takes the other one)."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        value, slope = jax.value_and_grad(value_of)(logits)
    else:
        import tensorflow as tf

        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            value = value_of(variable)
        slope = tape.gradient(value, variable)
    return float(value), np.asarray(slope)


@pytest.mark.parametrize("option", MARGIN, ids=str)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_values_and_gradients_are_those_of_an_independent_formula(option: Any, k: int) -> None:
    loss = make_loss(option, LabelMatrix(Y))
    for z in (-4.0, -0.7, 0.9, 3.0):
        for y in (0.0, 1.0):
            target, logits = np.zeros((1, 3), "float32"), np.zeros((1, 3), "float32")
            target[0, k], logits[0, k] = y, z
            value, slope = with_slope(lambda x, y=target: LogitLoss(loss).call(y, x)[0, k], logits)
            positive, negative = (np.array([reference(option, k, z + h) for h in (-1e-5, 1e-5)])[:, s] for s in (0, 1))
            side = positive if y else negative
            assert value == pytest.approx(side.mean(), rel=2e-4, abs=1e-6)
            assert slope[0, k] == pytest.approx((side[1] - side[0]) / 2e-5, rel=2e-3, abs=2e-5)


@pytest.mark.parametrize("option", MARGIN, ids=str)
@pytest.mark.parametrize("p", [0.002, 0.1, 0.5, 0.9])
def test_the_correction_turns_the_best_logit_into_the_probability(option: Any, p: float) -> None:
    loss = make_loss(option, LabelMatrix(Y))
    for k in range(3):
        risk = lambda z, k=k: np.dot([p, 1 - p], reference(option, k, z))  # noqa: E731
        found = minimize_scalar(risk, bounds=(-14, 14), method="bounded", options={"xatol": 1e-9})
        z = np.full((1, 3), found.x)
        assert loss.log_odds(z)[0, k] == pytest.approx(logit(p), abs=0.01)


def test_distribution_balancing_is_that_of_the_paper_and_leaves_empty_rows_alone() -> None:
    loss = make_loss("distribution_balanced", LabelMatrix(Y))
    own, n, count = DEFAULTS["distribution_balanced"], len(Y), Y.sum(axis=0)
    offset = own["kappa"] * np.log((n - count + 0.5) / (count + 0.5))
    rows, z = np.array([[1, 1, 0], [0, 0, 0]], "float32"), RNG.normal(size=(2, 3)).astype("float32")
    found = np.asarray(LogitLoss(loss).call(rows, z))
    share = (1 / count) / (1 / count[0] + 1 / count[1])
    weights = np.array([own["alpha"] + expit(own["beta"] * (share - own["mu"])), np.ones(3)])
    u = z - offset
    negative = np.log1p(np.exp(own["tolerance"] * u)) / own["tolerance"]
    expected = weights * np.where(rows > 0, np.log1p(np.exp(-u)), negative)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_softmax_takes_shares_of_a_row_and_nothing_of_an_empty_one() -> None:
    loss = make_loss("softmax", LabelMatrix(Y))
    rows, z = np.array([[1, 1, 0], [0, 0, 0]], "float32"), RNG.normal(size=(2, 3)).astype("float32")
    found = np.asarray(LogitLoss(loss).call(rows, z))
    share = softmax(z[0])
    assert found[0] == pytest.approx(-0.5 * np.log(share[0]) - 0.5 * np.log(share[1]), rel=1e-5)
    assert found[1] == 0
    proba = expit(loss.log_odds(z.astype(float)))
    np.testing.assert_allclose(proba, np.minimum(softmax(z, axis=1) * Y.sum() / len(Y), 1), rtol=1e-4)


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_labels_that_never_occur_and_far_logits_stay_finite(kind: str) -> None:
    empty = np.zeros((50, 3), np.uint8)
    loss = make_loss(kind, LabelMatrix(empty))
    for z in (-60.0, 0.0, 60.0):
        rows = np.array([[0, 0, 0], [1, 1, 1]], "float32")
        value, slope = with_slope(lambda x, y=rows: LogitLoss(loss)(y, x), np.full((2, 3), z, "float32"))
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
        assert np.isfinite(loss.log_odds(np.full((2, 3), z))).all()


@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_negatives_below_the_clip_have_the_smallest_log_odds_for_any_power(gamma: float, clip: float) -> None:
    z = np.linspace(-60, 60, 2401)[:, None]
    corrected = AsymmetricLoss(gamma, 0.0, clip).log_odds(z)[:, 0]
    assert np.isfinite(corrected).all()
    assert (np.diff(corrected) >= -1e-9).all()
    assert corrected[0] == -FURTHEST


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_training_in_mixed_precision_is_finite(kind: str) -> None:
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        X = RNG.normal(size=(200, 4)).astype("float32")
        model = KerasClassifier("mlp", epochs=2, loss=kind).fit(X, Y[:200])
        assert np.isfinite(model.predict_proba(X)).all()
    finally:
        keras.mixed_precision.set_global_policy("float32")


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and true probabilities of a linear model with rare labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype("float32")
    p = expit(X[:, :3] * 1.5 - [3.5, 2.5, 1.0])
    return X, (rng.random(p.shape) < p).astype(np.uint8), p


@pytest.mark.parametrize(
    ("option", "raw_is_off"),
    [("bce", False), ("weighted", True), ("focal", True), ("logit_adjusted", True), ("asymmetric", True)],
)
def test_predictions_are_corrected_and_the_raw_ones_are_not_right(option: Any, raw_is_off: bool) -> None:
    X, labels, _ = drawn(12_000, 1)
    other, _, p = drawn(12_000, 2)
    model = KerasClassifier("mlp", {"width": 16, "depth": 1}, epochs=12, loss=option, random_state=0).fit(X, labels)
    ratio = model.predict_proba(other).sum(axis=0) / p.sum(axis=0)
    raw = expit(np.asarray(model.network_.predict_on_batch(other))).sum(axis=0) / p.sum(axis=0)
    # 12,000 rows hold 900 positives of the rarest label: three standard deviations are a tenth.
    limit = 0.12 if model.loss_.proper else 0.35
    assert (abs(ratio - 1) < limit).all()
    assert bool((abs(raw[:2] - 1) > 0.5).all()) == raw_is_off


def test_a_saved_network_needs_no_loss_of_ours_and_answers_alike(tmp_path: Path) -> None:
    X, labels, _ = drawn(1500, 3)
    with_any = np.column_stack([labels, labels.any(axis=1)])
    net = {"network_options": {"width": 8, "depth": 1}, "epochs": 3}
    gate = KerasClassifier("mlp", **net, loss="focal")
    labeler = KerasClassifier("mlp", **net, loss={"kind": "weighted", "temper": 0.5})
    model = CascadeClassifier(gate, labeler).fit(X, with_any)
    model.save(tmp_path / "model")
    assert b"LogitLoss" not in b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_losses_survive_json_and_odd_ones_are_refused(kind: str) -> None:
    loss = make_loss(kind, LabelMatrix(Y))
    body = json.loads(json.dumps(loss_to_json(loss)))
    z = RNG.normal(size=(5, 3))
    np.testing.assert_array_equal(loss_from_json(body, 3).log_odds(z), loss.log_odds(z))
    for forged in ({**body, "kind": "code"}, {**body, "more": 1}, {key: body[key] for key in list(body)[:-1]}):
        with pytest.raises(ConfigError):
            loss_from_json(forged, 3)
    if any(isinstance(value, list) for value in body.values()):
        with pytest.raises(ConfigError, match="for 4 labels"):
            loss_from_json(body, 4)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("hinge", "`loss` must be one of"),
        ({"gamma": 2}, "`loss` must be one of"),
        ({"kind": "focal", "gama": 2}, "must have options of"),
        ({"kind": "focal", "gamma": -1}, "`loss.gamma` must be in"),
        ({"kind": "focal", "alpha": 1.0}, "`loss.alpha` must be between"),
        ({"kind": "focal", "alpha": [0.5, 0.5]}, "one per label"),
        ({"kind": "asymmetric", "gamma_negative": 0.5}, "`loss.gamma_negative` must be 0, or at least 1"),
        ({"kind": "weighted", "weights": [[1, 2]]}, "`loss.weights` must have one pair per label"),
        ({"kind": "weighted", "weights": [[1, -2]] * 3}, "`loss.weights` must be a negative's and"),
        ({"kind": "weighted", "weights": [[1, 2], [1]]}, "`loss.weights` must be a negative's and"),
        ({"kind": "weighted", "weights": "balanced"}, "`loss.weights` must be a negative's and"),
        ({"kind": "weighted", "weights": [[1, 2]] * 3, "temper": 0.5}, "`loss.weights` must be the only option"),
        ({"kind": "weighted", "importance": "x"}, "`loss.importance` must be one positive number"),
        ({"kind": "weighted", "beta": "x"}, "`loss.beta` must be in"),
        ({"kind": "weighted", "method": "sqrt"}, "`loss.method` must be one of"),
        ({"kind": ["focal"]}, "`loss` must be one of"),
        ({"kind": "focal", 1: 2, "a": 3}, "must have options of"),
        ({"kind": "focal", "gamma": [2.0]}, "`loss.gamma` must be in"),
        ({"kind": "asymmetric", "clip": [0.05]}, "`loss.clip` must be in"),
        ({"kind": "logit_adjusted", "temper": True}, "`loss.temper` must be in"),
        ({"kind": "smoothed", "smoothing": 0.6}, "`loss.smoothing` must be in"),
        ({"kind": "weighted", "temper": "high"}, "`loss.temper` must be in"),
    ],
)
def test_losses_that_make_no_sense_are_refused(option: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        KerasClassifier("mlp", epochs=1, loss=option).fit(np.zeros((400, 2), "float32"), Y)


@pytest.mark.parametrize("kind", sorted(set(DEFAULTS) - {"softmax"}))
@pytest.mark.parametrize("rows", [3, 5])
def test_a_weight_per_row_belongs_to_the_row_whatever_the_batch(kind: str, rows: int) -> None:
    loss = LogitLoss(make_loss(kind, LabelMatrix(Y)))
    z, weight = RNG.normal(size=(rows, 3)).astype("float32"), RNG.random(rows).astype("float32")
    target = Y[:rows].astype("float32")
    each = np.asarray(loss.call(target, z))
    assert float(loss(target, z, sample_weight=weight)) == pytest.approx((each * weight[:, None]).mean(), rel=1e-5)
    cells = RNG.random((rows, 3)).astype("float32")
    assert float(loss(target, z, sample_weight=cells)) == pytest.approx((each * cells).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", sorted(DEFAULTS))
def test_networks_of_every_loss_take_sample_weights(kind: str) -> None:
    """A row of weight 0 is not there: what it says changes nothing."""
    X, labels, _ = drawn(200, 5)
    weight = np.ones(200)
    weight[:50] = 0
    changed = labels.copy()
    changed[:50] = 1 - changed[:50]
    options = {"network_options": {"width": 4, "depth": 1}, "epochs": 2, "validation_size": 0, "batch_size": 50}
    fits = [
        KerasClassifier("mlp", **options, loss="bce" if kind == "weighted" else kind).fit(X, y, sample_weight=weight)
        for y in (labels, changed)
    ]
    if kind in ("bce", "focal", "asymmetric"):
        np.testing.assert_allclose(fits[0].predict_proba(X), fits[1].predict_proba(X), rtol=1e-5)
    assert all(np.isfinite(model.predict_proba(X)).all() for model in fits)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("weighted", "weights", [[-1, 1]] * 3),
        ("focal", "alpha", [0.0, 0.5, 1.0]),
        ("focal", "gamma", -5),
        ("asymmetric", "clip", 2),
        ("softmax", "cardinality", 0),
        ("distribution_balanced", "count", [0, 1, 1]),
        ("logit_adjusted", "offset", [1e308, 0, 0]),
        ("logit_adjusted", "offset", "abc"),
    ],
)
def test_forged_numbers_of_a_loss_are_refused(kind: str, name: str, value: Any) -> None:
    body = loss_to_json(make_loss(kind, LabelMatrix(Y)))
    with pytest.raises(ConfigError, match=f"`loss.{name}`"):
        loss_from_json({**body, name: value}, 3)
    for invalid in (None, "bce", [1]):
        with pytest.raises(ConfigError, match="`loss` must be one that was saved"):
            loss_from_json(invalid, 3)


def test_a_forged_loss_is_refused(tmp_path: Path) -> None:
    from cascade.store.keras_file import load_network, save_network
    from cascade.store.plain_file import ModelFiles

    X, labels, _ = drawn(300, 4)
    model = KerasClassifier("mlp", {"width": 4, "depth": 1}, epochs=1, loss="weighted").fit(X, labels)
    spec = save_network(model, tmp_path / "gate.keras")
    with pytest.raises((ConfigError, ModelRefusedError), match="`loss"):
        load_network({**spec, "loss": {**spec["loss"], "weights": [[1, 2]]}}, ModelFiles(tmp_path))
