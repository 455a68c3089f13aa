"""Data from files: arrays, feature tables and folders of images, all as one kind of data set."""

from cascade.data.dataset import Dataset
from cascade.data.reading import read_data

__all__ = ["Dataset", "read_data"]
