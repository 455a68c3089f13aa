"""What are X, Y, groups and weights? In memory here, from files through `read_data`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.data.readers.dataset import Dataset
    from cascade.data.readers.reading import read_data

__all__ = ["Dataset", "read_data"]


def __getattr__(name: str) -> Any:
    # Imported on first use: readers need pyarrow and Pillow, rows in memory do not.
    if name == "Dataset":
        from cascade.data.readers.dataset import Dataset

        return Dataset
    if name == "read_data":
        from cascade.data.readers.reading import read_data

        return read_data
    raise AttributeError(f"module 'cascade.data' has no attribute {name!r}")
