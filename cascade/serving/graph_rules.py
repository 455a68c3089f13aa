"""Coherence and bits inside a graph: the formulas of `cascade.rules` in TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from cascade.rules.rules import Rules
from cascade.utils.log_odds import SMALLEST


def coherent_in_graph(proba: Any, any_index: int) -> Any:
    """Project rows (n, L) onto those in which `any` is at least every label; see `rules.probability.coherence`."""
    any_proba = proba[:, any_index : any_index + 1]
    labels = tf.gather(proba, _others(proba.shape[1], any_index), axis=1)
    if labels.shape[1] == 0:
        return proba
    falling = tf.sort(labels, axis=1, direction="DESCENDING")
    mean = tf.cumsum(tf.concat([any_proba, falling], axis=1), axis=1) / np.arange(1.0, proba.shape[1] + 1)
    # The pool grows while the next label is above its mean; -1 ends it after the last label.
    next_label = tf.concat([falling, -tf.ones_like(any_proba)], axis=1)
    # `argmax` returns the first of equal values, so this is the smallest pool that may stop.
    first = tf.argmax(tf.cast(next_label <= mean, tf.int32), axis=1)
    # A sum with one-hot weights picks one entry per row, in operations that convert to ONNX.
    pooled = tf.reduce_sum(tf.one_hot(first, proba.shape[1], dtype=tf.float64) * mean, axis=1, keepdims=True)
    wrong = tf.reduce_max(labels, axis=1, keepdims=True) > any_proba
    meeting = tf.where(_is_column(any_index, proba.shape[1]), pooled, tf.minimum(proba, pooled))
    return tf.where(wrong, meeting, proba)


def agreeing_bits(rules: Rules, proba: Any, passed: Any) -> Any:
    """Return bits (n, L) as booleans: only rows that passed get one, and `any` agrees with the labels."""
    bits = (proba >= rules.thresholds) & passed[:, None]
    index = rules.plan.any_index
    others = None if index is None else _others(len(rules.label_names), index)
    if index is None or others is None or not len(others):
        return bits
    is_any = _is_column(index, len(rules.label_names))
    if rules.coherence == "any":
        return _any_decides(rules, proba, bits, index, is_any, others)
    # "labels" ignores the bit of `any`; "lift" keeps it and also sets it with each label.
    deciding = tf.gather(bits, others, axis=1) if rules.coherence == "labels" else bits
    return tf.where(is_any, tf.reduce_any(deciding, axis=1, keepdims=True), bits)


def _any_decides(rules: Rules, proba: Any, bits: Any, index: int, is_any: Any, others: Any) -> Any:
    """Clear labels where `any` is off, and set the most probable label where only `any` is on."""
    any_bit = bits[:, index : index + 1]
    bits = bits & any_bit
    limits = rules.thresholds[others]
    if (limits > 1).all():
        return bits
    margin = graph_log_odds(tf.gather(proba, others, axis=1)) - graph_log_odds(tf.constant(limits))
    # A threshold above 1 means never, so this label is not set in place of the others either.
    margin = tf.where(limits > 1, tf.constant(-np.inf, tf.float64), margin)
    most_probable = tf.gather(tf.constant(others), tf.argmax(margin, axis=1))
    only_any = any_bit & ~tf.reduce_any(bits & ~is_any, axis=1, keepdims=True)
    chosen = tf.one_hot(most_probable, len(rules.label_names), on_value=True, off_value=False, dtype=tf.bool)
    return bits | (only_any & chosen)


def _others(n_columns: int, index: int) -> Any:
    return np.flatnonzero(np.arange(n_columns) != index)


def _is_column(index: int, n_columns: int) -> Any:
    return tf.constant((np.arange(n_columns) == index)[None])


def graph_log_odds(proba: Any) -> Any:
    """Return log-odds, as `cascade.utils.log_odds.log_odds` does."""
    inside = tf.clip_by_value(proba, SMALLEST, 1 - SMALLEST)
    return tf.math.log(inside) - tf.math.log(1 - inside)
