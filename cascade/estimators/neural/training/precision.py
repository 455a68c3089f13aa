"""Mixed precision: a training computes in bfloat16 where that pays; weights, logits and predictions are float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras

from cascade.estimators.neural.networks import HEADS, all_layers

PLAIN, AUTO, MIXED = "float32", "auto", "mixed"
PRECISIONS = (PLAIN, AUTO, MIXED)
POLICY = "mixed_bfloat16"
"""Not float16, whose small range takes a scale of the loss, which would be one more state of a training."""
CAPABILITY = (8, 0)
"""Of NVIDIA's GPUs, the first compute capability with bfloat16."""
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
CPUINFO = Path("/proc/cpuinfo")


def is_mixed(precision: str) -> bool:
    """Return whether networks are trained in mixed precision on this machine."""
    return precision == MIXED or (precision == AUTO and has_bfloat16())


@cache
def has_bfloat16() -> bool:
    """Return whether the GPUs that TensorFlow sees, or without one the processor, multiply in bfloat16."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        return all(each.get("compute_capability", (0, 0)) >= CAPABILITY for each in details)
    # Other processors compute with bfloat16 by converting each number, which takes longer than float32.
    return CPUINFO.exists() and not INSTRUCTIONS.isdisjoint(CPUINFO.read_text(encoding="utf-8").split())


@contextmanager
def mixed(network: keras.Model) -> Iterator[None]:
    """Let a network by name compute in bfloat16 in the block, with variables in float32.

    Heads stay float32, and so do all layers up to the first weights: bfloat16 has 8 bits, in which small differences of
    what a row holds vanish, such as a faint spot in an image (`benchmarks/precision.py`).
    """
    layers = list(all_layers(network))
    first = next(number for number, layer in enumerate(layers) if layer.trainable_weights)
    last = max(number for number, layer in enumerate(layers) if layer.name in HEADS)
    changed = [layer for layer in layers[first + 1 : last] if layer.name not in HEADS]
    policies = [layer.dtype_policy for layer in changed]
    for layer in changed:
        layer.dtype_policy = POLICY
    try:
        yield
    finally:
        for layer, policy in zip(changed, policies, strict=True):
            layer.dtype_policy = policy
        # Compiled functions keep the precision that they were traced in.
        network.train_function = network.test_function = network.predict_function = None
