"""Fits that contenders share: only equal ones, with the results and the seconds of separate fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.comparison import shared_fit
from cascade.comparison.shared_fit import SharedFit, sharing_fits
from cascade.data.rows import RowSource, RowView
from cascade.metrics.operations import operations_per_row
from tests.conftest import KnownTruth


class Counting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of views that counts its fits."""

    makes_batches = True
    fits = 0

    def __init__(self, strength: float = 1.0, option: Any = None) -> None:
        self.strength = strength
        self.option = option

    def fit(self, X: Any, y: Any) -> Counting:
        type(self).fits += 1
        self.classes_ = np.array([0, 1])
        return self


@pytest.fixture(autouse=True)
def _no_fits() -> None:
    Counting.fits = 0


def test_only_equal_fits_are_shared(truth: KnownTruth) -> None:
    X, y = truth.X[:100], truth.Y[:100, 4]
    with sharing_fits():
        for _ in range(3):
            SharedFit(Counting()).fit(X.copy(), y.copy())
        assert Counting.fits == 1
        other = X.copy()
        other[50, 3] += 1
        for model, rows, target in (
            (Counting(2.0), X, y),
            (Counting(), other, y),
            (Counting(), X, 1 - y),
            (Counting(), X[:99], y[:99]),
        ):
            before = Counting.fits
            SharedFit(model).fit(rows, target)
            assert Counting.fits == before + 1
    SharedFit(Counting()).fit(X, y)
    SharedFit(Counting()).fit(X, y)
    assert Counting.fits == 7, "nothing is shared outside, and nothing is kept"


def test_views_are_compared_by_their_source_and_rows(truth: KnownTruth) -> None:
    X, y = truth.X[:100], truth.Y[:50, 4]
    view = RowView(X, np.arange(0, 100, 2))
    with sharing_fits():
        SharedFit(Counting()).fit(view, y)
        # Every second row of half of the rows, in two steps.
        SharedFit(Counting()).fit(RowView(RowView(X, np.arange(100)), np.arange(0, 100, 2)), y)
        # And of a copy, since each contender is given one.
        SharedFit(Counting()).fit(RowView(X.copy(), np.arange(0, 100, 2)), y)
        assert Counting.fits == 1
        SharedFit(Counting()).fit(RowView(X, np.arange(1, 100, 2)), y)
        assert Counting.fits == 2


class Files(RowSource):
    """Rows that are not in memory."""

    shape, dtype = (100, 6), np.dtype(float)


def test_sources_that_are_not_in_memory_are_compared_by_identity(truth: KnownTruth) -> None:
    y, rows = truth.Y[:50, 4], np.arange(50)
    with sharing_fits():
        for source, fits in ((first := Files(), 1), (first, 1), (Files(), 2)):
            SharedFit(Counting()).fit(RowView(source, rows), y)
            assert Counting.fits == fits


def test_a_parameter_that_cannot_be_compared_is_not_shared(truth: KnownTruth) -> None:
    with sharing_fits():
        for _ in range(2):
            SharedFit(Counting(option=lambda: None)).fit(truth.X[:100], truth.Y[:100, 4])
    assert Counting.fits == 2


def test_seconds_that_were_saved_are_those_of_the_first_fit(truth: KnownTruth, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 5.0])
    monkeypatch.setattr(shared_fit.time, "monotonic", lambda: next(times))
    with sharing_fits() as shared:
        SharedFit(Counting()).fit(truth.X[:100], truth.Y[:100, 4])
        assert shared.saved_seconds == 0
        SharedFit(Counting()).fit(truth.X[:100], truth.Y[:100, 4])
        assert shared.saved_seconds == 5


def test_wrapped_learners_predict_as_bare_ones_in_every_place(truth: KnownTruth) -> None:
    X, Y, new = truth.X[:3000], truth.Y[:3000], truth.X[3000:3500]
    bare = make_pipeline(StandardScaler(), LogisticRegression())
    with sharing_fits():
        for labeler in (MultiOutputClassifier, lambda one: BalancedBinaryRelevance(one, n_bags=2)):
            plain = CascadeClassifier(bare, labeler(bare)).fit(X, Y)
            shared = CascadeClassifier(SharedFit(bare), labeler(SharedFit(bare))).fit(X, Y)
            np.testing.assert_array_equal(plain.predict_proba(new), shared.predict_proba(new))
            for stage in ("gate_", "labeler_"):
                assert operations_per_row(getattr(shared, stage)) == operations_per_row(getattr(plain, stage))
