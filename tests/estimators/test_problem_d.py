"""What a dictionary of class weights means to Keras on four labels that are mostly absent, and what does as meant."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.utils.class_weight import compute_sample_weight

pytest.importorskip("keras")

import keras

from cascade import KerasClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.estimators.label_weights import combination_weights, label_weights
from cascade.estimators.loss_options import make_loss
from cascade.estimators.neural.losses import LogitLoss
from cascade.metrics.intervals import effective_rows

COUNTS = (2000, 500, 1000, 250)
DICTIONARY = {0: 2.5, 1: 10.0, 2: 5.0, 3: 20.0}


def problem_d() -> tuple[np.ndarray, np.ndarray]:
    """20,000 rows, most of them [0, 0, 0, 0]; every fifth row of labels 1 to 3 has label 0 as well."""
    rng = np.random.default_rng(0)
    Y = np.zeros((20_000, 4), np.uint8)
    start = 0
    for label in (1, 2, 3):
        rows = np.arange(start, start + COUNTS[label])
        Y[rows, label] = 1
        Y[rows[::5], 0] = 1
        start += COUNTS[label]
    missing = COUNTS[0] - int(Y[:, 0].sum())
    Y[start : start + missing, 0] = 1
    X = (rng.normal(size=(len(Y), 4)) + 2.0 * Y).astype("float32")
    order = rng.permutation(len(Y))
    return X[order], Y[order]


X, Y = problem_d()


def test_the_figures_of_the_page() -> None:
    """The shares that docs/understand/weights.md tells."""
    weight = np.array([DICTIONARY[k] for k in Y.argmax(axis=1)])
    empty = ~Y.any(axis=1)
    assert empty.mean() == pytest.approx(0.83)
    assert weight[empty].sum() / weight.sum() == pytest.approx(0.71, abs=0.005)
    assert (weight == 2.5).mean() == pytest.approx(0.93)
    assert (weight[Y[:, 3] > 0] == 20).mean() == pytest.approx(4 / 5)


def logits_model(loss: object) -> object:
    inputs = keras.Input((4,))
    kernel = keras.initializers.GlorotUniform(seed=0)
    model = keras.Model(inputs, keras.layers.Dense(4, kernel_initializer=kernel)(inputs))
    model.compile("sgd", loss)
    return model


def elementwise(model: object, rows: slice) -> np.ndarray:
    """Plain cross-entropy of each row and label, as the model stands."""
    z = np.asarray(model.predict_on_batch(X[rows]), dtype=float)
    return np.logaddexp(0, z) - Y[rows] * z


def test_the_counts_are_those_of_the_problem() -> None:
    assert tuple(Y.sum(axis=0)) == COUNTS
    assert (~Y.any(axis=1)).mean() > 0.8


def test_keras_weighs_a_row_by_its_first_label_and_an_empty_row_as_class_zero() -> None:
    model = logits_model(keras.losses.BinaryCrossentropy(from_logits=True))
    rows = slice(0, 512)
    each = elementwise(model, rows)
    first = Y[rows].argmax(axis=1)
    weight = np.array([DICTIONARY[k] for k in first])
    assert (weight[~Y[rows].any(axis=1)] == DICTIONARY[0]).all()
    both = (Y[rows][:, 0] > 0) & (Y[rows][:, 3] > 0)
    assert both.any()
    assert (weight[both] == DICTIONARY[0]).all()
    found = model.train_on_batch(X[rows], Y[rows].astype("float32"), class_weight=DICTIONARY)
    assert float(found) == pytest.approx((weight * each.mean(axis=1)).mean(), rel=1e-4)
    # As if the dictionary were not there, but for rows whose first label is another than 0.
    assert (weight == DICTIONARY[0]).mean() > 0.8


def test_a_weight_per_row_and_label_fails_or_goes_along_the_wrong_axis() -> None:
    weights = np.where(Y > 0, list(DICTIONARY.values()), 1.0).astype("float32")
    model = logits_model(keras.losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(Exception, match=r"(?i)shape|broadcast|dimension"):
        model.train_on_batch(X[:64], Y[:64].astype("float32"), sample_weight=weights[:64])
    rows = np.flatnonzero(Y[:, 1] > 0)[:1].tolist() + np.flatnonzero(~Y.any(axis=1))[:3].tolist()
    z = np.asarray(model.predict_on_batch(X[rows]), dtype=float)
    each = np.logaddexp(0, z) - Y[rows] * z
    found = float(model.train_on_batch(X[rows], Y[rows].astype("float32"), sample_weight=weights[rows]))
    wrong = (each.mean(axis=1)[None, :] * weights[rows]).mean()
    assert found == pytest.approx(wrong, rel=1e-4)
    assert found != pytest.approx((each * weights[rows]).mean(), rel=1e-2)


def test_our_loss_takes_a_weight_per_row_and_label_as_it_is_meant() -> None:
    weights = np.where(Y > 0, list(DICTIONARY.values()), 1.0).astype("float32")
    model = logits_model(LogitLoss(make_loss("bce", LabelMatrix(Y))))
    for rows in (slice(0, 64), slice(0, 4)):
        expected = (elementwise(model, rows) * weights[rows]).mean()
        found = model.train_on_batch(X[rows], Y[rows].astype("float32"), sample_weight=weights[rows])
        assert float(found) == pytest.approx(expected, rel=1e-4)


def test_the_dictionary_as_a_loss_weighs_positives_alone_and_its_shift_is_taken_off() -> None:
    pairs = [[1.0, weight] for weight in DICTIONARY.values()]
    options = {"network_options": {"width": 16, "depth": 1}, "epochs": 8, "random_state": 0}
    model = KerasClassifier("mlp", **options, loss={"kind": "weighted", "weights": pairs}).fit(X, Y)
    raw = expit(np.asarray(model.network_.predict_on_batch(X), dtype=float)).sum(axis=0) / COUNTS
    # What docs/understand/weights.md tells; another build of TensorFlow may train a little differently.
    np.testing.assert_allclose(raw, [1.7, 5.1, 2.9, 10.0], rtol=0.1)
    corrected = model.predict_proba(X).sum(axis=0) / COUNTS
    assert (abs(corrected - 1) < 0.15).all()


def test_weights_of_two_columns_at_once_are_products_and_ours_are_not() -> None:
    """scikit-learn multiplies the weights of the columns; the fifty rows with two labels take a fifth of all weight."""
    product = compute_sample_weight("balanced", Y)
    both = (Y[:, 0] > 0) & (Y[:, 3] > 0)
    each = [compute_sample_weight("balanced", Y[:, k]) for k in range(4)]
    np.testing.assert_allclose(product, np.prod(each, axis=0))
    assert product[both].sum() / product.sum() == pytest.approx(0.194, abs=0.001)
    assert effective_rows(product) == pytest.approx(731, abs=1)
    ours = combination_weights(Y)
    assert ours[both].sum() / ours.sum() < 0.02
    assert effective_rows(ours) == pytest.approx(9617, abs=1)
    np.testing.assert_allclose(label_weights(Y)[:, 1] / label_weights(Y)[:, 0], (len(Y) - np.array(COUNTS)) / COUNTS)
