"""Coherence and bits inside of a graph: the laws of `cascade.rules` in operations of TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from cascade.rules.rules import Rules
from cascade.utils.log_odds import SMALLEST


def coherent_in_graph(proba: Any, any_index: int) -> Any:
    """Project each row (n, L) onto those in which `any` is at least every label; see `rules.probability.coherence`."""
    own = proba[:, any_index : any_index + 1]
    labels = tf.gather(proba, _others(proba.shape[1], any_index), axis=1)
    if labels.shape[1] == 0:
        return proba
    falling = tf.sort(labels, axis=1, direction="DESCENDING")
    mean = tf.cumsum(tf.concat([own, falling], axis=1), axis=1) / np.arange(1.0, proba.shape[1] + 1)
    next_label = tf.concat([falling, -tf.ones_like(own)], axis=1)
    first = tf.argmax(tf.cast(next_label <= mean, tf.int32), axis=1)
    pooled = tf.reduce_sum(tf.one_hot(first, proba.shape[1], dtype=tf.float64) * mean, axis=1, keepdims=True)
    wrong = tf.reduce_max(labels, axis=1, keepdims=True) > own
    meeting = tf.where(_is_column(any_index, proba.shape[1]), pooled, tf.minimum(proba, pooled))
    return tf.where(wrong, meeting, proba)


def agreeing_bits(rules: Rules, proba: Any, passed: Any) -> Any:
    """Bits (n, L) as truth values: only rows that passed get one, and `any` agrees with the labels."""
    bits = (proba >= rules.thresholds) & passed[:, None]
    index = rules.plan.any_index
    others = None if index is None else _others(len(rules.label_names), index)
    if index is None or others is None or not len(others):
        return bits
    is_any = _is_column(index, len(rules.label_names))
    if rules.coherence == "any":
        return _any_decides(rules, proba, bits, index, is_any, others)
    asked = tf.gather(bits, others, axis=1) if rules.coherence == "labels" else bits
    return tf.where(is_any, tf.reduce_any(asked, axis=1, keepdims=True), bits)


def _any_decides(rules: Rules, proba: Any, bits: Any, index: int, is_any: Any, others: Any) -> Any:
    """`any` clears labels where it is off, and sets the surest where it is on alone."""
    own = bits[:, index : index + 1]
    bits = bits & own
    limits = rules.thresholds[others]
    margin = graph_log_odds(tf.gather(proba, others, axis=1)) - graph_log_odds(tf.constant(limits))
    margin = tf.where(limits > 1, tf.constant(-np.inf, tf.float64), margin)
    most_probable = tf.gather(tf.constant(others), tf.argmax(margin, axis=1))
    bare = own & ~tf.reduce_any(bits & ~is_any, axis=1, keepdims=True)
    chosen = tf.one_hot(most_probable, len(rules.label_names), on_value=True, off_value=False, dtype=tf.bool)
    return bits | (bare & chosen)


def _others(n_columns: int, index: int) -> Any:
    return np.flatnonzero(np.arange(n_columns) != index)


def _is_column(index: int, n_columns: int) -> Any:
    return tf.constant((np.arange(n_columns) == index)[None])


def graph_log_odds(proba: Any) -> Any:
    """Do what `cascade.utils.log_odds.log_odds` does."""
    inside = tf.clip_by_value(proba, SMALLEST, 1 - SMALLEST)
    return tf.math.log(inside) - tf.math.log(1 - inside)
