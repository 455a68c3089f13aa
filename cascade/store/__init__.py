"""Save and load finished cascades: plain JSON, Keras archives and skops files, checked before anything is parsed."""

from cascade.store.exporting import Exporter
from cascade.store.folder import load_predictor, save_predictor

__all__ = ["Exporter", "load_predictor", "save_predictor"]
