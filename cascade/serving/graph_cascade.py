"""A cascade as one TensorFlow graph: gate, the rows that pass, labeler, merge, coherence, bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from cascade.errors import ConfigError
from cascade.estimators.forking import innermost
from cascade.predictor import CascadePredictor
from cascade.rules.probability.calibration import AnyCalibration, IsotonicCalibration
from cascade.rules.probability.merge import FLAT
from cascade.rules.probability.stack import Stack
from cascade.serving.graph_losses import corrected
from cascade.serving.graph_rules import agreeing_bits, coherent_in_graph, graph_log_odds
from cascade.utils.log_odds import SMALLEST, log_odds

FURTHEST = float(np.log1p(-SMALLEST) - np.log(SMALLEST))
Part = Callable[[Any], Any]
# The formulas of `cascade.rules.probability.merge`, in operations that every format of a graph has.
MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "positives": lambda gate, labeler: gate * labeler,
    "all": lambda gate, labeler: tf.minimum(gate, labeler),
    "gated": lambda gate, labeler: labeler,
    FLAT: lambda gate, labeler: labeler,
}


class GraphCascade(tf.Module):  # type: ignore[misc]
    """`CascadePredictor.examine` at the fitted thresholds as a graph, in float64 after the networks.

    Parameters
    ----------
    predictor : CascadePredictor
        Loaded with `runtime="keras"`; gate and labeler are networks, or balanced bags of networks.

    Raises
    ------
    ConfigError
        If a part is not a network, or the cascade was adapted to another prevalence.
    """

    def __init__(self, predictor: CascadePredictor) -> None:
        super().__init__(name="cascade")
        self.rules, labeler = predictor.rules, predictor.labeler
        # Networks take arrays, so the signature has a shape; () only satisfies the type.
        self.row_shape = predictor.signature.row_shape or ()
        if self.rules.shift is not None and not self.rules.shift.is_none:
            raise ConfigError("one graph cannot hold an adapted cascade; write it from the cascade as it was trained.")
        # A SavedModel includes only variables that its module tracks, and the closures below hide them.
        self._networks: list[Any] = []
        self._gate = self._part(predictor.gate, "gate")
        self._labeler = None if labeler is None else self._part(labeler, "labeler")
        self.dtype = self._networks[0].inputs[0].dtype
        rows = tf.TensorSpec((None, *self.row_shape), self.dtype, name="rows")
        self.examine = tf.function(self._examine, input_signature=[rows])

    def _part(self, estimator: Any, role: str) -> Part:
        """Return the function from rows to log-odds (m, K) of a network, or of bags of networks."""
        if hasattr(estimator, "network_"):
            self._networks.append(estimator.network_)
            _check_size(self.row_shape, estimator.image_size)
            return lambda rows: corrected(estimator, estimator.network_(_resized(rows, estimator), training=False))
        if not hasattr(estimator, "estimators_") or not hasattr(estimator, "prior_shift_"):
            kind = type(estimator).__name__
            received = "a network behind an encoder" if hasattr(innermost(estimator), "network_") else kind
            raise ConfigError(f"one graph needs a network as {role}. Received {received}.")
        bags = [[self._part(bag, role) for bag in label] for label in estimator.estimators_]
        constant = log_odds(estimator.share_)
        return lambda rows: (
            tf.concat([_mean(label, rows, constant[k]) for k, label in enumerate(bags)], axis=1)
            + (tf.constant(estimator.prior_shift_))
        )

    def _examine(self, rows: Any) -> dict[str, Any]:
        outputs = _clipped(self._gate(rows))
        gate = tf.sigmoid(calibrated(self.rules.gate_calibration, outputs[:, :1]))
        gate_labels = None
        if self.rules.gate_label_calibration is not None:
            gate_labels = calibrated(self.rules.gate_label_calibration, outputs[:, 1:])
        passed = gate[:, 0] >= self.rules.gate_threshold
        chosen = tf.where(passed)
        labeler = tf.gather_nd(outputs[:, 1:], chosen) if self.rules.is_flat else self._labeler_log_odds(rows, chosen)
        examined = (
            tf.gather_nd(gate, chosen),
            labeler,
            None if gate_labels is None else tf.gather_nd(gate_labels, chosen),
        )
        # The labeler runs only on rows that pass; the scatter restores the order of the rows.
        proba = tf.tensor_scatter_nd_update(self._rejected(gate, gate_labels), chosen, self._merged(*examined))
        # A rejected share is a ratio of sums and may exceed 1.
        proba = tf.minimum(proba, 1.0)
        if self.rules.plan.any_index is not None:
            proba = coherent_in_graph(proba, self.rules.plan.any_index)
        return {
            "gate_probability": gate[:, 0],
            "passed_gate": passed,
            "probabilities": proba,
            "labels": tf.cast(agreeing_bits(self.rules, proba, passed), tf.uint8),
        }

    def _rejected(self, gate: Any, gate_labels: Any) -> Any:
        """Return the probabilities (n, L) of all rows as if the gate rejected them."""
        rules = self.rules
        # Rejected rows keep a share of the gate's probability, so that sums over all rows stay calibrated.
        share = gate * rules.rejected_share
        if rules.rejected_stack is None or gate_labels is None:
            return share
        base = graph_log_odds(tf.gather(share, rules.plan.learned, axis=1))
        own = tf.sigmoid(stacked(rules.rejected_stack, base, [gate_labels - base]))
        return self._in_columns(own, rules.plan.learned, share)

    def _in_columns(self, values: Any, columns: Any, others: Any) -> Any:
        """Return an array (n, L) with `values` in these columns and those of `others` (n, L) in the rest."""
        source = np.arange(len(self.rules.label_names)) + len(columns)
        source[columns] = np.arange(len(columns))
        return tf.gather(tf.concat([values, others], axis=1), source, axis=1)

    def _labeler_log_odds(self, rows: Any, chosen: Any) -> Any:
        """Return the labeler's log-odds (m, K) of the chosen rows."""
        if self._labeler is None:
            return tf.zeros((tf.shape(chosen)[0], 0), tf.float64)
        # Some kernels refuse an empty batch, so row 0 is always scored as well and then dropped.
        padded = tf.concat([chosen, tf.zeros((1, 1), tf.int64)], axis=0)
        return _clipped(self._labeler(tf.gather_nd(rows, padded)))[:-1]

    def _merged(self, gate: Any, z: Any, gate_labels: Any) -> Any:
        """Return the probabilities (m, L) of rows that passed."""
        rules = self.rules
        labeler = calibrated(rules.labeler_calibration, z)
        labels = merged = MERGES[rules.negative_pool](gate, tf.sigmoid(labeler))
        if rules.plan.any_index is not None:
            # `any` is at least as probable as each label, since the labeler may see more than the gate.
            most_probable = tf.reduce_max(tf.concat([gate, merged], axis=1), axis=1, keepdims=True)
            merged = tf.concat([merged, most_probable], axis=1)
        merged = graph_log_odds(merged)
        if rules.stack is not None:
            parts = [labeler] if gate_labels is None else [labeler, gate_labels]
            if rules.plan.any_index is not None:
                some = [graph_log_odds(labels), *parts[1:]]
                parts = [tf.concat([part, _noisy_or(z)], axis=1) for part, z in zip(parts, some, strict=True)]
            merged = stacked(rules.stack, merged, [graph_log_odds(gate), *parts])
        merged = tf.sigmoid(calibrated(rules.merged_calibration, merged))
        # A constant label is taken from the L columns of the gate times its share.
        return self._in_columns(merged, rules.merged_columns, gate * rules.plan.share)


def _check_size(shape: tuple[int, ...], size: int | None) -> None:
    """Refuse an image size that needs fractions of pixels to average down to."""
    if size is not None and (shape[0] != shape[1] or shape[0] % size):
        height, width = shape[:2]
        raise ConfigError(f"one graph averages whole pixels: {height}x{width} is no multiple of {size}x{size}.")


def _resized(rows: Any, estimator: Any) -> Any:
    """Average images down to a network's size, rounded as in `cascade.data.images.averaging`."""
    if estimator.image_size in (None, rows.shape[1]):
        return rows
    area = rows.shape[1] // estimator.image_size
    return tf.cast(tf.floor(tf.nn.avg_pool2d(tf.cast(rows, tf.float32), area, area, "VALID") + 0.5), rows.dtype)


def _mean(bags: list[Part], rows: Any, constant: float) -> Any:
    """Return the mean log-odds (m, 1) of a label's bags, or `constant` for a constant label, which has no bags."""
    if not bags:
        return tf.fill((tf.shape(rows)[0], 1), tf.constant(constant, tf.float64))
    # Clipped before the mean, as `log_odds` clips each bag in `BalancedBinaryRelevance`.
    return tf.add_n([_clipped(bag(rows)) for bag in bags]) / len(bags)


def calibrated(calibration: AnyCalibration, z: Any) -> Any:
    """Return calibrated log-odds (m, K), as a calibration of `cascade.rules` computes them."""
    if isinstance(calibration, IsotonicCalibration):
        lines = zip(calibration.knots, calibration.values, strict=True)
        return tf.stack([_line(z[:, k], knots, values) for k, (knots, values) in enumerate(lines)], axis=1)
    steeper = calibration.high - calibration.low
    return calibration.low * z + steeper * tf.math.softplus(z) + calibration.intercept


def _line(z: Any, knots: Any, values: Any) -> Any:
    """Interpolate linearly between knots, constant outside of them."""
    # A sum over the pieces, since ONNX has no operation like `np.interp`.
    width = np.diff(knots)
    inside = tf.clip_by_value(z[:, None] - knots[:-1], 0.0, width)
    return values[0] + tf.reduce_sum(inside * (np.diff(values) / width), axis=1)


def stacked(stack: Stack, base: Any, features: list[Any]) -> Any:
    """Return stacked log-odds (m, C), as `cascade.rules.probability.stack` computes them."""
    return base + stack.intercept + tf.add_n([w * z for w, z in zip(stack.weights, features, strict=True)])


def _noisy_or(z: Any) -> Any:
    """Return the log-odds (m, 1) that some label is present if the labels (m, K) are independent."""
    return graph_log_odds(1 - tf.exp(-tf.reduce_sum(tf.math.softplus(z), axis=1, keepdims=True)))


def _clipped(z: Any) -> Any:
    return tf.clip_by_value(z, -FURTHEST, FURTHEST)
