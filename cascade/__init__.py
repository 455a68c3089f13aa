"""Cascade: multi-label classification in which most rows have no label."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cascade.utils.version import __version__

if TYPE_CHECKING:
    from cascade.classifier import CascadeClassifier
    from cascade.data.model_selection import GroupedMultilabelSplit
    from cascade.estimators.balanced import BalancedBinaryRelevance
    from cascade.estimators.neural import KerasClassifier
    from cascade.many_labels.classifier import ManyLabelClassifier
    from cascade.many_labels.predictor import ManyLabelPredictor
    from cascade.predictor import CascadePredictor

__all__ = [
    "BalancedBinaryRelevance",
    "CascadeClassifier",
    "CascadePredictor",
    "GroupedMultilabelSplit",
    "KerasClassifier",
    "ManyLabelClassifier",
    "ManyLabelPredictor",
    "__version__",
]

_HOMES = {
    "BalancedBinaryRelevance": "cascade.estimators.balanced",
    "CascadeClassifier": "cascade.classifier",
    "CascadePredictor": "cascade.predictor",
    "GroupedMultilabelSplit": "cascade.data.model_selection",
    "KerasClassifier": "cascade.estimators.neural",
    "ManyLabelClassifier": "cascade.many_labels.classifier",
    "ManyLabelPredictor": "cascade.many_labels.predictor",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `import cascade` and --help must not wait for scikit-learn.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cascade' has no attribute {name!r}")
