"""A feature table of problem A's shape, for what measures speed: six telling features among 32, and six labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from cascade.datasets.known_truth import LABEL_NAMES, draw

N_FEATURES = 32
NAMES = tuple(f"feature_{number:02d}" for number in range(N_FEATURES))
LABELS = LABEL_NAMES
ROW_GROUP = 65_536


def draw_table(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features, float32 of shape (n, 32), and labels, uint8 of shape (n, 6) with `any` last."""
    rows = draw(n, seed)
    noise = np.random.default_rng([seed, 1]).normal(size=(n, N_FEATURES - rows.X.shape[1]))
    return np.column_stack([rows.X, noise.astype(np.float32)]), rows.Y


def write_features(path: Path, n: int, seed: int) -> None:
    """Write the features of `n` rows as Parquet, a part at a time."""
    schema = pa.schema([(name, pa.float32()) for name in NAMES])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for part, start in enumerate(range(0, n, ROW_GROUP)):
            X, _ = draw_table(min(ROW_GROUP, n - start), seed + part)
            writer.write_table(pa.table(dict(zip(NAMES, X.T, strict=True)), schema=schema))
