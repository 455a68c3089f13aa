"""Networks on labels that are partly unknown, and weights for each label of a row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cascade import CascadeClassifier, KerasClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError, DataError
from cascade.estimators.loss_options import make_loss

KINDS = ("bce", "focal", "distribution_balanced")


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4)).astype(np.float32)
    return X, (X[:, :3] > [1.0, 0.5, 1.0]).astype(np.uint8)


def network(**options: object) -> KerasClassifier:
    return KerasClassifier("mlp", **{"epochs": 2, **options})


def hidden(Y: np.ndarray, share: float) -> np.ndarray:
    return np.random.default_rng(1).random(Y.shape) < share


def test_floats_without_nan_are_the_same_to_the_bit(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    plain, floats = (network().fit(X, given).predict_proba(X) for given in (Y, Y.astype(float)))
    np.testing.assert_array_equal(plain, floats)


def test_half_of_the_labels_are_enough_to_learn_from(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    proba = network(epochs=20).fit(X, np.where(hidden(Y, 0.5), np.nan, Y)).predict_proba(X)
    assert roc_auc_score(Y, proba) > 0.98
    # Taking the unknown for absent would say about half.
    np.testing.assert_allclose(proba.mean(axis=0) / Y.mean(axis=0), 1, atol=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_mask_hides_never_reaches_the_network(table: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    X, Y = table
    mask = hidden(Y, 0.4)
    ones, zeros = (np.ma.masked_array(np.where(mask, filled, Y), mask=mask) for filled in (1, 0))
    answers = [network(loss=kind).fit(X, given).predict_log_odds(X) for given in (ones, zeros)]
    np.testing.assert_array_equal(*answers)
    assert np.isfinite(answers[0]).all()


def test_a_row_of_which_nothing_is_known_changes_nothing(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    some = np.where(hidden(Y, 0.3), np.nan, Y)
    X, some = X[np.isfinite(some).any(axis=1)], some[np.isfinite(some).any(axis=1)]
    patients = np.arange(len(X)) // 3
    at = np.random.default_rng(2).integers(len(X), size=100)
    longer = np.insert(X, at, 7.0, axis=0), np.insert(some, at, np.nan, axis=0), np.insert(patients, at, 10**6)
    one, other = network().fit(X, some, patients), network().fit(*longer)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_a_weight_of_zero_for_a_label_is_a_missing_label_in_the_loss(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    mask = hidden(Y, 0.2)
    mask[mask.all(axis=1)] = False
    # The split for early stopping goes by known labels, so there is none.
    weighted = network(validation_size=0).fit(X, Y, sample_weight=np.where(mask, 0.0, 3.0))
    missing = network(validation_size=0).fit(X, np.ma.masked_array(Y, mask=mask))
    np.testing.assert_array_equal(weighted.predict_proba(X), missing.predict_proba(X))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_of_a_rows_labels_are_the_weight_of_the_row(
    table: tuple[np.ndarray, np.ndarray], kind: str
) -> None:
    X, Y = table
    weight = np.random.default_rng(3).uniform(0.5, 2, len(X))
    of_rows, of_labels = (
        network(loss=kind, epochs=1).fit(X, Y, sample_weight=given).predict_log_odds(X)
        for given in (weight, np.repeat(weight[:, None], 3, axis=1))
    )
    np.testing.assert_allclose(of_labels, of_rows, rtol=1e-3, atol=1e-3)


def test_a_labels_weight_leaves_sparse_labels_sparse(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    weight = np.random.default_rng(3).uniform(0.5, 2, Y.shape)
    dense, thin = (network().fit(X, given, sample_weight=weight) for given in (Y, sparse.csr_array(Y)))
    np.testing.assert_array_equal(dense.predict_proba(X), thin.predict_proba(X))


def test_weights_of_another_shape_and_losses_without_a_mask_are_refused(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    X, Y = table
    with pytest.raises(DataError, match=r"one value per row \(2000\), or per row and label \(3\)"):
        network().fit(X, Y, sample_weight=np.ones((2000, 2)))
    for given in ({"y": np.where(hidden(Y, 0.1), np.nan, Y)}, {"y": Y, "sample_weight": np.ones(Y.shape)}):
        with pytest.raises(ConfigError, match="'softmax' shares a row among all labels"):
            network(loss="softmax").fit(X, **given)


@pytest.mark.parametrize("kind", ["weighted", "logit_adjusted", "distribution_balanced"])
def test_a_loss_counts_the_rows_that_know_the_label(kind: str) -> None:
    rng = np.random.default_rng(0)
    Y, known = (rng.random((500, 2)) < 0.2).astype(np.uint8), rng.random((500, 2)) < 0.6
    both = make_loss(kind, LabelMatrix(Y * known, known))
    rows = known[:, 1]
    alone = make_loss(kind, LabelMatrix(Y[rows]))
    values, of_rows = (loss.weights if kind == "weighted" else loss.offset for loss in (both, alone))
    np.testing.assert_allclose(values[1], of_rows[1], rtol=1e-12)


@pytest.mark.parametrize("gate", [LogisticRegression(), network(epochs=5)], ids=["linear", "network"])
def test_a_cascade_of_a_network_on_missing_labels(gate: object, table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    some = np.where(hidden(Y, 0.2), np.nan, Y)
    model = CascadeClassifier(gate, network(epochs=5), negative_pool="all").fit(X, some)
    ratio = model.predict_proba(X).sum(axis=0) / Y.sum(axis=0)
    np.testing.assert_allclose(ratio, 1, atol=4 / np.sqrt(0.8 * Y.sum(axis=0).min() / 5))
    assert model.predictor_.provenance["labels_missing"] == hidden(Y, 0.2).sum()
