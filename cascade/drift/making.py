"""Make the profile of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.labels import Labels, name_labels
from cascade.data.rows import n_rows, spaced_rows, take
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.data.targets import read_known_target
from cascade.drift.clusters import count_histogram, count_share
from cascade.drift.counts import (
    CATEGORY,
    GATE,
    GATE_WITH,
    GATE_WITHOUT,
    PAST_GATE,
    PAST_GATE_WITH,
    PAST_GATE_WITHOUT,
    PREDICTED,
    PREVALENCE,
    Histogram,
    Share,
    category_edges,
    quantile_edges,
)
from cascade.drift.measures import MOST_ROWS, quantities
from cascade.drift.profile import GIVEN, HELD_OUT, OUT_OF_FOLD, TrainingProfile
from cascade.drift.text.measures import Quantity, in_full, learn_vocabularies
from cascade.drift.text.vocabulary import Vocabulary
from cascade.fitting.training_set import TrainingSet
from cascade.rules.rules import Rules, Scores
from cascade.utils.types import Floats, Mask, Rows

if TYPE_CHECKING:
    from cascade.fitting.fit import Fitted


class ScoringCascade(Protocol):
    """A cascade whose scores can be profiled, such as `CascadePredictor`."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """In column order."""
        ...

    rules: Rules
    signature: InputSignature

    def score(self, X: Any) -> Scores:
        """Score rows with gate and labeler."""
        ...


def profile_of(
    X: Any,
    Y: Any = None,
    groups: ArrayLike | None = None,
    *,
    label_names: Sequence[str] | None = None,
    feature_names: tuple[str, ...] | None = None,
    predictor: ScoringCascade | None = None,
    like: TrainingProfile | None = None,
) -> TrainingProfile:
    """Make the profile of a data set.

    Parameters
    ----------
    X : rows, n of them
        Up to 10,000 evenly spaced rows are measured, and scored if `predictor` is given.
    Y : array-like of 0/1, shape (n, L), optional
        Labels; missing ones as in `CascadeClassifier.fit`.
    groups : array-like, shape (n,), optional
        Rows of a group are not independent; the more alike they are, the fewer effective rows a count has.
    label_names : sequence of str, optional
        Names of the columns of `Y`. Default: those of `predictor`, else label_0, label_1, ...
    feature_names : tuple of str, optional
        Names of the columns of a table. Default: those of `predictor`.
    predictor : CascadePredictor, optional
        If given, also count its gate's scores, the rows that pass and its predictions. `X` must not be its training
        data.
    like : TrainingProfile, optional
        Use the bins of this profile, so that the two can be compared.

    Returns
    -------
    TrainingProfile

    Raises
    ------
    DataError
        If `Y`, `groups` or names do not match the rows of `X`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(2000, 1))
    >>> training = profile_of(X, X > 1)
    >>> bool(training.share("prevalence of", "label_0").found == (X > 1).sum())
    True
    >>> profile_of(X, X > 1, like=training) == training
    True
    """
    count = n_rows(X)
    group = None if groups is None else group_numbers(groups, count)
    if predictor is not None:
        label_names, feature_names = (
            label_names or predictor.label_names,
            feature_names or predictor.signature.feature_names,
        )
    examples = None if Y is None else _examples(X, Y, group, label_names, predictor)
    scored = None if predictor is None else _scored(predictor, X, group, examples)
    prevalences = () if examples is None else tuple(prevalence_shares(examples))
    return assemble(X, group, feature_names, prevalences, scored, GIVEN, like)


def _examples(
    X: Any, Y: Any, group: Rows | None, names: Sequence[str] | None, predictor: ScoringCascade | None
) -> TrainingSet:
    labels, _ = read_known_target(Y, n_rows(X))
    any_index = None if predictor is None else predictor.rules.plan.any_index
    return TrainingSet(X, labels, name_labels(names, labels.shape[1]), any_index, group, None)


def _scored(predictor: ScoringCascade, X: Any, group: Rows | None, examples: TrainingSet | None) -> Scored:
    # The same rows whose features are measured: evenly spaced, so that a sorted data set is covered.
    rows = spaced_rows(n_rows(X), MOST_ROWS)
    part = take(X, rows)
    scores = predictor.score(part)
    classes = (None, None) if examples is None else classes_of(examples.Y[rows], examples.any_known(rows))
    number = rows if group is None else group[rows]
    bits = predictor.rules.predict(scores).labels
    return Scored(scores.gate_z, scores.passed, bits, number, predictor.label_names, *classes)


def classes_of(Y: Labels, any_known: NDArray[np.bool_] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the rows that have a label, and those that have none; a row where this is not known is in neither."""
    some = np.asarray(Y.any(axis=1))
    return (some, ~some) if any_known is None else (some & any_known, ~some & any_known)


def prevalence_shares(examples: TrainingSet) -> Iterator[Share]:
    """Count each label among the rows on which it is known."""
    group = np.arange(len(examples.Y)) if examples.groups is None else group_numbers(examples.groups, len(examples.Y))
    for k, name in enumerate(examples.names):
        # All rows rather than the sample: counting labels is cheap, and a rare one needs every row.
        rows = examples.labels.rows_knowing(k)
        yield count_share(PREVALENCE, name, examples.Y[rows, k] > 0, group[rows])


def assemble(
    X: Any,
    group: Rows | None,
    feature_names: tuple[str, ...] | None,
    prevalences: tuple[Share, ...],
    scored: Scored | None,
    scored_on: str,
    like: TrainingProfile | None = None,
) -> TrainingProfile:
    """Assemble a profile from counted labels and scored rows of kind `scored_on`; measure up to 10,000 rows of `X`."""
    rows = spaced_rows(n_rows(X), MOST_ROWS)
    learned = learn_vocabularies(X, rows, group) if like is None else in_full(like.vocabularies)
    vocabularies = tuple(each.vocabulary for each in learned)
    # Without groups, each row is a group.
    number = rows if group is None else group[rows]
    measured = quantities(X, rows, feature_names, learned)
    features = tuple(_feature_histograms(measured, number, vocabularies, like))
    signature = InputSignature.of(X)
    n_groups = None if group is None else len(np.unique(group))
    description = n_rows(X), n_groups, signature.row_shape, signature.dtype
    if scored is None:
        return TrainingProfile(*description, None, prevalences, features, vocabularies)
    reference = None if like is None else like.histogram(GATE)
    edges = None if reference is None else np.array(reference.edges)
    gates = tuple(scored.histograms(edges))
    shares = (*prevalences, *scored.shares())
    return TrainingProfile(*description, scored_on, shares, (*gates, *features), vocabularies)


def _feature_histograms(
    measured: Iterable[Quantity], group: Rows, vocabularies: tuple[Vocabulary, ...], like: TrainingProfile | None
) -> Iterator[Histogram]:
    for kind, name, values in measured:
        if like is None:
            yield count_histogram(kind, name, values, _edges_of(kind, name, values, vocabularies), group)
        # A feature that the reference does not have cannot be compared, so it is left out.
        elif (reference := like.histogram(kind, name)) is not None:
            yield count_histogram(kind, name, values, np.array(reference.edges), group)


def _edges_of(kind: str, name: str, values: Floats, vocabularies: tuple[Vocabulary, ...]) -> Floats:
    if kind != CATEGORY:
        return quantile_edges(values)
    return category_edges(next(len(each.hashes) for each in vocabularies if each.names_category(name)))


@dataclass(frozen=True)
class Scored:
    """Scores and predictions of a cascade for n rows.

    Attributes
    ----------
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds, before any calibration.
    passed : ndarray of bool, shape (n,)
    bits : ndarray of 0/1, shape (n, L)
    group : ndarray of int, shape (n,)
    names : tuple of str, length L
    with_label, without_label : ndarray of bool, shape (n,), or None
        Rows known to have a label, and known to have none; None if labels are not given.
    """

    gate_z: Floats
    passed: Mask
    bits: Labels
    group: Rows
    names: tuple[str, ...]
    with_label: Mask | None = None
    without_label: Mask | None = None

    def shares(self) -> Iterator[Share]:
        """Yield the share past the gate, of all rows and per class, and the share predicted as each label."""
        for kind, rows in self._parts(PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT):
            yield count_share(kind, "", self.passed[rows], self.group[rows])
        for k, name in enumerate(self.names):
            yield count_share(PREDICTED, name, self.bits[:, k] > 0, self.group)

    def histograms(self, edges: Floats | None) -> Iterator[Histogram]:
        """Yield histograms of the gate's scores, of all rows and per class, in one set of bins."""
        # Common bins allow the classes to be mixed at another prevalence; see `cascade.drift.expected`.
        bins = self._edges() if edges is None else edges
        for kind, rows in self._parts(GATE, GATE_WITH, GATE_WITHOUT):
            yield count_histogram(kind, "", self.gate_z[rows], bins, self.group[rows])

    def _parts(self, overall: str, with_label: str, without_label: str) -> Iterator[tuple[str, Mask]]:
        yield overall, np.ones(len(self.gate_z), dtype=bool)
        if self.with_label is not None and self.without_label is not None:
            yield with_label, self.with_label
            yield without_label, self.without_label

    def _edges(self) -> Floats:
        """Return quantiles of all rows and of each class, so that the few rows with a label are not all in one bin."""
        parts = [quantile_edges(self.gate_z[rows]) for _, rows in self._parts(GATE, GATE_WITH, GATE_WITHOUT)]
        # The outer edges come from all rows, whose range contains that of each class.
        inner = np.unique(np.concatenate([part[1:-1] for part in parts]))
        return np.unique(np.concatenate([parts[0][:1], inner, parts[0][-1:]]))


def training_profile(examples: TrainingSet, fitted: Fitted) -> TrainingProfile:
    """Make the profile of all training rows, with scores of those that the rules were fitted on.

    Gate and labeler were not fitted on the latter, or scored them out of fold. Scores of rows that a model was fitted
    on would be more extreme than its scores of new rows.
    """
    groups = None if examples.groups is None else group_numbers(examples.groups, len(examples.Y))
    scored_on = OUT_OF_FOLD if fitted.out_of_fold else HELD_OUT
    prevalences = tuple(prevalence_shares(examples))
    return assemble(examples.X, groups, None, prevalences, _held_out(fitted), scored_on)


def _held_out(fitted: Fitted) -> Scored:
    held, rules, scores = fitted.held, fitted.rules, fitted.scores
    classes = classes_of(held.Y, held.any_known)
    return Scored(held.gate_z, scores.passed, rules.predict(scores).labels, held.group, rules.label_names, *classes)
