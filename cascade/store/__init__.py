"""How is a model kept on disk? As JSON, Keras archives and skops files, each checked before it is parsed."""

from cascade.store.exporting import Exporter
from cascade.store.folder import load_cascade, save_cascade
from cascade.store.stored import StoredCascade

__all__ = ["Exporter", "StoredCascade", "load_cascade", "save_cascade"]
