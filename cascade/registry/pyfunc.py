"""The module by which MLflow loads registered cascades; existing versions refer to it, so it cannot be renamed."""

from cascade.serving.mlflow_pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
