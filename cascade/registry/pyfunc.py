"""The name by which MLflow loads registered cascades; versions that are in a registry keep it for good."""

from cascade.serving.mlflow_pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
