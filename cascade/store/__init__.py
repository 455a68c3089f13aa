"""How is a model kept on disk? Plain JSON, Keras archives and skops files, checked before anything is parsed."""

from cascade.store.exporting import Exporter
from cascade.store.folder import load_cascade, save_cascade
from cascade.store.stored import StoredCascade

__all__ = ["Exporter", "StoredCascade", "load_cascade", "save_cascade"]
